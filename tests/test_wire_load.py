"""Reading current and ONNX files: compared with the onnx package, which wrote them."""

from __future__ import annotations

import os
import re
import struct
import threading
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from wire_bytes import GROUP, GROUP_END, data, float32, integer, integers, tag, texts, varint
from wire_samples import node

from toffee import _core

DTYPES = list(range(1, 21))


def model_of(tensors=(), nodes=(), inputs=(), outputs=(), **kwargs) -> onnx.ModelProto:
    graph = helper.make_graph(
        list(nodes), "g", list(inputs), list(outputs), list(tensors), **kwargs
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])


def values_for(dtype: int) -> np.ndarray:
    kind = helper.tensor_dtype_to_np_dtype(dtype)
    if dtype == TensorProto.BOOL:
        return np.array([[True, False, True], [False, True, False]])
    if np.issubdtype(kind, np.complexfloating):
        return np.array([[1 + 2j, -3j, 0.5], [4, 5, -6j]], kind)
    if np.issubdtype(kind, np.integer):
        low, high = np.iinfo(kind).min, np.iinfo(kind).max
        return np.array([[0, 1, low], [high, high - 1, 2]], kind)
    return np.array([[0, 1, -2], [0.5, 4, -0.25]], np.float32).astype(kind)


# ---- tensors ----


@pytest.mark.parametrize("dtype", [d for d in DTYPES if d != TensorProto.STRING])
def test_raw_tensors_equal_what_onnx_reads(dtype):
    values = values_for(dtype)
    tensor = helper.make_tensor("t", dtype, [2, 3], values.tobytes(), raw=True)
    (ours,) = _core.loads(model_of([tensor]).SerializeToString()).initializer
    assert (ours.name, ours.data_type, list(ours.dims)) == ("t", dtype, [2, 3])
    assert ours.raw_data == values.tobytes()
    theirs = numpy_helper.to_array(tensor)
    assert ours.numpy().shape == theirs.shape
    assert ours.numpy().tobytes() == theirs.tobytes()


@pytest.mark.parametrize("dtype", [d for d in DTYPES if d != TensorProto.STRING])
def test_typed_tensors_equal_what_onnx_reads(dtype):
    tensor = helper.make_tensor("t", dtype, [2, 3], values_for(dtype).ravel().tolist())
    assert not tensor.HasField("raw_data")
    (ours,) = _core.loads(model_of([tensor]).SerializeToString()).initializer
    theirs = numpy_helper.to_array(tensor)
    assert ours.raw_data == theirs.tobytes()
    assert ours.numpy().dtype == theirs.dtype
    assert ours.numpy().shape == (2, 3)


@pytest.mark.parametrize("dtype", [d for d in DTYPES if d != TensorProto.STRING])
@pytest.mark.parametrize("raw", [False, True], ids=["typed", "raw"])
def test_tensors_without_elements_are_read(dtype, raw):
    content = b"" if raw else []
    tensor = helper.make_tensor("t", dtype, [2, 0], content, raw=raw)
    (ours,) = _core.loads(model_of([tensor]).SerializeToString()).initializer
    assert (list(ours.dims), ours.raw_data) == ([2, 0], b"")


def test_string_tensors_are_read():
    tensor = helper.make_tensor("t", TensorProto.STRING, [3], [b"a", b"", "ü".encode()])
    (ours,) = _core.loads(model_of([tensor]).SerializeToString()).initializer
    assert list(ours.string_data) == [b"a", b"", "ü".encode()]


def test_scalars_have_no_dims():
    tensor = helper.make_tensor("t", TensorProto.FLOAT, [], [2.5])
    (ours,) = _core.loads(model_of([tensor]).SerializeToString()).initializer
    assert (list(ours.dims), ours.numpy().shape, float(ours.numpy())) == ([], (), 2.5)


