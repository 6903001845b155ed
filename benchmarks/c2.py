"""What the way to Caffe2 and back costs, beside Caffe2's own time, as ratios within one run.

`run`: a call of ``rep.run`` beside what Caffe2's operators took in it, by the clock of their
process. `prepare`: beside one read of the file with the weights, which is in the page cache. `warm`
is with the template running, as it is from the second graph on; `cold` starts it first; `memory` is
a graph whose weights lie in no file. `cycle` is prepare, run and close of a net of one operator.
Needs Caffe2's runtime: ``python -m toffee.backend.c2 install``. See benchmarks/README.md.
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
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from export import HERE, seconds

MODELS = ("alexnet",)
CYCLES = 200


def write_model(name: str, folder: str) -> None:
    import numpy as np
    from seed_models import seed_model

    from toffee.torch_toffee import export

    model, x = seed_model(name)
    export(model, x, os.path.join(folder, "m.toffee"), input_names=["x"])
    np.save(os.path.join(folder, "x.npy"), x.numpy())


def read_file(path: str) -> None:
    with open(path, "rb", buffering=0) as f:
        f.read()


def prepare_seconds(graph: Any) -> float:
    from toffee.backend import c2

    gc.collect()
    start = time.perf_counter()
    rep = c2.prepare(graph)
    took = time.perf_counter() - start
    rep.close()
    return took


def measure_rounds(folder: str, rounds: int) -> dict[str, Any]:
    """Times of everything in turn. The first round reads the file into the page cache and does not
    count."""
    import numpy as np

    import toffee
    from toffee.backend import c2
    from toffee.backend.c2 import _process

    path = os.path.join(folder, "m.toffee")
    x = np.load(os.path.join(folder, "x.npy"))
    rows = []
    with c2.prepare(toffee.load(path)) as rep:
        for _ in range(rounds + 1):
            row = {"read": seconds(lambda: read_file(path))}
            row["warm"] = prepare_seconds(toffee.load(path))
            row["memory"] = prepare_seconds(toffee.loads(Path(path).read_bytes()))
            _process._forget_template()
            row["cold"] = prepare_seconds(toffee.load(path))
            row["run"] = seconds(lambda: rep.run(x))
            row["net"] = rep.last_net_seconds or 0.0
            rows.append(row)
    return {"rounds": rows[1:], "bytes": os.path.getsize(path), "cycle": cycle_seconds()}


def cycle_seconds() -> float:
    import numpy as np

    from toffee import Tensor, helper
    from toffee.backend import c2

    x, y = (helper.make_tensor_value_info(name, Tensor.FLOAT, [4]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "relu", [x], [y])

    def cycle() -> None:
        with c2.prepare(graph) as rep:
            rep.run(np.zeros(4, np.float32))

    cycle()
    return seconds(lambda: [cycle() for _ in range(CYCLES)]) / CYCLES


def child(*arguments: str) -> Any:
    command = [sys.executable, __file__, *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.strip().splitlines()[-1])


def print_rows(name: str, result: dict[str, Any]) -> None:
    def line(label: str, value: Callable[[dict[str, float]], float], floor: str) -> None:
        rows = result["rounds"]
        time = statistics.median(value(row) for row in rows)
        ratio = statistics.median(value(row) / row[floor] for row in rows)
        print(f"{name:<10} {label:<34} {time * 1e3:10.2f} {ratio:9.3f}×  {floor}", flush=True)

    line("Caffe2's net", lambda row: row["net"], "net")
    line("run", lambda row: row["run"], "net")
    line("read the weights", lambda row: row["read"], "read")
    line("prepare, warm", lambda row: row["warm"], "read")
    line("prepare, cold", lambda row: row["cold"], "read")
    line("prepare, weights in memory", lambda row: row["memory"], "read")
    print(f"{'':<10} {'prepare, run, close: one operator':<34} {result['cycle'] * 1e3:10.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--out", type=Path, default=HERE / "results")
    parser.add_argument("--task", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task == "write":
        write_model(options.models[0], options.folder)
        print("{}")
    elif options.task == "rounds":
        print(json.dumps(measure_rounds(options.folder, options.rounds)))
    else:
        options.out.mkdir(parents=True, exist_ok=True)
        print(f"{'':<45} {'ms':>10} {'over':>9}")
        results = {}
        for name in options.models:
            with tempfile.TemporaryDirectory(prefix="toffee-bench-") as folder:
                common = ["--models", name, "--folder", folder]
                child(*common, "--task", "write")
                results[name] = child(*common, "--task", "rounds", "--rounds", str(options.rounds))
            print_rows(name, results[name])
        (options.out / "c2.json").write_text(json.dumps(results, indent=1))
        print(f"written: {options.out / 'c2.json'}")


if __name__ == "__main__":
    main()
