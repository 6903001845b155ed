"""Random programs: the graph computes what PyTorch computes, or the export says that it cannot.

Here 500 of them; `make fuzz-programs` runs as many as you like.
"""

from __future__ import annotations

import re
from collections import Counter
from random import Random

import program_oracle
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from program_data import Program, Tensor, shrink
from program_oracle import check_program
from random_programs import programs, random_program

import toffee

N_PROGRAMS = 500
MAX_REFUSED = 0.02

INPUT = Tensor("a", torch.float32, (2, 3), (0, 1))

STEPS = (
    r"\.view\(|\.reshape\(|\.permute\(|\.transpose\(|\.select\(|\.narrow\(|\.unsqueeze\(|\.expand\("
    r"|\.squeeze\(|\.diagonal\(|\.unfold\(|\.as_strided\(|\.split\(|\.chunk\(|\.unbind\(|\.flatten\("
    r"|\.unflatten\(|\.t\(|\.movedim\(|\.to\(|\.add_\(|\.mul_\(|\.fill_\(|\.copy_\(|\.clamp_\("
    r"|\.index_put_\(|\.masked_fill_\(|\.scatter_\(|\] = |\] \+= | //= | % | == |torch\.cat\("
    r"|torch\.stack\(|torch\.where\(|\.sum\(| @ |, out=|torch\.zeros\(|torch\.arange\(|del "
    r"|\.clone\("
)


def one_line(line: str) -> Program:
    return Program((INPUT,), (), (line,), ("v0",), False)


def test_graph_computes_what_the_program_computes_or_the_export_is_refused():
    outcomes: Counter[bool] = Counter()

    @settings(
        max_examples=N_PROGRAMS,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(programs)
    def check(program: Program) -> None:
        outcomes[check_program(program) is None] += 1

    check()
    assert outcomes.total() >= N_PROGRAMS
    assert outcomes[False] < MAX_REFUSED * outcomes.total()


def test_a_number_is_one_program():
    assert [random_program(Random(i)) for i in range(50)] == [
        random_program(Random(i)) for i in range(50)
    ]


def test_programs_have_every_kind_of_step():
    text = "".join("\n".join(random_program(Random(i)).lines) + "\n" for i in range(1500))
    assert [step for step in STEPS.split("|") if not re.search(step, text)] == []


def test_oracle_finds_a_number_that_is_baked_in(monkeypatch):
    def export_the_sum_of_the_traced_values(model, args, f, **kwargs):
        total = float(args[0].sum())
        return export(lambda a: (a + total,), args, f, **kwargs)

    export = program_oracle.export
    program = one_line("v0 = a + a.sum()")
    assert check_program(program) is None
    monkeypatch.setattr(program_oracle, "export", export_the_sum_of_the_traced_values)
    with pytest.raises(AssertionError, match="output 0"):
        check_program(program)


def test_oracle_finds_an_export_that_does_not_write_to_the_argument(monkeypatch):
    export = program_oracle.export
    program = one_line("v0 = a.add_(1)")
    assert check_program(program) is None
    monkeypatch.setattr(
        program_oracle,
        "export",
        lambda model, args, f, **kwargs: export(model, tuple(x.clone() for x in args), f, **kwargs),
    )
    with pytest.raises(AssertionError, match="argument 0"):
        check_program(program)


def test_oracle_tells_a_refusal_from_a_failure():
    overlapping = Tensor("a", torch.float32, (2, 3), (0, 1), gap=0)
    program = Program((overlapping,), (), ("v0 = a.as_strided((2,), (1,), 0)",), ("v0",), False)
    assert (check_program(program) or "").startswith("UnsupportedOperatorError: ")
    with pytest.raises(toffee.TraceWarning):
        check_program(one_line("v0 = a if a.sum() > 0 else -a"))


def test_shrink_keeps_only_the_lines_that_matter():
    lines = ("v0 = a + 1", "v1 = a * 2", "v2 = v0.t()", "v1.add_(1)")
    program = Program((INPUT,), (), lines, ("v0", "v1", "v2"), False)
    smaller = shrink(program, lambda p: "v0 = a + 1" in p.lines and "v2" in p.results)
    assert smaller.lines == ("v0 = a + 1",)
    assert smaller.results == ("v2",)


def test_a_fresh_function_has_its_captured_tensors_as_they_were():
    captured = Tensor("p", torch.int64, (3,), (0,))
    program = Program((INPUT,), (captured,), ("p.add_(1)",), ("p",), True)
    first = program.function()(*program.arguments(0))[0].clone()
    assert torch.equal(program.function()(*program.arguments(0))[0], first)
