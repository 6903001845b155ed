"""export(verify=...): the graph is run before anything is written."""

from __future__ import annotations

import io
import logging
import math
import re
import sys
import types
import warnings

import ml_dtypes
import numpy as np
import pytest
import torch

import toffee
from toffee import _verify
from toffee._verify import difference
from toffee.torch_toffee import export


@pytest.fixture(autouse=True)
def messages(caplog):
    caplog.set_level(logging.INFO, logger="toffee")
    return caplog


def verified(model, args, **kwargs):
    """(what export returned, the bytes it wrote)."""
    buffer = io.BytesIO()
    kwargs.setdefault("verify", True)
    output = export(model, args, buffer, **kwargs)
    return output, buffer.getvalue()


# ---- what fits ---------------------------------------------------------------------------------


def test_a_model_that_is_right_is_written_and_the_differences_are_logged(messages):
    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU())
    x = torch.randn(2, 4)
    output, data = verified(model, x, output_names=["y"])
    torch.testing.assert_close(output, model(x))
    assert toffee.loads(data).output[0] == "y"
    lines = [record.getMessage() for record in messages.records if "verify" in record.getMessage()]
    assert len(lines) == 2
    assert "the traced inputs, output 'y': largest difference" in lines[0]
    assert "inputs drawn anew, output 'y'" in lines[1]


def test_the_file_is_the_same_as_without(tmp_path):
    model = torch.nn.Linear(4, 3)
    for verify in (False, True):
        export(model, torch.zeros(2, 4), tmp_path / f"{verify}.toffee", verify=verify)
    assert (tmp_path / "True.toffee").read_bytes() == (tmp_path / "False.toffee").read_bytes()


@pytest.mark.parametrize("verify", ["onnxruntime", "torch", "module"])
def test_the_backend_can_be_chosen(verify):
    import toffee.backend.onnxruntime

    chosen = toffee.backend.onnxruntime if verify == "module" else verify
    verified(torch.nn.Linear(4, 3), torch.zeros(2, 4), verify=chosen)


def test_nested_arguments_and_several_outputs_are_compared_in_order():
    def program(pair, *, scale):
        first, second = pair["a"]
        return {"sum": first + second * scale, "count": (first > 0).sum(), "all": [second]}

    args = ({"a": (torch.randn(3), torch.randn(3))},)
    output, data = verified(program, args, kwargs={"scale": torch.tensor(2.0)})
    assert len(toffee.loads(data).output) == 3
    assert torch.equal(output["sum"], args[0]["a"][0] + args[0]["a"][1] * 2)


@pytest.mark.parametrize(
    "dtype", [torch.float64, torch.float16, torch.bfloat16, torch.int32, torch.bool]
)
def test_every_dtype_has_a_tolerance(dtype):
    verified(lambda x: x.clone()[1:], torch.ones(3).to(dtype))


def test_integers_are_drawn_where_they_may_be():
    embedding = torch.nn.Embedding(5, 2)
    verified(embedding, torch.tensor([[0, 3, 4]]))


def test_a_graph_without_inputs_is_compared_once(messages):
    verified(lambda: torch.ones(2) * 3, ())
    assert sum("verify" in record.getMessage() for record in messages.records) == 1


def test_parameters_that_are_not_written_are_in_the_graph_that_is_run():
    _, data = verified(torch.nn.Linear(4, 3), torch.zeros(2, 4), export_params=False)
    assert len(toffee.loads(data).initializer) == 0


def test_batch_normalization_in_training_mode_is_right_and_counts_once():
    model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.BatchNorm1d(4))
    plain = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.BatchNorm1d(4))
    plain.load_state_dict(model.state_dict())
    x = torch.randn(8, 4)
    verified(model, x, training=True)
    plain(x)
    for ours, theirs in zip(model.state_dict().values(), plain.state_dict().values(), strict=True):
        torch.testing.assert_close(ours, theirs)


# ---- programs that change things ---------------------------------------------------------------


def test_an_argument_that_is_written_to_ends_as_after_one_call():
    def program(x, y):
        x.add_(y)
        return x * 2

    x, y = torch.zeros(3), torch.ones(3)
    output, _ = verified(program, (x, y))
    assert x.tolist() == [1, 1, 1] and y.tolist() == [1, 1, 1] and output.tolist() == [2, 2, 2]


