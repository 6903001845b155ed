"""load, loads, save, dumps: paths, file objects that misbehave, threads."""

from __future__ import annotations

import copy
import io
import os
import pathlib
import threading

import numpy as np
import onnx
import pytest

import toffee
from toffee import _core, checker, helper, numpy_helper


class Writer(io.RawIOBase):
    """A raw file whose write() takes PIECE bytes and returns RESULT, or raises ERROR."""

    def __init__(self, piece=None, result=..., error=None):
        self.data, self.piece, self.result, self.error = bytearray(), piece, result, error

    def writable(self):
        return True

    def write(self, data):
        if self.error is not None:
            raise self.error
        taken = bytes(data)[: self.piece]
        self.data += taken
        return len(taken) if self.result is ... else self.result


class Homemade:
    """No io class, keeps what it is given, and returns nothing, as many do."""

    def __init__(self):
        self.pieces = []

    def write(self, data):
        self.pieces.append(data)


# ---- formats -----------------------------------------------------------------------------------


@pytest.mark.parametrize("as_path", [str, pathlib.Path], ids=["str", "Path"])
@pytest.mark.parametrize("name", ["m.toffee", "m.onnx", "m.ONNX", "m"])
def test_a_graph_comes_back_from_a_path_as_it_was_saved(conv_graph, tmp_path, name, as_path):
    path = as_path(tmp_path / name)
    toffee.save(conv_graph, path)
    assert toffee.load(path) == conv_graph
    with open(path, "rb") as file:
        assert toffee.load(file) == conv_graph
        assert not file.closed


def test_a_name_that_ends_in_onnx_gives_an_onnx_file_and_format_overrides_it(conv_graph, tmp_path):
    toffee.save(conv_graph, tmp_path / "a.onnx")
    model = onnx.load(tmp_path / "a.onnx")
    onnx.checker.check_model(model)
    assert [node.op_type for node in model.graph.node] == ["Conv", "Relu"]
    toffee.save(conv_graph, tmp_path / "b.onnx", format="toffee")
    assert (tmp_path / "b.onnx").read_bytes() == toffee.dumps(conv_graph)
    toffee.save(conv_graph, tmp_path / "c", format="onnx")
    assert (tmp_path / "c").read_bytes() == (tmp_path / "a.onnx").read_bytes()
    assert (tmp_path / "c").read_bytes() == toffee.dumps(conv_graph, format="onnx")
    with pytest.raises(ValueError, match="'toffee' or 'onnx', not 'ONNX'"):
        toffee.dumps(conv_graph, format="ONNX")


def test_without_parameters_the_inputs_stay(conv_graph):
    graph = toffee.loads(toffee.dumps(conv_graph, export_params=False))
    assert list(graph.initializer) == []
    assert graph.input == ["w", "x"]
    assert [info.shape for info in graph.input_info] == [(64, 3, 3, 3), ("batch", 3, 8, 8)]


def test_ir_version_1_writes_the_operators_of_2017_and_leaves_the_graph_as_it_is():
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", ["x"], ["y"])
    before = copy.copy(graph)
    data = toffee.dumps(graph, ir_version=1)
    assert graph == before
    assert _core.loads(data, upgrade=False).ir_version == 1
    upgraded = toffee.loads(data)
    assert upgraded.ir_version == 2 and upgraded.opset_import[0].version == 20
    assert "upgraded_from" in [prop.key for prop in upgraded.metadata_props]
    with pytest.raises(ValueError, match="no ONNX envelope"):
        toffee.dumps(graph, ir_version=1, format="onnx")
    with pytest.raises(ValueError, match="must be 1 or 2"):
        toffee.dumps(graph, ir_version=3)


def test_what_2017_could_not_say_is_an_error_that_names_the_node(tmp_path):
    node = helper.make_node("LayerNormalization", ["x", "s"], ["y"], name="norm.1")
    graph = helper.make_graph([node], "g", ["x", "s"], ["y"])
    with pytest.raises(toffee.UnsupportedOperatorError, match="norm.1"):
        toffee.save(graph, tmp_path / "m", ir_version=1)
    assert not (tmp_path / "m").exists()


# ---- file objects ------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["toffee", "onnx"])
def test_every_kind_of_file_object_gets_the_same_bytes(conv_graph, tmp_path, format):
    want = toffee.dumps(conv_graph, format=format)
    buffer = io.BytesIO(b"before")
    buffer.seek(6)
    toffee.save(conv_graph, buffer, format=format)
    assert buffer.getvalue() == b"before" + want
    for buffering in (0, -1):
        with open(tmp_path / "m", "w+b", buffering) as file:
            toffee.save(conv_graph, file, format=format)
            file.seek(0)
            assert file.read() == want
    homemade = Homemade()
    toffee.save(conv_graph, homemade, format=format)
    assert b"".join(homemade.pieces) == want
    short = Writer(piece=7)
    toffee.save(conv_graph, short, format=format)
    assert short.data == want


def test_pieces_that_a_file_object_keeps_stay_valid(weights):
    graph = toffee.Graph(
        initializer=[numpy_helper.from_array(np.tile(weights, (200, 1, 1, 1)), "w")]
    )
    want = toffee.dumps(graph)
    assert len(want) > 1 << 20
    homemade = Homemade()
    toffee.save(graph, homemade)
    del graph
    assert b"".join(homemade.pieces) == want


