"""toffee check, print, stats, convert, diff: good use. Bad use is in test_cli.py."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter

import numpy as np
import onnx
import pytest

import toffee
from toffee import helper, numpy_helper
from toffee.cli.main import main


@pytest.fixture
def saved(conv_graph, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    toffee.save(conv_graph, "net.toffee")
    return "net.toffee"


@pytest.fixture
def toffee_says(capsys):
    """toffee_says(*words): standard output, of a run that ends well."""

    def call(*words, code=0):
        assert main(list(words)) == code
        out, err = capsys.readouterr()
        assert err == ""
        return out

    return call


# ---- check -------------------------------------------------------------------------------------


def test_check_says_that_no_fault_was_found(saved, toffee_says):
    assert toffee_says("check", saved) == (
        "net.toffee: 2 nodes, 1 initializer, symbol batch, no fault found\n"
    )


def test_check_goes_on_after_a_file_with_a_fault(saved, capsys):
    assert main(["check", "missing", saved]) == 1
    out, err = capsys.readouterr()
    assert "no fault found" in out and "missing" in err


def test_check_has_json_for_each_file(saved, toffee_says):
    good, bad = json.loads(toffee_says("check", saved, "missing", "--json", code=1))["files"]
    assert good == {
        "file": saved,
        "fault": None,
        "nodes": 2,
        "initializers": 1,
        "symbols": ["batch"],
    }
    assert bad["file"] == "missing" and "No such file" in bad["fault"]


# ---- print -------------------------------------------------------------------------------------


def test_print_prints_the_listing(saved, conv_graph, toffee_says):
    assert toffee_says("print", saved) == f"{conv_graph}\n"


def test_print_infer_shows_the_types_that_follow(tmp_path, toffee_says):
    x = helper.make_tensor_value_info("x", 1, [2, 3])
    nodes = [helper.make_node("Neg", ["x"], ["h"]), helper.make_node("Relu", ["h"], ["y"])]
    toffee.save(helper.make_graph(nodes, "g", [x], ["y"]), tmp_path / "m")
    assert "%h = Neg" in toffee_says("print", str(tmp_path / "m"))
    assert "%h : Float(2, 3) = Neg" in toffee_says("print", str(tmp_path / "m"), "--infer")


@pytest.fixture
def modules(tmp_path):
    """A file with nodes in modules; one has a graph of its own, one initializer is no input."""
    body = helper.make_graph([helper.make_node("Neg", ["1"], ["b"])], "t", [], ["b"])
    named = [
        helper.make_node("Conv", ["x", "w"], ["1"], name="features.1/Conv", doc_string="m.py:1"),
        helper.make_node("Relu", ["1"], ["2"], name="features.10/Relu", doc_string="m.py:2\nmore"),
        helper.make_node("If", ["c"], ["3"], name="head/If", then_branch=body, else_branch=body),
        helper.make_node("Relu", ["3"], ["4"], name="Relu"),
    ]
    graph = helper.make_graph(named, "g", ["x", "c"], ["4"])
    graph.initializer = [numpy_helper.from_array(np.zeros((1, 1, 1, 1), np.float32), "w")]
    graph.input = ["x", "c"]
    toffee.save(graph, tmp_path / "m")
    return str(tmp_path / "m"), str(graph)


def first_words(text):
    """What each line at the top level computes."""
    return re.findall(r"^  %(\w+)", text, re.MULTILINE)


def test_print_filters_by_operator(modules, toffee_says):
    path, _ = modules
    assert first_words(toffee_says("print", path, "--op", "Relu")) == ["2", "4"]
    assert first_words(toffee_says("print", path, "--op", "Relu", "--op", "Conv")) == list("124")


def test_print_filters_by_module_and_its_modules_but_not_by_half_a_name(modules, toffee_says):
    path, whole = modules
    assert first_words(toffee_says("print", path, "--module", "features")) == ["1", "2"]
    assert first_words(toffee_says("print", path, "--module", "features.1")) == ["1"]
    assert first_words(toffee_says("print", path, "--module", "features.")) == ["1", "2"]
    both = toffee_says("print", path, "--module", "features", "--op", "Relu")
    assert first_words(both) == ["2"]
    nested = toffee_says("print", path, "--module", "head").rstrip("\n")
    assert nested in whole and nested.count("\n") == 6


def test_print_source_has_the_name_and_line_of_each_node(modules, toffee_says):
    path, whole = modules
    text = toffee_says("print", path, "--source")
    assert re.sub(r"  # .*", "", text) == whole + "\n"
    remarks = re.findall(r"^  (%\w+).*?  # (.*)$", text, re.MULTILINE)
    assert remarks == [
        ("%1", "features.1/Conv  m.py:1"),
        ("%2", "features.10/Relu  m.py:2"),
        ("%3", "head/If"),
        ("%4", "Relu"),
    ]
    assert toffee_says("print", path, "--source", "--op", "Conv").endswith(
        "  # features.1/Conv  m.py:1\n"
    )


def test_a_name_cannot_talk_to_the_terminal(tmp_path, toffee_says):
    node = helper.make_node("Relu", ["x"], ["y"], name="\033[2Jevil")
    toffee.save(helper.make_graph([node], "g", ["x"], ["y"]), tmp_path / "m")
    text = toffee_says("print", str(tmp_path / "m"), "--source")
    assert "\033" not in text and "# \\x1b[2Jevil" in text


def test_colours_change_nothing_but_the_colours(modules, saved, toffee_says):
    for path in (modules[0], saved):
        plain = toffee_says("print", path, "--source")
        coloured = toffee_says("print", path, "--source", "--color", "always")
        assert "\033[1;33mRelu\033[0m" in coloured
        assert re.sub(r"\033\[[\d;]*m", "", coloured) == plain


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)],
)
def test_a_terminal_has_colours_unless_it_says_no(saved, environment, coloured):
    leader, terminal = os.openpty()
    clean = {k: v for k, v in os.environ.items() if k != "NO_COLOR"} | {"TERM": "xterm"}
    command = [sys.executable, "-m", "toffee", "print", saved]
    subprocess.run(command, stdout=terminal, env=clean | environment, check=True)
    os.close(terminal)
    text = os.read(leader, 65536)
    os.close(leader)
    assert (b"\033[" in text) is coloured


@pytest.mark.parametrize("color", ["never", "always"])
def test_ten_thousand_nodes_are_printed_one_a_line(color, tmp_path):
    # benchmarks/command_line.py says how long it takes.
    nodes = [
        helper.make_node("Conv", [str(i), "w"], [str(i + 1)], kernel_shape=[3, 3], pads=[1] * 4)
        for i in range(10_000)
    ]
    toffee.save(helper.make_graph(nodes, "g", ["0", "w"], ["10000"]), tmp_path / "m")
    command = [sys.executable, "-m", "toffee", "print", tmp_path / "m", "--color", color]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.count("Conv") == 10_000


# ---- stats -------------------------------------------------------------------------------------


def test_stats_counts_what_onnx_counts(modules, conv_graph, saved, toffee_says):
    for path in (modules[0], saved):
        found = json.loads(toffee_says("stats", path, "--json"))
        model = toffee.load(path).to_onnx()

        def every(graph):
            for node in graph.node:
                yield node.op_type
                for attribute in node.attribute:
                    if attribute.type == onnx.AttributeProto.GRAPH:
                        yield from every(attribute.g)

        assert found["operators"] == Counter(every(model.graph))
        arrays = [onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer]
        assert found["parameters"]["bytes"] == sum(array.nbytes for array in arrays)
        assert found["parameters"]["elements"] == sum(array.size for array in arrays)
        assert found["file_bytes"] == os.path.getsize(path)


def test_stats_has_dtypes_sizes_and_the_largest(tmp_path, toffee_says):
    tensors = [
        numpy_helper.from_array(np.zeros((2, 3), np.float32), "a"),
        numpy_helper.from_array(np.zeros(100, np.int64), "b"),
        numpy_helper.from_array(np.zeros((), np.float32), "c"),
        numpy_helper.from_array(np.array(["one", "three"]), "d"),
    ]
    x = helper.make_tensor_value_info("x", 1, ["batch", None])
    toffee.save(helper.make_graph([], "g", [x], ["x"], tensors), tmp_path / "m")
    path = str(tmp_path / "m")
    found = json.loads(toffee_says("stats", path, "--json", "--largest", "2"))
    assert found["inputs"] == [{"name": "x", "dtype": "float32", "shape": ["batch", None]}]
    assert found["parameters"]["dtypes"] == {
        "float32": {"tensors": 2, "elements": 7, "bytes": 28},
        "int64": {"tensors": 1, "elements": 100, "bytes": 800},
        "string": {"tensors": 1, "elements": 2, "bytes": 8},
    }
    assert [row["name"] for row in found["parameters"]["largest"]] == ["b", "a"]
    text = toffee_says("stats", path, "--largest", "1")
    assert "4 parameters: 109 elements, 836 bytes\n" in text
    assert "x  float32[batch, ?]\n" in text
    assert text.endswith("the largest:\n  b  int64[100]  800 bytes\n")


def test_stats_of_a_graph_with_nothing_in_it(tmp_path, toffee_says):
    toffee.save(toffee.Graph(name="g"), tmp_path / "m")
    text = toffee_says("stats", str(tmp_path / "m"))
    assert "0 nodes:\n  none\n0 parameters: 0 elements, 0 bytes\n" in text


# ---- convert -----------------------------------------------------------------------------------


def test_convert_goes_to_onnx_and_back(saved, toffee_says):
    assert toffee_says("convert", saved, "net.onnx") == ""
    onnx.checker.check_model(onnx.load("net.onnx"), full_check=True)
    toffee_says("convert", "net.onnx", "back")
    with open("back", "rb") as back, open(saved, "rb") as first:
        assert back.read() == first.read()
    toffee_says("convert", saved, "bare", "--without-params")
    assert len(toffee.load("bare").initializer) == 0
    toffee_says("convert", saved, "x", "--to", "onnx")
    assert onnx.load("x").graph.name == "net"


def test_convert_writes_caffe2s_nets(saved, toffee_says):
    toffee_says("convert", saved, "nets", "--to", "caffe2")
    assert sorted(os.listdir("nets")) == ["init_net.pb", "predict_net.pb"]
    with open("nets/predict_net.pb", "rb") as net:
        data = net.read()
    assert b"Conv" in data and b"Relu" in data


# ---- diff --------------------------------------------------------------------------------------


def edited(graph, change):
    """diff's changes, as pairs of what and name, after CHANGE has edited a copy of GRAPH."""
    toffee.save(graph, "old")
    change(graph)
    toffee.save(graph, "new")


