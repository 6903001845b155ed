"""Sizes that a graph leaves open: symbols, expressions in them, and what each symbol may be.

A dimension declares a number, nothing, or a text. The text is a symbol (``batch``), an expression
in symbols as Python writes it (``2*length + 1``, ``max(length//4, 1)``), or, where it is neither, a
name for one size that nothing else is known of.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ._core import Graph

__all__ = [
    "DYNAMIC_DIMS",
    "Expression",
    "Limits",
    "Misfit",
    "Sizes",
    "limits_of",
    "parse",
    "symbols_in",
    "symbols_of",
]

#: The key of ``metadata_props`` under which a graph says what its symbols may be.
DYNAMIC_DIMS = "dynamic_dims"

Dim = int | str | None

# ---- expressions -------------------------------------------------------------------------------

#: Longer texts are names: no size is computed like that.
_LONGEST = 1000
#: Sizes that only the graph knows are called like a value and an axis: ``45.2``.
_TOKEN = re.compile(
    r"\s*(?:(?P<call>max\(|min\()|(?P<name>[^\W\d]\w*(?:\.\w+)*|\d+(?:\.\w+)+)"
    r"|(?P<number>[0-9]+)|(?P<mark>//|[-+*%(),]))"
)

_Operation = Callable[[int, int], int]
#: How tight each binds, and what it does. A sign binds tighter than all of them.
_OPERATIONS: dict[str, tuple[int, _Operation]] = {
    "+": (1, operator.add),
    "-": (1, operator.sub),
    "*": (2, operator.mul),
    "//": (2, operator.floordiv),
    "%": (2, operator.mod),
}
_SIGNS = {"+ sign": 1, "- sign": -1}
#: Of two operands, named as they begin, and as they go on behind the first.
_CALLS: dict[str, _Operation] = {"max(": max, "min(": min}
_AFTER_COMMA = {"max(": "max,", "min(": "min,"}
_OPEN = {"(", *_CALLS, *_AFTER_COMMA.values()}


@dataclass(frozen=True)
class Expression:
    """What a declared dimension says: ``text``, the symbols in it, and how to compute it."""

    text: str
    names: tuple[str, ...]
    _steps: tuple[int | str, ...]  # postfix: numbers, names, operations

    @property
    def is_symbol(self) -> bool:
        return self.names == (self.text,)

    def known(self, sizes: Mapping[str, int]) -> bool:
        """Whether SIZES has all of its symbols."""
        return all(name in sizes for name in self.names)

    def value(self, sizes: Mapping[str, int]) -> int:
        """What it is for SIZES, which has all of its symbols.

        Raises
        ------
        ZeroDivisionError
            It divides by 0.
        """
        if self.is_symbol:
            return sizes[self.text]
        stack: list[int] = []
        for step in self._steps:
            if isinstance(step, int):
                stack.append(step)
            elif step in _SIGNS:
                stack.append(_SIGNS[step] * stack.pop())
            elif step in _OPERATIONS or step in _CALLS:
                right = stack.pop()
                operation = _CALLS[step] if step in _CALLS else _OPERATIONS[step][1]
                stack.append(operation(stack.pop(), right))
            else:
                stack.append(sizes[step])
        return stack[0]


@lru_cache(maxsize=4096)
def parse(text: str) -> Expression:
    """TEXT as an expression; a symbol with that name if it is none."""
    steps = _postfix(text) if len(text) <= _LONGEST else None
    names = dict.fromkeys(s for s in steps or () if isinstance(s, str) and _is_name(s))
    if steps is None or not names:
        return Expression(text, (text,), (text,))
    text = steps[0] if len(steps) == 1 and isinstance(steps[0], str) else text
    return Expression(text, tuple(names), tuple(steps))


def _is_name(step: str) -> bool:
    return step not in _OPERATIONS and step not in _SIGNS and step not in _CALLS


def _tokens(text: str) -> list[tuple[str, str]] | None:
    found = []
    at = 0
    text = text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            return None
        found.append((match.lastgroup or "mark", match.group().strip()))
        at = match.end()
    return found


def _postfix(text: str) -> list[int | str] | None:
    """The steps that compute TEXT, operands before their operation; None if it is no expression.
    Two stacks and no recursion, since anybody may have written it."""
    steps: list[int | str] = []
    waiting: list[str] = []  # operations whose right operand is not complete, and open brackets
    wants_operand = True
    for kind, token in _tokens(text) or [("mark", ")")]:
        if kind in ("name", "number"):
            if not wants_operand:
                return None
            steps.append(int(token) if kind == "number" else token)
            wants_operand = False
        elif token == "(" or kind == "call":
            if not wants_operand:
                return None
            waiting.append(token)
        elif token in "),":
            while waiting and waiting[-1] not in _OPEN:
                steps.append(waiting.pop())
            if wants_operand or not waiting:
                return None
            bracket = waiting.pop()
            if token == ",":
                if bracket not in _AFTER_COMMA:
                    return None
                waiting.append(_AFTER_COMMA[bracket])
                wants_operand = True
            elif bracket in _CALLS:
                return None
            elif bracket != "(":
                steps.append(f"{bracket[:-1]}(")
        elif wants_operand:
            if token not in "+-":
                return None
            waiting.append(f"{token} sign")
        else:
            while waiting and _tightness(waiting[-1]) >= _tightness(token):
                steps.append(waiting.pop())
            waiting.append(token)
            wants_operand = True
    if wants_operand or not _OPEN.isdisjoint(waiting):
        return None
    return steps + waiting[::-1]


def _tightness(operation: str) -> int:
    if operation in _OPERATIONS:
        return _OPERATIONS[operation][0]
    return 0 if operation in _OPEN else 3


# ---- what a symbol may be ----------------------------------------------------------------------


class Limits(NamedTuple):
    """Which sizes a symbol may have."""

    min: int = 0
    max: int | None = None
    multiple_of: int = 1

    def fault(self, size: int) -> str | None:
        """What SIZE breaks, to be put behind "must be"; None if it is allowed."""
        if size < self.min:
            return f"at least {self.min}"
        if self.max is not None and size > self.max:
            return f"at most {self.max}"
        return None if size % self.multiple_of == 0 else f"a multiple of {self.multiple_of}"

    def describe(self) -> str:
        """``1 to 8, a multiple of 4``; ``any``."""
        said = []
        if self.max is not None:
            said.append(f"{self.min} to {self.max}")
        elif self.min > 0:
            said.append(f"{self.min} or more")
        if self.multiple_of > 1:
            said.append(f"a multiple of {self.multiple_of}")
        return ", ".join(said) or "any"

    def nearest(self, size: int) -> int:
        """The least allowed size from SIZE up; the largest if there is none."""
        least = -(-max(size, self.min) // self.multiple_of) * self.multiple_of
        if self.max is None or least <= self.max:
            return least
        return max(self.max // self.multiple_of * self.multiple_of, 0)


def limits_of(graph: Graph) -> dict[str, Limits]:
    """What ``metadata_props`` of GRAPH say about its symbols. What is no such statement is passed
    over: the entry belongs to the file, and anybody may have written it."""
    for entry in graph.metadata_props:
        if entry.key == DYNAMIC_DIMS:
            return _read_limits(entry.value)
    return {}


def _read_limits(text: str) -> dict[str, Limits]:
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(said, dict):
        return {}
    found = {
        str(name): Limits(
            _whole(entry.get("min"), 0) or 0,
            _whole(entry.get("max"), 0),
            _whole(entry.get("multiple_of"), 1) or 1,
        )
        for name, entry in said.items()
        if isinstance(entry, dict)
    }
    return {name: limits for name, limits in found.items() if limits != Limits()}


def _whole(value: object, least: int) -> int | None:
    """VALUE if it is a whole number from LEAST up."""
    ok = isinstance(value, int) and not isinstance(value, bool) and value >= least
    return value if ok else None  # type: ignore[return-value]


# ---- symbols and their sizes in one call -------------------------------------------------------


class Misfit(ValueError):
    """A shape does not fit a declared one; the message says which input and dimension."""


class Sizes(dict[str, int]):
    """The sizes that symbols have in one call, as the shapes of its inputs are taken in one by one.

    Parameters
    ----------
    limits : mapping from symbols to Limits, optional
        What :func:`limits_of` read.
    """

    def __init__(self, limits: Mapping[str, Limits] | None = None) -> None:
        super().__init__()
        self.limits: Mapping[str, Limits] = limits or {}
        self._seen: dict[str, str] = {}  # the input that a symbol has its size from
        self._later: list[tuple[str, int, Expression, int]] = []

    def take(self, name: str, declared: Sequence[Dim] | None, shape: Sequence[int]) -> None:
        """Take in that input NAME, of the shape DECLARED, has SHAPE.

        Raises
        ------
        Misfit
            Another rank, another size than a fixed one, a symbol that has two sizes or one that it
            may not have, or an expression that is something else.
        """
        if declared is None:
            return
        if len(declared) != len(shape):
            raise Misfit(
                f"'{name}' has {_count(len(shape))}, and the graph declares {len(declared)}"
            )
        for axis, (dim, size) in enumerate(zip(declared, shape, strict=True)):
            if isinstance(dim, int):
                if dim != size:
                    raise Misfit(f"'{name}' has {size} in dimension {axis}, which is {dim}")
            elif dim:
                expression = parse(dim)
                if expression.is_symbol:
                    self.bind(expression.text, size, name, axis)
                else:
                    self._later.append((name, axis, expression, size))

    def bind(self, symbol: str, size: int, name: str = "", axis: int | None = None) -> None:
        """SYMBOL has SIZE, as dimension AXIS of input NAME says.

        Raises
        ------
        Misfit
            It has another, or may not have that.
        """
        if symbol in self:
            if self[symbol] != size:
                other = self._seen[symbol]
                first = f"'{other}' has {self[symbol]}" if other else f"it is {self[symbol]}"
                if other == name:
                    raise Misfit(f"'{name}' has both {self[symbol]} and {size} for '{symbol}'")
                raise Misfit(f"'{name}' has {size} for '{symbol}' and {first}")
            return
        fault = self.limits[symbol].fault(size) if symbol in self.limits else None
        if fault is not None:
            where = f"'{name}' has {size} in dimension {axis}" if name else f"{size} is given"
            raise Misfit(f"{where} for '{symbol}', which must be {fault}")
        self[symbol] = size
        self._seen[symbol] = name

    def settle(self) -> None:
        """Hold expressions against the sizes of their symbols, once all inputs are taken in.

        Raises
        ------
        Misfit
            One is something else.
        """
        for name, axis, expression, size in self._later:
            expected = self.value(expression.text) if expression.known(self) else None
            if expected is None:  # a symbol is open: the text stands for one size all the same
                self.bind(expression.text, size, name, axis)
            elif expected != size:
                sizes = ", ".join(f"{s}={self[s]}" for s in expression.names if s in self)
                raise Misfit(
                    f"'{name}' has {size} in dimension {axis}, where '{expression.text}' is "
                    f"{expected} for {sizes}"
                )
        self._later.clear()

    def value(self, text: str) -> int | None:
        """The size that a dimension declared as TEXT has; None if that is not known. It may be
        negative, where sizes are too small for the graph."""
        if text in self:
            return self[text]
        expression = parse(text)
        if not expression.known(self):
            return None
        try:
            return expression.value(self)
        except ZeroDivisionError:
            return None

    def shape(self, declared: Sequence[Dim]) -> tuple[Dim, ...]:
        """DECLARED with numbers where they are known."""
        found: list[Dim] = []
        for dim in declared:
            size = self.value(dim) if isinstance(dim, str) and dim else None
            found.append(dim if size is None or size < 0 else size)
        return tuple(found)


def _count(rank: int) -> str:
    return f"{rank} dimension{'' if rank == 1 else 's'}"


def symbols_in(shapes: Iterable[Sequence[Dim] | None]) -> tuple[str, ...]:
    """The symbols in SHAPES, in order, once each; expressions give those that they are of."""
    dims = (dim for shape in shapes for dim in shape or () if isinstance(dim, str) and dim)
    return tuple(dict.fromkeys(name for dim in dims for name in parse(dim).names))


def symbols_of(graph: Graph) -> dict[str, Limits]:
    """The symbols in the inputs of GRAPH, in order, and what each may be."""
    stored = {tensor.name for tensor in graph.initializer}
    shapes = (info.shape for info in graph.input_info if info.name not in stored)
    limits = limits_of(graph)
    return {symbol: limits.get(symbol, Limits()) for symbol in symbols_in(shapes)}
