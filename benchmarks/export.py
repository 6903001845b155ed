"""Export, load and check beside their peers, as ratios within one run.

Machines are shared and noisy: each task runs in a process of its own, which times its floor (one
forward pass, one write of the same bytes) and itself in turn, round by round. What counts is the
median of the rounds' ratios. See benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "examples"))

MODELS = ("alexnet", "resnet50", "densenet121", "vgg16")
EXPORTERS = {
    "toffee": "torch.toffee.export",
    "toffee_onnx": "torch.toffee.export, .onnx",
    "jit": "torch.jit.trace + save",
    "torch_export": "torch.export.export + save",
    "onnx_dynamo": "torch.onnx.export(dynamo=True)",
    "onnx_script": "torch.onnx.export(dynamo=False)",
}
READERS = {
    "load": ("toffee.load", "onnx.load"),
    "check": ("toffee.checker.check_graph", "onnx.checker.check_model"),
}


def seconds(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def peak_bytes() -> int:
    """Highest resident size of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def write_plainly(data: bytes, path: str) -> None:
    """The floor of writing: a new file with DATA, in one call."""
    Path(path).unlink(missing_ok=True)
    with open(path, "wb", buffering=0) as f:
        f.write(data)


def exporter(task: str, model: Any, x: Any, path: str) -> Callable[[], Any]:
    """What a user of TASK would call to get MODEL into a file."""
    import torch

    if task in ("toffee", "toffee_onnx"):
        from toffee.torch_toffee import export

        kind = "onnx" if task == "toffee_onnx" else "toffee"
        return lambda: export(model, x, path, format=kind)
    if task == "jit":
        return lambda: torch.jit.save(torch.jit.trace(model, x, check_trace=False), path)
    if task == "torch_export":
        return lambda: torch.export.save(torch.export.export(model, (x,)), path + ".pt2")
    dynamo = task == "onnx_dynamo"
    return lambda: torch.onnx.export(model, (x,), path, dynamo=dynamo, verbose=False)


def run_exporter(task: str, name: str, rounds: int, folder: str, batch: int) -> dict[str, Any]:
    """Times of TASK and of its floor, in turn, in this process."""
    import torch
    from seed_models import seed_model

    model, x = seed_model(name)
    if batch:
        x = torch.randn(batch, *x.shape[1:])
    model_bytes = sum(t.nbytes for t in model.state_dict().values())
    path = os.path.join(folder, "m.bin")

    def forward() -> None:
        with torch.inference_mode():
            model(x)

    small = torch.nn.Linear(4, 4)
    cold = seconds(
        exporter(task, small, torch.zeros(2, 4), path)
    )  # imports what the exporter needs
    for _ in range(3):  # PyTorch's caches grow on the second pass, too
        forward()
    before = peak_bytes()
    run = exporter(task, model, x, path)
    run()
    memory = (peak_bytes() - before) / model_bytes
    result = {"cold": cold, "memory": memory, "model_bytes": model_bytes, "rounds": []}
    data = b"\0" * model_bytes
    for _ in range(rounds):
        row = {"forward": seconds(forward)}
        row["write"] = seconds(lambda: write_plainly(data, path + ".floor"))
        if os.path.exists(path):
            os.unlink(path)
        row["export"] = seconds(run)
        result["rounds"].append(row)
    return result


def run_reader(task: str, name: str, rounds: int, folder: str) -> dict[str, Any]:
    """Times of toffee and of onnx on the same ONNX file, in turn."""
    import onnx
    from seed_models import seed_model

    import toffee
    from toffee.torch_toffee import export

    model, x = seed_model(name)
    path = os.path.join(folder, "m.onnx")
    export(model, x, path)
    del model
    rows = []
    if task == "check":
        graph, proto = toffee.load(path), onnx.load(path)
    for _ in range(rounds):
        if task == "load":
            row = {
                "toffee": seconds(lambda: toffee.load(path)),
                "onnx": seconds(lambda: onnx.load(path)),
            }
        else:
            row = {
                "toffee": seconds(lambda: toffee.checker.check_graph(graph)),
                "onnx": seconds(lambda: onnx.checker.check_model(proto)),
            }
        rows.append(row)
    return {"rounds": rows}