@pytest.mark.parametrize(
    ("change", "lines"),
    [
        (
            lambda g: g.node[0].attribute[1].ints.__setitem__(0, 2),
            ["attribute strides of Conv %h", "  - strides=[1, 1]", "  + strides=[2, 1]"],
        ),
        (
            lambda g: g.node[0].attribute.pop(),
            ["attribute strides of Conv %h", "  - strides=[1, 1]"],
        ),
        (
            lambda g: setattr(g.node[1], "op_type", "Neg"),
            [
                "node %y",
                "  - %y : Float(batch, 64, 6, 6) = Relu(%h)",
                "  + %y : Float(batch, 64, 6, 6) = Neg(%h)",
            ],
        ),
        (
            lambda g: setattr(g.node[1], "input", ["x"]),
            ["node %y", "  - %y = Relu(%h)", "  + %y = Relu(%x)"],
        ),
        (
            lambda g: g.node.append(helper.make_node("Abs", ["y"], ["z"])),
            ["node %z", "  + %z = Abs(%y)"],
        ),
        (
            lambda g: setattr(g.input_info[0], "shape", [1, 3, 8, 8]),
            ["type of %x", "  - float32[batch, 3, 8, 8]", "  + float32[1, 3, 8, 8]"],
        ),
        (
            lambda g: setattr(g, "output", ["y", "h"]),
            ["outputs", "  + %h"],
        ),
        (
            lambda g: setattr(g, "input", [*g.input][::-1]),
            ["order of the inputs"],
        ),
        (
            lambda g: setattr(g, "opset_import", [toffee.OperatorSetId(domain="", version=19)]),
            ["opsets", "  - ONNX 20", "  + ONNX 19"],
        ),
        (lambda g: setattr(g, "node", list(g.node)[::-1]), ["order of the nodes"]),
    ],
)
def test_diff_tells_each_change(change, lines, conv_graph, saved, toffee_says):
    edited(conv_graph, change)
    text = toffee_says("diff", "old", "new", code=1).splitlines()
    assert text == [*lines, "1 difference between old and new"]


