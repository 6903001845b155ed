"""What the command line and the import cost, over Python's own start.

``toffee print`` of a graph of 10,000 nodes, and ``import toffee``: the median of some rounds of
each, in turn with ``python -c pass``.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import toffee
from toffee import helper


def seconds(*command: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, *command], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=9)
    args = parser.parse_args()
    nodes = [
        helper.make_node("Conv", [str(i), "w"], [str(i + 1)], kernel_shape=[3, 3], pads=[1] * 4)
        for i in range(args.nodes)
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "m.toffee"))
        toffee.save(helper.make_graph(nodes, "g", ["0", "w"], [str(args.nodes)]), path)
        tasks = {
            "python -c pass": ["-c", "pass"],
            "import toffee": ["-c", "import toffee"],
            "toffee print": ["-m", "toffee", "print", path],
            "toffee print --color always": ["-m", "toffee", "print", path, "--color", "always"],
        }
        rows: dict[str, list[float]] = {name: [] for name in tasks}
        for _ in range(args.rounds):
            for name, command in tasks.items():
                rows[name].append(seconds(*command))
    start = statistics.median(rows["python -c pass"])
    for name, times in rows.items():
        median = statistics.median(times)
        print(f"{name:<30} {1e3 * median:8.1f} ms   {1e3 * (median - start):8.1f} over Python")


if __name__ == "__main__":
    main()
