"""Where in the user's program something happened, and what stands there.

Nothing is read before an error or a warning needs it. Source comes through :mod:`linecache`: so
cells of notebooks, modules in zip files and what a REPL remembers have lines too, and code without
source has its file and number alone. This module needs nothing of the rest of the package.
"""

from __future__ import annotations

import functools
import linecache
import os
import sys
import sysconfig
from collections.abc import Callable, Iterable, Sequence
from types import CodeType, FrameType, TracebackType
from typing import NamedTuple, TypeVar

__all__ = ["Place", "attach", "plain", "report"]

#: Lines shown before and after the one that is meant.
CONTEXT = 2
#: Places shown with their source in one report; the others have a line each, up to a limit.
FULL, BRIEF = 3, 12
#: Columns of a note: tracebacks go to logs as well as to terminals.
WIDTH = 100
MAX_NAME = 120

_FOLDER = os.path.dirname(__file__) + os.sep
_STDLIB = sysconfig.get_path("stdlib") + os.sep
_PACKAGES = (os.sep + "site-packages" + os.sep, os.sep + "dist-packages" + os.sep)
#: Files of others whose lines say nothing to the user: the folders of these packages.
_RUNNERS = ("torch", "IPython", "ipykernel")
_MADE = ("<frozen ", "<eval_with_key")
#: Python 3.10 prints no notes.
_HAS_NOTES = hasattr(BaseException, "add_note")

_Raised = TypeVar("_Raised", bound=BaseException)


class Place(NamedTuple):
    """A line of the user's program that an error or a warning is about.

    Attributes
    ----------
    file : str
        As Python has it: a path, or a name such as ``<string>``.
    line : int
    function : str
        The function around it, with its class from Python 3.11 on; empty if that is not known.
    module : str
        Path of the innermost module of the model that was being called, as in ``named_modules()``;
        empty outside of all, and in the model itself.
    operator : str
        What was called there, if the error is about that.
    """

    file: str
    line: int
    function: str = ""
    module: str = ""
    operator: str = ""

    def __str__(self) -> str:
        """``file:line: source text``; without source, ``file:line``."""
        rows = excerpt(self, context=0)
        text = rows[0].text.strip() if rows else ""
        return f"{self.file}:{self.line}: {text}" if text else f"{self.file}:{self.line}"


# ---- from frames ---------------------------------------------------------------------------------


def is_internal(filename: str) -> bool:
    """Whether lines of FILENAME say nothing to the user: PyTorch's, Python's, ours, those of what
    runs notebooks, and code made at run time."""
    if filename.startswith(_STDLIB):
        if not any(folder in filename for folder in _PACKAGES):
            return True
    return filename.startswith(_folders(tuple(name in sys.modules for name in _RUNNERS)))


@functools.lru_cache(maxsize=8)
def _folders(loaded: tuple[bool, ...]) -> tuple[str, ...]:
    """How names of files begin that are no user's. LOADED: which of _RUNNERS are imported."""
    files = (
        getattr(sys.modules.get(name), "__file__", None)
        for name, is_loaded in zip(_RUNNERS, loaded, strict=True)
        if is_loaded
    )
    return (_FOLDER, *_MADE, *(os.path.dirname(file) + os.sep for file in files if file))


def of_frame(frame: FrameType, line: int, module: str = "", operator: str = "") -> Place:
    """LINE of FRAME's code. What is not in a file can be read later, where its loader knows it."""
    code = frame.f_code
    linecache.lazycache(code.co_filename, frame.f_globals)
    return Place(code.co_filename, line, _function(code), module, operator)


def _function(code: CodeType) -> str:
    name: str = getattr(code, "co_qualname", code.co_name)
    return "" if name == "<module>" else name.replace("<locals>.", "")


def of_traceback(
    trace: TracebackType | None, module_of: Callable[[FrameType], str] | None = None
) -> list[Place]:
    """The user's lines that TRACE goes through, from the outermost. MODULE_OF says which module of
    the model a frame calls, if any."""
    found: list[Place] = []
    module = ""
    while trace is not None:
        frame = trace.tb_frame
        if module_of is not None:
            module = module_of(frame) or module
        if not is_internal(frame.f_code.co_filename):
            found.append(of_frame(frame, trace.tb_lineno, module))
        trace = trace.tb_next
    # What the last of them calls is the innermost module, though its frame comes later.
    return [*found[:-1], found[-1]._replace(module=module)] if found else []


# ---- as text -------------------------------------------------------------------------------------


def plain(text: str, limit: int = MAX_NAME) -> str:
    """TEXT in at most LIMIT characters, with escapes for what does not print (controls, lone
    surrogates, marks that turn the direction of writing)."""
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip())


