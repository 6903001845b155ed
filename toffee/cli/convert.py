"""``toffee convert``."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from . import _common
from ._common import Fault, Parsers, UsageError, about

if TYPE_CHECKING:
    from .._core import Graph

_EXAMPLES = """
toffee convert alexnet.toffee alexnet.onnx
toffee convert alexnet.onnx alexnet.toffee --without-params
toffee convert alexnet.toffee nets --to caffe2
toffee convert nets alexnet.onnx --input 1x3x224x224
cat m.onnx | toffee convert - - --to toffee > m.toffee
"""


def add(commands: Parsers) -> None:
    parser = _common.add_command(
        commands,
        "convert",
        _run,
        "write a graph in another format",
        _EXAMPLES,
        "Write a graph as ToffeeIR, as ONNX (for a name that ends in .onnx), or as Caffe2's\n"
        "nets. OUT is replaced in one step: after an error it is as it was.",
    )
    parser.add_argument(
        "file",
        metavar="FILE",
        help="'-' is standard input; or a folder with Caffe2's init_net.pb and predict_net.pb",
    )
    parser.add_argument(
        "out", metavar="OUT", help="'-' is standard output; with --to caffe2 it is a folder"
    )
    parser.add_argument(
        "--to",
        choices=("toffee", "onnx", "caffe2"),
        help="whatever the name of OUT; caffe2: init_net.pb and predict_net.pb in OUT",
    )
    parser.add_argument(
        "--device", metavar="DEVICE", help="for --to caffe2: CPU, or CUDA:N (default: CPU)"
    )
    parser.add_argument(
        "--prefer",
        choices=("caffe2", "aten"),
        help="for --to caffe2: its own operators (the default), or PyTorch's functions by its "
        "operator ATen",
    )
    parser.add_argument(
        "-i",
        "--input",
        action="append",
        default=[],
        metavar="[NAME=]SHAPE",
        help="for nets of Caffe2, which do not say it: of an input, such as 1x3x224x224 or "
        "ids=8:int64; without a name, of the inputs in order; repeatable",
    )
    parser.add_argument("--without-params", action="store_true", help="leave the initializers out")
    parser.add_argument(
        "--ir-version", type=int, choices=(1, 2), help="1: the operators and format of 2017"
    )
    _common.add_progress(parser)


def _read(args: argparse.Namespace) -> Graph:
    """The graph in FILE, be it a folder of nets."""
    if not os.path.isdir(args.file):
        if args.input:
            raise UsageError("--input goes with a folder of Caffe2's nets only")
        return _common.read(args.file)
    # Not at the top: other formats need no backend.
    from ..backend.c2._emit import INIT_NET, PREDICT_NET
    from ..backend.c2._import import load_nets

    for name in (INIT_NET, PREDICT_NET):
        if not os.path.exists(os.path.join(args.file, name)):
            raise Fault(f"{_common.title(args.file)}: a directory without {name}, Caffe2's net")
    inputs = _inputs(args.input)
    with about(args.file):
        return load_nets(args.file, inputs=inputs)


def _inputs(options: list[str]) -> dict[str, Any] | list[Any]:
    """What the options --input say: by name, or in order."""
    import numpy as np

    from ._values import parse_shape, split_name

    found: list[tuple[str | None, Any]] = []
    for option in options:
        name, text = split_name(option)
        shape = parse_shape(text)
        try:
            dtype = np.dtype(shape.dtype or "float32")
        except TypeError:
            raise UsageError(f"{text!r}: NumPy has no dtype {shape.dtype}") from None
        # Of no memory: only its shape and dtype are looked at.
        found.append((name, np.broadcast_to(np.zeros((), dtype), shape.sizes)))
    if all(name is None for name, _ in found):
        return [value for _, value in found]
    named = {name: value for name, value in found if name is not None}
    if len(named) != len(found):
        raise UsageError("--input: either all inputs have a name, each its own, or none has one")
    return named


def _run(args: argparse.Namespace) -> None:
    from .. import io

    if args.to != "caffe2" and (args.device or args.prefer):
        raise UsageError(f"--{'device' if args.device else 'prefer'} goes with --to caffe2 only")
    if args.to == "caffe2":
        if args.out == "-":
            raise UsageError("--to caffe2 writes two files: OUT must be a folder")
        if args.without_params or args.ir_version:
            option = "--without-params" if args.without_params else "--ir-version"
            raise UsageError(f"{option} does not go with --to caffe2")
        if os.path.exists(args.out) and not os.path.isdir(args.out):
            raise Fault(f"{_common.title(args.out)}: it is no folder, which --to caffe2 needs")
        # Not at the top: other formats need no backend.
        from ..backend.c2._emit import write_nets

        graph = _read(args)
        with about(args.file):
            write_nets(graph, args.out, args.device or "CPU", args.prefer or "caffe2")
        return
    target = _common.output_stream() if args.out == "-" else args.out
    graph = _read(args)
    with about(args.file):
        io.save(
            graph,
            target,
            format=args.to,
            export_params=not args.without_params,
            ir_version=args.ir_version,
            progress=_common.progress_of(args),
        )