def test_arguments_that_share_memory_do_so_in_the_copies():
    def program(x, view):
        view.add_(1)
        return x * 2

    x = torch.arange(4.0)
    copied = _verify.copies([x, x[1:3]])
    copied[1].add_(1)
    assert copied[0].tolist() == [0, 2, 3, 3] and x.tolist() == [0, 1, 2, 3]
    output = export(program, (x, x[1:3]), io.BytesIO())
    assert output.tolist() == [0, 4, 6, 6]


class Counter(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("n", torch.zeros(1))
        self.cache = None
        self.calls = 0

    def forward(self, x):
        self.n += 1
        self.calls += 1
        if self.cache is not None:
            return x + self.cache
        self.cache = x * 2
        return x + self.n


def test_a_model_with_state_is_run_from_the_state_it_had_and_keeps_the_state_of_one_call():
    model = Counter()
    x = torch.ones(2)
    verified(model, x)
    assert model.n.item() == 1 and model.calls == 1
    assert model.cache.tolist() == [2, 2]


def test_a_model_that_changes_its_parameters_is_compared_once(messages):
    class Learner(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(2))

        def forward(self, x):
            y = x * self.weight
            with torch.no_grad():
                self.weight += 1
            return y

    model = Learner()
    verified(model, torch.ones(2))
    assert model.weight.tolist() == [2, 2]
    assert "traced inputs only: the model changes its parameters" in messages.text


def test_a_model_that_takes_no_other_values_is_compared_once(messages):
    def program(x):
        if x.shape[0] and float(x[0]) != 1.25:
            raise RuntimeError("not these")
        return x * 2

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", toffee.TraceWarning)
        verified(program, torch.tensor([1.25, 3.0]))
    said = "not compared with inputs drawn anew: the model does not take them (RuntimeError: not"
    assert said in messages.text


def test_a_graph_of_any_size_is_compared_at_sizes_that_were_not_traced(messages):
    traced = []

    def program(x):
        traced.append(x.shape[0])
        return x.reshape(-1, 2).cumsum(0)

    verified(program, torch.randn(4, 6), dynamic_dims={"x": {0: "n"}}, verify=False)
    traced_before = set(traced)
    verified(program, torch.randn(4, 6), dynamic_dims={"x": {0: "n"}})
    found = re.findall(r"inputs of other sizes \(n=(\d+)\), output", messages.text)
    sizes = {int(n) for n in found}
    assert len(sizes) == 2 and not sizes & traced_before and max(sizes) > max(traced_before)


def test_a_size_that_the_model_does_not_take_is_said(messages):
    def program(x):
        if x.shape[0] > 38:
            raise RuntimeError("too long")
        return x * 2

    messages.clear()
    verified(program, torch.randn(4, 6), dynamic_dims={"x": {0: "n"}})
    assert "of other sizes (n=" in messages.text and "(RuntimeError: too long)" in messages.text


def test_a_difference_is_rounding_only_if_it_is_small_and_like_another_that_is():
    exact = np.full(4, 100.0, np.float32)
    noise, more, wrong = (difference(exact + off, exact) for off in (0.2, 0.7, 3.0))
    assert not noise.fits and more.is_like(noise) and noise.is_like(more)
    assert not difference(exact + 0.9, exact).is_like(noise)  # more than four times
    assert not wrong.is_like(wrong)  # 3 of 100 is no rounding


# ---- what does not fit -------------------------------------------------------------------------


def test_a_threshold_beyond_all_traced_sizes_is_found_at_the_next(tmp_path):
    traced = []

    def program(x):
        traced.append(x.shape[0])
        return x[: min(len(x), limit)].repeat(2, 1)

    path, limit = tmp_path / "m.toffee", 10**6
    export(program, torch.randn(4, 3), path, dynamic_dims={"x": {0: "n"}})
    limit = max(traced)
    path.unlink()
    export(program, torch.randn(4, 3), path, dynamic_dims={"x": {0: "n"}})
    path.unlink()
    with pytest.raises(toffee.VerificationError, match=rf"other sizes \(n={limit + 1}\)"):
        export(program, torch.randn(4, 3), path, dynamic_dims={"x": {0: "n"}}, verify=True)
    assert not path.exists()


@pytest.mark.filterwarnings("ignore::toffee.TraceWarning")
def test_a_value_baked_into_the_graph_is_found_and_no_file_is_kept(tmp_path):
    path = tmp_path / "m.toffee"
    with pytest.raises(toffee.VerificationError) as caught:
        export(lambda x: x * x.sum().item(), torch.randn(3), path, verify=True, output_names=["y"])
    text = str(caught.value)
    assert "with inputs drawn anew" in text and "output 'y': largest difference" in text
    assert "TraceWarning" in text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore::toffee.TraceWarning")
def test_a_file_that_was_there_stays_and_a_file_object_is_not_written_to(tmp_path):
    path = tmp_path / "m.toffee"
    path.write_bytes(b"before")
    buffer = io.BytesIO()
    for f in (path, buffer):
        with pytest.raises(toffee.VerificationError):
            export(lambda x: x * x.sum().item(), torch.randn(3), f, verify=True)
    assert path.read_bytes() == b"before" and buffer.getvalue() == b""


def test_dropout_in_training_mode_is_refused():
    with pytest.raises(toffee.VerificationError, match="random numbers .as dropout does in train"):
        verified(torch.nn.Dropout(0.5), torch.ones(100), training=True)
    verified(torch.nn.Dropout(0.5), torch.ones(100))  # in evaluation mode it does nothing


@pytest.mark.filterwarnings("ignore::toffee.TraceWarning")
def test_random_numbers_in_forward_are_refused():
    with pytest.raises(toffee.VerificationError, match="draws random numbers, so that no second"):
        verified(lambda x: x + torch.randn(3), torch.zeros(3))


def test_a_wrong_backend_is_caught():
    """A backend that is a bit wrong stands for a lowering that is."""
    from toffee.backend import base
    from toffee.backend import onnxruntime as right

    class Rep(right.OnnxRuntimeRep):
        def run(self, inputs=()):
            results = super().run(inputs)
            return base.Outputs([results[0] * 1.001, *results[1:]], results.names)

    def prepare(graph, device="CPU"):
        import onnxruntime

        return Rep(graph, base.parse_device(device), onnxruntime.SessionOptions(), [])

    wrong = types.SimpleNamespace(
        __name__="wrong", prepare=prepare, supports_device=lambda device: True
    )
    with pytest.raises(toffee.VerificationError, match="traced inputs.*\n.*\n.*run by wrong"):
        verified(torch.nn.Linear(4, 3), torch.ones(2, 4), verify=wrong)


@pytest.mark.parametrize("verify", ["tensorflow", "base.nothing", 3, types, "__init__"])
def test_what_is_no_backend_is_an_error_before_the_model_runs(verify):
    def model(x):
        raise AssertionError("it ran")

    with pytest.raises(ValueError, match="is no backend: it can be True"):
        verified(model, torch.ones(2), verify=verify)


def test_without_onnxruntime_the_error_comes_before_the_model_runs(monkeypatch):
    def model(x):
        raise AssertionError("it ran")

    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(toffee.BackendError, match="pip install onnxruntime"):
        verified(model, torch.ones(2))


def test_operators_that_the_backend_does_not_know_are_a_backend_error(tmp_path):
    path = tmp_path / "m.toffee"
    with pytest.raises(toffee.BackendError, match="ONNX Runtime cannot prepare the graph"):
        export(torch.special.airy_ai, torch.ones(2), path, fallback="aten", verify=True)
    assert not path.exists()
    export(torch.special.airy_ai, torch.ones(2), path, fallback="aten", verify="torch")


# ---- drawing -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        torch.rand(50),
        torch.randn(50).to(torch.float16),
        torch.full((50,), 3.0),
        torch.full((50,), -3.0, dtype=torch.bfloat16),
        torch.tensor([1.0, math.nan, math.inf, 5.0] * 10),
    ],
)
def test_floats_are_drawn_from_the_range_of_the_given_ones(given):
    drawn = _verify.drawn_anew(given, torch.Generator().manual_seed(0))
    finite = given[given.isfinite()].double()
    assert drawn.dtype == given.dtype and drawn.shape == given.shape
    low, high = float(finite.min()), float(finite.max())
    if low == high:
        low, high = sorted((low / 2, low * 1.5))
    assert float(drawn.min()) >= low - 0.01 and float(drawn.max()) <= high + 0.01
    assert len(set(drawn.tolist())) > 10


