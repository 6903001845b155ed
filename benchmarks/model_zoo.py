"""Export of models of torchvision, timm and transformers, beside torch.onnx.export.

The models are those of tests/models. For those whose forward takes long, what counts is export over
(forward + a plain write of as many bytes); for small ones the microseconds that the export takes
for each ATen call of the forward. A process for each exporter and model. See benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import copy
import gc
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from export import HERE, median, median_ratio, seconds, write_plainly

sys.path.insert(0, str(HERE.parent / "tests" / "models"))

#: library, model. The first ones take more than 50 ms, the others have few numbers to compute.
MODELS = (
    ("torchvision", "vit_b_16"),
    ("torchvision", "densenet201"),
    ("torchvision", "mvit_v1_b"),
    ("timm", "coat: coat_tiny"),
    ("timm", "convmixer: convmixer_768_32"),
    ("timm", "volo: volo_d1_224"),
    ("timm", "vision_transformer: test_vit"),
    ("transformers", "bert"),
    ("transformers", "llama"),
    ("transformers", "t5"),
    ("transformers", "mamba"),
    ("transformers", "deberta-v2"),
)
EXPORTERS = {
    "toffee": "torch.toffee.export",
    "onnx_dynamo": "torch.onnx.export(dynamo=True)",
    "onnx_script": "torch.onnx.export(dynamo=False)",
}


def count_calls(forward: Callable[[], Any]) -> int:
    """How many ATen calls FORWARD makes under inference mode."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class Counter(TorchDispatchMode):
        n = 0

        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            self.n += 1
            return func(*args, **(kwargs or {}))

    with Counter() as counter:
        forward()
    return counter.n


def exporter(task: str, model: Any, args: Any, kwargs: Any, path: str) -> Callable[[], Any]:
    import torch

    from toffee.torch_toffee import export

    if task == "toffee":
        return lambda: export(model, args, path, kwargs=dict(kwargs))
    dynamo = task == "onnx_dynamo"
    return lambda: torch.onnx.export(
        model, args, path, kwargs=dict(kwargs), dynamo=dynamo, verbose=False
    )


def run_task(task: str, library: str, name: str, rounds: int, folder: str) -> dict[str, Any]:
    """Times of TASK and of its floor, in turn, in this process."""
    import torch
    import zoo
    from zoo_case import arguments, build

    case = zoo.load_cases(library)[name]
    model = build(case)
    args, kwargs = arguments(case, 1)

    def forward() -> None:
        with torch.inference_mode():
            model(*copy.copy(args), **dict(kwargs))

    for _ in range(3):
        forward()
    path = os.path.join(folder, "m.onnx")
    run = exporter(task, model, args, kwargs, path)
    run()
    data = b"\0" * sum(t.nbytes for t in model.state_dict().values())
    with torch.inference_mode():
        result: dict[str, Any] = {"calls": count_calls(forward), "rounds": []}
    for _ in range(rounds):
        gc.collect()
        row = {"forward": seconds(forward)}
        row["write"] = seconds(lambda: write_plainly(data, path + ".floor"))
        if os.path.exists(path):
            os.unlink(path)
        row["export"] = seconds(run)
        result["rounds"].append(row)
    return result


def child(task: str, library: str, name: str, rounds: int, timeout: float) -> dict[str, Any]:
    """Runs one task in a process of its own; one that fails says why and the rest goes on."""
    with tempfile.TemporaryDirectory(prefix="toffee-bench-") as folder:
        command = [sys.executable, __file__, "--task", task, "--models", f"{library}/{name}"]
        command += ["--rounds", str(rounds), "--folder", folder]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
        except subprocess.TimeoutExpired:
            return {"error": f"took more than {timeout:.0f} s"}
    if done.returncode != 0:
        lines = [line for line in done.stderr.strip().splitlines() if line and line[0] != " "]
        return {"error": (lines or ["no message"])[-1][:90]}
    return json.loads(done.stdout.strip().splitlines()[-1])


def print_row(library: str, name: str, task: str, row: dict[str, Any]) -> None:
    label = f"{library + ' ' + name:<42} {EXPORTERS[task]:<32}"
    if "error" in row:
        print(f"{label} {row['error']}", flush=True)
        return
    rounds = row["rounds"]
    times = [1e3 * median(rounds, key) for key in ("forward", "write", "export")]
    over = statistics.median(r["export"] - r["forward"] - r["write"] for r in rounds)
    numbers = "{:9.1f} {:9.1f} {:10.1f}".format(*times)
    ratio = median_ratio(rounds, "export", "forward", "write")
    print(f"{label} {numbers} {ratio:8.2f}× {row['calls']:7} {over / row['calls'] * 1e6:9.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=["/".join(pair) for pair in MODELS])
    parser.add_argument("--exporters", nargs="+", default=list(EXPORTERS), choices=EXPORTERS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--timeout", type=float, default=600, help="seconds for one task")
    parser.add_argument("--out", type=Path, default=HERE / "results")
    parser.add_argument("--task", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    options = parser.parse_args()
    pairs = [tuple(model.split("/", 1)) for model in options.models]
    if options.task:
        warnings.simplefilter("ignore")
        out, sys.stdout = sys.stdout, io.StringIO()  # exporters print; our line must be the last
        result = run_task(options.task, *pairs[0], options.rounds, options.folder)
        out.write(json.dumps(result) + "\n")
        return
    head = ("forward", "write", "export", "ratio", "calls", "µs a call")
    print("{:<75} {:>9} {:>9} {:>10} {:>9} {:>7} {:>9}".format("", *head))
    results = []
    for library, name in pairs:
        for task in options.exporters:
            row = child(task, library, name, options.rounds, options.timeout)
            print_row(library, name, task, row)
            results.append({"library": library, "model": name, "exporter": task, **row})
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "model_zoo.json").write_text(json.dumps(results, indent=1))
    print(f"written: {options.out / 'model_zoo.json'}")


if __name__ == "__main__":
    main()
