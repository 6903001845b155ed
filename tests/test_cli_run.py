"""toffee run and compare: good use. Bad use is in test_cli.py."""

from __future__ import annotations

import json
import re

import ml_dtypes
import numpy as np
import onnxruntime
import pytest

import toffee
from toffee import helper, numpy_helper
from toffee.cli import _values
from toffee.cli.main import main


@pytest.fixture
def says(capsys):
    """says(*words): standard output, of a run that ends with CODE."""

    def call(*words, code=0):
        assert main([str(word) for word in words]) == code
        out, err = capsys.readouterr()
        assert err == ""
        return out

    return call


@pytest.fixture
def net(conv_graph, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    toffee.save(conv_graph, "net.toffee")
    toffee.save(conv_graph, "net.onnx")
    return "net.toffee"


def add_graph(dtype=toffee.Tensor.FLOAT, shape=("n", 2)):
    """a + b -> y; a, b of the same symbolic size."""
    a, b, y = (helper.make_tensor_value_info(name, dtype, shape) for name in "aby")
    return helper.make_graph([helper.make_node("Add", ["a", "b"], ["y"])], "g", [a, b], [y])


# ---- run ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["onnxruntime", "torch"])
def test_run_computes_what_onnx_runtime_does(backend, net, says):
    x = np.random.default_rng(1).standard_normal((2, 3, 8, 8)).astype(np.float32)
    np.save("x.npy", x)
    text = says("run", net, "-i", "x.npy", "-o", "out.npz", "--backend", backend)
    (expected,) = onnxruntime.InferenceSession("net.onnx").run(None, {"x": x})
    found = np.load("out.npz")
    assert found.files == ["y"]
    np.testing.assert_allclose(found["y"], expected, atol=1e-4)
    assert text.startswith("output y  float32[2, 64, 6, 6]  least ")
    assert f"largest {found['y'].max():.6g}" in text


def test_inputs_come_in_order_by_name_and_from_npz(tmp_path, monkeypatch, says):
    monkeypatch.chdir(tmp_path)
    toffee.save(add_graph(), "add")
    a, b = np.float32([[1, 2]]), np.float32([[30, 40]])
    np.save("a.npy", a)
    np.save("b.npy", b)
    np.savez("both.npz", a=a, b=b)
    for words in (["a.npy", "b.npy"], ["b=b.npy", "a.npy"], ["b=b.npy", "a=a.npy"], ["both.npz"]):
        options = [part for word in words for part in ("--input", word)]
        says("run", "add", *options, "-o", "out.npz")
        np.testing.assert_array_equal(np.load("out.npz")["y"], a + b)


def test_random_inputs_follow_the_seed_the_shapes_and_the_symbols(tmp_path, monkeypatch, says):
    monkeypatch.chdir(tmp_path)
    toffee.save(add_graph(), "add")
    assert "float32[2, 2]" in says("run", "add")  # nobody says what n is
    assert "float32[5, 2]" in says("run", "add", "-i", "b=5x2")
    one, two, other = (says("run", "add", "--seed", seed) for seed in (7, 7, 8))
    assert one == two != other


def test_random_integers_are_indices_of_the_least_table(tmp_path, says):
    data = numpy_helper.from_array(np.float32([[1], [2]]), "t")
    i = helper.make_tensor_value_info("i", toffee.Tensor.INT64, [50])
    graph = helper.make_graph([helper.make_node("Gather", ["t", "i"], ["y"])], "g", [i], ["y"])
    graph.initializer = [data]
    toffee.save(graph, tmp_path / "m")
    assert "least 1  largest 2" in says("run", tmp_path / "m")
    assert "least 2  largest 2" in says("run", tmp_path / "m", "-i", "50:int64:1..1")
    assert "least 1  largest 2" in says("run", tmp_path / "m", "-i", "i=50:-1..0")
    assert main(["run", str(tmp_path / "m"), "-i", "50:uint8:-1..0"]) == 2


def test_shapes_can_have_a_dtype_and_be_scalar(tmp_path, says):
    graph = helper.make_graph([helper.make_node("Neg", ["x"], ["y"])], "g", ["x"], ["y"])
    toffee.save(graph, tmp_path / "m")
    assert "y  float64[2, 3]" in says("run", tmp_path / "m", "-i", "2x3:float64")
    assert "y  float32[]" in says("run", tmp_path / "m", "-i", "scalar")
    assert main(["run", str(tmp_path / "m")]) == 2  # its shape is nowhere


def test_outputs_with_any_name_and_dtype_can_be_read_without_pickle(tmp_path):
    values = {
        "file": np.arange(3),
        "a/b": np.array([True, False]),
        "half": np.array([1.5, -2], ml_dtypes.bfloat16),
        "text": np.array(["one", "three"]),
    }
    _values.write_outputs(str(tmp_path / "out.npz"), list(values), list(values.values()))
    found = np.load(tmp_path / "out.npz")
    assert found.files == list(values)
    for name, value in values.items():
        wide = value.astype(np.float32) if name == "half" else value
        np.testing.assert_array_equal(found[name], wide)


def test_repeat_says_how_long_a_run_takes(net, says):
    assert re.search(
        r"^onnxruntime on CPU: [\d.e+]+ ms a run \(median of 3; \S+ to \S+\)$",
        says("run", net, "--repeat", 3),
        re.MULTILINE,
    )
    found = json.loads(says("run", net, "--repeat", 3, "--json"))
    times = found["milliseconds"]
    assert 0 < times["least"] <= times["median"] <= times["most"]
    assert found["outputs"]["y"]["type"] == "float32[2, 64, 6, 6]"
    assert found["outputs"]["y"]["least"] == 0  # there is a Relu
    assert json.loads(says("run", net, "--json"))["milliseconds"] is None


def test_json_has_no_nan_of_pythons_own(tmp_path, says):
    nan = numpy_helper.from_array(np.float32([np.nan, 1]), "n")
    graph = helper.make_graph([helper.make_node("Identity", ["n"], ["y"])], "g", [], ["y"], [nan])
    graph.input = []
    toffee.save(graph, tmp_path / "m")

    def refuse(constant):
        raise AssertionError(constant)

    text = says("run", tmp_path / "m", "--json")
    assert json.loads(text, parse_constant=refuse)["outputs"]["y"]["least"] == "nan"


# ---- compare -----------------------------------------------------------------------------------


def chain(scale=1.0):
    """x -> Exp -> Mul by SCALE -> Neg."""
    x, y = (helper.make_tensor_value_info(name, 1, [4]) for name in ("x", "y"))
    nodes = [
        helper.make_node("Exp", ["x"], ["e"]),
        helper.make_node("Mul", ["e", "s"], ["m"], name="head/Mul"),
        helper.make_node("Neg", ["m"], ["y"]),
    ]
    graph = helper.make_graph(nodes, "g", [x], [y])
    graph.initializer = [numpy_helper.from_array(np.float32(scale), "s")]
    return graph


def test_compare_finds_two_files_the_same(net, says):
    text = says("compare", net, "net.onnx")
    assert text == (
        "output y  agrees  largest difference 0, relative 0\n"
        "net.onnx computes what net.toffee does\n"
    )


def test_compare_names_the_first_node_where_two_files_part(tmp_path, monkeypatch, says):
    monkeypatch.chdir(tmp_path)
    toffee.save(chain(), "one")
    toffee.save(chain(1.01), "two")
    text = says("compare", "one", "two", code=1)
    assert "output y  DIFFERS  largest difference" in text
    assert "two and one part ways at node 1, Mul 'head/Mul', in %m: " in text
    found = json.loads(says("compare", "one", "two", "--json", code=1))
    assert not found["agree"] and found["first"]["node"] == 1
    assert found["first"]["relative"] == pytest.approx(0.01, rel=1e-3)
    assert "computes what" in says("compare", "one", "two", "--tolerance", "0.02")
    assert json.loads(says("compare", "one", "two", "--tolerance", "0.02", "--json"))["agree"]


def test_compare_of_files_without_common_values_tells_the_outputs(tmp_path, monkeypatch, says):
    monkeypatch.chdir(tmp_path)
    toffee.save(chain(), "one")
    x, y = (helper.make_tensor_value_info(name, 1, [4]) for name in ("x", "z"))
    toffee.save(helper.make_graph([helper.make_node("Exp", ["x"], ["z"])], "g", [x], [y]), "two")
    text = says("compare", "one", "two", code=1)
    assert text.endswith("two and one have no other value that is known to differ\n")


def test_files_that_take_other_inputs_cannot_be_compared(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    toffee.save(chain(), "one")
    toffee.save(add_graph(shape=[4]), "two")
    assert main(["compare", "one", "two"]) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1) and "cannot be compared" in err


def test_compare_runs_one_file_on_two_backends(net, says):
    text = says("compare", net)
    assert text.startswith("output y  agrees") and "onnxruntime computes what torch does\n" in text
    found = json.loads(
        says("compare", net, "--backend", "onnxruntime", "--backend", "torch", "--json")
    )
    assert found["between"] == ["onnxruntime", "torch"] and found["agree"]


def test_compare_names_the_node_where_two_backends_part(tmp_path, says, monkeypatch):
    """ONNX Runtime adds int64 in double and saturates (docs/backends.md), PyTorch wraps around."""
    x, y = (helper.make_tensor_value_info(n, 7, shape) for n, shape in (("x", [2]), ("y", [])))
    nodes = [
        helper.make_node("Neg", ["x"], ["n"]),
        helper.make_node("ReduceSum", ["n"], ["y"], keepdims=0),
    ]
    monkeypatch.chdir(tmp_path)
    toffee.save(helper.make_graph(nodes, "g", [x], [y]), "m")
    np.save("x.npy", np.array([-(2**62), -(2**62)]))
    text = says("compare", "m", "-i", "x.npy", code=1)
    assert "onnxruntime and torch part ways at node 1, ReduceSum, in %y: " in text