def test_diff_tells_other_values_and_other_types_of_initializers(saved, conv_graph, toffee_says):
    array = np.array(conv_graph.initializer[0].numpy())
    array.flat[-1] += 1
    edited(
        conv_graph,
        lambda g: setattr(g, "initializer", [numpy_helper.from_array(array, "w")]),
    )
    text = toffee_says("diff", "old", "new", code=1)
    sums = re.findall(r"float32\[64, 3, 3, 3\], \{.*\} \(crc32 (\w{8})\)", text)
    assert text.startswith("initializer w\n") and len(set(sums)) == 2
    toffee.save(conv_graph, "old")
    edited(
        conv_graph,
        lambda g: setattr(
            g, "initializer", [numpy_helper.from_array(array.astype(np.float64), "w")]
        ),
    )
    text = toffee_says("diff", "old", "new", code=1)
    assert "  - float32[64, 3, 3, 3]\n  + float64[64, 3, 3, 3]\n" in text


def test_diff_has_names_where_they_are_asked_for(saved, conv_graph, toffee_says):
    edited(conv_graph, lambda g: setattr(g.node[1], "name", "relu"))
    assert toffee_says("diff", "old", "new") == "old and new are the same\n"
    text = toffee_says("diff", "old", "new", "--names", code=1)
    assert "name of Relu %y\n  - model.py:7\n  + relu  model.py:7\n" in text


def test_diff_finds_the_same_graph_in_both_formats(saved, toffee_says):
    toffee_says("convert", saved, "net.onnx")
    assert toffee_says("diff", saved, "net.onnx") == "net.toffee and net.onnx are the same\n"
    found = json.loads(toffee_says("diff", saved, "net.onnx", "--json"))
    assert found == {"between": [saved, "net.onnx"], "changes": []}


def test_diff_has_json(saved, conv_graph, toffee_says):
    edited(conv_graph, lambda g: setattr(g, "output", ["h"]))
    found = json.loads(toffee_says("diff", "old", "new", "--json", code=1))
    assert {"what": "outputs", "name": "", "old": "%y", "new": "%h"} in found["changes"]
