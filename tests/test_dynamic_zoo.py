"""Models of torchvision, timm and transformers at any size: some, and the list of all."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

FOLDER = Path(__file__).parent / "models"
sys.path.insert(0, str(FOLDER))
import damage  # noqa: E402
import dynamic_cases  # noqa: E402
import dynamic_page  # noqa: E402
import zoo  # noqa: E402
from dynamic_check import check  # noqa: E402
from zoo_case import Case, normal  # noqa: E402
from zoo_check import Mismatch  # noqa: E402

BASELINE = dynamic_page.read_baseline()

#: The rest runs with `make test-models`.
SOME = [
    ("transformers", "bart"),
    ("transformers", "bert"),
    ("transformers", "gpt2"),
    ("transformers", "led"),
    ("transformers", "lfm2"),
    ("transformers", "llama"),
    ("transformers", "llava"),
    ("transformers", "t5"),
    ("transformers", "vit"),
    ("transformers", "whisper"),
    ("torchvision", "mobilenet_v3_small"),
    ("torchvision", "resnet18"),
    ("torchvision", "resnet18, any side"),
    ("torchvision", "lraspp_mobilenet_v3_large, any side"),
    ("recurrent", "LSTM (projection, bidirectional)"),
    ("recurrent", "GRU (two layers, bidirectional, batch first)"),
]


@pytest.mark.parametrize(("library", "name"), SOME, ids=lambda text: text)
@pytest.mark.filterwarnings("ignore")
def test_a_model_of_the_zoo_agrees_with_pytorch_at_other_sizes(library, name):
    row = check(dynamic_cases.load(library)[name])
    complaint = zoo.worse(row, BASELINE[library][name])
    assert row["status"] == "passed" and not complaint, f"{complaint}\n{row.get('message')}"


def test_nearly_all_models_of_transformers_have_any_batch_and_length_and_none_is_wrong():
    rows = BASELINE["transformers"].values()
    assert sum(row["status"] == "passed" for row in rows) >= 0.95 * len(rows)
    assert len(rows) >= 244
    assert all(row["status"] in ("passed", "refused") for row in rows)


def test_all_recurrent_layers_have_any_length():
    assert {row["status"] for row in BASELINE["recurrent"].values()} == {"passed"}


def test_the_page_is_what_the_baseline_says():
    assert dynamic_page.PAGE.read_text() == dynamic_page.page(BASELINE), "--write writes it"


# ---- the harness itself --------------------------------------------------------------------------


class Baked(nn.Linear):
    """Computes with its batch in a way that only the traced one is right."""

    def forward(self, x):
        return super().forward(x) * (2.0 if x.shape[0] == 5 and not _traced() else 1.0)


def _traced() -> bool:
    from toffee import _core

    return any(isinstance(mode, _core.Tracer) for mode in _modes())


def _modes() -> list[object]:
    from torch.utils._python_dispatch import _get_current_dispatch_mode_stack

    return list(_get_current_dispatch_mode_stack())


class Fixed(nn.Linear):
    def forward(self, x):
        return super().forward(x.reshape(2, 4))


def linear(kind: type[nn.Linear]) -> dynamic_cases.Dynamic:
    case = Case(lambda: kind(4, 3), (normal(2, 4),))
    return dataclasses.replace(dynamic_cases.load("recurrent")["LSTM"], case=case, **BATCH)


BATCH = {"rule": lambda name, axis, size: "batch" if axis == 0 else ""}


def test_a_right_model_passes():
    row = check(linear(nn.Linear))
    assert row["status"] == "passed", row
    assert row["symbols"] == ["batch"] and row["sizes"] == [{"batch": n} for n in (1, 10, 14, 17)]


def test_a_model_that_takes_one_size_is_refused():
    row = check(linear(Fixed))
    assert row["status"] == "refused" and "batch" in row["reason"]


def test_a_model_that_is_right_at_some_sizes_is_a_mismatch():
    five = dataclasses.replace(linear(Baked), sizes=({"batch": 1}, {"batch": 5}), enough=2)
    row = check(five)
    assert row["status"] == "mismatch" and "'batch': 5" in row["reason"]


def test_arguments_of_other_sizes_repeat_nothing():
    from dynamic_check import _arguments

    case = Case(nn.Identity, (normal(2, 3),))
    symbols = {"x": {0: "batch", 1: "length"}}
    (made,), _ = _arguments(case, ["x"], symbols, {"batch": 5, "length": 8})
    assert made.shape == (5, 8) and len(torch.unique(made)) == 40


@pytest.mark.parametrize(
    ("library", "name", "least"),
    [
        ("transformers", "bert", 20),
        ("torchvision", "lraspp_mobilenet_v3_large, any side", 20),
        ("recurrent", "LSTM (projection, bidirectional)", 10),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_a_graph_that_is_wrong_at_one_size_is_found(library, name, least):
    seen = dict(damage.found(dynamic_cases.load(library)[name], maps=2))
    assert not {text: what for text, what in seen.items() if what.startswith("MISSED")}
    assert sum(what in ("found", "fails") for what in seen.values()) >= least


def rounded(result, wanted, exact):
    """What is said of a RESULT of ONNX Runtime, and PyTorch's in single and double precision."""
    import numpy as np
    from dynamic_check import _error

    single = torch.tensor(wanted, dtype=torch.float32)
    double = torch.tensor(exact, dtype=torch.float64)
    return _error(np.array(result, np.float32), single, lambda: double, torch.float32, "output")


def test_a_sample_is_measured_by_its_own_scale():
    with pytest.raises(Mismatch, match=r"off by 0\.1 "):
        rounded([[1000.0], [1.1]], [[1000.0], [1.0]], [[1000.0], [1.0]])


def test_what_pytorch_rounds_as_badly_agrees_up_to_a_bound():
    assert rounded([[1.006]], [[1.002]], [[1.0]]) == pytest.approx(0.006, rel=1e-3)
    with pytest.raises(Mismatch, match=r"off by 0\.009 .* PyTorch by 0\.002"):
        rounded([[1.009]], [[1.002]], [[1.0]])
    with pytest.raises(Mismatch, match=r"off by 0\.03 .* PyTorch by 0\.02"):
        rounded([[1.03]], [[1.02]], [[1.0]])
