"""Random programs that compute with sizes: right at sizes that were not traced, or refused.

Here 150 of them; `make fuzz-sizes` runs as many as you like.
"""

from __future__ import annotations

import copy
import io
import re
from collections import Counter

import pytest
import size_oracle
import torch
from size_data import Input, SizeProgram, shrink
from size_oracle import check_size_program, combinations
from size_programs import size_program
from torch.nn import functional as F

import toffee
from toffee import _core
from toffee.torch_toffee import export

N_PROGRAMS = 150
MAX_REFUSED = 0.25

STEPS = (
    r"\.shape\[| = \w+\.shape|\.size\(|\.numel\(|len\(| // | % |min\(|max\(|abs\(|math\.ceil\(|-\(-"
    r"|\.reshape\(|\.view\(|\.flatten\(|\.unflatten\(|\.expand\(|\.repeat\(|\.repeat_interleave\("
    r"|::2\]|\.narrow\(|\.select\(|\.split\(|\.chunk\(|torch\.cat\(|torch\.stack\(|F\.pad\("
    r"|torch\.arange\(|torch\.linspace\(|torch\.zeros\(|torch\.ones\(|torch\.full\(|\.new_zeros\("
    r"|torch\.eye\(|torch\.tril\(|torch\.triu\(|\.masked_fill\(|torch\.where\(|\.roll\(|\.flip\("
    r"|\.unfold\(|\.index_select\(|\.gather\(|\.cumsum\(|\.softmax\(|\.mean\(|\.var\(|\.sum\(| @ "
    r"|torch\.bmm\(|torch\.einsum\(|F\.interpolate\(|scale_factor=|F\.adaptive_avg_pool|F\.max_pool"
    r"|F\.conv1d|F\.conv2d|F\.conv_transpose|F\.scaled_dot_product_attention|self\.table\[|\] = 0"
    r"|\] \*= 2| \+= |math\.sqrt\(|\*\* -0\.5|if s\d+ % 2:|if s\d+ [<>] \d|for i in range\("
)


def program_of(*lines: str, base: int = 4, has_threshold: bool = False) -> SizeProgram:
    inputs = (Input("x", ("n", 3)),)
    return SizeProgram(inputs, (("n", base),), (), lines, ("v",), has_threshold)


def test_graph_computes_what_the_program_computes_at_any_size_or_the_export_is_refused():
    outcomes = Counter(check_size_program(size_program(i)) is None for i in range(N_PROGRAMS))
    assert outcomes[False] < MAX_REFUSED * N_PROGRAMS


def test_a_number_is_one_program():
    assert [size_program(i) for i in range(30)] == [size_program(i) for i in range(30)]


def test_programs_have_every_kind_of_step():
    text = "".join("\n".join(size_program(i).lines) + "\n" for i in range(1200))
    assert [step for step in STEPS.split("|") if not re.search(step, text)] == []


@pytest.mark.parametrize(
    "lines",
    [
        ("n = x.shape[0]", "v = x[: n // 2 * 2].view(n // 2, 2, 3)"),
        ("v = torch.nn.functional.pad(x, (0, 0, 0, -x.shape[0] % 4)).view(-1, 4, 3)",),
        ("v = x.narrow(0, 1, x.shape[0] // 2)",),
        ("v = x.split((x.shape[0] + 1) // 2)[0]",),
        ("v = x.roll(-(x.shape[0] // 2), 0)",),
        ("v = x[: x.shape[0] // 4 * 4].view(x.shape[0] // 4, 4, 3)",),
    ],
)
@pytest.mark.parametrize("base", [3, 4, 7])
def test_common_ways_with_sizes_are_exported(lines, base):
    if "split" in lines[0]:
        base = 4 if base == 3 else base
    assert check_size_program(program_of(*lines, base=base)) is None


@pytest.mark.parametrize("base", [2, 5, 7, 12])
def test_a_threshold_below_the_largest_size_that_is_run_is_refused_or_right(base):
    for limit in (1, 2, 3, 4, 5, 7, 9, 13, 19, 22, 30):
        for line in (
            f"v = x[: min(x.shape[0], {limit})] + 1",
            f"v = x.sum(0) * max(len(x), {limit})",
        ):
            check_size_program(program_of(line, base=base, has_threshold=True))
    assert check_size_program(program_of("v = x[:5] * 2", base=base, has_threshold=True)) is None


def test_a_large_model_that_cuts_an_open_dimension_is_right_or_refused(monkeypatch):
    """Up to 7 the part is empty, and nothing moves that could be looked at."""
    monkeypatch.setattr("toffee._sizes._FEW_OPERATORS", 0)
    lines = (
        "v = y[torch.arange(x.shape[1]) // 2]",
        "v = v.repeat_interleave(x.shape[1], 2)",
        "v = v[:, : v.shape[1] // 8 * 8]",
        "v = v[:, :, torch.arange(v.size(2)) // 2]",
        "v[::3] = v[::3] * x.shape[2]",
    )
    inputs = (Input("x", (3, "m", 4)), Input("y", ("m", "n", 4)))
    check_size_program(SizeProgram(inputs, (("n", 7), ("m", 5)), (), lines, ("v",), False))


