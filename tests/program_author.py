"""What every kind of step of a random program needs: chances, names, exactness, lines, indices."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import torch
from program_data import FLOATS

MAX_RANK = 5
MAX_NUMEL = 120
MAX_INEXACT = 64.0
"""Larger inexact numbers are kept out: where two of them cancel, what remains is rounding error."""

DTYPES = (torch.float32,) * 4 + (torch.int64,) * 3 + (torch.bool,) * 2
DTYPES += (torch.float64,) * 2 + (torch.int32,) * 2 + (torch.uint8,)
REFUSALS = (RuntimeError, IndexError, TypeError, ValueError)
"""What PyTorch raises for a step that makes no sense."""


# ---- facts about tensors -----------------------------------------------------------------------


def memory_of(tensor: torch.Tensor) -> int:
    """The same number for tensors that share their memory; empty ones share none."""
    return tensor.untyped_storage()._cdata if tensor.untyped_storage().nbytes() else id(tensor)


def overlaps_itself(tensor: torch.Tensor) -> bool:
    if tensor.is_contiguous():
        return False
    steps = [
        range(0, n * s, s) if s else [0] * n
        for n, s in zip(tensor.shape, tensor.stride(), strict=True)
    ]
    places = [sum(place) for place in itertools.product(*steps)]
    return len(set(places)) < len(places)


def broadcasts_to(shape: Sequence[int], target: Sequence[int]) -> bool:
    pairs = zip(reversed(shape), reversed(target), strict=False)
    return len(shape) <= len(target) and all(n in (1, m) for n, m in pairs)


def broadcasts_with(a: Sequence[int], b: Sequence[int]) -> bool:
    return all(n == m or 1 in (n, m) for n, m in zip(reversed(a), reversed(b), strict=False))


def is_mask_of(mask: Sequence[int], target: Sequence[int]) -> bool:
    return tuple(mask) == tuple(target[: len(mask)])


def call(*args: Any, **kwargs: Any) -> str:
    """The text between the parentheses of a call."""
    return ", ".join([*map(str, args), *(f"{k}={v}" for k, v in kwargs.items())])


class Author:
    """Writes a program line by line and runs each line at once.

    The methods that are steps return nothing; they raise LookupError, and write nothing, where
    there is no tensor for them or PyTorch refuses the line.
    """

    def __init__(self, random: Random) -> None:
        self.random = random
        self.lines: list[str] = []
        self.scope: dict[str, torch.Tensor] = {}
        self.dropped: list[torch.Tensor] = []
        self.inexact: set[int] = set()
        self.n_names = 0
        self.is_wild = False  # whether there may be NaN, or infinities

    def chance(self, one_in: int) -> bool:
        return self.random.randint(1, one_in) == one_in

    def number(self, low: int, high: int) -> int:
        return self.random.randint(low, high)

    def pick(self, items: Sequence[Any]) -> Any:
        return items[self.random.randint(0, len(items) - 1)]

    def shape(self) -> tuple[int, ...]:
        sizes = (2, 3, 1, 4, 5, 0) if self.chance(6) else (2, 3, 1, 4, 2, 3)
        shape = tuple(self.pick(sizes) for _ in range(self.pick((2, 1, 3, 2, 3, 0, 4))))
        return shape if math.prod(shape) <= MAX_NUMEL else shape[:3]

    def order(self, n: int) -> list[int]:
        left = list(range(n))
        return [left.pop(self.number(0, len(left) - 1)) for _ in range(n)]

    def dim(self, tensor: torch.Tensor) -> int:
        dim = self.number(0, max(tensor.dim() - 1, 0))
        return dim - tensor.dim() if tensor.dim() and self.chance(3) else dim

    def scalar(self, tensor: torch.Tensor, fractions: bool = True) -> str:
        if tensor.dtype == torch.bool and not self.chance(4):
            return self.pick(("True", "False"))
        if fractions and tensor.dtype in FLOATS and self.chance(2):
            return self.pick(("0.5", "-1.5", "2.0", "0.25"))
        return str(self.pick((2, 1, 3, -1, -2, 0)))

    def dtype(self) -> torch.dtype:
        return self.pick(DTYPES)

    def name(self, wanted: Callable[[torch.Tensor], bool] = lambda _: True) -> str:
        """One of the program's tensors; LookupError if none is WANTED."""
        names = [name for name, tensor in self.scope.items() if wanted(tensor)]
        if not names:
            raise LookupError
        recent = names[-4:] if self.chance(2) else names
        return recent[-1 - self.number(0, len(recent) - 1)]

    # ---- exactness

    def is_exact(self, *names: str) -> bool:
        return not any(
            memory_of(self.scope[name]) in self.inexact for name in names if name in self.scope
        )

    def exact(self, wanted: Callable[[torch.Tensor], bool] = lambda _: True) -> str:
        return self.name(lambda tensor: memory_of(tensor) not in self.inexact and wanted(tensor))

    def mark(self, tensors: Sequence[torch.Tensor]) -> bool:
        """Note that TENSORS are inexact; false if they are too large for that."""
        for tensor in tensors:
            if tensor.dtype in FLOATS:
                self.inexact.add(memory_of(tensor))
                finite = tensor[tensor.isfinite()]
                if finite.numel() and not bool(finite.abs().max() <= MAX_INEXACT):
                    return False
        return True

    # ---- lines

    def value(self, expression: str) -> Any:
        """What EXPRESSION is now; LookupError if PyTorch refuses it."""
        try:
            return eval(expression, {"torch": torch}, self.scope)
        except REFUSALS as error:
            raise LookupError from error

    def run(self, line: str) -> bool:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                exec(line, {"torch": torch}, self.scope)
        except REFUSALS:
            return False
        return True

    def new(
        self, expression: str, reads: Sequence[str] = (), exact: bool = True, n: int = 1
    ) -> str:
        """Write ``v = EXPRESSION`` (with N results: ``v, w = …``); returns the first name."""
        names = [f"v{self.n_names + i}" for i in range(n)]
        line = (
            f"{', '.join(names)}{',' * (n == 1 and expression.endswith(' # one'))} = {expression}"
        )
        line = line.removesuffix(" # one")
        if not self.run(line):
            raise LookupError
        made = [self.scope[name] for name in names]
        small = all(t.numel() <= MAX_NUMEL and t.dim() <= MAX_RANK for t in made)
        fits = small and ((exact and self.is_exact(*reads)) or self.mark(made))
        if not fits:
            for name in names:  # kept alive: its address stands for its memory in `inexact`
                self.dropped.append(self.scope.pop(name))
            raise LookupError
        self.n_names += n
        self.lines.append(line)
        return names[0]

    def write(self, line: str, target: str, reads: Sequence[str] = (), exact: bool = True) -> None:
        """Write LINE, which changes TARGET by what is in READS."""
        tensor = self.scope[target]
        reads = [name for name in reads if name in self.scope]
        stays_exact = exact and self.is_exact(*reads)
        if overlaps_itself(tensor) or (not stays_exact and tensor.dtype not in FLOATS):
            raise LookupError
        before = tensor.clone()
        if not self.run(line):
            raise LookupError
        if not (stays_exact and self.is_exact(target)) and not self.mark([tensor]):
            tensor.resize_(before.shape).copy_(before)
            raise LookupError
        self.lines.append(line)

    def source(self, target: str, name: str, as_is: bool = True) -> str:
        """NAME as an operand of a write to TARGET: a clone where they share memory."""
        shared = memory_of(self.scope[name]) == memory_of(self.scope[target])
        return f"{name}.clone()" if shared and not (name == target and as_is) else name

    def writable(self) -> str:
        return self.name(lambda tensor: not overlaps_itself(tensor))

    def operand(self, target: str) -> str:
        """A tensor to combine with TARGET in place: it broadcasts to it."""
        shape = self.scope[target].shape
        return self.name(lambda t: broadcasts_to(t.shape, shape))

    def partner(self, name: str) -> str:
        shape = self.scope[name].shape
        return self.name(lambda t: broadcasts_with(t.shape, shape))

    def cast(self, source: str, dtype: torch.dtype, text: str) -> str:
        """TEXT, made safe for a cast to DTYPE."""
        floats = self.scope[source].dtype in FLOATS
        if not floats or dtype in FLOATS:
            return text
        if not self.is_exact(source) or (self.is_wild and dtype != torch.bool):
            raise LookupError
        values = self.scope[source]
        if values.numel() and not bool(values.abs().max() < 1e6):
            raise LookupError
        if dtype == torch.bool:
            return text
        return f"{text}.clamp({0 if dtype == torch.uint8 else -9}, 9)"

    def divisor(self, name: str, text: str = "") -> str:
        """NAME to divide by, where zeros lose their sign: ONNX Runtime's Where does not keep it."""
        text = text or name
        return f"{text}.abs()" if self.scope[name].dtype in FLOATS else text

    # ---- indices

    def slice_text(self, size: int) -> str:
        start = self.pick(("", str(self.number(0, size)), str(self.number(-size, 0))))
        stop = self.pick(("", str(self.number(0, size)), str(-self.number(0, size))))
        step = self.pick(("", "", "2", "3"))
        return f"{start}:{stop}" + (f":{step}" if step else "")

    def basic_index(self, tensor: torch.Tensor) -> str:
        items: list[str] = []
        rest = list(tensor.shape)
        from_end = bool(rest) and self.chance(5)
        if from_end:
            items.append("...")
            rest = rest[self.number(0, len(rest)) :]
        for size in rest:
            if self.chance(8):
                items.append("None")
            if self.chance(4) and not from_end:
                break
            if size and self.chance(3):
                items.append(str(self.number(-size, size - 1)))
            else:
                items.append(self.slice_text(size))
        return ", ".join(items) or "..."

    def rows(self, size: int, unique: bool) -> list[int]:
        if unique:
            n = self.number(0 if self.chance(6) else min(1, size), size)
            rows = self.order(size)[:n]
        else:
            rows = [self.number(0, size - 1) for _ in range(self.number(0, 4))] if size else []
        return [row - size if self.chance(4) else row for row in rows]

    def constant_index(self, size: int, unique: bool) -> str:
        """Some of SIZE rows, as numbers or as a mask."""
        if self.chance(3):
            mask = [self.chance(2) for _ in range(size)]
            return f"torch.tensor({mask}, dtype=torch.bool)"
        rows = self.rows(size, unique)
        dtype = self.pick(("int64", "int64", "int32"))
        if len(rows) == 4 and not unique and self.chance(2):
            return f"torch.tensor({[rows[:2], rows[2:]]}, dtype=torch.{dtype})"
        return self.pick((f"torch.tensor({rows}, dtype=torch.{dtype})", str(rows) if rows else ":"))

    def advanced_index(self, tensor: torch.Tensor, unique: bool) -> str:
        """An index with tensors in it; UNIQUE: it takes no element twice."""
        if tensor.dim() == 0:
            return self.pick(("None", "torch.tensor(True)", "..."))
        if tensor.numel() and tensor.dim() > 1 and self.chance(6):
            mask = [[self.chance(2) for _ in range(tensor.shape[1])] for _ in range(len(tensor))]
            return f"torch.tensor({mask})"
        items: list[str] = []
        n_tensors = 0
        for size in tensor.shape:
            if self.chance(2) and (n_tensors == 0 or self.chance(3)):
                items.append(self.constant_index(size, unique))
                n_tensors += 1
            elif size and self.chance(5):
                items.append(str(self.number(-size, size - 1)))
            else:
                items.append(self.slice_text(size))
            if self.chance(8):
                items.append("None")
        return ", ".join(items)

    def traced_index(self, size: int) -> tuple[str, str]:
        """A tensor of the program, brought into the range of SIZE rows; its name, and the text."""
        name = self.exact(lambda t: t.dtype in (torch.int64, torch.int32) and 0 < t.dim() < 3)
        if size == 0:
            raise LookupError
        text = self.pick((f"{name}.clamp({-size}, {size - 1})", f"{name} % {size}"))
        return name, text

    def whole_index(self, tensor: torch.Tensor, d: int) -> str:
        """An int64 constant of TENSOR's shape; along D no number comes twice."""
        if tensor.dim() == 0 or not 0 < tensor.numel() <= 24:
            raise LookupError
        shape = [tensor.shape[i] for i in range(tensor.dim()) if i != d % tensor.dim()]
        lines = [self.order(tensor.shape[d]) for _ in range(math.prod(shape))]
        values = torch.tensor(lines).view(*shape, -1).movedim(-1, d)
        return f"torch.tensor({values.tolist()})"
