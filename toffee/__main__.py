"""``python -m toffee``: check, print and convert files from the command line."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from . import __version__, checker, io, printer
from .errors import Error


def _check(args: argparse.Namespace) -> None:
    graph = io.load(args.file)
    checker.check_graph(graph)
    print(f"{args.file}: {len(graph)} nodes, {len(graph.initializer)} initializers, no fault found")


def _print(args: argparse.Namespace) -> None:
    text = printer.to_text(io.load(args.file), infer=args.infer)
    print(text)


def _convert(args: argparse.Namespace) -> None:
    if args.to == "caffe2":
        # Not at the top: checking a file needs no backend.
        from .backend.c2._emit import write_nets

        write_nets(io.load(args.file), args.out, device=args.device, prefer=args.prefer)
        return
    io.save(
        io.load(args.file),
        args.out,
        format=args.to,
        export_params=not args.without_params,
        ir_version=args.ir_version,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m toffee",
        description="Check, print and convert ToffeeIR and ONNX files.",
        epilog="exit codes: 0 done, 1 the file has a fault or cannot be read or written, 2 wrong "
        "arguments",
    )
    parser.add_argument("--version", action="version", version=f"toffee {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    check = commands.add_parser("check", help="check structure and operators")
    check.add_argument("file", metavar="FILE")
    check.set_defaults(run=_check)

    show = commands.add_parser("print", help="print the listing")
    show.add_argument("file", metavar="FILE")
    show.add_argument("--infer", action="store_true", help="with the types that can be inferred")
    show.set_defaults(run=_print)

    convert = commands.add_parser(
        "convert", help="write as ToffeeIR, ONNX (for a name that ends in .onnx) or Caffe2's nets"
    )
    convert.add_argument("file", metavar="FILE")
    convert.add_argument("out", metavar="OUT")
    convert.add_argument(
        "--to",
        choices=("toffee", "onnx", "caffe2"),
        help="whatever the name of OUT; caffe2: init_net.pb and predict_net.pb in the folder OUT",
    )
    convert.add_argument(
        "--device", default="CPU", help="for --to caffe2: CPU, or CUDA:N (default: CPU)"
    )
    convert.add_argument(
        "--prefer",
        choices=("caffe2", "aten"),
        default="caffe2",
        help="for --to caffe2: its own operators, or PyTorch's functions by its operator ATen",
    )
    convert.add_argument("--without-params", action="store_true", help="leave the initializers out")
    convert.add_argument(
        "--ir-version", type=int, choices=(1, 2), help="1: the operators and format of 2017"
    )
    convert.set_defaults(run=_convert)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv`` (by default the process's own). Returns the exit code."""
    args = _parser().parse_args(argv)
    try:
        args.run(args)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has seen enough. Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (Error, OSError, ValueError, MemoryError) as error:
        text = str(error) or type(error).__name__
        line = " ".join(text.split())
        print(line if args.file in line else f"{args.file}: {line}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