def test_zeros_stand_for_any_numbers():
    drawn = _verify.drawn_anew(torch.zeros(100), torch.Generator().manual_seed(0))
    assert drawn.min() < -1 and drawn.max() > 1


def test_the_range_of_integers_is_kept_at_its_ends():
    generator = torch.Generator().manual_seed(0)
    info = torch.iinfo(torch.int64)
    for values in ([2, 4], [info.min, info.max], [info.max, info.max], [7, 7]):
        given = torch.tensor(values).repeat(20)
        drawn = _verify.drawn_anew(given, generator)
        assert drawn.dtype == torch.int64
        assert int(drawn.min()) >= min(values) - 1 and int(drawn.max()) <= max(values)


@pytest.mark.parametrize("given", [torch.empty(0, 3), torch.rand(3, dtype=torch.complex64)])
def test_empty_and_complex_tensors_are_drawn_too(given):
    drawn = _verify.drawn_anew(given, torch.Generator().manual_seed(0))
    assert drawn.dtype == given.dtype and drawn.shape == given.shape


def test_drawing_leaves_pytorchs_random_numbers_alone():
    model = torch.nn.Linear(4, 3)
    before = torch.get_rng_state()
    verified(model, torch.zeros(2, 4))
    assert torch.equal(torch.get_rng_state(), before)