@pytest.mark.parametrize("shift", range(8))
def test_payloads_may_stand_at_any_address(shift):
    """Only toffee's own files align them; the name's length moves this one."""
    values = np.arange(12, dtype=np.float64).reshape(3, 4)
    model = model_of([numpy_helper.from_array(values, "t" * (shift + 1))])
    (ours,) = _core.loads(model.SerializeToString()).initializer
    np.testing.assert_array_equal(ours.numpy(), values)
    np.testing.assert_array_equal(ours.numpy() + 1, values + 1)


# ---- nodes, attributes, values ----


def test_every_type_of_attribute_is_read():
    number = helper.make_tensor("n", TensorProto.FLOAT, [2], [1.5, -2.0])
    branch = helper.make_graph(
        [helper.make_node("Neg", ["x"], ["b"])],
        "branch",
        [],
        [helper.make_tensor_value_info("b", TensorProto.FLOAT, None)],
    )
    made = helper.make_node("All", ["x", ""], ["y"], name="n", domain="my", doc_string="why")
    values = {
        "f": 1.5,
        "fs": [1.0, -2.5],
        "g": branch,
        "gs": [branch, branch],
        "i": -(2**63),
        "is": [0, -1, 2**63 - 1],
        "s": b"\xff\x00",
        "ss": [b"a", b"\xfe"],
        "t": number,
        "ts": [number, number],
    }
    made.attribute.extend(helper.make_attribute(key, value) for key, value in values.items())
    (read,) = _core.loads(model_of(nodes=[made]).SerializeToString()).node
    assert (read.op_type, read.name, read.domain, read.doc_string) == ("All", "n", "my", "why")
    assert (list(read.input), list(read.output)) == (["x", ""], ["y"])
    ours = {a.name: a for a in read.attribute}
    assert list(ours) == sorted(values)
    for theirs in made.attribute:
        assert ours[theirs.name].type == theirs.type
    for key in ("f", "i", "s"):
        assert ours[key].value() == values[key]
    assert list(ours["fs"].floats) == values["fs"]
    assert list(ours["is"].ints) == values["is"]
    assert list(ours["ss"].strings) == values["ss"]
    assert ours["t"].t.numpy().tolist() == [1.5, -2.0]
    assert [t.numpy().tolist() for t in ours["ts"].tensors] == [[1.5, -2.0]] * 2
    for graph in (ours["g"].g, *ours["gs"].graphs):
        assert (graph.name, graph.node[0].op_type, list(graph.output)) == ("branch", "Neg", ["b"])


@pytest.mark.parametrize("value", [[], [1.0], ["a"]], ids=["ints", "floats", "strings"])
def test_empty_lists_keep_the_type_that_the_file_says(value):
    made = helper.make_node("Any", [], ["y"])
    attribute = helper.make_attribute("a", value, attr_type=None if value else 7)
    for name in ("ints", "floats", "strings"):
        attribute.ClearField(name)
    made.attribute.append(attribute)
    (read,) = _core.loads(model_of(nodes=[made]).SerializeToString()).node
    assert read.attribute[0].type == attribute.type
    assert list(read.attribute[0].value()) == []


def test_declared_types_are_read():
    values = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, None]),
        helper.make_tensor_value_info("r", TensorProto.BOOL, []),
        helper.make_tensor_value_info("u", TensorProto.INT64, None),
        helper.make_tensor_sequence_value_info("q", TensorProto.FLOAT, None),
    ]
    graph = _core.loads(model_of(inputs=values).SerializeToString())
    assert list(graph.input) == ["x", "r", "u", "q"]
    listing = str(graph).splitlines()[0]
    assert re.search(r"%x : Float\(batch, 3, [^0-9)]+\), %r : Bool\(\), %u : Long, %q\b", listing)


def test_value_infos_are_those_of_inner_values_only():
    nodes = [helper.make_node("Neg", ["x"], ["m"]), helper.make_node("Neg", ["m"], ["y"])]
    infos = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [2]) for n in ("x", "m", "m", "y")]
    model = model_of(nodes=nodes, inputs=infos[:1], outputs=infos[3:], value_info=infos)
    graph = _core.loads(model.SerializeToString())
    assert [info.name for info in graph.value_info] == ["m"]


