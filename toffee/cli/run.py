"""``toffee run``."""

from __future__ import annotations

import argparse
import time
from typing import Any

from . import _common, _values
from ._common import Parsers, UsageError, about, put, put_json, table

_EXAMPLES = """
toffee run alexnet.toffee
toffee run alexnet.toffee -i photo.npy -o scores.npz
toffee run m.onnx -i ids=1x128:int64 -i mask=mask.npy --backend torch
toffee run bert.toffee --size batch=4,length=128
toffee run resnet50.toffee --repeat 50 --json
"""


def add(commands: Parsers) -> None:
    parser = _common.add_command(
        commands,
        "run",
        _run,
        "compute the outputs of a graph",
        _EXAMPLES,
        "Compute the outputs of a graph. Inputs that are not given are random numbers of the\n"
        "declared type (integers: 0 or 1; symbols: 2, or what --size says; sizes that are not\n"
        "declared: 1).",
    )
    parser.add_argument("file", metavar="FILE", help="'-' is standard input")
    _values.add_arguments(parser)
    parser.add_argument(
        "--backend",
        choices=_values.BACKENDS,
        default="onnxruntime",
        help="what computes (default: onnxruntime)",
    )
    parser.add_argument(
        "--repeat",
        type=_common.integer(0, 1 << 63),
        default=0,
        metavar="N",
        help="run N times more, and say how long a run takes",
    )
    parser.add_argument(
        "-o",
        "--out",
        metavar="FILE",
        help="write the outputs to this .npz file; '-' is standard "
        "output, and nothing else is put there",
    )
    _common.add_json(parser)


def _times(rep: Any, inputs: dict[str, Any], n: int) -> dict[str, float]:
    """Milliseconds of N runs; the run before them has warmed up."""
    from statistics import median

    took = []
    for _ in range(n):
        start = time.perf_counter()
        rep.run(inputs)
        took.append((time.perf_counter() - start) * 1e3)
    return {"median": median(took), "least": min(took), "most": max(took)}


def _run(args: argparse.Namespace) -> None:
    if args.out == "-":
        if args.json:
            raise UsageError("--json and --out - both write to standard output")
        _common.output_stream()  # is it one that can be written to?
    elif args.out:
        if not args.out.endswith(".npz"):
            raise UsageError(f"{args.out!r} does not end in .npz, which is what is written")
        _common.keep_input(args.out, args.file)
    graph = _common.read(args.file)
    with about(args.file):
        inputs = _values.read_inputs(graph, args)
        backend = _values.find_backend(args.backend)
        with backend.prepare(graph, device=args.device) as rep:
            outputs = rep.run(inputs)
            times = _times(rep, inputs, args.repeat) if args.repeat else None
    if args.out:
        _values.write_outputs(args.out, outputs.names, outputs)
    if args.out == "-":
        return
    found = {
        name: {"type": _values.describe(value), **dict(_values.numbers(value))}
        for name, value in zip(outputs.names, outputs, strict=True)
    }
    if args.json:
        what = {"file": args.file, "backend": args.backend, "device": args.device}
        put_json({**what, "outputs": found, "milliseconds": times})
        return
    rows: list[list[str]] = []
    for name, row in found.items():
        kind = str(row.pop("type"))
        rows.append([f"output {name}", kind, *(f"{key} {n:.6g}" for key, n in row.items())])
    put("\n".join(table([row + [""] * (5 - len(row)) for row in rows])))
    if times:
        spread = f"{times['least']:.3g} to {times['most']:.3g}"
        put(
            f"{args.backend} on {args.device}: {times['median']:.3g} ms a run "
            f"(median of {args.repeat}; {spread})"
        )