def child(task: str, name: str, rounds: int, timeout: float, batch: int) -> dict[str, Any]:
    """Runs one task in a process of its own; one that fails says why and the rest goes on."""
    with tempfile.TemporaryDirectory(prefix="toffee-bench-") as folder:
        command = [sys.executable, __file__, "--task", task, "--models", name]
        command += ["--rounds", str(rounds), "--folder", folder, "--batch", str(batch)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
        except subprocess.TimeoutExpired:
            return {"error": f"took more than {timeout:.0f} s"}
    if done.returncode != 0:
        return {"error": (done.stderr.strip().splitlines() or ["no message"])[-1][:200]}
    return json.loads(done.stdout.strip().splitlines()[-1])


def median_ratio(rounds: list[dict[str, float]], top: str, *bottom: str) -> float:
    return statistics.median(row[top] / sum(row[key] for key in bottom) for row in rounds)


def median(rounds: list[dict[str, float]], key: str) -> float:
    return statistics.median(row[key] for row in rounds)


def measure(
    names: list[str], exporters: list[str], rounds: int, timeout: float, batch: int
) -> dict[str, Any]:
    results: dict[str, Any] = {"export": {}, "read": {}}
    for name in names:
        rows = results["export"][name] = {}
        for task in exporters:
            row = rows[task] = child(task, name, rounds, timeout, batch)
            if "error" not in row:
                row["ratio"] = median_ratio(row["rounds"], "export", "forward", "write")
            print_export_row(name, task, row)
        rows = results["read"][name] = {}
        for task in READERS:
            row = rows[task] = child(task, name, max(rounds, 5), timeout, batch)
            if "error" not in row:
                row["ratio"] = median_ratio(row["rounds"], "onnx", "toffee")
            print_read_row(name, task, row)
    return results


def print_export_row(name: str, task: str, row: dict[str, Any]) -> None:
    label = f"{name:<12} {EXPORTERS[task]:<32}"
    if "error" in row:
        print(f"{label} {row['error']}", flush=True)
        return
    times = [1e3 * median(row["rounds"], key) for key in ("forward", "write", "export")]
    numbers = "{:9.1f} {:9.1f} {:10.1f}".format(*times)
    print(f"{label} {numbers} {row['ratio']:8.2f}× {row['memory'] * 100:+8.1f} %", flush=True)


def print_read_row(name: str, task: str, row: dict[str, Any]) -> None:
    ours, theirs = READERS[task]
    label = f"{name:<12} {ours} / {theirs}"
    if "error" in row:
        print(f"{label} {row['error']}", flush=True)
        return
    rounds = row["rounds"]
    print(
        f"{label:<70} {median(rounds, 'toffee') * 1e3:10.3f} {median(rounds, 'onnx') * 1e3:10.1f}"
        f" {row['ratio']:8.0f}×",
        flush=True,
    )


def plot(results: dict[str, Any], path: Path) -> None:
    """Bars of export time over (forward + write), a group for each model."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    names = list(results["export"])
    figure, axes = plt.subplots(figsize=(2.2 + 2 * len(names), 4.5), layout="constrained")
    width = 0.8 / len(EXPORTERS)
    for i, (task, label) in enumerate(EXPORTERS.items()):
        heights = [results["export"][name].get(task, {}).get("ratio", 0) for name in names]
        bars = axes.bar([k + i * width for k in range(len(names))], heights, width, label=label)
        axes.bar_label(bars, [f"{h:.1f}" if h else "" for h in heights], fontsize=7)
    axes.axhline(1, color="black", linewidth=0.8)
    axes.set_yscale("log")
    axes.set_ylabel("time over (forward pass + plain write)")
    axes.set_xticks([k + 0.4 - width / 2 for k in range(len(names))], names)
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=130)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--exporters", nargs="+", default=list(EXPORTERS), choices=EXPORTERS)
    parser.add_argument("--batch", type=int, default=0, help="by default each model's own")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--timeout", type=float, default=600, help="seconds for one task")
    parser.add_argument("--out", type=Path, default=HERE / "results")
    parser.add_argument("--task", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        warnings.simplefilter("ignore")
        out, sys.stdout = sys.stdout, io.StringIO()  # exporters print; our line must be the last
        job = (options.task, options.models[0], options.rounds, options.folder)
        result = run_reader(*job) if options.task in READERS else run_exporter(*job, options.batch)
        out.write(json.dumps(result) + "\n")
        return
    options.out.mkdir(parents=True, exist_ok=True)
    print(f"{'':<45} {'forward':>9} {'write':>9} {'export':>10} {'ratio':>9} {'memory':>10}")
    print(f"{'':<45} {'ms':>9} {'ms':>9} {'ms':>10} {'':>9} {'of model':>10}")
    results = measure(
        options.models, options.exporters, options.rounds, options.timeout, options.batch
    )
    (options.out / "export.json").write_text(json.dumps(results, indent=1))
    plot(results, options.out / "export.png")
    print(f"written: {options.out / 'export.json'}, {options.out / 'export.png'}")


if __name__ == "__main__":
    main()
