"""``toffee convert``."""

from __future__ import annotations

import argparse
import os

from . import _common
from ._common import Fault, Parsers, UsageError, about

_EXAMPLES = """
toffee convert alexnet.toffee alexnet.onnx
toffee convert alexnet.onnx alexnet.toffee --without-params
toffee convert alexnet.toffee nets --to caffe2
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
    parser.add_argument("file", metavar="FILE", help="'-' is standard input")
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
    parser.add_argument("--without-params", action="store_true", help="leave the initializers out")
    parser.add_argument(
        "--ir-version", type=int, choices=(1, 2), help="1: the operators and format of 2017"
    )
    _common.add_progress(parser)


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

        graph = _common.read(args.file)
        with about(args.file):
            write_nets(graph, args.out, args.device or "CPU", args.prefer or "caffe2")
        return
    target = _common.output_stream() if args.out == "-" else args.out
    graph = _common.read(args.file)
    with about(args.file):
        io.save(
            graph,
            target,
            format=args.to,
            export_params=not args.without_params,
            ir_version=args.ir_version,
            progress=_common.progress_of(args),
        )