def test_onnx_inputs_are_those_of_graph_input_and_parameters_are_not_added():
    weight = numpy_helper.from_array(np.ones(2, np.float32), "w")
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])
    nodes = [helper.make_node("Add", ["x", "w"], ["y"])]
    graph = _core.loads(model_of([weight], nodes, [x], [y]).SerializeToString())
    assert (list(graph.input), list(graph.output)) == (["x"], ["y"])


def test_names_in_fields_3_and_4_come_before_what_graph_input_says():
    """So toffee's own files keep their parameters as inputs, inside an ONNX envelope too."""
    info = data(11, data(1, "x")) + data(12, data(1, "y"))
    body = data(1, node("Add", ["w", "x"], ["y"])) + texts(3, ["w", "x"]) + data(4, "y") + info
    for content in (body, integer(1, 9) + data(7, body) + data(8, integer(2, 20))):
        graph = _core.loads(content)
        assert (list(graph.input), list(graph.output)) == (["w", "x"], ["y"])


def test_the_envelope_fills_in_what_the_graph_does_not_say():
    model = model_of(nodes=[helper.make_node("Neg", ["x"], ["y"])])
    model.producer_name, model.domain, model.doc_string = "them", "org.them", "text"
    helper.set_model_props(model, {"a": "1", "b": ""})
    model.opset_import.append(helper.make_opsetid("my", 3))
    graph = _core.loads(model.SerializeToString())
    assert (graph.name, graph.producer_tag, graph.domain) == ("g", "them", "org.them")
    assert graph.doc_string == "text"
    assert [(o.domain, o.version) for o in graph.opset_import] == [("", 20), ("my", 3)]
    assert [(p.key, p.value) for p in graph.metadata_props] == [("a", "1"), ("b", "")]


def test_a_doc_string_of_spaces_is_padding_of_the_envelope():
    model = model_of(nodes=[helper.make_node("Neg", ["x"], ["y"])])
    model.doc_string = " " * 30
    assert not _core.loads(model.SerializeToString()).doc_string


def test_the_last_opset_and_property_of_a_key_counts():
    body = data(1, node("Neg", ["x"], ["y"]))
    body += data(20, integer(2, 9)) + data(20, data(1, "my") + integer(2, 1))
    body += data(16, data(1, "k") + data(2, "old"))
    model = data(7, body) + data(8, data(1, "ai.onnx") + integer(2, 20))
    graph = _core.loads(model + data(14, data(1, "k") + data(2, "new")))
    assert [(o.domain, o.version) for o in graph.opset_import] == [("", 20), ("my", 1)]
    assert [(p.key, p.value) for p in graph.metadata_props] == [("k", "new")]


def test_the_two_names_of_the_default_domain_are_one():
    made = helper.make_node("Neg", ["x"], ["y"], domain="ai.onnx")
    assert not _core.loads(model_of(nodes=[made]).SerializeToString()).node[0].domain


def test_names_may_hold_any_character():
    names = ["ü/weight:0", "a\0b", "名前", "\U0001f600"]
    made = helper.make_node("Concat", names, ["y"])
    assert list(_core.loads(model_of(nodes=[made]).SerializeToString()).node[0].input) == names


def test_fields_that_are_not_known_are_skipped_whatever_they_are():
    group = (
        tag(99, GROUP) + integer(1, 5) + tag(98, GROUP) + tag(98, GROUP_END) + tag(99, GROUP_END)
    )
    unknown = integer(40, 2**64 - 1) + data(41, b"\xff" * 40) + float32(42, 1) + group
    unknown += varint(43 << 3 | 1) + struct.pack("<d", 1)
    inner = node("Neg", ["x"], ["y"]) + unknown
    graph = _core.loads(unknown + data(1, unknown + inner) + unknown, upgrade=False)
    assert [n.op_type for n in graph.node] == ["Neg"]


# ---- files ----