def _cut(text: str, width: int) -> str:
    """TEXT in at most WIDTH columns; East Asian letters take two."""
    taken = 0
    for i, letter in enumerate(text):
        taken += 1 if ord(letter) < 0x1100 else 2
        if taken > width:
            return text[: max(i - 3, 0)] + "..."
    return text


class Row(NamedTuple):
    """A line of source as it is shown."""

    number: int
    text: str
    is_meant: bool


def excerpt(place: Place, width: int = WIDTH, context: int = CONTEXT) -> list[Row]:
    """The line of PLACE and those around it, without the indentation that they share, in at most
    WIDTH columns each. Empty where the source cannot be had or is shorter than that."""
    try:
        linecache.checkcache(place.file)
        lines = linecache.getlines(place.file)
    except Exception:  # a loader of somebody's own: there is an error to show, and this is not it
        return []
    if not 1 <= place.line <= len(lines):
        return []
    first = max(place.line - context, 1)
    shown = [line.rstrip().expandtabs() for line in lines[first - 1 : place.line + context]]
    rows = list(enumerate(shown, first))
    indent = _indent(lines[place.line - 1].expandtabs())
    for i, (number, text) in enumerate(rows):
        if number > place.line + 1 and text and _indent(text) < indent and not rows[i - 1][1]:
            del rows[i:]  # the next function
            break
    while rows[0][0] < place.line and not rows[0][1]:
        del rows[0]
    while rows[-1][0] > place.line and not rows[-1][1]:
        del rows[-1]
    shared = min((_indent(text) for _, text in rows if text), default=0)
    return [
        Row(number, _cut(plain(text[shared:], 2 * width), width), number == place.line)
        for number, text in rows
    ]


def where(place: Place) -> str:
    """``net.py:12``, below the current folder; ``Cell In[3], line 12`` in a notebook."""
    cell = _cell(place.file)
    if cell:
        return f"{cell}, line {place.line}"
    try:
        folder = os.path.join(os.getcwd(), "")
    except OSError:  # it may be gone
        folder = os.sep
    name = place.file.removeprefix(folder) if folder != os.sep else place.file
    return f"{plain(name, 200)}:{place.line}"


def _cell(filename: str) -> str:
    """What IPython calls the cell FILENAME; empty for what is none."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    name = getattr(getattr(shell, "compile", None), "format_code_name", lambda _: None)(filename)
    return " ".join(name) if name else ""


def around(place: Place) -> str:
    """``in Net.forward, module body.0``; empty if neither is known."""
    said = [f"in {plain(place.function)}"] if place.function else []
    said += [f"module {plain(place.module)}"] if place.module else []
    return ", ".join(said)


def title(place: Place) -> str:
    """One line that says which place it is."""
    text = ", ".join(filter(None, (where(place), around(place))))
    return f"{text}: {plain(place.operator)}" if place.operator else text


def brief(place: Place) -> str:
    """Which place it is, and what stands there, in one line."""
    rows = excerpt(place, context=0)
    return _cut(f"{title(place)}: {rows[0].text.strip()}" if rows else title(place), WIDTH)


def split(places: Sequence[Place]) -> tuple[list[Place], list[Place], int]:
    """The places to show with source, those to show in a line each, and how many are left."""
    brief_ones = list(places[FULL : FULL + BRIEF])
    return list(places[:FULL]), brief_ones, max(len(places) - FULL - BRIEF, 0)


def report(places: Sequence[Place]) -> str:
    """PLACES for a terminal without colour: the first ones with their source, then a line each."""
    full, short, left = split(places)
    lines: list[str] = []
    for place in full:
        rows = excerpt(place, WIDTH - 14)
        lines.append(f"  {title(place)}")
        digits = len(str(rows[-1].number)) if rows else 0
        lines += [
            f"    {'>' if row.is_meant else ' '} {row.number:>{digits}} | {row.text}".rstrip()
            for row in rows
        ]
    lines += [f"  {brief(place)}" for place in short]
    lines += [f"  and {left} more places"] if left else []
    return "\n".join(lines)


def attach(error: _Raised, places: Iterable[Place]) -> _Raised:
    """Give ERROR its ``places``, and what stands there as a note, which tracebacks print below the
    message. Of a warning, which is printed without notes, and in Python 3.10, which knows none, it
    is the end of the message. Returns ERROR."""
    found = tuple(places)
    error.places = found  # type: ignore[attr-defined]
    if found:
        text = report(found)
        if _HAS_NOTES and not isinstance(error, Warning):
            error.add_note(text)  # type: ignore[attr-defined, unused-ignore]
        elif error.args:
            error.args = (f"{error.args[0]}\n{text}", *error.args[1:])
    return error
