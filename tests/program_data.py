"""A random program as data, how it is run, and how a failing one is made smaller."""

from __future__ import annotations

import linecache
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

FLOATS = (torch.float32, torch.float64)
FILE = "program.py"


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
    gap : int
        The distance of neighbours in its memory; 0: the last dimension in memory is one element.
    special : bool
        One element in eight is NaN or infinite.
    """

    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]
    permutation: tuple[int, ...] = ()
    alias: str = ""
    gap: int = 1
    special: bool = False

    def make(self, generator: torch.Generator, earlier: dict[str, torch.Tensor]) -> torch.Tensor:
        if self.alias:
            return eval(self.alias, {"torch": torch}, earlier)
        low, high = {torch.bool: (0, 2), torch.uint8: (0, 10)}.get(self.dtype, (-5, 6))
        if self.dtype in FLOATS:
            low, high = -16, 17
        memory = [self.shape[d] for d in self.permutation]
        last = memory[-1] if memory else 0
        if memory:
            memory[-1] = last * self.gap or 1
        numbers = torch.randint(low, high, memory, generator=generator)
        numbers = (numbers / 4 if self.dtype in FLOATS else numbers).to(self.dtype)
        if self.special:
            kind = torch.randint(0, 24, memory, generator=generator)
            for i, number in enumerate((math.nan, math.inf, -math.inf)):
                numbers[kind == i] = number
        if self.gap > 1 and memory:
            numbers = numbers[..., :: self.gap]
        if self.gap == 0 and memory:
            numbers = numbers.expand(*memory[:-1], last)
        return numbers.permute([self.permutation.index(d) for d in range(len(self.shape))])

    def __str__(self) -> str:
        if self.alias:
            return f"{self.name} = {self.alias}"
        order = "" if self.permutation == tuple(range(len(self.shape))) else f", {self.permutation}"
        order += f", gap {self.gap}" * (self.gap != 1) + ", special" * self.special
        return f"{self.name}: {str(self.dtype)[6:]} {list(self.shape)}{order}"


@dataclass(frozen=True)
class Program:
    """``def forward(*inputs): lines; return results``.

    Attributes
    ----------
    inputs : the arguments, in the order in which they are made; they are passed in the order of
        their names. The seed of a run decides their values
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
        names = sorted(tensor.name for tensor in self.inputs)
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
        return tuple(made[name] for name in sorted(made))

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
        for name in sorted(held):
            module.register_buffer(name, held[name])
        return module


def captured_values(captured: Sequence[Tensor]) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(7)
    made: dict[str, torch.Tensor] = {}
    for tensor in captured:
        made[tensor.name] = tensor.make(generator, made)
    return made


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