@pytest.mark.parametrize(
    "writer, error, message",
    [
        (Writer(error=KeyError("mine")), KeyError, "mine"),
        (Writer(error=KeyboardInterrupt()), KeyboardInterrupt, None),
        (Writer(result=None), BlockingIOError, None),
        (Writer(result=0), OSError, "returned 0"),
        (Writer(result=10**9), OSError, "returned 1000000000"),
        (Writer(result="x"), TypeError, None),
        (Writer(result=-1), OSError, "returned -1"),
    ],
)
def test_what_goes_wrong_in_write_comes_through(conv_graph, writer, error, message):
    with pytest.raises(error, match=message):
        toffee.save(conv_graph, writer)
    conv_graph.name = "can be edited again"


def test_a_write_that_saves_another_graph_or_reads_this_one_works(conv_graph):
    seen = []

    class Nested(Homemade):
        def write(self, data):
            seen.append(str(conv_graph) and toffee.dumps(conv_graph))
            super().write(data)

    nested = Nested()
    toffee.save(conv_graph, nested)
    assert set(seen) == {b"".join(nested.pieces)}


def test_a_graph_cannot_be_edited_while_it_is_written(conv_graph):
    attempts = [
        lambda: conv_graph.node.pop(),
        lambda: conv_graph.node.append(helper.make_node("Relu", ["a"], ["b"])),
        lambda: setattr(conv_graph, "name", "x"),
        lambda: setattr(conv_graph.node[0], "op_type", "x"),
        lambda: setattr(conv_graph.node[0].attribute[0], "i", 1),
        lambda: setattr(conv_graph.node[0].attribute[0], "name", "x"),
        lambda: setattr(conv_graph.initializer[0], "name", "x"),
        lambda: setattr(conv_graph.initializer[0], "data_type", 6),
        lambda: setattr(conv_graph.input_info[0], "shape", None),
        lambda: setattr(conv_graph.opset_import[0], "version", 1),
        lambda: setattr(conv_graph.metadata_props[0], "key", "x"),
    ]
    before = copy.copy(conv_graph)

    class Editor(Homemade):
        def write(self, data):
            for attempt in attempts:
                with pytest.raises(RuntimeError, match="is being written"):
                    attempt()
            super().write(data)

    toffee.save(conv_graph, Editor())
    assert conv_graph == before
    conv_graph.node.pop()


def test_two_threads_write_one_graph_at_the_same_time(conv_graph, tmp_path):
    want = toffee.dumps(conv_graph)
    gate, wrong = threading.Barrier(4), []

    def work(number):
        gate.wait()
        for round in range(20):
            path = tmp_path / f"{number}.{round}"
            toffee.save(conv_graph, path)
            if path.read_bytes() != want or toffee.dumps(conv_graph) != want:
                wrong.append(path)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("function", [toffee.load, lambda f: toffee.save(toffee.Graph(), f)])
def test_what_is_neither_path_nor_binary_file_is_refused(function, tmp_path):
    with pytest.raises(TypeError, match="path or a binary file object"):
        function(3)
    with open(tmp_path / "t", "w+") as text, pytest.raises(TypeError, match="text mode"):
        function(text)
    with pytest.raises(TypeError, match="text mode"):
        function(io.StringIO("x"))


def test_loads_takes_bytes_in_one_piece_and_nothing_else(conv_bytes):
    graph = toffee.loads(conv_bytes)
    for same in (bytearray(conv_bytes), memoryview(conv_bytes), np.frombuffer(conv_bytes, "u1")):
        assert toffee.loads(same) == graph
    with pytest.raises(TypeError):
        toffee.loads("text")
    with pytest.raises(BufferError, match="one piece"):
        toffee.loads(memoryview(conv_bytes * 2)[::2])
    with pytest.raises(TypeError, match="expected a toffee.Graph, not bytes"):
        toffee.dumps(conv_bytes)


# ---- errors ------------------------------------------------------------------------------------


def test_missing_and_unwritable_paths_are_os_errors_with_errno(conv_graph, tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing here"):
        toffee.load(tmp_path / "nothing here")
    with pytest.raises(FileNotFoundError) as error:
        toffee.save(conv_graph, tmp_path / "no such folder" / "m")
    assert error.value.errno == 2
    with pytest.raises(IsADirectoryError):
        toffee.load(tmp_path)
    with pytest.raises(OSError):
        toffee.save(conv_graph, tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_format_error_says_at_which_byte_and_is_a_value_error(conv_bytes):
    with pytest.raises(toffee.FormatError) as error:
        toffee.loads(conv_bytes[:-10])
    assert isinstance(error.value, ValueError) and isinstance(error.value, toffee.Error)
    assert 0 <= error.value.offset <= len(conv_bytes)


def test_a_save_that_fails_leaves_the_old_file(conv_graph, tmp_path):
    path = tmp_path / "m"
    path.write_bytes(b"precious")
    with pytest.raises(toffee.UnsupportedOperatorError):
        node = helper.make_node("LayerNormalization", ["x", "s"], ["y"])
        toffee.save(helper.make_graph([node], "g", ["x", "s"], ["y"]), path, ir_version=1)
    assert path.read_bytes() == b"precious"
    assert os.listdir(tmp_path) == ["m"]


def test_replacing_a_file_leaves_a_graph_that_was_loaded_from_it_as_it_was(
    conv_graph, weights, tmp_path
):
    path = tmp_path / "m"
    toffee.save(conv_graph, path)
    graph = toffee.load(path)
    graph.initializer[0].raw_data = bytes(weights.nbytes)
    old = toffee.load(path).initializer[0].numpy()
    toffee.save(graph, path)  # reads from the mapping of the file that it replaces
    assert np.array_equal(old, weights)
    assert not toffee.load(path).initializer[0].numpy().any()
    checker.check_graph(graph)
