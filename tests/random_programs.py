"""Random programs over tensors: views, writes through them, arithmetic, indexing, concatenation.

:func:`random_program` writes a program as a list of Python statements; it asks for chances from an
object with the interface of :class:`random.Random`. :data:`programs` is the Hypothesis strategy over
it, so what fails is shrunk; with ``random.Random(number)`` each number is one program.

While a program is written, it runs, so each statement is one that PyTorch accepts. Left out is what
PyTorch leaves undefined (a write that overlaps its source or itself, an index that is written
twice, integer division by zero, casts to integers out of range), and a decision (comparison, cast to
integers) on a float that is not exact: there two right answers differ. Inputs are multiples of a
quarter, on which single operations round in one way; sums, means and products of matrices do not.
"""

from __future__ import annotations

import itertools
import linecache
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import hypothesis.strategies as st
import torch

MAX_RANK = 5
MAX_NUMEL = 120
MAX_INEXACT = 64.0
"""Larger inexact numbers are kept out: where two of them cancel, what remains is rounding error."""

FLOATS = (torch.float32, torch.float64)
DTYPES = (torch.float32,) * 4 + (torch.int64,) * 3 + (torch.bool,) * 2
DTYPES += (torch.float64,) * 2 + (torch.int32,) * 2 + (torch.uint8,)

FILE = "program.py"


# ---- a program as data -------------------------------------------------------------------------


@dataclass(frozen=True)
class Tensor:
    """A tensor that a program begins with.

    Attributes
    ----------
    name : str
    dtype : torch.dtype
    shape : tuple of int
    permutation : tuple of int
        Its dimensions in the order of memory.
    alias : str
        An expression of earlier tensors that it is, such as ``a[1:]``; empty: memory of its own.
    """

    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]
    permutation: tuple[int, ...] = ()
    alias: str = ""

    def make(self, generator: torch.Generator, earlier: dict[str, torch.Tensor]) -> torch.Tensor:
        if self.alias:
            return eval(self.alias, {"torch": torch}, earlier)
        low, high = {torch.bool: (0, 2), torch.uint8: (0, 10)}.get(self.dtype, (-5, 6))
        if self.dtype in FLOATS:
            low, high = -16, 17
        memory = [self.shape[d] for d in self.permutation]
        numbers = torch.randint(low, high, memory, generator=generator)
        numbers = (numbers / 4 if self.dtype in FLOATS else numbers).to(self.dtype)
        return numbers.permute([self.permutation.index(d) for d in range(len(self.shape))])

    def __str__(self) -> str:
        if self.alias:
            return f"{self.name} = {self.alias}"
        order = "" if self.permutation == tuple(range(len(self.shape))) else f", {self.permutation}"
        return f"{self.name}: {str(self.dtype)[6:]} {list(self.shape)}{order}"


@dataclass(frozen=True)
class Program:
    """``def forward(*inputs): lines; return results``.

    Attributes
    ----------
    inputs : the arguments; the seed of a run decides their values
    captured : tensors that ``forward`` finds around it; every fresh function has the same values
    lines : statements
    results : names
    is_module : captured tensors are buffers of a module
    """

    inputs: tuple[Tensor, ...]
    captured: tuple[Tensor, ...]
    lines: tuple[str, ...]
    results: tuple[str, ...]
    is_module: bool

    def body(self) -> str:
        names = [tensor.name for tensor in self.inputs]
        own = [tensor.name for tensor in self.captured]
        lines = [f"{name} = held[{name!r}]" for name in own]
        if self.is_module:
            names = ["self", *names]
            lines = [f"{name} = self.{name}" for name in own]
        lines += [*self.lines, f"return {', '.join(self.results)}{',' * (len(self.results) == 1)}"]
        return f"def forward({', '.join(names)}):\n" + "".join(f"    {line}\n" for line in lines)

    def __repr__(self) -> str:
        head = [f"# input {tensor}" for tensor in self.inputs]
        head += [f"# captured {tensor}" for tensor in self.captured]
        return "\n".join([*head, self.body()])

    def arguments(self, seed: int) -> tuple[torch.Tensor, ...]:
        generator = torch.Generator().manual_seed(seed)
        made: dict[str, torch.Tensor] = {}
        for tensor in self.inputs:
            made[tensor.name] = tensor.make(generator, made)
        return tuple(made.values())

    def function(self) -> Callable[..., tuple[torch.Tensor, ...]]:
        """A fresh one: captured tensors are as they were before any run."""
        source = self.body()
        linecache.cache[FILE] = (len(source), None, source.splitlines(keepends=True), FILE)
        held = captured_values(self.captured)
        scope: dict[str, Any] = {"torch": torch, "held": held}
        exec(compile(source, FILE, "exec"), scope)
        if not self.is_module:
            return scope["forward"]
        module = type("Module", (torch.nn.Module,), {"forward": scope["forward"]})()
        for name, value in held.items():
            module.register_buffer(name, value)
        return module


