"""Steps of a random program that write to a tensor in place."""

from __future__ import annotations

import torch
from program_author import (
    MAX_NUMEL,
    broadcasts_to,
    broadcasts_with,
    call,
    is_mask_of,
    memory_of,
    overlaps_itself,
)
from program_data import FLOATS
from program_views import Views


class Writes(Views):
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
        kind = self.pick(
            ("add_", "sub_", "mul_", "+=", "-=", "*=", "div_", "&=", "|=", "^=", "add2")
        )
        if kind == "div_":
            text = f"{text}.abs().clamp(min=1)" if self.chance(2) else self.divisor(other, text)
            if not self.is_exact(target, other) and "clamp" not in text:
                raise LookupError
            self.is_wild = self.is_wild or "clamp" not in text
            self.write(f"{target}.div_({text})", target, [other])
        elif kind == "add2":
            self.write(f"{target}.add_({text}, alpha={self.pick((2, -1))})", target, [other], False)
        elif kind.endswith("_"):
            self.write(f"{target}.{kind}({text})", target, [other])
        else:
            if tensor.dtype in FLOATS and kind in ("&=", "|=", "^="):
                raise LookupError
            self.write(f"{target} {kind} {text}", target, [other])

    def write_chain(self) -> None:
        """A write through a view of a view that has no name."""
        target = self.writable()
        text = target
        for _ in range(self.number(1, 3)):
            text += self.view_suffix(self.value(text))
        view = self.value(text)
        if overlaps_itself(view) or memory_of(view) != memory_of(self.scope[target]):
            raise LookupError
        if self.chance(2):
            change = self.pick(("zero_()", "add_(1)", "neg_()", "clamp_(0, 2)", "fill_(3)"))
            self.write(f"{text}.{change}", target)
            return
        other = self.name(lambda t: broadcasts_to(t.shape, view.shape) and t.dtype == view.dtype)
        source = self.source(target, other, as_is=False)
        self.write(
            f"{text}.{self.pick(('copy_', 'add_', 'mul_', 'sub_'))}({source})", target, [other]
        )

    def write_copy(self) -> None:
        target = self.writable()
        tensor = self.scope[target]
        if self.chance(2):
            other = self.operand(target)
            text = self.cast(other, tensor.dtype, self.source(target, other))
            self.write(f"{target}.copy_({text})", target, [other])
            return
        index = self.pick((self.basic_index(tensor), self.advanced_index(tensor, True)))
        part = self.value(f"{target}[{index}]")
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
        function = self.pick(
            ("add", "mul", "sub", "maximum", "sum", "cat", "matmul", "where", "neg")
        )
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
                mask = self.name(lambda t: t.dtype == torch.bool and broadcasts_with(t.shape, dims))
                arguments = f"{mask}, {a}, {b}"
                reads.append(mask)
            exact = function != "matmul"
        result = self.value(f"torch.{function}({arguments})")
        if result.numel() > MAX_NUMEL:
            raise LookupError
        memories = {memory_of(self.scope[name]) for name in reads}
        if self.chance(3):
            target = self.new(f"torch.empty(0, dtype={result.dtype})")
        else:
            target = self.name(
                lambda t: (
                    t.shape == result.shape
                    and memory_of(t) not in memories
                    and not overlaps_itself(t)
                    and (result.dtype == t.dtype or result.dtype not in FLOATS)
                )
            )
        self.write(f"torch.{function}({arguments}, out={target})", target, reads, exact)