# ---- differences -------------------------------------------------------------------------------


def test_a_difference_is_measured_against_the_largest_value():
    found = difference(np.float32([1, 100.5]), np.float32([1, 100]))
    assert found.absolute == 0.5 and found.relative == 0.005
    assert found.allowed == pytest.approx(0.01) and not found.fits
    assert difference(np.float32([1.005, 100]), np.float32([1, 100])).fits


def test_noise_around_zero_is_zero():
    assert difference(np.float32([1e-8]), np.float32([0])).fits
    assert not difference(np.float32([1e-6]), np.float32([0])).fits


@pytest.mark.parametrize(
    ("result", "expected", "fits"),
    [
        ([math.nan, 1], [math.nan, 1], True),
        ([math.inf, 1], [math.inf, 1], True),
        ([math.nan, 1], [1, 1], False),
        ([1, 1], [math.nan, 1], False),
        ([math.inf, 1], [-math.inf, 1], False),
        ([], [], True),
    ],
)
def test_nan_and_infinity_have_to_be_in_the_same_places(result, expected, fits):
    found = difference(np.float32(result), np.float32(expected))
    assert found.fits == fits
    assert fits or found.absolute == math.inf


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, bool])
def test_integers_must_be_equal(dtype):
    a = np.array([0, 1, 1], dtype)
    assert difference(a, a.copy()).fits
    assert not difference(a, np.array([0, 1, 0], dtype)).fits


def test_large_integers_that_are_one_float_are_still_different():
    a, b = np.int64([2**62]), np.int64([2**62 + 1])
    assert difference(a, b).absolute >= 1 and not difference(a, b).fits


def test_another_dtype_or_shape_is_a_problem_in_words():
    found = difference(np.float32([1]), np.float64([[1]]))
    assert not found.fits and str(found) == "float32[1] where float64[1, 1] was expected"
    assert "no tensor: list" in str(difference([1], np.float32([1])))


def test_low_precision_and_complex_and_strings():
    half = np.array([1.0, 1000], ml_dtypes.bfloat16)
    assert difference(half, half).absolute == 0
    assert difference(np.array([1.0, 992], ml_dtypes.bfloat16), half).fits
    assert not difference(np.complex64([1j]), np.complex64([1])).fits
    assert difference(np.array(["a"], object), np.array(["a"], object)).fits
    assert not difference(np.array(["a"], object), np.array(["b"], object)).fits
