"""``toffee picture`` and ``toffee view``."""

from __future__ import annotations

import argparse
import sys
import threading

from . import _common
from ._common import Fault, Parsers, UsageError, about, put

_PICTURE_EXAMPLES = """
toffee picture alexnet.toffee alexnet.svg
toffee picture resnet50.onnx resnet50.png --collapse 2 --theme dark
toffee picture m.toffee - --format dot | dot -Tpdf > m.pdf
"""

_VIEW_EXAMPLES = """
toffee view alexnet.toffee
toffee view m.onnx --port 8080 --no-browser
"""


def add_picture(commands: Parsers) -> None:
    parser = _common.add_command(
        commands,
        "picture",
        _draw,
        "draw a graph",
        _PICTURE_EXAMPLES,
        "Draw a graph as SVG, PNG or for Graphviz, with a frame around each module. Large\n"
        "graphs are collapsed: a module is one box.",
    )
    parser.add_argument("file", metavar="FILE", help="'-' is standard input")
    parser.add_argument("out", metavar="OUT", help="'-' is standard output")
    parser.add_argument(
        "--format", choices=("svg", "dot", "png"), help="whatever the name of OUT ends in"
    )
    parser.add_argument(
        "--collapse",
        metavar="DEPTH",
        help="a module whose path has so many parts is one box; 'no': none is (default: as deep "
        "as leaves about a hundred boxes)",
    )
    parser.add_argument(
        "--theme", choices=("auto", "light", "dark"), default="auto", help="colours"
    )
    parser.add_argument(
        "--initializers", action="store_true", help="draw weights and constants as boxes"
    )
    parser.add_argument(
        "--engine",
        choices=("auto", "dot", "builtin"),
        default="auto",
        help="who lays it out (default: Graphviz's dot, if it is there)",
    )


def add_view(commands: Parsers) -> None:
    parser = _common.add_command(
        commands,
        "view",
        _view,
        "show a graph in netron",
        _VIEW_EXAMPLES,
        "Show a graph in netron, in the browser, until Ctrl-C. Needs the package netron.",
    )
    parser.add_argument("file", metavar="FILE", help="'-' is standard input")
    parser.add_argument(
        "--port",
        type=_common.integer(0, 65535),
        metavar="N",
        help="where it is served (default: a free port)",
    )
    parser.add_argument(
        "--no-browser", action="store_true", help="open no browser, only say the address"
    )


def _depth(text: str | None) -> int | bool | None:
    if text is None or text == "no":
        return None if text is None else False
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise UsageError(f"--collapse is {text!r}; it can be a depth from 1 on, or 'no'")
    return int(text)


def _draw(args: argparse.Namespace) -> None:
    from .. import _picture

    collapse = _depth(args.collapse)
    stream = _common.output_stream() if args.out == "-" else None
    kind = args.format or "svg" if stream else _picture._format(args.out, args.format)
    if stream is None:
        _common.keep_input(args.out, args.file)
    graph = _common.read(args.file)
    try:
        with about(args.file):
            picture = _picture.draw(
                graph,
                collapse=collapse,
                theme=args.theme,
                initializers=args.initializers,
                engine=args.engine,
            )
            # All of it before the file is opened.
            data = picture.png() if kind == "png" else getattr(picture, kind).encode()
    except RuntimeError as error:  # Graphviz is not there, or gave up
        raise Fault(_common.one_line(error)) from error
    if stream is not None:
        stream.write(data)
        stream.flush()
        return
    with _common.replaced(args.out) as path, open(path, "wb") as file:
        file.write(data)


def _wait() -> None:
    """Until Ctrl-C."""
    threading.Event().wait()


def _view(args: argparse.Namespace) -> None:
    from .. import _netron

    graph = _common.read(args.file)
    with about(args.file):
        try:
            host, port = _netron.view(graph, browse=not args.no_browser, address=args.port)
        except OSError as error:  # the graph is in memory: it is about where it is served
            at = "" if args.port is None else f" at port {args.port}"
            name = _common.title(args.file)
            raise Fault(f"{name} cannot be served{at}: {error.strerror or error}") from error
    put(f"http://{host}:{port} shows {_common.title(args.file)} until Ctrl-C")
    if sys.stdout is not None:
        sys.stdout.flush()
    try:
        _wait()
    except KeyboardInterrupt:
        put("")
