"""Random programs that compute with sizes: ``x.shape``, arithmetic on it, and what is done with it.

:func:`size_program` writes a program as a list of Python statements; each number is one program.
While a program is written it runs at several sizes: a statement is kept if PyTorch accepts it at
the sizes of the trace and at others (rarely: only there).

Left out are decisions (comparisons, floor, argmax) on real numbers that are not exact, and results
that are not finite or large: there two right answers differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import torch
from size_data import SCOPE, Input, SizeProgram, held_values, make

MAX_ELEMENTS = 6000
MAX_VALUE = 1e4
SYMBOLS = ("n", "m", "k")

#: Further sizes at which statements are tried.
TRIED = ((7, 11, 5), (4, 6, 9), (5, 3, 8), (1, 1, 1), (13, 12, 13))

HELD = (("table", (64, 4)), ("row", (64,)), ("w1", (4, 4, 3)), ("w2", (4, 4, 3, 3)))
HELD += (("w", (4, 4)), ("bias", (4,)))


class SizeAuthor:
    """Writes one program; :attr:`scopes` has what each name is at each of the sizes tried."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.lines: list[str] = []
        self.scopes: list[dict[str, Any] | None] = []
        self.n_names = 0
        self.has_threshold = False
        self.next_threshold = False  # of the statement that is being written

    # ---- chances ---------------------------------------------------------------------------------

    def pick(self, items: Sequence[Any]) -> Any:
        return items[self.random.randrange(len(items))]

    def number(self, low: int, high: int) -> int:
        return self.random.randint(low, high)

    def chance(self, one_in: int) -> bool:
        return self.random.randrange(one_in) == 0

    # ---- what there is ---------------------------------------------------------------------------

    @property
    def base(self) -> dict[str, Any]:
        scope = self.scopes[0]
        assert scope is not None
        return scope

    def tensors(self, *ranks: int, kind: str = "f") -> list[str]:
        """Names of real (f), whole (i) or bool (b) tensors, of RANKS if there are any."""
        return [
            name
            for name, value in self.base.items()
            if isinstance(value, torch.Tensor)
            and (not ranks or value.dim() in ranks)
            and kind_of(value) in kind
        ]

    def tensor(self, *ranks: int, kind: str = "f") -> str:
        """One of them; the latest is the likeliest."""
        found = self.tensors(*ranks, kind=kind)
        if not found:
            raise LookupError
        return found[-1] if self.chance(2) else self.pick(found)

    def value(self, name: str) -> torch.Tensor:
        value: torch.Tensor = self.base[name]
        return value

    def geometry(self, name: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
        value = self.value(name)
        return tuple(value.shape), value.stride()

    def ints(self) -> list[str]:
        return [name for name, value in self.base.items() if type(value) is int]

    def axis(self, name: str) -> int:
        rank = self.value(name).dim()
        if rank == 0:
            raise LookupError
        return self.number(0, rank - 1)

    def spelled(self, name: str, axis: int) -> int:
        """AXIS, maybe from the end."""
        return axis - self.value(name).dim() if self.chance(3) else axis

    def moving_axis(self, name: str) -> int:
        """An axis whose size is not the same everywhere, if there is one."""
        axes = [
            i
            for i in range(self.value(name).dim())
            if len({scope[name].shape[i] for scope in self.scopes if scope is not None}) > 1
        ]
        return self.pick(axes) if axes and not self.chance(6) else self.axis(name)

    def size(self, name: str, axis: int) -> str:
        """Python for the size of AXIS of NAME: asked of it, or an int that is the same."""
        same = [
            one
            for one in self.ints()
            if all(s[one] == s[name].shape[axis] for s in self.scopes if s is not None)
        ]
        if same and not self.chance(4):
            return str(self.pick(same))
        spelled = self.spelled(name, axis)
        forms = [f"{name}.shape[{spelled}]", f"{name}.size({spelled})"]
        forms += [f"len({name})"] if axis == 0 else []
        forms += [f"{name}.numel()"] if self.value(name).dim() == 1 else []
        return str(self.pick(forms))

    def small(self) -> str:
        """A whole number that depends on sizes, or now and then none."""
        names = [one for one in self.ints() if -20 <= self.base[one] <= 40]
        if names and not self.chance(3):
            return str(self.pick(names))
        name = self.tensor(kind="fi")
        return self.size(name, self.axis(name))

    def whole(self) -> str:
        """Arithmetic on sizes."""
        a, k = self.small(), self.pick((2, 2, 2, 3, 4))
        if self.chance(9):
            self.next_threshold = True
            limit = self.pick((2, 3, 4, 5, 6, 7, 8, 10, 12, 20, 40))
            return str(self.pick((f"min({a}, {limit})", f"max({a}, {limit})")))
        forms = [f"{a} // {k}", f"{a} - 1", f"{a} + {k}", f"{k} * {a}", f"{a} + 1", f"{a} // 2"]
        forms += [f"-(-{a} // {k})", f"({a} + {k - 1}) // {k}", f"math.ceil({a} / {k})"]
        forms += [f"{a} % {k}", f"-{a} % {k}", f"({k} - {a} % {k}) % {k}", f"{a} // {k} * {k}"]
        forms += [f"({a} + 1) // 2", f"{a} // 2 + 1", f"2 * {a} - 1", f"{a} - {a} // {k}"]
        forms += [f"({a} - 1) // {k} + 1", f"int({a} * 0.5)", f"-(-{a} // {k}) * {k}"]
        b = self.small()
        forms += [f"{a} + {b}", f"{a} * {b}", f"min({a}, {b})", f"max({a}, {b})", f"{a} - {b}"]
        forms += [f"{a} % {b}", f"{a} // {b}", f"abs({a} - {b})", f"{a} * {b} // 2"]
        return str(self.pick(forms))

    def bound(self, name: str, axis: int) -> str:
        """Somewhere along AXIS: a fixed number or one that depends on sizes; of either sign."""
        kind = self.number(0, 9)
        size = self.size(name, axis)
        if kind < 2:
            return str(self.pick((0, 1, 1, 2, -1, -1, -2, -3)))
        if kind == 2:
            self.next_threshold = True
            return str(self.pick((3, 4, 5, 6, 7, 9, 12, 20, 50, -4, -7, -20)))
        if kind < 6:
            k = self.pick((2, 2, 3, 4))
            forms = [f"{size} // {k}", f"-({size} // {k})", f"{size} - 1", f"({size} + 1) // 2"]
            forms += [f"{size} - {size} // {k}", f"-(-{size} // {k})", f"{size} // {k} * {k}"]
            return str(self.pick(forms))
        return self.small() if kind < 9 else f"-{self.small()}"

    # ---- writing ---------------------------------------------------------------------------------

    def name(self, prefix: str = "v") -> str:
        self.n_names += 1
        return f"{prefix}{self.n_names}"

    def put(self, text: str, *, keeps: Sequence[str] = ()) -> None:
        """Run TEXT at all sizes, and keep it; LookupError if it is not accepted. KEEPS are names of
        tensors that it writes to."""
        code = compile(text, "size_program.py", "exec")
        after: list[dict[str, Any] | None] = []
        for scope in self.scopes:
            if scope is None:
                after.append(None)
                continue
            own = dict(scope)
            for name in keeps:
                own[name] = own[name].clone()
            try:
                exec(code, SCOPE, own)
            except Exception:
                after.append(None)
                continue
            after.append(own if is_tame(own, scope) else None)
        threshold, self.next_threshold = self.next_threshold, False
        n_alive = sum(scope is not None for scope in after[1:])
        if after[0] is None or (n_alive < 3 and not (n_alive >= 1 and self.chance(12))):
            raise LookupError
        self.scopes = after
        self.lines.append(text)
        self.has_threshold = self.has_threshold or threshold

    def let(self, expression: str, prefix: str = "v") -> str:
        name = self.name(prefix)
        self.put(f"{name} = {expression}")
        return name

    # ---- statements ------------------------------------------------------------------------------

    def integer(self) -> None:
        self.let(self.whole(), "s")

    def sizes(self) -> None:
        name = self.tensor(1, 2, 3, 4)
        if self.chance(2):
            names = [self.name("s") for _ in range(self.value(name).dim())]
            self.put(f"{', '.join(names)}{',' * (len(names) == 1)} = {name}.shape")
        else:
            axis = self.axis(name)
            self.let(self.pick((f"{name}.shape[{axis}]", f"{name}.size({axis})")), "s")

    def reshape(self) -> None:
        t = self.tensor(1, 2, 3, 4)
        rank = self.value(t).dim()
        kind = self.number(0, 7)
        sizes = [self.size(t, i) for i in range(rank)]
        how = self.pick(("reshape", "view", "reshape"))
        if kind == 0:
            self.let(f"{t}.{how}({self.pick((sizes[0], self.small()))}, -1)")
        elif kind == 1 and rank > 1:
            i = self.number(0, rank - 2)
            merged = [*sizes[:i], f"{sizes[i]} * {sizes[i + 1]}", *sizes[i + 2 :]]
            self.let(f"{t}.{how}({', '.join(merged)})")
        elif kind == 2 and rank < 4:
            i, k = self.moving_axis(t), self.pick((2, 2, 3, 4))
            padded = self.pad_to(t, i, k)
            parts = [f"{padded}.shape[{j}]" if self.chance(2) else sizes[j] for j in range(rank)]
            parts[i] = self.pick((f"{padded}.shape[{i}] // {k}, {k}", f"-1, {k}", f"{k}, -1"))
            self.let(f"{padded}.{how}({', '.join(parts)})")
        elif kind == 3 and rank > 1:
            a = self.number(0, rank - 2)
            self.let(f"{t}.flatten({a}, {self.number(a + 1, rank - 1)})")
        elif kind == 4:
            self.let(
                f"{t}.{how}({', '.join(['-1' if i == 0 else s for i, s in enumerate(sizes)])})"
            )
        elif kind == 5:
            self.let(f"{t}.{how}(1, {t}.numel() // {sizes[-1]}, {sizes[-1]})")
        elif kind == 6 and rank > 1:
            order = list(range(rank))
            self.random.shuffle(order)
            text = f"{t}.permute({', '.join(map(str, order))})"
            merged = [sizes[i] for i in order]
            merged = [f"{merged[0]} * {merged[1]}", *merged[2:]]
            self.let(f"{text}.reshape({', '.join(merged)})")
        else:
            i = self.axis(t)
            at = self.spelled(t, i)
            self.let(f"{t}.unflatten({at}, ({self.pick((2, 4, self.small()))}, -1))")

    def pad_to(self, t: str, axis: int, k: int) -> str:
        """T padded along AXIS to a multiple of K, or cut to one."""
        size = self.size(t, axis)
        rank = self.value(t).dim()
        if self.chance(3):
            index = ", ".join([":"] * axis + [f": {size} // {k} * {k}"])
            return self.let(f"{t}[{index}]")
        more = self.pick((f"-{size} % {k}", f"({k} - {size} % {k}) % {k}"))
        return self.let(f"F.pad({t}, ({'0, 0, ' * (rank - 1 - axis)}0, {more}))")

    def expand(self) -> None:
        t = self.tensor()
        rank = self.value(t).dim()
        k = self.small()
        kind = self.number(0, 3)
        if kind == 0 and rank < 4:
            self.let(f"{t}[None].expand({', '.join([k] + ['-1'] * rank)})")
        elif kind == 1 and rank:
            times = ["1"] * rank
            times[self.axis(t)] = self.pick((k, k, "2"))
            self.let(f"{t}.repeat({', '.join(times)})")
        elif kind == 2 and rank:
            self.let(f"{t}.repeat_interleave({self.pick((k, '2', '3'))}, {self.axis(t)})")
        elif rank < 4:
            at = self.number(0, rank)
            sizes = [self.size(t, i) for i in range(rank)]
            self.let(f"{t}.unsqueeze({at}).expand({', '.join([*sizes[:at], k, *sizes[at:]])})")
        else:
            raise LookupError

    def index_text(self, t: str) -> str:
        axis = self.moving_axis(t)
        first = "" if self.chance(3) else self.bound(t, axis)
        last = "" if self.chance(3) else self.bound(t, axis)
        step = self.pick(("", "", "", ":2", ":3"))
        return ", ".join([":"] * axis + [f"{first}:{last}{step}"])

    def slice(self) -> None:
        t = self.tensor(1, 2, 3, 4, kind="ffi")
        self.let(f"{t}[{self.index_text(t)}]")

    def part(self) -> None:
        t = self.tensor(1, 2, 3, 4)
        axis = self.moving_axis(t)
        size, at = self.size(t, axis), self.spelled(t, axis)
        kind = self.number(0, 6)
        if kind == 0:
            k = self.pick((2, 3))
            self.let(f"{t}.narrow({at}, {self.pick(('0', '1', f'{size} // {k}'))}, {size} // {k})")
        elif kind == 1:
            index = self.pick(("0", "-1", f"{size} // 2", f"{size} - 1", f"({size} - 1) // 2"))
            self.let(f"{t}.select({at}, {index})")
        elif kind == 2:
            k = self.pick((f"{size} // 2", f"({size} + 1) // 2", f"max({size} // 3, 1)"))
            self.let(f"{t}.split({k}, {at})[{self.pick((0, 1, -1))}]")
        elif kind == 3:
            self.let(f"{t}.chunk({self.pick((2, 2, 3))}, {at})[{self.pick((0, 1, -1))}]")
        elif kind == 4:
            k = self.pick((2, 3))
            self.let(f"torch.cat({t}.chunk({k}, {at})[::-1], {at})")
        elif kind == 5:
            self.let(f"torch.cat({t}.split([{size} // 2, {size} - {size} // 2], {at})[::-1], {at})")
        else:
            index = ", ".join([":"] * axis + [self.pick(("-1", "0", f"{size} // 2"))])
            self.let(f"{t}[{index}]")

    def join(self) -> None:
        t = self.tensor(1, 2, 3, 4)
        axis = self.axis(t)
        at = self.spelled(t, axis)
        others = [u for u in self.tensors(self.value(t).dim())]
        kind = self.number(0, 3)
        if kind == 0 and self.value(t).dim() < 4:
            self.let(f"torch.stack([{t}, {t} * 2], {axis})")
        elif kind == 1:
            sizes = [self.size(t, i) for i in range(self.value(t).dim())]
            sizes[axis] = self.pick(("1", "2", self.small()))
            self.let(f"torch.cat([{t}, {t}.new_zeros({', '.join(sizes)})], {at})")
        elif kind == 2:
            self.let(f"torch.cat([{t}[{self.index_text(t)}], {t}], {at})")
        else:
            self.let(f"torch.cat([{t}, {self.pick(others)}], {at})")

    def pad(self) -> None:
        t = self.tensor(1, 2, 3, 4)
        rank = self.value(t).dim()
        axis = self.moving_axis(t)
        kind = self.number(0, 5)
        if kind < 3:
            self.pad_to(t, axis, self.pick((2, 3, 4, 8)))
            return
        low, high = self.pick(("0", "1", self.small())), self.pick(("1", "2", self.whole()))
        text = f"({'0, 0, ' * (rank - 1 - axis)}{low}, {high})"
        if kind == 3 and rank in (3, 4) and axis == rank - 1:
            mode = self.pick(("reflect", "replicate", "circular"))
            fixed = "(1, 2)" if rank == 3 else "(1, 1, 0, 0)"
            self.let(f"F.pad({t}, {self.pick((fixed, text)) if rank == 3 else fixed}, '{mode}')")
        else:
            value = self.pick(("", ", value=1.5", ", value=-1.0"))
            self.let(f"F.pad({t}, {text}{value})")

    def created(self, size: str) -> str:
        """Python for a vector of SIZE."""
        forms = [f"torch.arange({size})", f"torch.arange(0, {size})", f"torch.arange({size}) * 2"]
        forms += [f"torch.arange({size} - 1, -1, -1)", f"torch.linspace(-1, 1, {size})"]
        forms += [f"torch.linspace(0, {size} - 1, {size})", f"torch.ones({size})"]
        forms += [f"torch.full(({size},), 0.5)", f"torch.full(({size},), 1.0 / {size})"]
        forms += [f"torch.arange({size}).float() / {size}", f"torch.arange({size}) % 3"]
        forms += [f"torch.arange(1, {size} + 1)", f"(torch.arange({size}) + 0.5) / {size}"]
        forms += [f"torch.arange({size}, dtype=torch.float32)", f"torch.zeros({size}) + 1"]
        forms += [f"torch.arange({size}).flip(0)", f"torch.arange({size}) // 2"]
        forms += [
            f"torch.arange(0, 2 * {size}, 2)",
            f"torch.tensor([i * 0.5 for i in range({size})])",
        ]
        forms += [f"torch.exp(-torch.arange({size}) / {size})", f"self.row[:{size}]"]
        forms += [f"torch.arange({size}).cumsum(0)", f"torch.sin(torch.arange({size}) * 0.5)"]
        return str(self.pick(forms))

    def create(self) -> None:
        kind = self.number(0, 8)
        a = (
            self.size(t := self.tensor(1, 2, 3, 4), self.axis(t))
            if self.chance(2)
            else self.small()
        )
        b = self.pick((self.small(), self.small(), "3"))
        if kind < 3:
            self.let(self.created(a))
        elif kind == 3:
            self.let(f"torch.{self.pick(('zeros', 'ones'))}({a}, {b})")
        elif kind == 4:
            self.let(f"torch.full(({a}, {b}), {self.pick(('0.25', a, f'1 / {a}'))})")
        elif kind == 5:
            self.let(f"torch.eye({self.pick((a, f'{a}, {b}'))})")
        elif kind == 6:
            k = self.pick(("", ", 1", ", -1", ", diagonal=1"))
            self.let(f"torch.{self.pick(('tril', 'triu'))}(torch.ones({a}, {b}){k})")
        elif kind == 7:
            self.let(f"torch.arange({a})[:, None] {self.pick('+-*')} torch.arange({b})[None]")
        else:
            self.let(f"{self.tensor()}.new_{self.pick(('zeros', 'ones'))}(({a}, {b}))")

    def along(self) -> None:
        """T with a vector made for one of its axes."""
        t = self.tensor(1, 2, 3, 4)
        axis = self.moving_axis(t)
        vector = self.created(self.size(t, axis))
        tail = "[:" + ", None" * (self.value(t).dim() - 1 - axis) + "]"
        tail = "" if tail == "[:]" else tail
        if not vector.endswith((")", "]")) or " " in vector:
            vector = f"({vector})"
        self.let(f"{t} {self.pick('+*')} {vector}{tail}")

    def mask(self) -> None:
        t = self.tensor(1, 2, 3, 4)
        axis = self.value(t).dim() - 1
        size = self.size(t, axis)
        kind = self.number(0, 4)
        if kind < 2 and self.value(t).dim() > 1:
            rows = self.size(t, axis - 1)
            made = self.pick(
                (
                    f"torch.tril(torch.ones({rows}, {size})) == 0",
                    f"torch.triu(torch.ones({rows}, {size}, dtype=torch.bool), 1)",
                    f"torch.ones({rows}, {size}, dtype=torch.bool).triu(diagonal=1)",
                    f"torch.arange({size})[None] > torch.arange({rows})[:, None]",
                    f"torch.eye({rows}, {size}).bool()",
                )
            )
            self.let(f"{t}.masked_fill({made}, {self.pick(('0.0', '-5.0', '-1e3'))})")
        elif kind == 2:
            k = self.bound(t, axis)
            self.let(f"torch.where(torch.arange({size}) {self.pick(('<', '>='))} {k}, {t}, -{t})")
        else:
            self.let(f"{t}.masked_fill(torch.arange({size}) % 2 == {self.pick((0, 1))}, 0.5)")

    def move(self) -> None:
        t = self.tensor(1, 2, 3, 4)
        axis = self.moving_axis(t)
        size, at = self.size(t, axis), self.spelled(t, axis)
        kind = self.number(0, 7)
        if kind == 0:
            k = self.pick(("1", "-1", f"{size} // 2", f"-({size} // 2)", self.small()))
            self.let(f"{t}.roll({k}, {at})")
        elif kind == 1:
            self.let(f"{t}.flip({at})")
        elif kind == 2:
            self.let(f"{t}.unfold({at}, {self.pick((2, 3, f'{size} // 2'))}, {self.pick((1, 2))})")
        elif kind == 3:
            index = self.pick((f"{size} // 2", size, f"({size} + 1) // 2"))
            self.let(f"{t}.index_select({at}, torch.arange({index}))")
        elif kind == 4:
            index = self.pick((f"{size} - 1 - torch.arange({size})", f"torch.arange({size}) // 2"))
            self.let(f"{t}[{':, ' * axis}{index}]")
        elif kind == 5:
            shape = ", ".join("-1" if i == axis else "1" for i in range(self.value(t).dim()))
            index = f"torch.arange({size}).flip(0).view({shape}).expand_as({t})"
            self.let(f"{t}.gather({at}, {index})")
        elif kind == 6 and self.value(t).dim() > 1:
            other = self.axis(t)
            self.let(f"{t}.transpose({axis}, {other})")
        else:
            self.let(self.pick((f"{t}.unsqueeze({axis})", f"{t}.movedim({axis}, 0)")))

    def reduce(self) -> None:
        t = self.tensor(1, 2, 3, 4)
        at = self.spelled(t, self.moving_axis(t))
        forms = [f"{t}.cumsum({at})", f"{t}.softmax({at})", f"{t}.mean({at})", f"{t}.sum({at})"]
        forms += [f"{t}.mean({at}, keepdim=True)", f"{t} - {t}.mean({at}, keepdim=True)"]
        forms += [f"{t}.var({at}, unbiased=False)", f"{t}.amax({at})", f"{t}.log_softmax({at})"]
        forms += [f"{t}.std({at}, keepdim=True)", f"{t}.amin({at}, keepdim=True)", f"{t}.mean()"]
        forms += [f"{t}.norm(dim={at})", f"F.normalize({t}, dim={at})", f"{t}.logsumexp({at})"]
        forms += [f"F.layer_norm({t}, ({self.size(t, self.value(t).dim() - 1)},))"]
        forms += [f"F.layer_norm({t}, {t}.shape[-1:])", f"{t}.var({at})", f"{t}.cumsum({at})"]
        self.let(self.pick(forms))

    def product(self) -> None:
        kind = self.number(0, 5)
        t = self.tensor(2, 3, 4)
        rank = self.value(t).dim()
        if kind == 0:
            self.let(f"{t} @ {t}.transpose(-1, -2)")
        elif kind == 1:
            self.let(self.pick((f"{t} @ self.w", f"F.linear({t}, self.w, self.bias)")))
        elif kind == 2:
            u = self.tensor(2, 3, 4)
            self.let(f"{t} @ {u}")
        elif kind == 3 and rank == 3:
            form = (
                f"torch.bmm({t}, {t}.transpose(1, 2))",
                f"torch.einsum('bij,bkj->bik', {t}, {t})",
            )
            self.let(self.pick(form))
        elif kind == 4 and rank > 2:
            form = (f"F.scaled_dot_product_attention({t}, {t}, {t})",)
            form += (f"F.scaled_dot_product_attention({t}, {t}, {t}, is_causal=True)",)
            self.let(self.pick(form))
        elif rank > 2:
            scale = self.pick((f"{t}.shape[-1] ** -0.5", f"1 / math.sqrt({t}.size(-1))"))
            self.let(f"({t} @ {t}.transpose(-2, -1) * {scale}).softmax(-1) @ {t}")
        else:
            self.let(self.pick((f"torch.einsum('ij,kj->ik', {t}, {t})", f"{t}.t() @ {t}")))

    def window(self) -> None:
        kind = self.number(0, 6)
        t = self.tensor(3, 4)
        rank = self.value(t).dim()
        d = rank - 2
        h, w = self.size(t, rank - 2), self.size(t, rank - 1)
        if kind == 0:
            sizes = self.pick((f"{w} * 2", f"({w} + 1) // 2", w, "5"))
            sizes = f"({self.pick((f'{h} * 2', h, '4'))}, {sizes})" if d == 2 else sizes
            mode = self.pick(("nearest", "linear" if d == 1 else "bilinear"))
            align = self.pick(("", ", align_corners=True")) if mode != "nearest" else ""
            self.let(f"F.interpolate({t}, size={sizes}, mode='{mode}'{align})")
        elif kind == 1:
            mode = self.pick(("nearest", "linear" if d == 1 else "bilinear"))
            scale = self.pick((2, 2, 3, 0.5, 1.5))
            self.let(f"F.interpolate({t}, scale_factor={scale}, mode='{mode}')")
        elif kind == 2:
            out = self.pick(("1", "1", "2", f"({w} + 1) // 2", w))
            self.let(f"F.adaptive_avg_pool{d}d({t}, {out})")
        elif kind == 3:
            pool = self.pick(("max", "avg"))
            more = self.pick(("", ", stride=2", ", padding=1", ", stride=1, padding=1"))
            more += self.pick(("", "", ", ceil_mode=True"))
            self.let(f"F.{pool}_pool{d}d({t}, {self.pick((2, 3))}{more})")
        elif kind == 4:
            self.let(f"F.avg_pool{d}d({t}, {w if d == 1 else f'({h}, {w})'})")
        else:
            more = self.pick(("", ", padding=1", ", stride=2", ", stride=2, padding=1"))
            more += self.pick(("", "", ", dilation=2"))
            more = self.pick((more, more, ", padding='same'"))
            name = f"F.conv{d}d({t}, self.w{d}{more})"
            if self.chance(4):
                name = f"F.conv_transpose{d}d({t}, self.w{d}{self.pick(('', ', stride=2'))})"
            self.let(name)

    def table(self) -> None:
        t = self.tensor(2, 3, 4)
        size = self.size(t, self.value(t).dim() - 2)
        start = self.small()
        forms = [f"{t} + self.table[:{size}]", f"{t} + self.table[{start}:{start} + {size}]"]
        forms += [f"{t} + F.embedding(torch.arange({size}), self.table)"]
        forms += [f"{t} + self.table[torch.arange({size})]", f"{t} * self.table[-{size}:]"]
        forms += [f"{t} + self.table.narrow(0, 0, {size})", f"{t} + self.table[{size} - 1]"]
        self.let(self.pick(forms))

    def write(self) -> None:
        t = self.tensor(1, 2, 3, 4)
        if t in self.inputs:
            t = self.let(f"{t}.clone()")
        if any(n > 1 and step == 0 for n, step in zip(*self.geometry(t), strict=True)):
            raise LookupError  # one element in several places
        index = self.index_text(t)
        if self.chance(4):
            axis = self.axis(t)
            index = ", ".join([":"] * axis + [self.pick(("-1", "0", self.bound(t, axis)))])
        forms = [f"{t}[{index}] = 0.5", f"{t}[{index}] *= 2", f"{t}[{index}] += {self.small()}"]
        forms += [f"{t}[{index}] = {t}[{index}] * {self.small()}", f"{t}[{index}] = 0"]
        forms += [f"{t}.add_({self.small()})", f"{t}[{index}].fill_(0.25)"]
        self.put(self.pick(forms), keeps=[t])

    def scalar(self) -> None:
        t = self.tensor()
        a, b = self.small(), self.small()
        forms = [f"{t} / {a}", f"{t} * math.sqrt({a})", f"{t} * {a} ** -0.5", f"{t} + {a}"]
        forms += [f"{t} * (1 / {a})", f"{t} - ({a} - 1) / 2", f"{t} * ({a} / {b})", f"{t} * {a}"]
        forms += [f"{t} / ({a} * {b})", f"{t} / math.sqrt({a} * {b})", f"{t} * (1.0 - 1 / {a})"]
        forms += [f"{t} / math.log({a} + 1)", f"{t} + {a} / 10", f"{t} / ({a} + 1e-6)"]
        forms += [f"torch.clamp({t}, max={a})", f"{t} * 0.5 ** {a}", f"{t} / max({a} - 1, 1)"]
        self.let(self.pick(forms))

    def simple(self) -> None:
        t = self.tensor()
        forms = [f"torch.relu({t})", f"torch.tanh({t})", f"{t} * 2", f"-{t}", f"{t} + 1"]
        forms += [f"{t}.contiguous()", f"{t} * {t}", f"torch.sigmoid({t})", f"F.gelu({t})"]
        self.let(self.pick(forms))

    def binary(self) -> None:
        t, u = self.tensor(kind="ffi"), self.tensor(kind="ffi")
        self.let(self.pick((f"{t} + {u}", f"{t} * {u}", f"{t} - {u}", f"torch.maximum({t}, {u})")))

    def convert(self) -> None:
        t = self.tensor(kind="ib")
        self.let(self.pick((f"{t}.float()", f"{t} * 0.5", f"{t}.to(torch.float32)")))

    def branch(self) -> None:
        if not self.chance(4):
            raise LookupError
        t, a = self.tensor(), self.small()
        kind = self.number(0, 4)
        name = self.name()
        if kind == 0:
            head = f"if {a} % 2:"
        elif kind == 1:
            head = f"if {a} > {self.small()}:"
        elif kind == 2:
            head = f"if {a} > 1:"
        else:
            self.next_threshold = True
            head = f"if {a} {self.pick('<>')} {self.pick((3, 5, 6, 8, 10, 12, 20, 50))}:"
        if kind == 4 and self.chance(2):
            self.next_threshold = False
            times = self.pick((a, "2", f"{a} // 4"))
            self.put(f"{name} = {t}\nfor i in range({times}):\n    {name} = {name} + i")
        else:
            then = self.pick((f"{t} * 2", f"{t}", f"{t} + {a}"))
            self.put(f"{name} = {t}\n{head}\n    {name} = {then} + 1")

    # ---- the whole -------------------------------------------------------------------------------

    def begin(self) -> tuple[tuple[Input, ...], dict[str, int]]:
        symbols = SYMBOLS[: self.pick((1, 1, 2, 2, 2, 3))]
        base = {s: self.pick((2, 3, 4, 5, 6, 8, 2, 3, 4, 7, 1, 10, 16)) for s in symbols}
        inputs = []
        shared = self.pick(symbols)
        for name in "xyz"[: self.pick((1, 1, 2, 2, 3))]:
            rank = self.pick((1, 2, 2, 3, 3, 3, 4, 4))
            dims: list[int | str] = []
            for i in range(rank):
                free = [s for s in symbols if s not in dims]
                fixed = 4 if rank > 1 and i in (1, rank - 1) else self.pick((1, 2, 3, 4))
                dims.append(self.pick(free) if free and not self.chance(3) else fixed)
            if not any(isinstance(d, str) for d in dims):
                dims[self.number(0, rank - 1)] = shared
            inputs.append(Input(name, tuple(dims)))
        used = {d for tensor in inputs for d in tensor.dims if isinstance(d, str)}
        base = {s: n for s, n in base.items() if s in used}
        self.inputs = [tensor.name for tensor in inputs]
        for sizes in (base, *({s: t[SYMBOLS.index(s)] for s in base} for t in TRIED)):
            generator = torch.Generator().manual_seed(0)
            scope: dict[str, Any] = {t.name: make(t, sizes, generator) for t in inputs}
            scope["self"] = type("Held", (), held_values(HELD))
            self.scopes.append(scope)
        return tuple(inputs), base


def kind_of(value: torch.Tensor) -> str:
    return "f" if value.is_floating_point() else "b" if value.dtype == torch.bool else "i"


def is_tame(scope: dict[str, Any], before: dict[str, Any]) -> bool:
    """Whether what is new in SCOPE is small enough, and finite."""
    for name, value in scope.items():
        if value is before.get(name):
            continue
        if isinstance(value, torch.Tensor):
            if value.dim() > 5 or value.numel() > MAX_ELEMENTS:
                return False
            if value.numel() and value.dtype != torch.bool:
                if not bool(value.abs().max() < MAX_VALUE):
                    return False
        elif isinstance(value, int) and abs(value) > 4000:
            return False
    return True


STATEMENTS = (
    (SizeAuthor.integer, 7),
    (SizeAuthor.sizes, 3),
    (SizeAuthor.reshape, 4),
    (SizeAuthor.expand, 3),
    (SizeAuthor.slice, 4),
    (SizeAuthor.part, 3),
    (SizeAuthor.join, 3),
    (SizeAuthor.pad, 3),
    (SizeAuthor.create, 2),
    (SizeAuthor.along, 3),
    (SizeAuthor.mask, 2),
    (SizeAuthor.move, 3),
    (SizeAuthor.reduce, 3),
    (SizeAuthor.product, 3),
    (SizeAuthor.window, 4),
    (SizeAuthor.table, 2),
    (SizeAuthor.write, 2),
    (SizeAuthor.scalar, 3),
    (SizeAuthor.simple, 1),
    (SizeAuthor.binary, 3),
    (SizeAuthor.convert, 1),
    (SizeAuthor.branch, 1),
)
WEIGHTED = tuple(statement for statement, weight in STATEMENTS for _ in range(weight))


def size_program(number: int) -> SizeProgram:
    """Program NUMBER."""
    author = SizeAuthor(Random(number))
    with torch.inference_mode():
        inputs, base = author.begin()
        author.sizes()
        for _ in range(author.number(2, 12)):
            for _ in range(6):  # what PyTorch accepts may take some tries
                author.next_threshold = False
                try:
                    author.pick(WEIGHTED)(author)
                except (LookupError, SyntaxError):
                    continue
                break
        names = [name for name in author.tensors(kind="fib") if name not in author.inputs]
        names = names or author.inputs
        results = [author.pick(names) for _ in range(author.number(0, 2))]
        results = [*dict.fromkeys([*results, names[-1]])]
    text = "\n".join(author.lines)
    held = tuple((name, shape) for name, shape in HELD if f"self.{name}" in text)
    return SizeProgram(
        inputs, tuple(base.items()), held, tuple(author.lines), tuple(results), author.has_threshold
    )
