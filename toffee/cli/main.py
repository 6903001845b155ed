"""The door: the parser of all commands, and what their errors become."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from .. import __version__
from . import _common
from ._common import Fault, UsageError, one_line, say

_EPILOG = """\
FILE is ToffeeIR of any year or ONNX, and '-' is standard input or output.

exit codes: 0 done; 1 there is a fault or a difference, or it cannot be done;
2 wrong use; 130 interrupted; 141 the reader of the output has left. Errors are
one line on standard error.

'toffee COMMAND --help' has the options and examples of a command."""

#: What makes the parser of each command, and in which module, in the order of the help.
_COMMANDS = {
    "check": ("check", "add"),
    "print": ("show", "add"),
    "stats": ("stats", "add"),
    "picture": ("picture", "add_picture"),
    "view": ("picture", "add_view"),
    "convert": ("convert", "add"),
    "run": ("run", "add"),
    "compare": ("compare", "add"),
    "diff": ("diff", "add"),
    "export": ("export", "add"),
    "completion": ("completion", "add"),
}


def build_parser(only: str | None = None) -> argparse.ArgumentParser:
    """The parser of the command line; with ONLY, that of one command, which is sooner ready."""
    parser = _common.Parser(
        prog="toffee",
        description="Check, look at, draw, convert, run and compare ToffeeIR and ONNX files.",
        epilog=_EPILOG,
    )
    parser.add_argument("--version", action="version", version=f"toffee {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module, add in [_COMMANDS[only]] if only else _COMMANDS.values():
        getattr(import_module(f"{__package__}.{module}"), add)(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv`` (by default the process's own).

    Returns
    -------
    int
        The exit code. No exception leaves but those that no command expects.
    """
    try:
        code = _run(argv)
        if sys.stdout is not None:
            sys.stdout.flush()
    except Exception as error:
        code = _tell(error)
        _drop_output()
    except KeyboardInterrupt:
        code = 130
        _drop_output()
    return code


def _run(argv: Sequence[str] | None) -> int:
    words = sys.argv[1:] if argv is None else argv
    command = words[0] if words and words[0] in _COMMANDS else None
    try:
        if words and command is None and not words[0].startswith("-"):
            raise UsageError(_unknown(words[0]))
        args = build_parser(command).parse_args(words)
        return args.run(args) or 0
    except UsageError as error:
        say(f"toffee {command}: {error}" if command else f"toffee: {error}")
        return 2
    except SystemExit as end:  # --help and --version
        return end.code if isinstance(end.code, int) else 2


def _unknown(word: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(word, _COMMANDS, 1)
    hint = f"did you mean {near[0]}?" if near else "see toffee --help"
    return f"there is no command {word!r}: {hint}"


def _tell(error: Exception) -> int:
    """Say ERROR in one line, or raise it again: it is a fault of toffee's own."""
    if isinstance(error, Fault):
        say(f"toffee: {error}")
    elif isinstance(error, BrokenPipeError):
        say("toffee: the reader of the output has left before its end (broken pipe)")
        return 141  # 128 + SIGPIPE, as a shell says of what that signal has ended
    elif isinstance(error, UnicodeEncodeError):
        character = error.object[error.start]
        say(
            f"toffee: the output has the character {ascii(character)}, which the encoding "
            f"{error.encoding} lacks: set PYTHONIOENCODING=utf-8"
        )
    elif isinstance(error, _expected()):
        say(f"toffee: {one_line(error)}")
    else:
        raise error
    return 1


def _expected() -> Any:
    from ..errors import Error

    return (Error, OSError, ValueError, MemoryError, ImportError)


def _drop_output() -> None:
    """Write what is buffered if that is possible; if not, Python shall not try again at exit."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError, AttributeError):
        if sys.stdout is not None and not sys.stdout.closed:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
