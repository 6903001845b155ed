"""``toffee check``."""

from __future__ import annotations

import argparse
from typing import Any

from . import _common
from ._common import Fault, Parsers, about, put, put_json, say

_EXAMPLES = """
toffee check alexnet.toffee
toffee check models/*.onnx
curl -s https://example.org/m.onnx | toffee check -
"""


def add(commands: Parsers) -> None:
    parser = _common.add_command(
        commands,
        "check",
        _run,
        "hold files against their format and their operators",
        _EXAMPLES,
        "Check that each FILE can be read, that every value is made once and before it is\n"
        "used, and that every node obeys its operator. The first fault of each is told.",
    )
    parser.add_argument("files", metavar="FILE", nargs="+", help="'-' is standard input")
    _common.add_json(parser)


def _check(path: str) -> dict[str, Any]:
    """What there is to say about the file PATH; ``fault`` is None if it has none."""
    from .. import checker
    from .._symbols import symbols_of

    try:
        graph = _common.read(path)
        counts = {
            "nodes": len(graph),
            "initializers": len(graph.initializer),
            "symbols": list(symbols_of(graph)),
        }
        with about(path):
            checker.check_graph(graph)
    except Fault as fault:
        return {"file": path, "fault": str(fault)}
    return {"file": path, "fault": None, **counts}


def _run(args: argparse.Namespace) -> int:
    found = [_check(path) for path in args.files]
    if args.json:
        put_json({"files": found})
    for row in found if not args.json else ():
        if row["fault"]:
            say(f"toffee: {row['fault']}")
        else:
            name = _common.title(row["file"])
            nodes = _common.counted(row["nodes"], "node")
            tensors = _common.counted(row["initializers"], "initializer")
            symbols = row["symbols"]
            what = "symbol" if len(symbols) == 1 else "symbols"
            sizes = f", {what} {', '.join(symbols)}" if symbols else ""
            put(f"{name}: {nodes}, {tensors}{sizes}, no fault found")
    return 1 if any(row["fault"] for row in found) else 0
