"""How IPython and Jupyter show an exception of toffee: what is wrong, the user's lines, what to do.

The frames of PyTorch and of toffee that a traceback lists between the two are left out. Whoever
wants them says ``%xmode Verbose``, then ``%tb``. Loaded when the first error is shown.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable
from html import escape
from typing import Any, NamedTuple

from . import _places as places
from ._places import Place, plain

__all__ = ["error_page", "traceback_lines"]

#: Lines and letters of a message that are shown; calls between the user's first line and the last.
MAX_LINES, MAX_LETTERS, MAX_CALLS = 60, 4_000, 6
MAX_CAUSES = 3
_WHAT_TO_DO = "What to do: "
#: What to do where the message of the class does not say.
_HINTS = {
    "TraceError": "say it with tensors (torch.where, index_select, ...), or make it an argument; "
    "docs/what_forward_may_contain.md goes through the cases",
    "TraceWarning": "say it with tensors (torch.where, index_select, ...), make it an argument, or "
    "let the warning be one, if the value is the same for every input",
    "VerificationError": "look for a TraceWarning: a value that left the trace is the usual cause",
}
_ALL_FRAMES = "All frames: %xmode Verbose, then %tb"


class _Shown(NamedTuple):
    """An error as both forms show it."""

    kind: str
    message: list[str]
    places: list[Place]
    #: The user's lines that led there, from the outermost.
    calls: list[Place]
    causes: list[tuple[str, list[Place]]]
    hint: list[str]


def _shown(error: BaseException) -> _Shown:
    found: list[Place] = list(getattr(error, "places", ()))
    way = places.of_traceback(error.__traceback__)
    if not found:
        found, way = way[-1:], way[:-1]
    known = {(place.file, place.line) for place in found}
    calls = [place for place in way if (place.file, place.line) not in known]
    text = str(error)[:MAX_LETTERS].replace("\n" + places.report(found), "")  # see _places.attach
    head, _, hint = text.partition("\n" + _WHAT_TO_DO)
    # Lines that only name a place are said better by the source.
    starts = tuple(f"{place.file}:{place.line}" for place in found)
    lines = [
        line
        for i, line in enumerate(head.split("\n"))
        if not i or not starts or not line.strip().startswith(starts)
    ]
    hints = (hint or _HINTS.get(type(error).__name__, "")).split("\n")
    return _Shown(
        type(error).__name__,
        [plain(line, 1_000) for line in lines[:MAX_LINES]],
        found,
        calls if len(calls) <= MAX_CALLS else [*calls[: MAX_CALLS - 3], *calls[-3:]],
        _causes(error),
        [plain(line, 1_000) for line in hints[:MAX_LINES] if line],
    )


def _causes(error: BaseException) -> list[tuple[str, list[Place]]]:
    """What ERROR was raised from, and where in the user's code that was."""
    found: list[tuple[str, list[Place]]] = []
    cause = error.__cause__
    while cause is not None and len(found) < MAX_CAUSES:
        text = str(cause).partition("\n")[0]
        where = places.of_traceback(cause.__traceback__)[-1:]
        found.append((plain(f"{type(cause).__name__}: {text}", 500), where))
        cause = cause.__cause__
    return found


# ---- for a terminal, and what Jupyter makes of its colours ---------------------------------------


class _Colours(NamedTuple):
    """Codes that are readable on white and on black, in terminals and in Jupyter."""

    bad: str = "\x1b[31m"
    strong: str = "\x1b[1m"
    end: str = "\x1b[0m"


_PLAIN = _Colours("", "", "")


def _shell() -> Any:
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython is not None else None


def _source(place: Place, width: int, colours: _Colours) -> list[str]:
    """The title of PLACE and its lines."""
    rows = places.excerpt(place, width - 12)
    digits = len(str(rows[-1].number)) if rows else 0
    lines = [f"{colours.strong}{places.title(place)}{colours.end}"]
    for row in rows:
        if row.is_meant:
            number = f"{colours.bad}>{colours.end} {colours.strong}{row.number:>{digits}}"
            lines.append(f"  {number} | {row.text}{colours.end}")
        else:
            lines.append(f"    {row.number:>{digits}} | {row.text}".rstrip())
    return lines