def write_sparse(path: Path, n_bytes: int) -> None:
    """Write a graph with one UINT8 weight of N_BYTES, all of them a hole, then one byte of it."""
    raw = tag(9, 2) + varint(n_bytes)
    head = integers(1, [n_bytes], packed=True) + integer(2, 2) + data(8, "t")
    length = len(head) + len(raw) + n_bytes
    start = data(1, node("Neg", ["t"], ["y"])) + tag(5, 2) + varint(length) + head + raw
    with open(path, "wb") as f:
        f.write(start)
        f.truncate(len(start) + n_bytes)
        f.seek(len(start) + n_bytes - 1)
        f.write(b"\x07")


def test_a_weight_of_5_gib_costs_no_memory(tmp_path):
    """Lengths have 64 bits, and what is not looked at is not read."""
    path = tmp_path / "large.toffee"
    write_sparse(path, 5 << 30)
    graph = _core.load(path, upgrade=False)
    (tensor,) = graph.initializer
    assert list(tensor.dims) == [5 << 30]
    assert _core._testing.graph_bytes(graph) < 1 << 16
    values = tensor.numpy()
    assert (values.shape, values[0], values[-1]) == ((5 << 30,), 0, 7)


def test_weights_are_views_of_the_mapped_file_and_keep_it(tmp_path):
    values = np.random.default_rng(0).random((64, 64), np.float32)
    path = tmp_path / "m.onnx"
    onnx.save(model_of([numpy_helper.from_array(values, "w")]), path)
    graph = _core.load(str(path))
    array = graph.initializer[0].numpy()
    assert not array.flags.owndata and not array.flags.writeable and array.flags.c_contiguous
    maps = Path("/proc/self/maps").read_text().splitlines()
    (mapped,) = [line.split()[0].split("-") for line in maps if line.endswith(str(path))]
    assert int(mapped[0], 16) <= array.ctypes.data < int(mapped[1], 16)
    del graph
    path.unlink()
    np.testing.assert_array_equal(array, values)
    del array
    assert str(path) not in Path("/proc/self/maps").read_text()


def test_bytes_are_used_where_they_are_and_kept():
    values = np.arange(1000, dtype=np.float32)
    content = model_of([numpy_helper.from_array(values, "w")]).SerializeToString()
    array = _core.loads(content).initializer[0].numpy()
    del content
    np.testing.assert_array_equal(array, values)
    assert not array.flags.owndata


@pytest.mark.parametrize("make", [bytes, bytearray, memoryview], ids=lambda make: make.__name__)
def test_loads_takes_anything_with_a_buffer(make):
    content = model_of(nodes=[helper.make_node("Neg", ["x"], ["y"])]).SerializeToString()
    assert _core.loads(make(content)).node[0].op_type == "Neg"


def test_a_pipe_is_read_to_its_end(tmp_path):
    content = model_of(
        [numpy_helper.from_array(np.arange(50000, dtype=np.float32), "w")]
    ).SerializeToString()
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(content,))
    writer.start()
    graph = _core.load(path)
    writer.join()
    assert graph.initializer[0].numpy()[-1] == 49999


def test_a_missing_file_and_a_folder_are_os_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        _core.load(tmp_path / "nowhere")
    with pytest.raises(IsADirectoryError, match=re.escape(str(tmp_path))):
        _core.load(tmp_path)


# ---- external data ----


@pytest.fixture
def external(tmp_path):
    """A folder with a model whose weight is in sub/w.bin, 8 bytes in; the test says where."""
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    values = np.arange(6, dtype=np.float32)
    (folder / "sub" / "w.bin").write_bytes(b"\xff" * 8 + values.tobytes())

    def save(location: str, *, offset: object = 8, length: object = 24) -> Path:
        tensor = TensorProto(name="w", data_type=1, dims=[6], data_location=TensorProto.EXTERNAL)
        for key, value in (("location", location), ("offset", offset), ("length", length)):
            if value is not None:
                tensor.external_data.add(key=key, value=str(value))
        path = folder / "m.onnx"
        path.write_bytes(model_of([tensor]).SerializeToString())
        return path

    return save


