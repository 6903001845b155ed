"""What the commands share: reading and writing, and the two ways to fail."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

if TYPE_CHECKING:
    from .._core import Graph

#: What ``add`` of a command's module gets.
Parsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

WIDTH = 80


class UsageError(Exception):
    """The command was called in a way that has no meaning: exit code 2."""


class Fault(Exception):
    """What was asked for cannot be done, and the message is what to print: exit code 1."""


def add_progress(parser: argparse.ArgumentParser) -> None:
    """The option behind :func:`progress_of`."""
    parser.add_argument(
        "--progress",
        action=argparse.BooleanOptionalAction,
        help="show how far it is if it takes longer than a second (default: in a terminal)",
    )


def progress_of(args: argparse.Namespace) -> bool:
    """Whether to show how far the command is."""
    from .._progress import is_terminal

    wanted: bool | None = args.progress
    return is_terminal(sys.stderr) if wanted is None else wanted


# ---- messages ----------------------------------------------------------------------------------


def one_line(error: BaseException) -> str:
    """What ERROR says, in one line."""
    if isinstance(error, OSError) and error.strerror:
        names = [os.fsdecode(name) for name in (error.filename, error.filename2) if name]
        return ": ".join([*names[-1:], error.strerror])
    return " ".join(str(error).split()) or type(error).__name__


def title(path: str) -> str:
    """What to call the file PATH; bytes that are no UTF-8 in its name are replaced."""
    return "standard input" if path == "-" else os.fsencode(path).decode(errors="replace")


@contextmanager
def about(path: str) -> Iterator[None]:
    """Whatever fails inside has the name of the file PATH in its message."""
    from ..errors import Error

    try:
        yield
    except (BrokenPipeError, UnicodeEncodeError):
        raise  # of the output, not of the file
    except (Error, OSError, ValueError, MemoryError) as error:
        line = one_line(error)
        name = title(path)
        named = line.startswith(f"{name}: ") or isinstance(error, OSError) and "'" in line
        raise Fault(line if named else f"{name}: {line}") from error


def say(line: str) -> None:
    """One line for a person, beside the output."""
    if sys.stderr is not None:
        print(line, file=sys.stderr)


def put(text: str) -> None:
    """TEXT and a line's end to the output: all of it or, where it cannot be encoded, nothing."""
    if sys.stdout is not None:
        sys.stdout.write(text + "\n")


def put_json(value: Any) -> None:
    # ASCII, whatever the terminal; NaN and infinities as strings, which every reader takes.
    put(json.dumps(_plain(value), indent=2))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and (value != value or abs(value) == float("inf")):
        return str(value)
    return value


def table(rows: list[list[str]], indent: str = "") -> list[str]:
    """ROWS as lines, in columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        indent + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def counted(n: int, what: str) -> str:
    """``1 node``, ``2,000 nodes``."""
    return f"{n:,} {what}{'' if n == 1 else 's'}"


# ---- files -------------------------------------------------------------------------------------


def read(path: str) -> Graph:
    """The graph in the file PATH; ``-`` is standard input."""
    from .. import io

    with about(path):
        if path != "-":
            return io.load(path)
        if sys.stdin is None or sys.stdin.isatty():
            raise UsageError("standard input is a terminal: '-' reads a file that is piped in")
        return io.loads(sys.stdin.buffer.read())


def output_stream() -> BinaryIO:
    """Standard output, for bytes."""
    if sys.stdout is None or sys.stdout.isatty():
        raise UsageError("standard output is a terminal: '-' writes to a pipe or a file")
    sys.stdout.flush()
    return sys.stdout.buffer


# ---- parsers -----------------------------------------------------------------------------------


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """The same help at every width of the terminal and for every version of Python."""

    def __init__(self, prog: str, **_: Any) -> None:
        super().__init__(prog, max_help_position=26, width=WIDTH)
        # It reckons without the indentation of the commands, and would wrap the longest.
        self._action_max_length = 14

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if not action.option_strings or action.nargs == 0:
            return super()._format_action_invocation(action)
        value = self._format_args(action, self._get_default_metavar_for_optional(action))
        return f"{', '.join(action.option_strings)} {value}"


class Parser(argparse.ArgumentParser):
    """One that does not hide that its help could not be written."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(formatter_class=_Formatter, **kwargs)

    def _print_message(self, message: str, file: Any = None) -> None:
        if message and file is not None:
            file.write(message)


def add_command(
    commands: Parsers,
    name: str,
    run: Callable[[argparse.Namespace], int | None],
    help: str,
    examples: str,
    description: str = "",
) -> argparse.ArgumentParser:
    """The parser of the command NAME, with HELP for the list of commands, and EXAMPLES."""
    parser = commands.add_parser(
        name,
        help=help,
        description=description or f"{help[0].upper()}{help[1:]}.",
        epilog="examples:\n" + "\n".join(f"  {line}" for line in examples.strip().splitlines()),
    )
    parser.set_defaults(run=run)
    return parser


def add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="as one JSON object")
