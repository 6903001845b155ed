"""What the command line, the import and the hook in ``import torch`` cost.

Commands on a graph of 10,000 nodes and ``import toffee``, over Python's own start (the median of
the differences of rounds, each beside ``python -c pass``); what ``python -X importtime`` says of
``import toffee``; and what the entry point ``torch.backends`` adds to ``import torch``, in
processes that have imported PyTorch without it. Bytecode is kept, as in an installation.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import toffee
from toffee import helper

#: What PyTorch does at the end of `import torch`, once it has found the entry point.
_HOOK = """
import os, sys, time
os.environ["TORCH_DEVICE_BACKEND_AUTOLOAD"] = "0"
import importlib, torch
assert "toffee" not in sys.modules
start = time.perf_counter()
importlib.import_module("toffee._autoload")._autoload()
print(time.perf_counter() - start)
assert torch.toffee is not None
"""


def python(*words: str, env: dict[str, str]) -> tuple[float, subprocess.CompletedProcess[str]]:
    """Run Python; the seconds that it took, and what it said."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, check=True, env=env
    )
    return time.perf_counter() - start, done


def import_time(env: dict[str, str]) -> float:
    """Milliseconds, with all that it imports."""
    told = python("-X", "importtime", "-c", "import toffee", env=env)[1].stderr
    (found,) = re.findall(r"\|\s*(\d+) \| toffee$", told, re.MULTILINE)
    return int(found) / 1e3


def told(what: str, times: list[float], limit: str) -> None:
    """A line: the median of TIMES (milliseconds), and from where to where they go."""
    spread = f"{min(times):.2f} to {max(times):.2f}"
    print(f"{what:<44} {statistics.median(times):8.2f} ms   ({spread}; {limit})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--torch-rounds", type=int, default=7, help="a second each")
    args = parser.parse_args()
    nodes = [
        helper.make_node("Conv", [str(i), "w"], [str(i + 1)], kernel_shape=[3, 3], pads=[1] * 4)
        for i in range(args.nodes)
    ]
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "PYTHONPYCACHEPREFIX": str(Path(folder, "bytecode"))}
        for name in ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"):
            env.pop(name, None)
        path = str(Path(folder, "m.toffee"))
        toffee.save(helper.make_graph(nodes, "g", ["0", "w"], [str(args.nodes)]), path)
        tasks = {
            "import toffee": (["-c", "import toffee"], "limit 60"),
            "toffee --version": (["-m", "toffee", "--version"], ""),
            "toffee print": (["-m", "toffee", "print", path], "limit 200"),
            "toffee print --color always": (
                ["-m", "toffee", "print", path, "--color", "always"],
                "limit 200",
            ),
            "toffee print --source": (["-m", "toffee", "print", path, "--source"], "limit 200"),
            "toffee check": (["-m", "toffee", "check", path], ""),
            "toffee stats": (["-m", "toffee", "stats", path], ""),
        }
        for command, _ in tasks.values():  # makes the bytecode
            python(*command, env=env)
        rows: dict[str, list[float]] = {name: [] for name in tasks}
        for _ in range(args.rounds):
            start = python("-c", "pass", env=env)[0]
            for name, (command, _) in tasks.items():
                rows[name].append(1e3 * (python(*command, env=env)[0] - start))
        print(f"Over Python's own start, {args.nodes:,} nodes, {args.rounds} rounds:")
        for name, (_, limit) in tasks.items():
            told(name, rows[name], limit or "no limit")
        print("python -X importtime:")
        told("import toffee", [import_time(env) for _ in range(args.rounds)], "limit 60")
        hooks = [
            float(python("-c", _HOOK, env=env)[1].stdout) for _ in range(args.torch_rounds + 1)
        ]
        told("the hook in import torch", [1e3 * t for t in hooks[1:]], "limit 1")


if __name__ == "__main__":
    main()
