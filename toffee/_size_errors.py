"""What :class:`toffee.DynamicShapeError` says: at which line a model is another at another size,
which sizes show it, and what to declare instead. Nothing here is run unless an export fails.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Sequence

from . import _core, _dims, _places
from ._places import Place
from .errors import DynamicShapeError

__all__ = ["Tries", "after_unify", "diverged", "elsewhere", "refused"]

#: Runs the model at these sizes: None, or what it raised.
Tries = Callable[[tuple[int, ...]], Exception | None]
#: The line that a doc_string names, if it can be found.
Lines = Callable[[str], Place | None]

#: The end of a message of csrc/size/unify.c: the line of the node, and its module.
_DOC = re.compile(r"\n  (?P<line>.+:\d+)(?:, module (?P<module>.+))?\Z")

#: How many sizes are tried to find what a size must be a multiple of.
_MULTIPLES = 8


def _error(text: str, what_to_do: str, places: Sequence[Place] = ()) -> DynamicShapeError:
    lines = "".join(f"\n  {place}" for place in places)
    return _places.attach(DynamicShapeError(f"{text}{lines}\nWhat to do: {what_to_do}"), places)


# ---- graphs that cannot be one -------------------------------------------------------------------


def after_unify(error: _core.TraceError, lines: Lines) -> DynamicShapeError:
    """ERROR of ``_core.unify``, with its line."""
    text = str(error)
    found = _DOC.search(text)
    place = lines(found["line"]) if found else None
    if found and place is not None:
        text = text[: found.start()]
        place = place._replace(module=found["module"] or "")
    if text.startswith("a number"):
        advice = (
            "make it of the sizes with +, -, *, // and % alone, or compute it with tensors; or "
            "leave the dimension fixed"
        )
    else:
        advice = "leave the dimension fixed, or write the line so that it does the same at any size"
    return _error(text, advice, [place] if place is not None else [])


def diverged(
    text: str, one: _core.Graph | None, other: _core.Graph | None, lines: Lines
) -> DynamicShapeError:
    """Graphs of two sizes have other nodes: TEXT says which sizes."""
    return _error(
        text,
        "a graph does the same at every size. Write it without the branch or the loop, keep to one "
        "side of the branch with toffee.Dim(name, min=..., max=...), or leave the dimension fixed",
        divergence(one, other, lines),
    )


def divergence(one: _core.Graph | None, other: _core.Graph | None, lines: Lines) -> list[Place]:
    """The line of the first node that two graphs do not share."""
    if one is None or other is None:
        return []
    mine, its = list(one.node), list(other.node)
    at = 0
    while at < min(len(mine), len(its)) and mine[at].op_type == its[at].op_type:
        at += 1
    for nodes in (mine, its) if len(mine) >= len(its) else (its, mine):
        place = lines(nodes[at].doc_string) if at < len(nodes) else None
        if place is not None:
            return [place._replace(module=nodes[at].name.rpartition("/")[0])]
    return []


def elsewhere(
    request: _dims.Request,
    sizes: tuple[int, ...],
    usual: tuple[int, ...],
    found: str,
    places: Sequence[Place],
    least: tuple[int, ...] = (),
) -> DynamicShapeError:
    """The model does something else at SIZES than at the USUAL ones: FOUND says what. LEAST are
    sizes from which on it does not, where they are known."""
    pairs = list(zip(request.dims, sizes, usual, strict=True))
    more = [
        (dim, new) for dim, old, new in zip(request.dims, sizes, least, strict=False) if old != new
    ]
    ones = [dim for dim, size, _ in pairs if size == 1]
    ends = [dim for dim, size, _ in pairs if size == dim.max]
    if more and more[0][1] > 2:
        dim, new = more[0]
        declared = dataclasses.replace(dim, min=new)
        advice = f"toffee.{declared} leaves smaller sizes out, if the model need not run there"
    elif ones:
        told = " and ".join(f"toffee.Dim('{dim.name}', min=2)" for dim in ones)
        advice = f"{told} leaves size 1 out, if the model need not run there"
    elif ends:
        told = " and ".join(f"toffee.Dim('{dim.name}', max=...)" for dim in ends)
        advice = f"{told} with a smaller number"
    else:
        name = next((dim.name for dim, size, other in pairs if size != other), request.names[0])
        advice = f"toffee.Dim('{name}', min=..., max=..., multiple_of=...) leaves such sizes out"
    return _error(
        f"the model does something else at {request.describe(sizes)} than at "
        f"{request.describe(usual)}, and a graph of the one does not compute the other: {found}",
        f"write it without what looks at the size; or {advice}; or export at sizes like those of "
        "later use",
        places,
    )


# ---- sizes that the model does not take ----------------------------------------------------------


def refused(
    request: _dims.Request,
    sizes: tuple[int, ...],
    error: Exception,
    places: Sequence[Place],
    tries: Tries,
) -> DynamicShapeError:
    """The model raises ERROR, at PLACES, when it is run at SIZES. Looks for the symbols that are to
    blame, by running it at others with TRIES."""
    usual = request.sizes
    moved = [i for i, (old, new) in enumerate(zip(usual, sizes, strict=True)) if old != new]
    alone = {i: tries(_with(usual, (i,), sizes[i])) for i in moved} if len(moved) > 1 else {}
    blamed = [i for i in moved if alone.get(i) is not None] or moved
    pair = _equal_pair(usual, sizes, blamed, tries)
    said = f"{type(error).__name__}: {error}"
    if pair is not None:
        names = [f"'{request.names[i]}'" for i in pair]
        both = request.describe(_with(usual, pair, sizes[pair[0]]))
        return _error(
            f"{names[0]} and {names[1]} must be equal: the model takes {request.describe(usual)} "
            f"and {both}, and refuses {request.describe(sizes)} with {said}",
            "give both the same name",
            places,
        )
    names = [f"'{request.names[i]}'" for i in blamed]
    if len(blamed) == 1 and len(moved) > 1:
        sizes = _with(usual, (blamed[0],), sizes[blamed[0]])
        said = f"{type(alone[blamed[0]]).__name__}: {alone[blamed[0]]}"
    text = (
        f"the model takes {request.describe(usual)} and refuses other sizes of "
        f"{' and '.join(names)}: {request.describe(sizes)} raises {said}"
    )
    step = _multiple(request, blamed[0], tries) if len(blamed) == 1 else None
    if step is not None:
        dim = request.dims[blamed[0]]
        return _error(
            text,
            f"the model takes multiples of {step}: declare "
            f"{_dims.Dim(dim.name, dim.min, dim.max, step)}",
            places,
        )
    return _error(
        text,
        "if that line fixes the size, leave the dimension out; if only some sizes can be, "
        f"toffee.Dim({names[0]}, min=..., max=..., multiple_of=...) says which; if growing and "
        "cutting what is given makes no sense, give examples=[...]",
        places,
    )


def _with(sizes: tuple[int, ...], which: Sequence[int], size: int) -> tuple[int, ...]:
    return tuple(size if i in which else old for i, old in enumerate(sizes))


def _equal_pair(
    usual: tuple[int, ...], sizes: tuple[int, ...], blamed: Sequence[int], tries: Tries
) -> tuple[int, int] | None:
    """Two of the symbols BLAMED that can only change together."""
    for at, i in enumerate(blamed):
        for j in blamed[at + 1 :]:
            if usual[i] == usual[j] and tries(_with(usual, (i, j), sizes[i])) is None:
                return i, j
    return None


def _multiple(request: _dims.Request, i: int, tries: Tries) -> int | None:
    """What symbol I must be a multiple of, if the model takes such sizes."""
    dim, usual = request.dims[i], request.sizes
    size = usual[i]
    for step in [n for n in range(2, size + 1) if size % n == 0][:_MULTIPLES]:
        others = [size + step, size + 3 * step]
        if (
            step % dim.multiple_of == 0
            and step != dim.multiple_of
            and all(dim.allows(other) for other in others)
            and all(tries(_with(usual, (i,), other)) is None for other in others)
        ):
            return step
    return None
