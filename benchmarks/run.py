"""From a file to the first result: toffee beside ONNX Runtime alone, as ratios within one run.

A round opens the same ONNX file and runs it once, both ways in turn, in one process. Peak memory is
taken in processes that do one of the two, once. See benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from export import HERE, peak_bytes, seconds

MODELS = ("resnet50", "vgg16")
#: Threads allocate in another order each time: the median of so many peaks.
PROCESSES = 5
TASKS = {
    "toffee": "toffee: load + prepare + run",
    "toffee_plain": "toffee: prepare(optimize=False)",
    "onnxruntime": "InferenceSession(path) + run",
}


def write_model(name: str, folder: str) -> None:
    """The file, and an input beside it. The batch is one, as in a service that answers."""
    import numpy as np
    from seed_models import seed_model

    from toffee.torch_toffee import export

    model, x = seed_model(name)
    export(model, x[:1], os.path.join(folder, "m.onnx"), input_names=["x"])
    np.save(os.path.join(folder, "x.npy"), x[:1].numpy())


def task_runner(task: str, folder: str) -> Callable[[], Any]:
    """What a user would call to get from the file to a result."""
    import numpy as np
    import onnxruntime

    import toffee
    from toffee.backend import onnxruntime as backend

    x = np.load(os.path.join(folder, "x.npy"))
    path = os.path.join(folder, "m.onnx")
    if task == "onnxruntime":
        return lambda: onnxruntime.InferenceSession(path).run(None, {"x": x})
    optimize = task == "toffee"
    return lambda: backend.prepare(toffee.load(path), optimize=optimize).run(x)


def run_rounds(folder: str, rounds: int) -> list[dict[str, float]]:
    """Times of all tasks in turn. The first round reads the file into the page cache and does not
    count."""
    import numpy as np

    runners = {task: task_runner(task, folder) for task in TASKS}
    results = [np.asarray(run()[0]) for run in runners.values()]
    for result in results[1:]:
        np.testing.assert_allclose(result, results[0], rtol=1e-3, atol=1e-3 * abs(results[0]).max())
    rows = []
    for _ in range(rounds):
        row = {}
        for task, run in runners.items():
            gc.collect()
            row[task] = seconds(run)
        rows.append(row)
    return rows


def run_once(task: str, folder: str) -> dict[str, float]:
    """How far TASK raises the peak of a process that has imported what it needs."""
    run = task_runner(task, folder)
    before = peak_bytes()
    run()
    return {"peak": peak_bytes() - before}


def child(*arguments: str) -> Any:
    command = [sys.executable, __file__, *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.strip().splitlines()[-1])


def measure(name: str, rounds: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="toffee-bench-") as folder:
        common = ["--models", name, "--folder", folder]
        child("--task", "write", *common)
        model_bytes = os.path.getsize(os.path.join(folder, "m.onnx"))
        rows = child("--task", "rounds", "--rounds", str(rounds), *common)
        peaks = {
            task: statistics.median(
                child("--task", task, *common)["peak"] for _ in range(PROCESSES)
            )
            for task in TASKS
        }
    return {"model_bytes": model_bytes, "rounds": rows, "peaks": peaks}


def print_rows(name: str, result: dict[str, Any]) -> None:
    rows, peaks = result["rounds"], result["peaks"]
    for task, label in TASKS.items():
        time = statistics.median(row[task] for row in rows)
        ratio = statistics.median(row[task] / row["onnxruntime"] for row in rows)
        memory = peaks[task] / result["model_bytes"]
        share = peaks[task] / peaks["onnxruntime"]
        print(
            f"{name:<10} {label:<34} {time * 1e3:10.1f} {ratio:9.2f}× "
            f"{peaks[task] / 2**20:10.0f} {memory:8.2f}× {share:8.2f}×",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=HERE / "results")
    parser.add_argument("--task", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task == "write":
        write_model(options.models[0], options.folder)
        print("{}")
    elif options.task == "rounds":
        print(json.dumps(run_rounds(options.folder, options.rounds)))
    elif options.task:
        print(json.dumps(run_once(options.task, options.folder)))
    else:
        options.out.mkdir(parents=True, exist_ok=True)
        head = ("ms", "time over", "peak MiB", "of file", "memory over")
        print(f"{'':<45} {head[0]:>10} {head[1]:>10} {head[2]:>10} {head[3]:>9} {head[4]:>9}")
        results = {}
        for name in options.models:
            results[name] = measure(name, options.rounds)
            print_rows(name, results[name])
        (options.out / "run.json").write_text(json.dumps(results, indent=1))
        print(f"written: {options.out / 'run.json'}")


if __name__ == "__main__":
    main()
