"""Random programs over tensors: views, writes through them, arithmetic, indexing, concatenation.

:func:`random_program` writes a program as a list of Python statements; it asks for chances from an
object with the interface of :class:`random.Random`. :data:`programs` is the Hypothesis strategy
over it, so what fails is shrunk; with ``random.Random(number)`` each number is one program.

While a program is written, it runs, so each statement is one that PyTorch accepts. Left out is
what PyTorch leaves undefined (a write that overlaps its source or itself, an index that is written
twice, integer division by zero, casts to integers out of range), and a decision (comparison, cast
to integers) on a float that is not exact: there two right answers differ. Inputs are multiples of
a quarter, on which single operations round in one way; sums, means and matrix products do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import hypothesis.strategies as st
import torch
from program_data import FLOATS, Program, Tensor, captured_values
from program_makes import Makes
from program_writes import Writes


class ProgramAuthor(Writes, Makes):
    """All kinds of steps, and what a program begins with."""

    def tensor(self, name: str, earlier: Sequence[str]) -> Tensor:
        if earlier and self.chance(8):
            other = self.pick(earlier)
            rank = self.scope[other].dim()
            views = [other, f"{other}[{self.basic_index(self.scope[other])}]"]
            views += [f"{other}.transpose(0, {rank - 1})"] if rank > 1 else []
            alias = self.pick(views)
            value = self.value(alias)
            return Tensor(name, value.dtype, tuple(value.shape), alias=alias)
        shape = self.shape()
        order = self.order(len(shape)) if self.chance(4) else range(len(shape))
        gap = self.pick((2, 0)) if self.chance(40) else 1
        dtype = self.dtype()
        special = dtype in FLOATS and self.chance(8)
        self.is_wild = self.is_wild or special
        return Tensor(name, dtype, shape, tuple(order), gap=gap, special=special)

    def begin(self, names: str, seed: int) -> tuple[Tensor, ...]:
        generator = torch.Generator().manual_seed(seed)
        made: list[Tensor] = []
        for i in self.order(len(names)) if self.chance(3) else range(len(names)):
            name = names[i]
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


WRITES = (Writes.write_number, Writes.write_tensor, Writes.write_copy, Writes.write_tensor)
WRITES += (Writes.write_masked, Writes.write_index, Writes.write_out, Writes.write_number)
WRITES += (Writes.write_copy, Writes.reaxis, Writes.write_chain, Writes.write_chain)
MAKES = (Makes.binary, Makes.binary, Makes.create, Makes.index, Makes.unary, Makes.divide)
MAKES += (Makes.compare, Makes.logic, Makes.reduce, Makes.matmul, Makes.where, Makes.convert)
MAKES += (Makes.join, Makes.copy, Makes.create, Makes.convert, Makes.drop, Makes.join, Makes.drop)


def random_program(random: Random) -> Program:
    """The program that the chances of RANDOM come to."""
    author = ProgramAuthor(random)
    with torch.inference_mode():
        inputs = author.begin("abc"[: author.number(1, 3)], seed=0)
        captured = author.begin("pq"[: author.pick((0, 0, 1, 2))], seed=7)
        author.scope |= captured_values(captured)
        for _ in range(author.number(1, 28)):
            try:
                author.step()
            except LookupError:
                continue
        names = list(author.scope)
        results = [author.pick(names) for _ in range(author.number(1, 6))]
        if names[-1] not in results:
            results.append(names[-1])
    return Program(inputs, captured, tuple(author.lines), tuple(results), author.chance(3))


programs = st.randoms(use_true_random=False).map(random_program)