def test_refusal_names_the_line_and_the_sizes():
    refusal = check_size_program(program_of("v = x * 2", "if len(x) % 2:", "    v = v + 1"))
    assert refusal is not None and refusal.startswith("DynamicShapeError: ")
    assert re.search(r"n=\d+", refusal) and "size_program.py:4" in refusal


def test_oracle_finds_a_size_that_is_baked_in(monkeypatch):
    def export_with_the_traced_size(model, args, f, **kwargs):
        return export(lambda x: x * 2.0 + float(size), args, f, **kwargs)

    size = 4
    program = program_of("v = x * 2 + x.shape[0]")
    assert check_size_program(program) is None
    monkeypatch.setattr(size_oracle, "export", export_with_the_traced_size)
    with pytest.raises(AssertionError, match="output 0"):
        check_size_program(program)


def test_oracle_runs_as_it_is_what_only_the_optimizer_of_onnxruntime_breaks(monkeypatch):
    """For version 1.32 a pool of no channels is one; here a runtime refuses what it optimizes."""
    program = program_of("v = x * 2")
    session = size_oracle._session
    optimized = []

    def breaking(data, optimizes):
        optimized.append(optimizes)
        if optimizes and len(optimized) != passing:
            raise RuntimeError("invalid channel count")
        return session(data, optimizes)

    monkeypatch.setattr(size_oracle, "_session", breaking)
    passing = None
    assert check_size_program(program) is None and optimized == [True, True, False]
    optimized.clear()
    passing = 2  # the graph of one size is fine
    with pytest.raises(RuntimeError, match="invalid channel count"):
        check_size_program(program)


def test_oracle_finds_a_refusal_that_says_no_place(monkeypatch):
    def refuse(*args, **kwargs):
        raise toffee.DynamicShapeError("no")

    monkeypatch.setattr(size_oracle, "export", refuse)
    with pytest.raises(AssertionError, match="says no place"):
        check_size_program(program_of("v = x * 2"))


def test_sizes_to_compare_at_stay_below_the_largest_that_is_run_where_there_is_a_threshold():
    program = program_of("v = x[:5]", base=20, has_threshold=True)
    assert max(sizes["n"] for sizes in combinations(program, [26])) == 26
    free = [sizes["n"] for sizes in combinations(program_of("v = x * 2", base=4), [26])]
    assert free[0] == 1 and max(free) > 26


def test_shrink_keeps_only_the_lines_that_matter():
    program = program_of("n = len(x)", "v = x * 2", "w = x * n", "v = v + 1")
    smaller = shrink(program, lambda p: "v = x * 2" in p.lines)
    assert smaller.lines == ("v = x * 2",)


def test_program_runs_at_other_sizes():
    program = program_of("v = x[: len(x) // 2]")
    with torch.inference_mode():
        (half,) = program.module()(*program.arguments({"n": 9}, 0))
    assert half.shape == (4, 3)


def test_each_allocation_of_the_unification_that_fails_is_a_memory_error(
    monkeypatch, fail_allocation, count_allocations
):
    """A graph of slices, pads, joined and pooled axes, tables and numbers of the sizes."""
    calls = []
    unify = _core.unify

    def noted(graphs, *rest):
        calls.append((tuple(map(copy.deepcopy, graphs)), *rest))
        return unify(graphs, *rest)

    def forward(x):
        n = x.shape[-1]
        part = F.pad(x[..., n // 3 :: 2], (0, -n % 4))
        pooled = F.max_pool1d(torch.cat([part, x], -1), 2, ceil_mode=True)
        mask = torch.ones(n, n, dtype=torch.bool).tril()
        rows = x.expand(n, n).masked_fill(mask, 0.5) * n**-0.5 + torch.arange(n)
        return pooled, rows.reshape(n // 2 * 2 if n % 2 == 0 else n, -1)[-1], x / max(n, 5)

    monkeypatch.setattr(_core, "unify", noted)
    export(forward, torch.randn(1, 6), io.BytesIO(), dynamic_dims={"x": {1: "n"}})

    graphs, *rest = calls[-1]
    copies = tuple(map(copy.deepcopy, graphs))
    n_allocations = count_allocations(unify, copies, *rest)
    assert n_allocations > 5  # of arenas, which hold many
    for n in range(n_allocations):
        copies = tuple(map(copy.deepcopy, graphs))
        with fail_allocation(n), pytest.raises(MemoryError):
            unify(copies, *rest)
