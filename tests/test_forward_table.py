"""docs/what_forward_may_contain.md still says what toffee does."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))
from forward_programs import PROGRAMS, Program  # noqa: E402
from forward_table import COLUMNS, OUTCOMES, PAGE, by_toffee, judge  # noqa: E402


def rows() -> dict[str, list[str]]:
    """Every row of the page's tables: program to the cells after it."""
    found: dict[str, list[str]] = {}
    for line in PAGE.read_text().splitlines():
        if line.startswith("| ") and not line.startswith("| ---"):
            name, *cells = (cell.strip() for cell in line.strip("|").split(" | "))
            found[name] = cells
    return found


TABLE = rows()


@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*:FutureWarning")
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_toffee_does_with_the_program_what_the_table_says(program: Program):
    reasons: list[str] = []
    assert judge(program, by_toffee, reasons) == TABLE[program.name][0], reasons


def test_toffee_is_never_silently_wrong():
    assert {TABLE[program.name][0].split(";")[0] for program in PROGRAMS} <= {
        "right",
        "warned",
        "refused",
    }


def test_every_program_has_a_row_of_three_cells_and_no_row_is_left_over():
    names = [program.name for program in PROGRAMS]
    assert len(set(names)) == len(names)
    own = {"program", f"{len(names)} programs", *(f"`{column}`" for column in COLUMNS)}
    assert set(TABLE) == {*names, *own}
    assert all(len(TABLE[name]) == len(COLUMNS) for name in names)


def test_the_sums_are_those_of_the_rows():
    for i, column in enumerate(COLUMNS):
        cells = [TABLE[program.name][i].split(";")[0].strip("*") for program in PROGRAMS]
        assert TABLE[f"`{column}`"] == [str(cells.count(outcome)) for outcome in OUTCOMES]


def test_the_judge_sees_a_wrong_graph_and_a_missing_input():
    (branch,) = (p for p in PROGRAMS if p.name == "`if` on data")
    (unused,) = (p for p in PROGRAMS if p.name == "an input that is not used")

    def silently(program: Program) -> bytes:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return by_toffee(program)

    assert judge(branch, silently, []) == "**silently wrong**"
    one_input = Program(
        unused.name, unused.group, lambda: lambda x: x + 1, unused.args[:1], (), {}, {}
    )
    assert judge(unused, lambda program: by_toffee(one_input), []) == "**silently wrong**"