def captured_values(captured: Sequence[Tensor]) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(7)
    made: dict[str, torch.Tensor] = {}
    for tensor in captured:
        made[tensor.name] = tensor.make(generator, made)
    return made


# ---- facts about tensors -----------------------------------------------------------------------


def memory_of(tensor: torch.Tensor) -> int:
    """The same number for tensors that share their memory; empty ones share none."""
    return tensor.untyped_storage()._cdata if tensor.untyped_storage().nbytes() else id(tensor)


def overlaps_itself(tensor: torch.Tensor) -> bool:
    if tensor.is_contiguous():
        return False
    steps = [range(0, n * s, s) if s else [0] * n for n, s in zip(tensor.shape, tensor.stride())]
    places = [sum(place) for place in itertools.product(*steps)]
    return len(set(places)) < len(places)


def broadcasts_to(shape: Sequence[int], target: Sequence[int]) -> bool:
    pairs = zip(reversed(shape), reversed(target))
    return len(shape) <= len(target) and all(n in (1, m) for n, m in pairs)


def broadcasts_with(a: Sequence[int], b: Sequence[int]) -> bool:
    return all(n == m or 1 in (n, m) for n, m in zip(reversed(a), reversed(b)))


def is_mask_of(mask: Sequence[int], target: Sequence[int]) -> bool:
    return tuple(mask) == tuple(target[: len(mask)])


def call(*args: Any, **kwargs: Any) -> str:
    """The text between the parentheses of a call."""
    return ", ".join([*map(str, args), *(f"{k}={v}" for k, v in kwargs.items())])


# ---- writing a program -------------------------------------------------------------------------


