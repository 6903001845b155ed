"""What the commands share: reading and writing, and the two ways to fail."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn, TypeAlias

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
    stream = sys.stdout
    if stream is None:
        return
    if isinstance(getattr(stream, "buffer", None), io.RawIOBase):
        _Whole(stream.buffer).write(f"{text}\n".encode(stream.encoding, stream.errors or "strict"))
    else:
        stream.write(f"{text}\n")


class _Whole:
    """An unbuffered file (python -u) which writes all that it is given, as others do. By itself it
    may write a part, which Python's text streams take for the whole."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    def write(self, data: Any) -> int:
        rest = memoryview(data).cast("B")
        n = len(rest)
        while rest:
            rest = rest[self._raw.write(rest) :]
        return n

    def flush(self) -> None:
        self._raw.flush()


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


def table(rows: list[list[str]], indent: str = "", right: Sequence[int] = ()) -> list[str]:
    """ROWS as lines, in columns; the columns RIGHT are flush right, as numbers are read."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]

    def line(row: list[str]) -> str:
        cells = enumerate(zip(row, widths, strict=True))
        return "  ".join(c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in cells)

    return [(indent + line(row)).rstrip() for row in rows]


def counted(n: int, what: str) -> str:
    """``1 node``, ``2,000 nodes``."""
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def sized(n: int) -> str:
    """``601 bytes``, ``244,408,067 bytes (233 MiB)``."""
    from .._overview import size  # what a notebook says of the same graph

    return counted(n, "byte") + (f" ({size(n)})" if n >= 1 << 20 else "")


# ---- files -------------------------------------------------------------------------------------


def read(path: str) -> Graph:
    """The graph in the file PATH; ``-`` is standard input."""
    from ..io import load, loads

    with about(path):
        if path != "-":
            return load(path)
        if sys.stdin is None:
            raise UsageError("standard input is closed: '-' reads a file that is piped in")
        if sys.stdin.isatty():
            raise UsageError("standard input is a terminal: '-' reads a file that is piped in")
        return loads(sys.stdin.buffer.read())


def output_stream() -> BinaryIO:
    """Standard output, for bytes."""
    if sys.stdout is None:
        raise UsageError("standard output is closed: '-' writes to a pipe or a file")
    if sys.stdout.isatty():
        raise UsageError("standard output is a terminal: '-' writes to a pipe or a file")
    sys.stdout.flush()
    stream = sys.stdout.buffer
    if isinstance(stream, io.RawIOBase):
        return _Whole(stream)  # type: ignore[return-value]
    return stream


def keep_input(out: str, *files: str) -> None:
    """Raise UsageError if the output OUT would take the place of one of the input FILES."""
    for path in files:
        with contextlib.suppress(OSError):  # one that is not there is told by who opens it
            if os.path.samefile(out, path):
                raise UsageError(f"{title(out)} is the file that is read: write to another")


@contextmanager
def replaced(path: str) -> Iterator[str]:
    """The name of a file to write, which becomes PATH in one step; after an error PATH is as it
    was. What is no regular file (a pipe, a device) is written to and stays what it is."""
    target = os.path.realpath(path)  # the link stays a link
    in_place = os.path.exists(target) and not os.path.isfile(target)
    half = os.path.join(os.path.dirname(target), f".toffee-{os.getpid()}.half")
    try:
        yield path if in_place else half
        if not in_place:
            os.replace(half, target)
    except OSError as error:
        raise Fault(f"{title(path)}: {error.strerror or error}") from error
    finally:
        if not in_place:
            with contextlib.suppress(OSError):
                os.unlink(half)


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
    """One that does not hide that its help could not be written, and has one line for an error."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(formatter_class=_Formatter, **kwargs)

    def _print_message(self, message: str, file: Any = None) -> None:
        if message and file is not None:
            file.write(message)

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message[0].lower()}{message[1:]}; see {self.prog} --help")


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


def integer(least: int, most: int) -> Callable[[str], int]:
    """What argparse makes an integer from LEAST to MOST with."""

    def convert(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if not least <= value <= most:
            said = f"from {least} to {most}" if most < 1 << 32 else f"from {least} on"
            raise argparse.ArgumentTypeError(f"{text!r} is no integer {said}")
        return value

    return convert


def add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="as one JSON object")
