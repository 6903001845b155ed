"""Export for any size beside the export for one, and torch.onnx.export with dynamic_shapes.

What counts is the time over that of toffee's static export, which runs in turn with the others in
one process, a process for each model: the median of the rounds' ratios. Nodes are those of the
files; --run has ONNX Runtime run toffee's two files at the traced size, in turn. See
benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import functools
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
from typing import Any, NamedTuple

from export import HERE, median_ratio, seconds

MODELS = (
    "resnet50:1",
    "resnet50:2",
    "vgg16:2",
    "vit_b_16:2",
    "densenet121:2",
    "bert:2",
    "gpt2:2",
)
TRANSFORMERS = ("bert", "gpt2")
LENGTH = 64
ROUNDS_A_SESSION = 13  # odd: the one opened first is the other each time
LABELS = {
    "static": "torch.toffee.export",
    "batch": "… dynamic batch",
    "length": "… dynamic batch and length",
    "dynamo": "torch.onnx.export, dynamo, batch",
}


class Case(NamedTuple):
    """A model, and what it is called with."""

    model: Any
    names: list[str]
    args: tuple[Any, ...]


def build(name: str, batch: int) -> Case:
    """A torchvision model, or one of transformers in its first published size; random weights."""
    import torch
    from seed_models import import_torchvision

    torch.manual_seed(0)
    torchvision = import_torchvision()
    if name not in TRANSFORMERS:
        model = getattr(torchvision.models, name)()
        return Case(model.eval(), ["x"], (torch.randn(batch, 3, 224, 224),))
    import transformers

    ids = torch.randint(0, 1000, (batch, LENGTH))
    if name == "gpt2":
        gpt2 = transformers.GPT2Model(transformers.GPT2Config(use_cache=False))
        return Case(gpt2.eval(), ["input_ids"], (ids,))
    bert = transformers.BertModel(transformers.BertConfig())
    return Case(bert.eval(), ["input_ids", "attention_mask"], (ids, torch.ones_like(ids)))


def exporters(case: Case, peer: bool, path: str) -> dict[str, Callable[[], Any]]:
    """What a user would call for each of the files, ``path + task + .onnx``."""
    import torch

    from toffee.torch_toffee import export

    def ours(task: str, dims: Any) -> Callable[[], Any]:
        names = case.names if dims else None
        file = path + task + ".onnx"
        dynamic = dict.fromkeys(names, dims) if names else None
        return lambda: export(
            case.model, case.args, file, input_names=names, dynamic_dims=dynamic, progress=False
        )

    found = {"static": ours("static", None), "batch": ours("batch", {0: "batch"})}
    if case.names[0] == "input_ids":
        found["length"] = ours("length", {0: "batch", 1: "length"})
    if peer:
        batch = torch.export.Dim("batch")
        shapes: list[dict[int, Any]] = [{0: batch} for _ in case.args]
        found["dynamo"] = lambda: torch.onnx.export(
            case.model,
            case.args,
            path + "dynamo.onnx",
            dynamo=True,
            dynamic_shapes=tuple(shapes),
            verbose=False,
        )
    return found


def count_nodes(path: str) -> int:
    import onnx

    return len(onnx.load(path, load_external_data=False).graph.node)


def opened(case: Case, file: str) -> Callable[[], Any]:
    """A run of FILE by ONNX Runtime on one thread, with the arguments of the trace."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(file, options)
    names = [info.name for info in session.get_inputs()]
    feeds = {name: tensor.numpy() for name, tensor in zip(names, case.args, strict=True)}
    session.run(None, feeds)
    return functools.partial(session.run, None, feeds)


def run_both(case: Case, path: str, task: str, rounds: int) -> float:
    """How long ONNX Runtime takes with the file of TASK over the static one, at the traced size. It
    opens both anew every few rounds: where weights lie in memory is worth some per cent."""
    rows = []
    for at in range(rounds):
        order = ["static", task][:: 1 if at % 2 else -1]
        if at % ROUNDS_A_SESSION == 0:
            runs = {key: opened(case, f"{path}{key}.onnx") for key in order}
        rows.append({key: seconds(runs[key]) for key in order})
    return median_ratio(rows, task, "static")