class Author:
    """Writes a program line by line and runs each line at once.

    The methods that are steps return nothing; a line that PyTorch refuses is not written.
    """

    def __init__(self, random: Random) -> None:
        self.random = random
        self.lines: list[str] = []
        self.scope: dict[str, torch.Tensor] = {}
        self.inexact: set[int] = set()
        self.n_names = 0

    # -- chances

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
        return names[-1 - self.number(0, min(len(names) - 1, 3))] if self.chance(2) else self.pick(
            names
        )

    # -- exactness

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
                if tensor.numel() and not bool(tensor.abs().max() <= MAX_INEXACT):
                    return False
        return True

    # -- lines

    def run(self, line: str) -> bool:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                exec(line, {"torch": torch}, self.scope)
        except (RuntimeError, IndexError, TypeError, ValueError, NotImplementedError):
            return False
        return True

    def new(self, expression: str, reads: Sequence[str] = (), exact: bool = True, n: int = 1) -> str:
        """Write ``v = EXPRESSION`` (with N results: ``v, w = …``); returns the first name."""
        names = [f"v{self.n_names + i}" for i in range(n)]
        line = f"{', '.join(names)}{',' * (n == 1 and expression.endswith(' # one'))} = {expression}"
        line = line.removesuffix(" # one")
        if not self.run(line):
            raise LookupError
        made = [self.scope[name] for name in names]
        small = all(t.numel() <= MAX_NUMEL and t.dim() <= MAX_RANK for t in made)
        fits = small and ((exact and self.is_exact(*reads)) or self.mark(made))
        if not fits:
            for name in names:
                del self.scope[name]
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

    # ---- views ---------------------------------------------------------------------------------

    def factors(self, numel: int) -> list[int]:
        """A shape with NUMEL elements."""
        shape: list[int] = []
        left = numel
        while left > 1 and len(shape) < 3:
            size = self.pick([d for d in range(1, left + 1) if left % d == 0])
            shape.append(size)
            left //= size
        shape.append(left)
        return shape if numel else self.pick(([0], [0, 2], [3, 0], [1, 0, 2]))

    def view(self) -> None:
        name = self.name()
        tensor = self.scope[name]
        rank = tensor.dim()
        d, e = self.dim(tensor), self.dim(tensor)
        size = tensor.shape[d] if rank else 1
        make = self.pick(
            (
                self.view_shape,
                self.view_axes,
                self.view_part,
                self.view_part,
                self.view_strided,
                self.view_pieces,
            )
        )
        make(name, tensor, d, e, size)

    def view_shape(self, name: str, tensor: torch.Tensor, d: int, e: int, size: int) -> None:
        kind = self.pick(("reshape", "view", "flatten", "unflatten", "view_as", "ravel", "reshape"))
        shape = self.factors(tensor.numel())
        if kind == "flatten":
            low, high = sorted((d % max(tensor.dim(), 1), e % max(tensor.dim(), 1)))
            self.new(f"{name}.flatten({low}, {high})", [name])
        elif kind == "unflatten":
            self.new(f"{name}.unflatten({d}, {tuple(self.factors(size))})", [name])
        elif kind == "view_as":
            other = self.name(lambda t: t.numel() == tensor.numel())
            self.new(f"{name}.{self.pick(('view_as', 'reshape_as'))}({other})", [name])
        elif kind == "ravel":
            self.new(f"{name}.ravel()", [name])
        else:
            if self.chance(3) and tensor.numel():
                shape[self.number(0, len(shape) - 1)] = -1
            self.new(f"{name}.{kind}({call(*shape)})", [name])

    def view_axes(self, name: str, tensor: torch.Tensor, d: int, e: int, size: int) -> None:
        rank = tensor.dim()
        kind = self.pick(
            ("transpose", "permute", "unsqueeze", "squeeze", "expand", "t", "movedim", "T", "mT")
        )
        arguments = {"transpose": call(d, e), "movedim": call(d, e), "t": "", "squeeze": ""}
        if kind in ("T", "mT"):
            self.new(f"{name}.{kind}", [name])
        elif kind == "permute":
            self.new(f"{name}.permute({call(*self.order(rank))})", [name])
        elif kind == "unsqueeze":
            self.new(f"{name}.unsqueeze({self.number(-rank - 1, rank)})", [name])
        elif kind == "squeeze" and rank and self.chance(2):
            self.new(f"{name}.squeeze({self.pick((d, (d, (d + 1) % rank)))})", [name])
        elif kind == "expand":
            shape = [self.number(1, 3) if n == 1 else self.pick((n, -1)) for n in tensor.shape]
            front = [self.number(1, 3) for _ in range(self.number(0, 1))]
            self.new(f"{name}.expand({call(*front, *shape)})", [name])
        else:
            self.new(f"{name}.{kind}({arguments[kind]})", [name])

    def view_part(self, name: str, tensor: torch.Tensor, d: int, e: int, size: int) -> None:
        kind = self.pick(("slice", "select", "narrow", "diagonal", "unfold", "slice"))
        if kind == "slice":
            self.new(f"{name}[{self.basic_index(tensor)}]", [name])
        elif kind == "select":
            self.new(f"{name}.select({d}, {self.number(-size, size - 1) if size else 0})", [name])
        elif kind == "narrow":
            start = self.number(0, size)
            self.new(f"{name}.narrow({d}, {start}, {self.number(0, size - start)})", [name])
        elif kind == "diagonal":
            self.new(f"{name}.diagonal({self.pick((0, 1, -1))}, {d}, {e})", [name])
        else:
            length = self.number(1, max(size, 1))
            self.new(f"{name}.unfold({d}, {length}, {self.number(1, 3)})", [name])

    def view_strided(self, name: str, tensor: torch.Tensor, d: int, e: int, size: int) -> None:
        room = tensor.untyped_storage().nbytes() // tensor.itemsize
        if room == 0:
            raise LookupError
        sizes = [self.number(1, 4) for _ in range(self.number(0, 3))]
        strides = [self.pick((1, 2, 3, 4, 6, 1, room // n)) for n in sizes]
        if self.chance(6) and strides:
            strides[0] = 0
        reach = sum((n - 1) * s for n, s in zip(sizes, strides))
        offset = self.number(0, max(room - 1 - reach, 0))
        if reach + offset >= room:
            raise LookupError
        self.new(f"{name}.as_strided({tuple(sizes)}, {tuple(strides)}, {offset})", [name])

    def view_pieces(self, name: str, tensor: torch.Tensor, d: int, e: int, size: int) -> None:
        if tensor.dim() == 0:
            raise LookupError
        kind = self.pick(("split", "chunk", "unbind", "sizes", "tensor_split"))
        if kind == "sizes":
            first = self.number(0, size)
            expression = f"{name}.split([{first}, {size - first}], {d})"
        elif kind == "unbind":
            expression = f"{name}.unbind({d})"
        else:
            expression = f"{name}.{kind}({self.number(1, 3)}, {d})"
        n = len(eval(expression, {}, self.scope))
        if not 0 < n <= 5:
            raise LookupError
        self.new(expression + " # one" * (n == 1), [name], n=n)

    def reaxis(self) -> None:
        """In-place changes of the dimensions themselves."""
        name = self.name()
        tensor = self.scope[name]
        d, e = self.dim(tensor), self.dim(tensor)
        kind = self.pick((f"transpose_({d}, {e})", "t_()", f"unsqueeze_({d})", "squeeze_()"))
        if tensor.dim() == MAX_RANK:
            raise LookupError
        line = f"{name}.{kind}"
        owners = [t for t in self.scope.values() if t is tensor]
        if name[0] != "v" or len(owners) > 1 or not self.run(line):
            raise LookupError
        self.lines.append(line)

    # ---- indices -------------------------------------------------------------------------------

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

    def index(self) -> None:
        name = self.name()
        tensor = self.scope[name]
        kind = self.pick(("[]", "[]", "traced", "gather", "index_select", "take", "along"))
        d = self.dim(tensor)
        size = tensor.shape[d] if tensor.dim() else 1
        if kind == "[]":
            self.new(f"{name}[{self.advanced_index(tensor, False)}]", [name])
        elif kind == "traced":
            index, text = self.traced_index(len(tensor) if tensor.dim() else 0)
            if tensor.dim() > 1 and self.chance(3):
                text += f", {self.slice_text(tensor.shape[1])}"
            self.new(f"{name}[{text}]", [name, index])
        elif kind == "index_select":
            rows = self.rows(size, False)
            index = f"torch.tensor({rows}, dtype=torch.int64)"
            rows_are_good = all(row >= 0 for row in rows)
            if not rows_are_good:
                raise LookupError
            self.new(f"{name}.index_select({d}, {index})", [name])
        elif kind == "take":
            if not tensor.numel():
                raise LookupError
            index, text = self.traced_index(tensor.numel())
            self.new(f"{name}.take(({text}).long())", [name, index])
        elif kind == "gather":
            index = self.whole_index(tensor, d)
            self.new(f"{name}.gather({d}, {index})", [name])
        else:
            index, text = self.traced_index(size)
            if self.scope[index].dim() != tensor.dim():
                raise LookupError
            self.new(f"{name}.take_along_dim(({text} % {size}).long(), {d})", [name, index])

    def whole_index(self, tensor: torch.Tensor, d: int) -> str:
        """An int64 constant of TENSOR's shape; along D no number comes twice."""
        if tensor.dim() == 0 or not 0 < tensor.numel() <= 24:
            raise LookupError
        shape = [tensor.shape[i] for i in range(tensor.dim()) if i != d % tensor.dim()]
        lines = [self.order(tensor.shape[d]) for _ in range(math.prod(shape))]
        values = torch.tensor(lines).view(*shape, -1).movedim(-1, d)
        return f"torch.tensor({values.tolist()})"

    # ---- writes --------------------------------------------------------------------------------

    def operand(self, target: str) -> str:
        """A tensor to combine with TARGET in place: it broadcasts to it."""
        shape = self.scope[target].shape
        return self.name(lambda t: broadcasts_to(t.shape, shape))

    def write_number(self) -> None:
        target = self.writable()
        tensor = self.scope[target]
        k = self.scalar(tensor)
        low, high = self.number(-3, 0), self.number(0, 3)
        divisor = self.pick(("2", "3", "-2")) if tensor.dtype != torch.uint8 else "3"
        simple = ("zero_()", "neg_()", "relu_()", "abs_()", f"clamp_({low}, {high})", "square_()")
        simple += (f"fill_({k})", f"add_({k})", f"sub_({k})", f"mul_({k})", f"clamp_(min={high})")
        updates = (f"+= {k}", f"-= {k}", f"*= {k}", f"**= {self.pick((2, 3))}", f"/= {divisor}")
        kind = self.number(0, 3)
        if kind == 0:
            self.write(f"{target}.{self.pick(simple)}", target)
        elif kind == 1:
            update = self.pick(updates)
            exact = not update.startswith("**")
            self.write(f"{target} {update}", target, exact=exact or tensor.dtype not in FLOATS)
        elif kind == 2:
            index = self.basic_index(tensor)
            update = self.pick(("= " + k, "+= " + k, "*= " + k))
            self.write(f"{target}[{index}] {update}", target)
        else:
            if not self.is_exact(target):
                raise LookupError
            update = self.pick((f"//= {divisor}", f"%= {divisor}", "&= 3", "|= 1", "^= 1"))
            self.write(f"{target} {update}", target)

    def write_tensor(self) -> None:
        target = self.writable()
        tensor = self.scope[target]
        other = self.operand(target)
        text = self.source(target, other)
        kind = self.pick(("add_", "sub_", "mul_", "+=", "-=", "*=", "div_", "&=", "|=", "^=", "add2"))
        if kind == "div_":
            text = f"({text}.abs().clamp(min=1))" if self.chance(2) else f"{text}"
            if not self.is_exact(target, other) and "clamp" not in text:
                raise LookupError
            self.write(f"{target}.div_({text})", target, [other])
        elif kind == "add2":
            self.write(f"{target}.add_({text}, alpha={self.pick((2, -1))})", target, [other], False)
        elif kind.endswith("_"):
            self.write(f"{target}.{kind}({text})", target, [other])
        else:
            if tensor.dtype in FLOATS and kind in ("&=", "|=", "^="):
                raise LookupError
            self.write(f"{target} {kind} {text}", target, [other])

    def cast(self, source: str, dtype: torch.dtype, text: str) -> str:
        """TEXT, made safe for a cast to DTYPE."""
        floats = self.scope[source].dtype in FLOATS
        if not floats or dtype in FLOATS:
            return text
        if not self.is_exact(source):
            raise LookupError
        values = self.scope[source]
        if values.numel() and not bool(values.abs().max() < 1e6):
            raise LookupError
        if dtype == torch.bool:
            return text
        return f"{text}.clamp({0 if dtype == torch.uint8 else -9}, 9)"

    def write_copy(self) -> None:
        target = self.writable()
        tensor = self.scope[target]
        if self.chance(2):
            other = self.operand(target)
            text = self.cast(other, tensor.dtype, self.source(target, other))
            self.write(f"{target}.copy_({text})", target, [other])
            return
        index = self.pick((self.basic_index(tensor), self.advanced_index(tensor, True)))
        part = eval(f"x[{index}]", {"torch": torch, "x": tensor})
        other = self.name(lambda t: broadcasts_to(t.shape, part.shape))
        text = self.source(target, other, as_is=False)
        if self.scope[other].dtype != tensor.dtype:
            text = self.cast(other, tensor.dtype, text)
            text += f".to({tensor.dtype})" if "tensor" in index or "[" in index else ""
        update = self.pick(("=", "=", "+=", "-="))
        self.write(f"{target}[{index}] {update} {text}", target, [other])

    def write_masked(self) -> None:
        target = self.writable()
        tensor = self.scope[target]
        mask = self.name(lambda t: t.dtype == torch.bool and broadcasts_to(t.shape, tensor.shape))
        text = self.source(target, mask, as_is=False)
        k = self.scalar(tensor)
        if self.chance(2):
            self.write(f"{target}.masked_fill_({text}, {k})", target, [mask])
        elif self.scope[mask].dim() and is_mask_of(self.scope[mask].shape, tensor.shape):
            self.write(f"{target}[{text}] = {k}", target, [mask])
        else:
            value = self.name(lambda t: t.dim() == 0 and t.dtype == tensor.dtype)
            value = self.source(target, value)
            self.write(f"{target}.masked_fill_({text}, {value})", target, [mask, value])

    def write_index(self) -> None:
        target = self.writable()
        tensor = self.scope[target]
        if tensor.dim() == 0 or not tensor.numel():
            raise LookupError
        d = self.dim(tensor)
        kind = self.pick(("put", "scatter", "scatter_value", "fill", "copy", "traced", "add"))
        if kind in ("scatter", "scatter_value", "scatter_add"):
            index = self.whole_index(tensor, d)
            if kind == "scatter_value":
                text = f"{target}.scatter_({d}, {index}, {self.scalar(tensor)})"
                self.write(text, target)
                return
            other = self.name(lambda t: t.shape == tensor.shape and t.dtype == tensor.dtype)
            source = self.source(target, other, as_is=False)
            method = self.pick(("scatter_", "scatter_add_"))
            self.write(f"{target}.{method}({d}, {index}, {source})", target, [other])
            return
        if kind == "traced":
            index, text = self.traced_index(len(tensor))
            if memory_of(self.scope[index]) == memory_of(tensor):
                raise LookupError
            self.write(f"{target}[{text}] = {self.scalar(tensor)}", target, [index])
            return
        size = tensor.shape[d]
        rows = [row % size for row in self.rows(size, True)]
        index = f"torch.tensor({rows}, dtype=torch.int64)"
        if kind == "fill":
            self.write(f"{target}.index_fill_({d}, {index}, {self.scalar(tensor)})", target)
            return
        if kind == "put":
            rows = self.rows(len(tensor), True)
            shape = [len(rows), *tensor.shape[1:]]
            accumulate = self.pick((True, False))
        else:
            shape = [len(rows) if i == d % tensor.dim() else n for i, n in enumerate(tensor.shape)]
        other = self.name(lambda t: t.dtype == tensor.dtype and broadcasts_to(t.shape, shape))
        text = self.source(target, other, as_is=False)
        if kind == "put":
            index = f"torch.tensor({rows}, dtype=torch.int64)"
            line = f"{target}.index_put_(({index},), {text}, accumulate={accumulate})"
            self.write(line, target, [other])
        else:
            line = f"{target}.index_{kind}_({d}, {index}, {text}.expand({call(*shape)}))"
            self.write(line, target, [other])

    def write_out(self) -> None:
        """Results that go into a tensor that is given."""
        function = self.pick(("add", "mul", "sub", "maximum", "sum", "cat", "matmul", "where", "neg"))
        a = self.name()
        exact, dims = True, self.scope[a].shape
        reads = [a]
        if function == "sum":
            d = self.dim(self.scope[a])
            arguments, exact = f"{a}, {d}", False
        elif function == "neg":
            arguments = a
        else:
            b = self.name(lambda t: broadcasts_with(t.shape, dims))
            reads.append(b)
            arguments = f"{a}, {b}"
            if function == "cat":
                arguments = f"[{a}, {b}]"
            elif function == "where":
                mask = self.name(
                    lambda t: t.dtype == torch.bool and broadcasts_with(t.shape, dims)
                )
                arguments = f"{mask}, {a}, {b}"
                reads.append(mask)
            exact = function != "matmul"
        try:
            result = eval(f"torch.{function}({arguments})", {"torch": torch}, self.scope)
        except (RuntimeError, IndexError, TypeError):
            raise LookupError from None
        if result.numel() > MAX_NUMEL:
            raise LookupError
        memories = {memory_of(self.scope[name]) for name in reads}
        if self.chance(3):
            target = self.new(f"torch.empty(0, dtype={result.dtype})")
        else:
            target = self.name(
                lambda t: t.shape == result.shape
                and memory_of(t) not in memories
                and not overlaps_itself(t)
                and (result.dtype == t.dtype or result.dtype not in FLOATS)
            )
        self.write(f"torch.{function}({arguments}, out={target})", target, reads, exact)

    # ---- arithmetic ----------------------------------------------------------------------------

    def partner(self, name: str) -> str:
        shape = self.scope[name].shape
        return self.name(lambda t: broadcasts_with(t.shape, shape))

    def binary(self) -> None:
        a = self.name()
        if self.chance(3):
            b, reads = self.scalar(self.scope[a]), [a]
        else:
            b = self.partner(a)
            reads = [a, b]
        kind = self.pick(("{} + {}", "{} - {}", "{} * {}", "torch.maximum", "torch.minimum", "rsub"))
        if kind == "rsub":
            self.new(f"{self.scalar(self.scope[a])} - {a}", [a])
        elif "{" in kind:
            self.new(kind.format(a, b), reads)
        else:
            self.new(f"{kind}({a}, {b})", reads)

    def divide(self) -> None:
        a = self.exact() if self.chance(2) else self.name()
        b = self.partner(a)
        ints = self.scope[b].dtype not in FLOATS
        kind = self.pick(("{} / {}", "{} // {}", "{} % {}", "torch.fmod({}, {})", "trunc", "{} / {}"))
        if kind == "trunc":
            kind = "torch.div({}, {}, rounding_mode='trunc')"
        true_division = kind == "{} / {}"
        if not self.is_exact(a, b) and not true_division:
            raise LookupError
        if self.chance(3):
            divisor = self.pick(("2", "3")) if self.chance(2) else "(-2)"
            self.new(kind.format(a, divisor), [a])
        elif (true_division and self.is_exact(a, b) and self.chance(2)) or (
            not ints and self.is_exact(b) and self.chance(3)
        ):
            self.new(kind.format(a, b), [a, b])
        else:
            if ints and self.scope[b].dtype == torch.bool:
                raise LookupError
            self.new(kind.format(a, f"{b}.abs().clamp(min=1)"), [a, b])

    def compare(self) -> None:
        a = self.exact()
        b = self.scalar(self.scope[a])
        if not self.chance(3):
            b = self.partner(a)
            if not self.is_exact(b):
                raise LookupError
        self.new(f"{a} {self.pick(('>', '<=', '==', '!=', '<', '>='))} {b}", [a])

    def logic(self) -> None:
        a = self.exact(lambda t: t.dtype not in FLOATS)
        b = self.partner(a)
        if not self.is_exact(b):
            raise LookupError
        kind = self.pick(("&", "|", "^", "~", "logical_and", "logical_or", "logical_not"))
        if kind == "~":
            self.new(f"~{a}", [a])
        elif kind == "logical_not":
            self.new(f"{a}.logical_not()", [a])
        elif len(kind) == 1:
            self.new(f"{a} {kind} {b}", [a])
        else:
            self.new(f"torch.{kind}({a}, {b})", [a])

    def unary(self) -> None:
        a = self.name()
        rank = self.scope[a].dim()
        d, e = self.dim(self.scope[a]), self.dim(self.scope[a])
        kind = self.pick(("-{}", "{}.abs()", "{}.relu()", "{}.clamp(-2, 2)", "{}.square()", "more"))
        if kind == "more":
            kind = self.pick(("{}.flip(%d)" % d, "{}.roll(1, %d)" % d, "{}.tril()", "{}.triu(1)"))
        elif kind == "{}.square()" and self.chance(2):
            exponent = self.pick((2, 3, 0, 1))
            self.new(f"{a} ** {exponent}", [a], exact=exponent < 2)
            return
        if rank and self.chance(6):
            n = [self.number(1, 2) for _ in range(rank)]
            kind = self.pick(("{}.repeat(%s)" % call(*n), "{}.repeat_interleave(2, %d)" % d))
        if self.is_exact(a) and self.chance(6):
            kind = self.pick(("{}.sign()", "{}.floor()", "{}.round()", "{}.isnan()", "{}.trunc()"))
        del e
        self.new(kind.format(a), [a])

    def reduce(self) -> None:
        a = self.name()
        tensor = self.scope[a]
        kind = self.pick(("sum", "mean", "amax", "amin", "any", "all", "argmax", "cumsum", "prod"))
        if kind in ("any", "all", "argmax") and not self.is_exact(a):
            raise LookupError
        exact = kind in ("amax", "amin", "any", "all", "argmax")
        if kind == "cumsum":
            self.new(f"{a}.cumsum({self.dim(tensor)})", [a], exact)
            return
        dims = self.dim(tensor)
        if kind in ("sum", "mean", "amax", "amin") and tensor.dim() > 1 and self.chance(3):
            dims = tuple(self.order(tensor.dim())[:2])
        keep = self.pick((False, True))
        if self.chance(4):
            self.new(f"{a}.{kind}()", [a], exact)
        else:
            self.new(f"{a}.{kind}({dims}, keepdim={keep})", [a], exact)

    def matmul(self) -> None:
        a = self.name(lambda t: t.dim() > 0)
        inner = self.scope[a].shape[-1]
        dtype = self.scope[a].dtype

        def fits(t: torch.Tensor) -> bool:
            return t.dtype == dtype and t.dim() > 0 and t.shape[-2 if t.dim() > 1 else -1] == inner

        try:
            self.new(f"{a} @ {self.name(fits)}", [a], exact=False)
        except LookupError:
            self.new(f"{a} @ {a}.mT", [a], exact=False)

    def where(self) -> None:
        mask = self.name(lambda t: t.dtype == torch.bool)
        a = self.partner(mask)
        if self.chance(3):
            self.new(f"{a}.masked_fill({mask}, {self.scalar(self.scope[a])})", [a])
        elif self.chance(3):
            self.new(f"torch.where({mask}, {a}, {self.scalar(self.scope[a])})", [a])
        else:
            b = self.partner(mask)
            self.new(f"torch.where({mask}, {a}, {b})", [a, b])

    def convert(self) -> None:
        a = self.name()
        dtype = self.dtype()
        text = self.cast(a, dtype, a)
        other = self.name()
        if self.scope[other].dtype == dtype and self.chance(2):
            self.new(f"{text}.type_as({other})", [a])
        else:
            self.new(f"{text}.to({dtype})", [a])

    def copy(self) -> None:
        a = self.name()
        kind = self.pick(("clone()", "contiguous()", "detach()", "clone()", "data"))
        self.new(f"{a}.{kind}", [a])

    def join(self) -> None:
        a = self.name()
        shape = self.scope[a].shape
        if self.chance(3):
            b = self.name(lambda t: t.shape == shape)
            text = f"torch.stack([{a}, {b}], {self.number(-len(shape) - 1, len(shape))})"
            self.new(text, [a, b])
            return
        if not shape:
            raise LookupError
        d = self.dim(self.scope[a])
        rest = [n for i, n in enumerate(shape) if i != d % len(shape)]

        def fits(t: torch.Tensor) -> bool:
            return t.dim() == len(shape) and rest == [
                n for i, n in enumerate(t.shape) if i != d % len(shape)
            ]

        names = [a, *(self.name(fits) for _ in range(self.number(1, 2)))]
        self.new(f"torch.cat([{', '.join(names)}], {d})", names)

    def create(self) -> None:
        shape, dtype = self.shape(), self.dtype()
        like = self.name()
        k = self.pick((1, 0, 2, 3)) if dtype != torch.bool else self.pick(("True", "False"))
        n = self.number(0, 6)
        self.new(
            self.pick(
                (
                    f"torch.zeros({shape}, dtype={dtype})",
                    f"torch.ones({shape}, dtype={dtype})",
                    f"torch.full({shape}, {k}, dtype={dtype})",
                    f"torch.arange({n}, dtype={dtype if dtype != torch.bool else torch.int64})",
                    f"torch.arange({n}, {-n}, -2)",
                    f"torch.tensor({[self.number(0, 3) for _ in range(n)]}, dtype={dtype})",
                    f"torch.tensor({self.number(0, 3)}, dtype={dtype})",
                    f"torch.zeros_like({like})",
                    f"torch.full_like({like}, {self.scalar(self.scope[like])})",
                    f"{like}.new_zeros({shape})",
                    f"torch.eye({n}, {self.number(1, 4)})",
                    f"torch.empty({shape}, dtype={dtype}).fill_({k})",
                    f"torch.empty_like({like}).zero_()",
                )
            )
        )

    # ---- the whole -----------------------------------------------------------------------------

    def tensor(self, name: str, earlier: Sequence[str]) -> Tensor:
        if earlier and self.chance(8):
            other = self.pick(earlier)
            rank = self.scope[other].dim()
            views = [other, f"{other}[{self.basic_index(self.scope[other])}]"]
            views += [f"{other}.transpose(0, {rank - 1})"] if rank > 1 else []
            alias = self.pick(views)
            value = eval(alias, {}, self.scope)
            return Tensor(name, value.dtype, tuple(value.shape), alias=alias)
        shape = self.shape()
        order = self.order(len(shape)) if self.chance(4) else range(len(shape))
        return Tensor(name, self.dtype(), shape, tuple(order))

    def begin(self, names: str, seed: int) -> tuple[Tensor, ...]:
        generator = torch.Generator().manual_seed(seed)
        made: list[Tensor] = []
        for name in names:
            tensor = self.tensor(name, [t.name for t in made])
            self.scope[name] = tensor.make(generator, self.scope)
            made.append(tensor)
        return tuple(made)

    def step(self) -> None:
        kind = self.pick(("view", "write", "make", "view", "write"))
        if kind == "view":
            return self.view()
        if kind == "write":
            return self.pick(WRITES)(self)
        return self.pick(MAKES)(self)


WRITES = (Author.write_number, Author.write_tensor, Author.write_copy, Author.write_tensor)
WRITES += (Author.write_masked, Author.write_index, Author.write_out, Author.write_number)
WRITES += (Author.write_copy, Author.reaxis)
MAKES = (Author.binary, Author.binary, Author.create, Author.index, Author.unary, Author.divide)
MAKES += (Author.compare, Author.logic, Author.reduce, Author.matmul, Author.where)
MAKES += (Author.convert, Author.join, Author.copy, Author.create, Author.convert)


def random_program(random: Random) -> Program:
    """The program that the chances of RANDOM come to."""
    author = Author(random)
    with torch.inference_mode():
        inputs = author.begin("abc"[: author.number(1, 3)], seed=0)
        captured = author.begin("pq"[: author.pick((0, 0, 1, 2))], seed=7)
        author.scope |= captured_values(captured)
        for _ in range(author.number(1, 14)):
            try:
                author.step()
            except LookupError:
                continue
        names = list(author.scope)
        results = [author.name() for _ in range(author.number(1, 4))]
        if names[-1] not in results:
            results.append(names[-1])
    return Program(inputs, captured, tuple(author.lines), tuple(results), author.chance(3))


programs = st.randoms(use_true_random=False).map(random_program)


# ---- making a failing one smaller --------------------------------------------------------------


def shrink(program: Program, fails: Callable[[Program], bool]) -> Program:
    """PROGRAM with fewer lines and results, such that it still FAILS."""
    candidates = True
    while candidates:
        candidates = False
        for field in ("lines", "results"):
            for i in reversed(range(len(getattr(program, field)))):
                items = getattr(program, field)
                smaller = replace(program, **{field: items[:i] + items[i + 1 :]})
                if smaller.results and fails(smaller):
                    program, candidates = smaller, True
    return program
