"""A random program over sizes as data, and how it is run."""

from __future__ import annotations

import linecache
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

FILE = "size_program.py"

Sizes = Mapping[str, int]


@dataclass(frozen=True)
class Input:
    """A tensor that a program is called with: ``dims`` has symbols and fixed sizes."""

    name: str
    dims: tuple[int | str, ...]
    dtype: torch.dtype = torch.float32

    def shape(self, sizes: Sizes) -> tuple[int, ...]:
        return tuple(sizes[d] if isinstance(d, str) else d for d in self.dims)

    def __str__(self) -> str:
        return f"{self.name}: {str(self.dtype)[6:]} [{', '.join(map(str, self.dims))}]"


@dataclass(frozen=True)
class SizeProgram:
    """``def forward(self, *inputs): lines; return results``.

    Attributes
    ----------
    inputs : in the order in which they are passed
    base : the sizes that it is exported at, by symbol
    held : names and shapes of the buffers of ``self``
    lines : statements, which may be of several lines
    results : names of tensors
    has_threshold : something begins or ends at a fixed size, such as ``x[:, :20]``
    """

    inputs: tuple[Input, ...]
    base: tuple[tuple[str, int], ...]
    held: tuple[tuple[str, tuple[int, ...]], ...]
    lines: tuple[str, ...]
    results: tuple[str, ...]
    has_threshold: bool = False

    @property
    def dynamic_dims(self) -> dict[str, dict[int, str]]:
        named = {
            tensor.name: {i: d for i, d in enumerate(tensor.dims) if isinstance(d, str)}
            for tensor in self.inputs
        }
        return {name: axes for name, axes in named.items() if axes}

    def body(self) -> str:
        lines = [line for text in self.lines for line in text.split("\n")]
        lines.append(f"return ({', '.join(self.results)}{',' * (len(self.results) == 1)})")
        names = ", ".join(["self", *(tensor.name for tensor in self.inputs)])
        return f"def forward({names}):\n" + "".join(f"    {line}\n" for line in lines)

    def __repr__(self) -> str:
        head = [f"# input {tensor}" for tensor in self.inputs]
        head += [f"# self.{name}: {list(shape)}" for name, shape in self.held]
        head.append("# traced at " + ", ".join(f"{name}={size}" for name, size in self.base))
        return "\n".join([*head, self.body()])

    def arguments(self, sizes: Sizes, seed: int) -> tuple[torch.Tensor, ...]:
        generator = torch.Generator().manual_seed(seed)
        return tuple(make(tensor, sizes, generator) for tensor in self.inputs)

    def module(self) -> torch.nn.Module:
        """A fresh one."""
        source = self.body()
        linecache.cache[FILE] = (len(source), None, source.splitlines(keepends=True), FILE)
        scope = dict(SCOPE)
        exec(compile(source, FILE, "exec"), scope)
        module = type("Module", (torch.nn.Module,), {"forward": scope["forward"]})()
        for name, value in held_values(self.held).items():
            module.register_buffer(name, value)
        return module


SCOPE: dict[str, Any] = {"torch": torch, "F": torch.nn.functional, "math": math}


def make(tensor: Input, sizes: Sizes, generator: torch.Generator) -> torch.Tensor:
    """Values for TENSOR: quarters from -2 to 2, or whole numbers."""
    numbers = torch.randint(-8, 9, tensor.shape(sizes), generator=generator)
    if tensor.dtype.is_floating_point:
        return (numbers / 4).to(tensor.dtype)
    return numbers.to(tensor.dtype)


def held_values(held: tuple[tuple[str, tuple[int, ...]], ...]) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(7)
    return {name: torch.randint(-4, 5, shape, generator=generator) / 8 for name, shape in held}


def shrink(program: SizeProgram, fails: Callable[[SizeProgram], bool]) -> SizeProgram:
    """PROGRAM with fewer statements and results, such that it still FAILS."""
    smaller = True
    while smaller:
        smaller = False
        for field in ("lines", "results"):
            for i in reversed(range(len(getattr(program, field)))):
                items = getattr(program, field)
                candidate = replace(program, **{field: items[:i] + items[i + 1 :]})
                if candidate.results and fails(candidate):
                    program, smaller = candidate, True
    return program
