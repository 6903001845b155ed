"""PyTorch's operator database: what passed still passes, and docs/operators.md says what is so.

``tests/opinfo.py --check`` runs all of it; this is the part for every day: in float32 the first two
samples of each entry, with ONNX Runtime as the graph stands, on other values.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np
import opinfo
import opinfo_cases as database
import opinfo_pool
import opinfo_report as report
import pytest
import torch
from opinfo_run import Outcome, refusal, run_case

N_SAMPLES = 2
N_PARTS = 24
BASELINE = report.load_baseline()


@pytest.mark.parametrize("part", range(N_PARTS))
def test_no_entry_does_worse_than_the_baseline_says(part: int):
    worse = []
    for name in database.entry_names("float32")[part::N_PARTS]:
        task = opinfo_pool.Task(name, "float32", N_SAMPLES)
        for make in database.samples(name, "float32", N_SAMPLES):
            task.outcomes.append(run_case(name, make(), quick=True))
        if all(x.status == "out of scope" for x in task.outcomes):
            continue
        old = BASELINE["entries"].get(name, {}).get("float32", "pass: ")
        if not old.startswith(("out of scope", "partly")):  # which these samples need not show
            worse += opinfo.changes([task], BASELINE)[0]
    assert not worse, "\n".join(worse)


def test_at_least_nine_of_ten_entries_that_can_pass_do():
    count = BASELINE["counts"]["float32"]
    assert count["pass"] >= SHARE * (sum(count.values()) - count["out of scope"])


#: Of the deterministic, dense, single-output-type entries, in float32. It only grows.
SHARE = 0.93


def test_no_entry_crashes_hangs_or_computes_something_else_in_silence():
    bad = ("crash", "hang", "mismatch")
    found = {
        f"{name} {dtype}"
        for name, rows in BASELINE["entries"].items()
        for dtype, row in rows.items()
        if dtype == "float32" and row.startswith(bad)
    }
    assert not found


def test_the_documentation_is_what_the_baseline_and_the_lowerings_give():
    message = "run tests/opinfo.py --write-docs"
    assert report.DOCS.read_text(encoding="utf-8") == report.text(BASELINE), message


def test_the_baseline_names_entries_that_exist():
    for name, rows in BASELINE["entries"].items():
        for dtype in rows:
            assert name in database.entry_names(dtype)


# ---- the measuring itself ------------------------------------------------------------------------


def outcome_of(function: Callable, traced: torch.Tensor, other: torch.Tensor) -> Outcome:
    return run_case("abs", database.Case(function, (traced,), (other,), "sample"))


def test_a_number_of_the_traced_run_in_the_graph_is_found():
    def baked(x):
        return x * torch.from_numpy(x.numpy().copy())

    outcome = outcome_of(baked, torch.ones(3), torch.full((3,), 2.0))
    assert outcome.status == "warned"


def test_a_difference_of_a_hundredth_is_found():
    expected = [torch.tensor([1.0, 2.0, 100.0])]
    assert database.difference("abs", [np.float32([1, 2, 100])], expected, []) is None
    assert database.difference("abs", [np.float32([1, 2.01, 100])], expected, []) is not None


def test_a_result_may_be_as_far_from_the_truth_as_that_of_eager_pytorch():
    exact = [torch.tensor([1.0, 100.0], dtype=torch.float64)]
    eager = [torch.tensor([1.01, 100.0])]
    assert database.difference("abs", [np.float32([0.99, 100])], eager, exact) is None
    assert database.difference("abs", [np.float32([0.97, 100])], eager, exact) is not None


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda x: torch.rand_like(x), "random numbers"),
        (lambda x: x[x > 0], "the shape of the result depends on values"),
        (lambda x: x.to_sparse(), "sparse, nested or quantized tensors"),
        (lambda x: x.sum().item(), "returns a Python number or nothing, not only tensors"),
    ],
)
def test_what_cannot_be_compared_is_out_of_scope(function: Callable, reason: str):
    outcome = outcome_of(function, torch.tensor([1.0, -1.0]), torch.tensor([-2.0, -1.0]))
    assert (outcome.status, outcome.reason) == ("out of scope", reason)


def test_a_refusal_is_named_by_its_operators():
    text = "2 operators have no form:\n  aten::b (1 call)\n    file:3\n  aten::a (2 calls)\nDo"
    assert refusal(text) == "no form in ONNX: aten::a, aten::b"


def _odd_samples(name: str, dtype: str, n_samples: int) -> list[Callable[[], Outcome]]:
    def crash() -> Outcome:
        import os

        os.abort()

    def hang() -> Outcome:
        time.sleep(60)
        return Outcome("pass")

    return [lambda: Outcome("pass"), crash, hang, lambda: Outcome("pass")]


def test_a_crash_and_a_hang_are_outcomes_and_the_entry_goes_on():
    tasks = [opinfo_pool.Task("odd", "float32", 4)]
    (task,) = opinfo_pool.run(_odd_samples, tasks, jobs=1, seconds=2)
    assert [x.status for x in task.outcomes] == ["pass", "crash", "hang", "pass"]
    assert opinfo.verdict(task.outcomes)[0] == "crash"


def test_a_baseline_may_only_shrink():
    baseline = {"entries": {"abs": {"float32": "refused: it is hard"}}}
    good, bad = [Outcome("pass")], [Outcome("refused", "no")]
    task = opinfo_pool.Task
    assert opinfo.changes([task("abs", "float32", 1, bad)], baseline) == ([], [])
    assert opinfo.changes([task("abs", "float32", 1, good)], baseline)[0] == []
    assert len(opinfo.changes([task("abs", "float32", 1, good)], baseline)[1]) == 1
    assert len(opinfo.changes([task("cos", "float32", 1, bad)], baseline)[0]) == 1


def test_the_command_measures_one_entry(monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.setattr(sys, "argv", ["opinfo.py", "--only", "cos", "--dtypes", "float32"])
    assert opinfo.main() == 0
    assert "float32: 1 entries: 1 pass; 100.0 % of 1 pass" in capsys.readouterr().out