def traceback_lines(error: BaseException) -> list[str]:
    """What IPython prints of ERROR, in its mode: short, or in ``%xmode Verbose`` all frames.

    Returns
    -------
    list of str
        Texts that are lines of their own, with ANSI colours if IPython has any.
    """
    shell = _shell()
    formatter: Any = getattr(shell, "InteractiveTB", None)
    mode = getattr(formatter, "mode", "")
    if mode == "Verbose":
        made = formatter.structured_traceback(type(error), error, error.__traceback__, tb_offset=1)
        return list(made)
    is_plain = str(getattr(shell, "colors", "")).lower() == "nocolor" or os.environ.get("NO_COLOR")
    colours = _PLAIN if is_plain else _Colours()
    width = min(max(shutil.get_terminal_size((places.WIDTH, 24)).columns, 40), 120)
    shown = _shown(error)
    lines = [f"{colours.bad}{shown.kind}{colours.end}: {shown.message[0]}", *shown.message[1:]]
    if mode == "Minimal":
        return lines
    full, short, left = places.split(shown.places)
    for place in full:
        lines += ["", *_source(place, width, colours)]
    lines += [""] if short else []
    lines += [f"also {places.brief(place)}" for place in short]
    lines += [f"and {left} more places"] if left else []
    for text, where in shown.causes:
        lines += ["", f"{colours.bad}Caused by{colours.end} {text}"]
        for place in where:
            lines += _source(place, width, colours)
    lines += [""] if shown.calls else []
    lines += [f"called from {places.brief(call)}" for call in shown.calls]
    if shown.hint:
        start = f"{colours.strong}{_WHAT_TO_DO.strip()}{colours.end} {shown.hint[0]}"
        lines += ["", start, *shown.hint[1:]]
    if shell is not None:
        lines += ["", _ALL_FRAMES]
    return lines


# ---- as a page -----------------------------------------------------------------------------------


def _block(place: Place) -> str:
    rows = places.excerpt(place, 160)
    title = f'<div class="tf-where">{escape(places.title(place))}</div>'
    body = "".join(
        f'<div class="{"tf-line tf-meant" if row.is_meant else "tf-line"}">'
        f'<span class="tf-no">{row.number}</span><code>{escape(row.text) or " "}</code></div>'
        for row in rows
    )
    return f'{title}<div class="tf-source">{body}</div>' if rows else title


def _listed(label: str, found: Iterable[Place]) -> str:
    return "".join(
        f'<div><span class="tf-dim">{label}</span> <code>{escape(places.brief(place))}</code></div>'
        for place in found
    )


def error_page(error: BaseException) -> str:
    """ERROR as a piece of HTML, in the look of ``Graph._repr_html_``: no script, nothing loaded
    from elsewhere, every text escaped."""
    from . import _html

    shown = _shown(error)
    full, short, left = places.split(shown.places)
    head = f'<b class="tf-bad">{escape(shown.kind)}</b>: {escape(shown.message[0])}'
    parts = ['<div class="toffee-graph">', _html.style(), f'<div class="tf-head">{head}</div>']
    if shown.message[1:]:
        parts.append(f"<code>{escape(chr(10).join(shown.message[1:]))}</code>")
    parts += map(_block, full)
    parts.append(_listed("also", short))
    if left:
        parts.append(f'<div class="tf-note">and {left} more places</div>')
    for text, where in shown.causes:
        parts.append(f'<div class="tf-next"><b class="tf-bad">Caused by</b> {escape(text)}</div>')
        parts += map(_block, where)
    if shown.calls:
        parts.append(f'<div class="tf-next">{_listed("called from", shown.calls)}</div>')
    if shown.hint:
        first = f"<b>{_WHAT_TO_DO.strip()}</b> {escape(shown.hint[0])}"
        rest = escape("\n".join(shown.hint[1:]))
        parts.append(f'<div class="tf-next">{first}</div>')
        parts += [f"<code>{rest}</code>"] if rest else []
    return "".join([*parts, "</div>"])
