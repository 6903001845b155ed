"""torch.toffee.export: arguments, results, errors, and that nothing is left behind."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import pytest
import torch
from exported import check_export, ops, to_bytes, to_graph
from torch import nn

import toffee
from toffee.torch_toffee import export

X = torch.linspace(-1, 1, 12).reshape(3, 4)


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 2)
        self.drop = nn.Dropout(0.5)

    def forward(self, x):
        return self.drop(torch.relu(self.fc(x)))


@pytest.fixture
def small():
    torch.manual_seed(0)
    return Small()


# ---- arguments and results ----------------------------------------------------------------------


def test_export_returns_ordinary_tensors_equal_to_a_plain_call(small):
    out = export(small, X, io.BytesIO())
    assert not out.is_inference()
    torch.testing.assert_close(out, small.eval()(X).detach(), rtol=0, atol=0)
    (out * torch.ones(1, requires_grad=True)).sum().backward()


def test_the_structure_of_the_result_is_kept(small):
    out = export(lambda x: {"a": (x + 1, [x * 2]), "n": None}, X, io.BytesIO())
    assert torch.equal(out["a"][0], X + 1)
    assert torch.equal(out["a"][1][0], X * 2)
    assert out["n"] is None


@pytest.mark.parametrize("suffix", [".onnx", ".toffee", ".proto", ""])
def test_a_path_ending_in_onnx_gives_an_onnx_file_and_any_other_toffee_ir(small, tmp_path, suffix):
    path = tmp_path / f"m{suffix}"
    export(small, X, path)
    data = path.read_bytes()
    expected = to_bytes(small, X, format="onnx" if suffix == ".onnx" else "toffee")
    assert data == expected


def test_format_wins_over_the_path(small, tmp_path):
    export(small, X, tmp_path / "m.onnx", format="toffee")
    assert (tmp_path / "m.onnx").read_bytes() == to_bytes(small, X)


def test_a_string_path_and_a_pathlike_and_a_file_object_give_the_same_bytes(small, tmp_path):
    export(small, X, str(tmp_path / "a"))
    export(small, X, tmp_path / "b")
    with open(tmp_path / "c", "wb") as f:
        export(small, X, f)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "a").read_bytes() == (tmp_path / "c").read_bytes()


def test_inputs_are_named_after_the_signature_of_forward():
    def forward(image, masks, *rest, scale=2.0, bias=None):
        return image * masks["left"] + rest[0] + bias

    graph = toffee.loads(to_bytes(forward, (X, {"left": X + 1}, X + 2), kwargs={"bias": X + 3}))
    assert list(graph.input) == ["image", "masks.left", "rest.0", "bias"]


def test_input_and_output_names_are_used_in_order():
    graph = to_graph(
        lambda x, y: (x + y, x * y), (X, X + 1), input_names=["a"], output_names=["s", "p"]
    )
    assert list(graph.input) == ["a", "y"]
    assert list(graph.output) == ["s", "p"]


def test_unused_inputs_stay_in_the_signature():
    assert list(to_graph(lambda x, y: x + 1, (X, X)).input) == ["x", "y"]


def test_unused_parameters_are_left_out(small):
    small.extra = nn.Parameter(torch.zeros(3))
    assert list(to_graph(small, X).input) == ["fc.weight", "fc.bias", "x"]


def test_tied_weights_are_one_initializer():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(4, 4, bias=False)
            self.b = nn.Linear(4, 4, bias=False)
            self.b.weight = self.a.weight

        def forward(self, x):
            return self.b(self.a(x))

    graph = check_export(Tied(), X)
    assert [t.name for t in graph.initializer] == ["a.weight"]


def test_the_same_tensor_given_twice_is_two_inputs():
    graph = to_graph(lambda x, y: x - 2 * y, (X, X))
    assert list(graph.input) == ["x", "y"]
    check_export(lambda x, y: x - 2 * y, (X, X), (X, X + 1))


def test_non_persistent_buffers_are_exported():
    class Buffered(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("table", torch.arange(4.0), persistent=False)

        def forward(self, x):
            return x + self.table

    assert list(check_export(Buffered(), X).input) == ["table", "x"]


def test_parameters_that_are_not_contiguous_are_written_in_order():
    layer = nn.Linear(4, 3, bias=False)
    layer.weight = nn.Parameter(torch.randn(4, 3).t())
    check_export(layer, X)


def test_parameters_in_channels_last_are_written_in_order():
    conv = nn.Conv2d(3, 5, 3).to(memory_format=torch.channels_last)
    graph = check_export(conv, torch.randn(2, 3, 8, 8))
    np.testing.assert_array_equal(graph.initializer[0].numpy(), conv.weight.detach().numpy())


def test_training_mode_keeps_dropout_and_is_put_back(small):
    small.drop.train(), small.fc.eval(), small.train(False)
    small.drop.training = True
    flags = [m.training for m in small.modules()]
    graph = to_graph(small, X, training=True)
    assert "Dropout" in ops(graph)
    assert [m.training for m in small.modules()] == flags
    to_graph(small, X)
    assert [m.training for m in small.modules()] == flags


def test_verbose_prints_the_listing_of_2017(small, capsys):
    export(small, X, io.BytesIO(), verbose=True)
    printed = capsys.readouterr().out
    assert printed.startswith("graph(%fc.weight : Float(2, 4), %fc.bias : Float(2)")
    assert "= Gemm[" in printed
    assert "return (%" in printed


def test_the_same_model_gives_the_same_bytes(small):
    assert to_bytes(small, X) == to_bytes(small, X)


def test_scripted_and_traced_modules_export(small):
    scripted = torch.jit.script(small.eval())
    traced = torch.jit.trace(small.eval(), X)
    assert ops(to_graph(scripted, X)) == ops(to_graph(small, X))
    assert ops(to_graph(traced, X)) == ops(to_graph(small, X))


def test_fast_path_of_attention_is_off_for_the_run_and_back_after_it():
    torch.backends.mha.set_fastpath_enabled(True)
    seen = []

    def forward(x):
        seen.append(torch.backends.mha.get_fastpath_enabled())
        return x + 1

    to_graph(forward, X)
    assert seen == [False]
    assert torch.backends.mha.get_fastpath_enabled()


def test_two_threads_export_the_same_model_at_once(small):
    expected = to_bytes(small.eval(), X)
    results: list[bytes] = []

    def work():
        for _ in range(5):
            buffer = io.BytesIO()
            export(small, X, buffer)
            results.append(buffer.getvalue())

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [expected] * 10


# ---- what leaves the trace ----------------------------------------------------------------------


def test_a_value_that_leaves_the_trace_is_a_warning_with_the_line():
    def forward(x):
        return x * x.sum().item()

    with pytest.warns(
        toffee.TraceWarning, match=r"aten::item.*\n[^>]*> .*return x \* x.sum\(\).item"
    ):
        to_graph(forward, X)


def test_a_branch_on_data_is_an_error_when_strict_and_nothing_is_written(tmp_path):
    def forward(x):
        try:
            return x if x.sum() > 0 else -x
        except Exception:  # a model that hides the error does not hide it from the export
            return x

    with pytest.raises(toffee.TraceError, match="x if x.sum"):
        export(forward, X, tmp_path / "m", strict=True)
    assert os.listdir(tmp_path) == []


def test_branches_on_shapes_and_constants_are_silent():
    def forward(x):
        if x.shape[0] > 2 and torch.ones(3).sum() > 1:
            return x + 1
        return x

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ops(to_graph(forward, X)) == ["Add"]


# ---- errors -------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [None, 3, "model", nn.Linear], ids=repr)
def test_what_is_no_model_is_a_type_error(model):
    with pytest.raises(TypeError, match="model is"):
        export(model, X, io.BytesIO())


@pytest.mark.parametrize(
    "args", [[X], {"x": X}, 3, None, np.zeros(3)], ids=lambda a: type(a).__name__
)
def test_args_of_the_wrong_kind_are_a_type_error(args):
    with pytest.raises(TypeError, match="args is a"):
        export(lambda x: x + 1, args, io.BytesIO())


@pytest.mark.parametrize(
    ("kwargs", "error"),
    [
        ({"format": "onxx"}, ValueError),
        ({"fallback": "caffe2"}, ValueError),
        ({"kwargs": [1]}, TypeError),
        ({"input_names": ["a", "b"]}, ValueError),
        ({"output_names": ["a", "a"]}, ValueError),
        ({"input_names": "x"}, TypeError),
        ({"input_names": ["fc.weight"]}, ValueError),
        ({"output_names": ["x"]}, ValueError),
    ],
    ids=str,
)
def test_bad_options_are_refused_before_anything_is_written(small, tmp_path, kwargs, error):
    with pytest.raises(error):
        export(small, X, tmp_path / "m", **kwargs)
    assert os.listdir(tmp_path) == []


def test_an_exception_of_the_model_comes_through_and_an_existing_file_stays(tmp_path):
    path = tmp_path / "m.toffee"
    path.write_bytes(b"before")

    class Mine(Exception):
        pass

    model = Small().train()

    def forward(x):
        model(x)
        raise Mine("no")

    with pytest.raises(Mine):
        export(forward, X, path)
    assert path.read_bytes() == b"before"
    assert os.listdir(tmp_path) == ["m.toffee"]
    assert export(model, X, io.BytesIO()).shape == (3, 2)  # the next export works


def test_training_flags_are_put_back_when_the_model_raises(small):
    small.train()
    with pytest.raises(RuntimeError):
        export(small, torch.zeros(3, 5), io.BytesIO())
    assert all(m.training for m in small.modules())


@pytest.mark.parametrize("out", [3, "text", object()], ids=lambda o: type(o).__name__)
def test_an_output_that_is_no_tensor_is_named(out):
    with pytest.raises(toffee.TraceError, match=rf"a {type(out).__name__} at \[1\]"):
        export(lambda x: (x, out), X, io.BytesIO())


def test_a_model_that_returns_nothing_is_refused():
    with pytest.raises(toffee.TraceError, match="no tensor"):
        export(lambda x: None, X, io.BytesIO())


def test_every_unsupported_operator_is_listed_once_with_count_and_lines():
    def forward(x):
        a = torch.igamma(x, x)
        b = torch.special.airy_ai(x)
        return a.sum() + b.sum() + torch.special.airy_ai(b).sum()

    with pytest.raises(toffee.UnsupportedOperatorError) as caught:
        to_graph(forward, X)
    text = str(caught.value)
    assert "special_airy_ai (2 calls)" in text
    assert "igamma (1 call)" in text
    assert "a = torch.igamma(x, x)" in text
    assert "test_export.py" in text
    assert "fallback='aten'" in text


def test_an_unsupported_operator_whose_result_is_not_used_does_not_matter():
    def forward(x):
        torch.special.airy_ai(x)
        return x + 1

    assert ops(to_graph(forward, X)) == ["Add"]


def test_fallback_keeps_unsupported_operators_as_aten_nodes():
    graph = to_graph(lambda x: torch.special.airy_ai(x) + 1, X, fallback="aten")
    node = graph.node[0]
    assert (node.domain, node.op_type) == ("org.pytorch.aten", "aten::special_airy_ai")
    assert {(o.domain, o.version) for o in graph.opset_import} == {
        ("", 20),
        ("org.pytorch.aten", 1),
    }
    toffee.checker.check_graph(graph)


def test_lazy_modules_are_refused_until_they_know_their_shape():
    with pytest.raises(ValueError, match="'weight' has no shape yet"):
        export(nn.LazyLinear(3), X, io.BytesIO())


def test_an_export_inside_an_export_is_refused(small):
    def forward(x):
        export(small, x, io.BytesIO())
        return x

    with pytest.raises(toffee.TraceError, match="an export is running"):
        export(forward, X, io.BytesIO())
    to_graph(small, X)


def test_a_folder_that_cannot_be_written_is_an_os_error(small, tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        export(small, X, tmp_path / "nowhere" / "m.toffee")
    with pytest.raises(IsADirectoryError):
        export(small, X, tmp_path)


def test_a_file_object_whose_write_fails_raises_that_error(small):
    class Full(io.RawIOBase):
        def writable(self):
            return True

        def write(self, data):
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        export(small, X, Full())


def test_control_c_leaves_the_old_file_and_no_other(tmp_path):
    (tmp_path / "m.toffee").write_bytes(b"before")
    program = f"""
import sys, time, torch
from toffee.torch_toffee import export
def forward(x):
    print("running", flush=True)
    for _ in range(3000):
        x = x + 1
        time.sleep(0.01)
    return x
export(forward, torch.zeros(3), {str(tmp_path / "m.toffee")!r})
"""
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout.readline() == b"running\n"
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode != 0
    assert b"KeyboardInterrupt" in stderr
    assert os.listdir(tmp_path) == ["m.toffee"]
    assert (tmp_path / "m.toffee").read_bytes() == b"before"


@pytest.mark.parametrize(
    "make", [lambda x: x.to_sparse(), lambda x: x.to("meta"), lambda x: x.to(torch.complex32)]
)
@pytest.mark.filterwarnings("ignore:ComplexHalf")
def test_tensors_without_a_place_in_a_graph_are_refused(make):
    with pytest.raises(toffee.TraceError, match="no place in a graph"):
        to_graph(make, X)