@pytest.mark.parametrize("location", ["sub/w.bin", "./sub/w.bin", "sub//w.bin"])
def test_external_data_is_mapped_from_below_the_folder(external, location):
    graph = _core.load(external(location))
    assert graph.initializer[0].numpy().tolist() == [0, 1, 2, 3, 4, 5]


def test_external_data_that_onnx_writes_is_read(tmp_path, monkeypatch):
    tensors = [numpy_helper.from_array(np.full((3, 2), i, np.float32), f"w{i}") for i in range(3)]
    path = tmp_path / "m.onnx"
    onnx.save(model_of(tensors), path, save_as_external_data=True, location="w", size_threshold=0)
    monkeypatch.chdir(tmp_path)
    for name in (path, "m.onnx", "./m.onnx"):
        read = [t.numpy().tolist() for t in _core.load(name).initializer]
        assert read == [[[i, i]] * 3 for i in range(3)]
    maps = Path("/proc/self/maps").read_text()
    assert str(tmp_path) not in maps  # graphs are gone, and so are their mappings


def test_offset_and_length_of_external_data_may_be_left_out(external):
    graph = _core.load(external("sub/w.bin", offset=None, length=None))
    assert graph.initializer[0].numpy()[2:].tolist() == [0, 1, 2, 3]


def test_external_data_lives_as_long_as_an_array_of_it(external):
    array = _core.load(external("sub/w.bin")).initializer[0].numpy()
    assert array.tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("location", "says"),
    [
        ("/etc/passwd", "not a path relative to the model's folder"),
        ("", "not a path relative to the model's folder"),
        ("../outside.bin", "not a file below the model's folder"),
        ("sub/../../outside.bin", "not a file below the model's folder"),
        ("sub/..", "not a file below the model's folder"),
        ("sub/", "not a file below the model's folder"),
        (".", "not a file below the model's folder"),
        ("sub", "not a regular file"),
        ("link.bin", "symbolic link"),
        ("linked/outside.bin", "symbolic link"),
        ("pipe", "not a regular file"),
        ("a\0b", "not a path relative"),
        ("x/" * 5000, "not a path relative"),
    ],
)
def test_external_data_cannot_lead_out_of_the_folder(external, tmp_path, location, says):
    (tmp_path / "outside.bin").write_bytes(bytes(100))
    folder = tmp_path / "model"
    (folder / "link.bin").symlink_to(tmp_path / "outside.bin")
    (folder / "linked").symlink_to(tmp_path)
    os.mkfifo(folder / "pipe")
    with pytest.raises(_core.FormatError, match=says) as error:
        _core.load(external(location))
    assert str(error.value).startswith("at graph.initializer[0].external_data[")


def test_missing_external_data_is_an_os_error_that_says_which_tensor(external):
    with pytest.raises(FileNotFoundError, match=r"graph\.initializer\[0\].*'sub/none\.bin'"):
        _core.load(external("sub/none.bin"))


@pytest.mark.parametrize(
    ("offset", "length", "says"),
    [
        (9, 24, "needs 24 bytes at byte 9 of 'sub/w.bin', which has 32"),
        (2**64 - 1, 24, "needs 24 bytes at byte 18446744073709551615"),
        (2**64, 24, "the offset of external data is not a number"),
        (-1, 24, "the offset of external data is not a number"),
        ("", 24, "the offset of external data is not a number"),
        (0, "24 ", "the length of external data is not a number"),
        (0, 23, r"23 bytes of external data, but dims \[6\] of FLOAT need 24"),
    ],
)
def test_external_data_must_lie_in_its_file(external, offset, length, says):
    with pytest.raises(_core.FormatError, match=says):
        _core.load(external("sub/w.bin", offset=offset, length=length))


def test_bytes_have_no_folder_for_external_data(external):
    content = external("sub/w.bin").read_bytes()
    with pytest.raises(_core.FormatError, match="load it by its path"):
        _core.loads(content)
