"""Steps of a random program that make views."""

from __future__ import annotations

import torch
from program_author import MAX_RANK, Author, call


class Views(Author):
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
                self.view_pieces,
                self.view_strided if self.chance(2) else self.view_shape,
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
        reach = sum((n - 1) * s for n, s in zip(sizes, strides, strict=True))
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
        n = len(self.value(expression))
        if not 0 < n <= 5:
            raise LookupError
        self.new(expression + " # one" * (n == 1), [name], n=n)

    def view_suffix(self, tensor: torch.Tensor) -> str:
        """What makes a view of TENSOR when it is written behind it."""
        d, e = self.dim(tensor), self.dim(tensor)
        kinds = [f"[{self.basic_index(tensor)}]", f".unsqueeze({d})", ".view(-1)", ".detach()"]
        if tensor.dim():
            kinds += [f".transpose({d}, {e})"]
            size = tensor.shape[d]
            kinds += [f".unfold({d}, {self.number(1, max(size, 1))}, {self.number(1, 3)})"]
            kinds += [f".split({self.number(1, 3)}, {d})[-1]", f".flatten({min(d, e)})"]
        if tensor.dim() > 1 and d != e:
            kinds += [f".diagonal({self.pick((0, 1, -1))}, {d}, {e})"]
        return self.pick(kinds)

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
