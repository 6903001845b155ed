"""Steps of a random program that compute new tensors."""

from __future__ import annotations

import torch
from program_author import Author, call
from program_data import FLOATS


class Makes(Author):
    def binary(self) -> None:
        a = self.name()
        if self.chance(3):
            b, reads = self.scalar(self.scope[a]), [a]
        else:
            b = self.partner(a)
            reads = [a, b]
        kind = self.pick(
            ("{} + {}", "{} - {}", "{} * {}", "torch.maximum", "torch.minimum", "rsub")
        )
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
        kind = self.pick(
            ("{} / {}", "{} // {}", "{} % {}", "torch.fmod({}, {})", "trunc", "{} / {}")
        )
        if kind == "trunc":
            kind = "torch.div({}, {}, rounding_mode='trunc')"
        true_division = kind == "{} / {}"
        if not self.is_exact(a, b) and not true_division:
            raise LookupError
        if self.chance(3):
            divisor = self.pick(("2", "3")) if self.chance(2) else "(-2)"
            self.new(kind.format(a, divisor), [a])
        elif self.is_exact(a, b) and (true_division or not ints) and self.chance(2):
            self.is_wild = True
            self.new(kind.format(a, b if ints else self.divisor(b)), [a, b])
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
            kind = self.pick((f"{{}}.flip({d})", f"{{}}.roll(1, {d})", "{}.tril()", "{}.triu(1)"))
        elif kind == "{}.square()" and self.chance(2):
            exponent = self.pick((2, 3, 0, 1))
            self.new(f"{a} ** {exponent}", [a], exact=exponent < 2)
            return
        if rank and self.chance(6):
            n = [self.number(1, 2) for _ in range(rank)]
            kind = self.pick((f"{{}}.repeat({call(*n)})", f"{{}}.repeat_interleave(2, {d})"))
        if self.is_exact(a) and self.chance(6):
            kind = self.pick(("{}.sign()", "{}.floor()", "{}.round()", "{}.isnan()", "{}.trunc()"))
        del e
        self.new(kind.format(a), [a])

    def reduce(self) -> None:
        a = name = self.name()
        tensor = self.scope[a]
        kind = self.pick(("sum", "mean", "amax", "amin", "any", "all", "argmax", "cumsum", "prod"))
        if kind in ("any", "all", "argmax") and not self.is_exact(a):
            raise LookupError
        exact = kind in ("amax", "amin", "any", "all", "argmax")
        if self.is_wild and kind in ("amax", "amin", "argmax"):  # ONNX Runtime passes over NaN
            raise LookupError
        if kind == "cumsum":
            self.new(f"{a}.cumsum({self.dim(tensor)})", [a], exact)
            return
        dims = self.dim(tensor)
        if kind == "prod" and not tensor.is_floating_point() and tensor.dtype != torch.bool:
            # ONNX Runtime multiplies integers in double: rounded over 2**53, saturated over 2**63.
            if tensor.numel() > 50:
                raise LookupError
            a = f"{a}.remainder(3)"
        if kind in ("sum", "mean", "amax", "amin") and tensor.dim() > 1 and self.chance(3):
            dims = tuple(self.order(tensor.dim())[:2])
        keep = self.pick((False, True))
        if self.chance(4):
            self.new(f"{a}.{kind}()", [name], exact)
        else:
            self.new(f"{a}.{kind}({dims}, keepdim={keep})", [name], exact)

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

    def drop(self) -> None:
        """Forget a tensor, so that its memory may be used again."""
        name = self.name()
        if name[0] != "v" or len(self.scope) < 5:
            raise LookupError
        self.lines.append(f"del {name}")
        self.dropped.append(self.scope.pop(name))