def run_task(name: str, rounds: int, peer: bool, runs: int, folder: str) -> dict[str, Any]:
    """All exports of one model in turn, in this process."""
    import torch

    model, _, batch = name.partition(":")
    case = build(model, int(batch or 2))
    path = os.path.join(folder, "m.")
    todo = exporters(case, peer, path)
    result: dict[str, Any] = {"rounds": [], "errors": {}, "nodes": {}, "runs": {}}

    def forward() -> None:
        with torch.inference_mode():
            case.model(*case.args)

    forward()
    for task, run in list(todo.items()):
        try:
            run()
            result["nodes"][task] = count_nodes(f"{path}{task}.onnx")
        except Exception as error:  # what a peer cannot do is a result, too
            result["errors"][task] = f"{type(error).__name__}: {error}".splitlines()[0][:90]
            del todo[task]
    for _ in range(rounds):
        row = {"forward": seconds(forward)}
        for task, run in todo.items():
            row[task] = seconds(run)
        result["rounds"].append(row)
    for task in ("batch", "length") if runs else ():
        if task in todo:
            result["runs"][task] = run_both(case, path, task, runs)
    return result


def child(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Runs one model in a process of its own; one that fails says why and the rest goes on."""
    with tempfile.TemporaryDirectory(prefix="toffee-bench-") as folder:
        command = [sys.executable, __file__, "--models", name, "--folder", folder]
        command += ["--rounds", str(options.rounds), "--run", str(options.run)]
        command += ["--no-peer"] * options.no_peer
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=options.timeout)
        except subprocess.TimeoutExpired:
            return {"error": f"took more than {options.timeout:.0f} s"}
    if done.returncode != 0:
        return {"error": (done.stderr.strip().splitlines() or ["no message"])[-1][:90]}
    return json.loads(done.stdout.strip().splitlines()[-1])


def print_rows(name: str, result: dict[str, Any]) -> None:
    if "error" in result:
        print(f"{name:<14} {result['error']}", flush=True)
        return
    rounds = result["rounds"]
    forward = 1e3 * statistics.median(row["forward"] for row in rounds)
    for task, label in LABELS.items():
        head = f"{name:<14} {label:<33}"
        if task in result["errors"]:
            print(f"{head} {result['errors'][task]}", flush=True)
        elif task in result["nodes"]:
            time = 1e3 * statistics.median(row[task] for row in rounds)
            ratio = median_ratio(rounds, task, "static")
            run = f"{result['runs'][task]:8.3f}×" if task in result["runs"] else ""
            numbers = f"{forward:9.0f} {time:9.0f} {ratio:8.2f}× {result['nodes'][task]:7}"
            print(f"{head} {numbers} {run}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=list(MODELS), help="name:batch")
    parser.add_argument("--no-peer", action="store_true", help="without torch.onnx.export")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--run", type=int, default=0, help="rounds for ONNX Runtime; 0: none")
    parser.add_argument("--timeout", type=float, default=900, help="seconds for one model")
    parser.add_argument("--out", type=Path, default=HERE / "results")
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.folder:
        warnings.simplefilter("ignore")
        out, sys.stdout = sys.stdout, io.StringIO()  # exporters print; our line must be the last
        job = (options.models[0], options.rounds, not options.no_peer, options.run)
        out.write(json.dumps(run_task(*job, options.folder)) + "\n")
        return
    head = ("forward", "export", "ratio", "nodes", "run")
    print("{:<48} {:>9} {:>9} {:>9} {:>7} {:>9}".format("", *head))
    results = {}
    for name in options.models:
        results[name] = child(name, options)
        print_rows(name, results[name])
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "dynamic.json").write_text(json.dumps(results, indent=1))
    print(f"written: {options.out / 'dynamic.json'}")


if __name__ == "__main__":
    main()
