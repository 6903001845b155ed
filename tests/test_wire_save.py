"""Writing: exact bytes, alignment, the ONNX envelope, whole files or none, weights beside a model.

What toffee writes is read back by Google's protobuf: once with the messages of proto/toffee.proto
and once with those of the onnx package. Neither is ours.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import resource
import stat
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from hypothesis import given, settings
from hypothesis import strategies as some

import toffee
from toffee import _core

PROTO = Path(__file__).parents[1] / "proto"
FLOAT, UINT8, INT64, STRING = 1, 2, 7, 8


@pytest.fixture(scope="session")
def pb(tmp_path_factory) -> SimpleNamespace:
    """Google's message classes for proto/toffee.proto, by message name."""
    out = tmp_path_factory.mktemp("proto") / "toffee.bin"
    subprocess.run(
        ["protoc-c", f"-I{PROTO}", f"--descriptor_set_out={out}", str(PROTO / "toffee.proto")],
        check=True,
    )
    pool = descriptor_pool.DescriptorPool()
    (file,) = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file
    pool.Add(file)
    return SimpleNamespace(
        **{
            m.name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"toffee.{m.name}"))
            for m in file.message_type
        }
    )


def save(graph, f, format="toffee", with_initializers=True, max_onnx_bytes=0) -> None:
    """The core's writer, to a path or to a file object, with the limit of ONNX within reach."""
    options = {
        "format": format,
        "with_initializers": with_initializers,
        "max_onnx_bytes": max_onnx_bytes,
    }
    if isinstance(f, str):
        _core.save(graph, f, **options)
    else:
        _core.save_file(graph, f.write, **options)


def dumps(graph, format="toffee", with_initializers=True) -> bytes:
    """The bytes that a file would have."""
    return _core.dumps(graph, format=format, with_initializers=with_initializers)


def varint(value: int) -> bytes:
    """Base 128, low digit first, all but the last with the high bit."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, value: bytes | int) -> bytes:
    """One protobuf field: a varint, or bytes with their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value & 0xFFFF_FFFF_FFFF_FFFF)
    return varint(number << 3 | 2) + varint(len(value)) + value


def walk(data: bytes, start: int = 0) -> Iterator[tuple[int, int | bytes, int]]:
    """Number, value and file offset of each field of the message DATA, which begins at START."""

    def read(at: int) -> tuple[int, int]:
        value = shift = 0
        while True:
            value |= (data[at] & 0x7F) << shift
            shift += 7
            at += 1
            if data[at - 1] < 0x80:
                return value, at

    at = 0
    while at < len(data):
        key, at = read(at)
        size, value_at = {0: lambda a: (0, a), 2: read, 5: lambda a: (4, a)}[key & 7](at)
        if key & 7 == 0:
            value, at = read(at)
            yield key >> 3, value, start + value_at
        else:
            at = value_at + size
            yield key >> 3, data[value_at:at], start + value_at


def payloads(data: bytes, start: int = 0) -> dict[str, tuple[bytes, int, bytes | None]]:
    """raw_data, its offset, and the padding of each initializer of the GraphProto DATA, by name."""
    found = {}
    for number, value, at in walk(data, start):
        if number == 5:
            fields = {n: (v, a) for n, v, a in walk(value, at)}
            found[fields[8][0].decode()] = (*fields[9], fields.get(12, (None,))[0])
    return found


def add_tensor(tensors, name: str, array: np.ndarray) -> None:
    tensors.add(
        name=name,
        dims=array.shape,
        data_type=onnx.helper.np_dtype_to_tensor_dtype(array.dtype),
        raw_data=array.tobytes(),
    )


def add_value(values, name: str, dims: tuple = (), elem_type: int = FLOAT) -> None:
    """A ValueInfoProto; a str among DIMS is a symbol, None is unknown."""
    tensor_type = values.add(name=name).type.tensor_type
    tensor_type.elem_type = elem_type
    tensor_type.shape.SetInParent()
    for dim in dims:
        added = tensor_type.shape.dim.add()
        if isinstance(dim, int):
            added.dim_value = dim
        elif dim is not None:
            added.dim_param = dim


@pytest.fixture
def linear(pb):
    """GraphProto of y = Gemm(Reshape(x, shape), weight, bias): parameters, a constant, types."""
    rng = np.random.default_rng(0)
    msg = pb.GraphProto(name="torch-jit-export", ir_version=2, producer_tag="pytorch")
    msg.input.extend(["fc.weight", "fc.bias", "x"])
    msg.output.append("y")
    reshape = msg.node.add(op_type="Reshape", input=["x", "shape"], output=["flat"])
    reshape.attribute.add(name="allowzero", i=0, type=2)
    gemm = msg.node.add(op_type="Gemm", name="fc", doc_string="model.py:7")
    gemm.input.extend(["flat", "fc.weight", "fc.bias"])
    gemm.output.append("y")
    gemm.attribute.add(name="alpha", f=1.0, type=1)
    gemm.attribute.add(name="transB", i=1, type=2)
    add_tensor(msg.initializer, "fc.weight", rng.standard_normal((70, 40), np.float32))
    add_tensor(msg.initializer, "fc.bias", rng.standard_normal(70, np.float32))
    add_tensor(msg.initializer, "shape", np.array([-1, 40]))
    add_value(msg.input_info, "x", (3, 5, 8))
    add_value(msg.output_info, "y", (3, 70))
    add_value(msg.value_info, "flat", (3, 40))
    msg.metadata_props.add(key="made_by", value="hand")
    msg.opset_import.add(domain="", version=20)
    msg.opset_import[0].ClearField("domain")
    return msg


def as_graph(msg):
    return toffee.loads(msg.SerializeToString())


def without_padding(msg):
    """A copy of the GraphProto MSG whose initializers have no doc_string."""
    copy = type(msg).FromString(msg.SerializeToString())
    for tensor in copy.initializer:
        tensor.ClearField("doc_string")
    return copy


# ---- bytes ------------------------------------------------------------------------------------


def test_a_small_graph_has_exactly_these_bytes():
    value = field(2, field(1, field(1, FLOAT) + field(2, field(1, field(1, 2)))))  # FLOAT (2,)
    weight = np.array([1.5, -2.0], np.float32)
    expected = (
        field(
            1,
            field(1, b"x")
            + field(1, b"w")
            + field(2, b"y")
            + field(4, b"Elu")
            + field(5, field(1, b"alpha") + b"\x15\x00\x00\x80\x3e" + b"\xa0\x01\x01")  # 0.25f
            + field(5, field(1, b"axes") + field(8, 1) + field(8, -2) + b"\xa0\x01\x07"),
        )
        + field(2, b"g")
        + field(3, b"w")
        + field(3, b"x")
        + field(4, b"y")
        + field(5, field(1, 2) + field(2, FLOAT) + field(8, b"w") + field(9, weight.tobytes()))
        + field(6, 2)
        + field(8, b"pytorch")
        + field(11, field(1, b"x") + value)
        + field(12, field(1, b"y") + value)
        + field(16, field(1, b"k") + field(2, b"v"))
        + field(20, field(2, 20))
    )
    assert dumps(toffee.loads(expected)) == expected


def test_all_that_the_messages_can_say_comes_out_in_the_order_of_the_numbers(pb, linear):
    linear.ClearField("initializer")  # their padding is out of order: see format.md, "Alignment"
    del linear.input[:2]
    linear.producer_version = 3
    linear.domain = "org.example"
    linear.doc_string = "what it is"
    node = linear.node.add(op_type="aten::f", domain="org.pytorch.aten", input=["y", "", "x"])
    node.output.extend(["z", "", "u"])
    node.attribute.add(name="floats", floats=[0.5, float("inf")], type=6)
    body = node.attribute.add(name="graph", type=5, doc_string="a body").g
    body.name = "body"
    body.input.append("i")
    body.output.append("o")
    body.node.add(op_type="Relu", input=["i"], output=["o"])
    body.initializer.add(name="c", dims=[2], data_type=UINT8, raw_data=b"\0\1")
    add_value(body.input_info, "i", ("batch", None, 3))
    add_value(body.output_info, "o")
    node.attribute.add(name="graphs", type=10).graphs.add(name="one")
    node.attribute.add(name="ints", ints=[-1, 0, 2**63 - 1, -(2**63)], type=7)
    node.attribute.add(name="none", type=7)
    node.attribute.add(name="string", s=b"\0\xff\n", type=3)
    node.attribute.add(name="strings", strings=[b"", b"a\0b"], type=8)
    tensor = node.attribute.add(name="tensor", type=4).t
    tensor.dims.extend([2, 3])
    tensor.data_type = UINT8
    tensor.raw_data = b"abcdef"
    words = node.attribute.add(name="tensors", type=9).tensors.add(dims=[2], data_type=STRING)
    words.string_data.extend([b"word", b""])
    linear.value_info.add(name="z", doc_string="no type at all")
    linear.value_info.add(name="u").type.tensor_type.elem_type = INT64  # of no known rank
    linear.opset_import.add(domain="org.pytorch.aten", version=1)

    assert dumps(as_graph(linear)) == linear.SerializeToString(deterministic=True)


names = some.text("abc.é%/0", min_size=1, max_size=9)


@given(
    nodes=some.lists(
        some.tuples(
            some.lists(names, max_size=3),
            some.dictionaries(
                names,
                some.one_of(
                    some.integers(-(2**63), 2**63 - 1),
                    some.floats(width=32, allow_nan=False),
                    some.binary(max_size=200),
                    some.lists(some.integers(-(2**63), 2**63 - 1), min_size=1, max_size=5),
                ),
                max_size=4,
            ),
        ),
        max_size=5,
    )
)
@settings(max_examples=60, deadline=None)
def test_any_nodes_are_written_as_google_would_write_them(pb, nodes):
    kinds = {int: ("i", 2), float: ("f", 1), bytes: ("s", 3), list: ("ints", 7)}
    msg = pb.GraphProto(name="g", ir_version=2, opset_import=[pb.OperatorSetId(version=20)])
    for i, (inputs, attributes) in enumerate(nodes):
        node = msg.node.add(op_type="Op", input=inputs, output=[f"out{i}"])
        for name in sorted(attributes, key=str.encode):
            kind, number = kinds[type(attributes[name])]
            node.attribute.add(**{"name": name, kind: attributes[name], "type": number})
    assert dumps(as_graph(msg)) == msg.SerializeToString(deterministic=True)


def test_the_same_graph_gives_the_same_bytes_to_a_path_and_to_a_file(linear, tmp_path):
    for format in ("toffee", "onnx"):
        save(as_graph(linear), str(tmp_path / "a"), format)
        first = (tmp_path / "a").read_bytes()
        f = io.BytesIO()
        save(as_graph(linear), f, format)
        assert first == f.getvalue() == dumps(as_graph(linear), format)
        save(
            toffee.load(tmp_path / "a"), str(tmp_path / "a"), format
        )  # over what it is mapped from
        assert (tmp_path / "a").read_bytes() == first


# ---- alignment --------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [64, 65, 100, 120, 127, 128, 16_250, 16_384, 65_536])
def test_payloads_of_64_bytes_start_at_multiples_of_64_and_nothing_else_changes(pb, size):
    msg = pb.GraphProto(name="g", ir_version=2, opset_import=[pb.OperatorSetId(version=20)])
    for i in range(70):  # 70 lengths of names: every remainder, and lengths of one byte more
        add_tensor(msg.initializer, "n" * (i + 1), np.full(size + i, i, np.uint8))
    for format in ("toffee", "onnx"):
        data = dumps(as_graph(msg), format)
        start = 0
        if format == "onnx":
            ((start, data),) = [(at, value) for number, value, at in walk(data) if number == 7]
        found = payloads(data, start)
        assert list(found) == [t.name for t in msg.initializer]
        for tensor in msg.initializer:
            payload, offset, padding = found[tensor.name]
            assert (payload, offset % 64) == (tensor.raw_data, 0)
            assert (padding or b"").strip(b" ") == b""
        assert without_padding(pb.GraphProto.FromString(data)) == msg


def test_payloads_under_64_bytes_get_no_padding(pb):
    msg = pb.GraphProto(name="g", ir_version=2, opset_import=[pb.OperatorSetId(version=20)])
    for size in (0, 1, 63):
        add_tensor(msg.initializer, f"n{size}", np.zeros(size, np.uint8))
    assert dumps(as_graph(msg)) == msg.SerializeToString(deterministic=True)


# ---- the envelope -----------------------------------------------------------------------------


def test_an_onnx_file_is_the_same_graph_in_an_envelope(pb, linear):
    linear.domain = "org.example"
    linear.opset_import.add(domain="org.pytorch.aten", version=1)
    data = dumps(as_graph(linear), "onnx")
    ((graph, offset),) = [(value, at) for number, value, at in walk(data) if number == 7]
    assert (graph, offset % 64) == (dumps(as_graph(linear)), 0)

    model = onnx.ModelProto.FromString(data)
    assert (model.ir_version, model.producer_name, model.domain) == (9, "toffee", "org.example")
    assert model.doc_string.strip(" ") == ""
    assert {o.domain: o.version for o in model.opset_import} == {"": 20, "org.pytorch.aten": 1}
    assert {p.key: p.value for p in model.metadata_props} == {"made_by": "hand"}


def test_onnx_checks_and_reads_what_was_written(linear, tmp_path):
    save(as_graph(linear), str(tmp_path / "m.onnx"), "onnx")
    model = onnx.load(tmp_path / "m.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert [i.name for i in model.graph.input] == ["x"]
    assert [o.name for o in model.graph.output] == ["y"]
    assert [n.op_type for n in model.graph.node] == ["Reshape", "Gemm"]
    for ours, theirs in zip(linear.initializer, model.graph.initializer, strict=True):
        array = onnx.numpy_helper.to_array(theirs)
        assert (theirs.name, array.tobytes()) == (ours.name, ours.raw_data)
        assert list(array.shape) == list(ours.dims)


def test_a_graph_that_names_no_opset_is_an_onnx_model_of_opset_20(linear):
    linear.ClearField("opset_import")
    graph = as_graph(linear)
    model = onnx.ModelProto.FromString(dumps(graph, "onnx"))
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 20)]


def test_a_graph_of_2017_gets_nothing_that_2017_did_not_have_and_no_envelope(pb):
    msg = pb.GraphProto(name="g", ir_version=1, producer_tag="pytorch", input=["w", "x"])
    node = msg.node.add(op_type="Conv", input=["x", "w"], output=["y"])
    node.attribute.add(name="kernels", ints=[3, 3])
    msg.output.append("y")
    add_tensor(msg.initializer, "w", np.arange(9, dtype=np.float32).reshape(1, 1, 3, 3))
    graph = _core.loads(msg.SerializeToString(), upgrade=False)
    assert dumps(graph) == msg.SerializeToString(deterministic=True)
    with pytest.raises(ValueError, match="operators of 2017"):
        dumps(graph, "onnx")


def test_without_initializers_parameters_are_declared_and_constants_stay(pb, linear):
    for format in ("toffee", "onnx"):
        data = dumps(as_graph(linear), format, with_initializers=False)
        if format == "onnx":
            onnx.checker.check_model(onnx.ModelProto.FromString(data), full_check=True)
            (data,) = [value for number, value, _ in walk(data) if number == 7]
        msg = pb.GraphProto.FromString(data)
        assert list(msg.input) == ["fc.weight", "fc.bias", "x"]
        assert [t.name for t in msg.initializer] == ["shape"]
        declared = {
            v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in msg.input_info
        }
        assert declared == {"fc.weight": [70, 40], "fc.bias": [70], "x": [3, 5, 8]}


# ---- whole files or none ----------------------------------------------------------------------


@contextlib.contextmanager
def files_of_at_most(n_bytes: int) -> Iterator[None]:
    """Writing past N_BYTES of a file fails with EFBIG, as a full disk would with ENOSPC."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextlib.contextmanager
def somebody_else() -> Iterator[None]:
    """As a user whom permissions bind, where the tests run as root."""
    was_root = os.geteuid() == 0
    if was_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if was_root:
            os.seteuid(0)


@pytest.fixture
def folder(tmp_path_factory) -> Iterator[Path]:
    """A folder that everyone may write to, down from the root."""
    path = tmp_path_factory.mktemp("open")
    for part in [path, path.parent, path.parent.parent]:
        part.chmod(0o777)
    return path


def test_a_write_that_fails_half_way_leaves_the_old_file_and_no_other(linear, tmp_path):
    target = tmp_path / "m.toffee"
    target.write_bytes(b"old")
    with files_of_at_most(8192), pytest.raises(OSError) as caught:
        save(as_graph(linear), str(target))
    assert caught.value.errno == errno.EFBIG
    assert str(target) in str(caught.value)
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["m.toffee"]


def test_a_full_disk_is_an_os_error_and_leaves_the_old_file(linear, tmp_path):
    tmpfs = tmp_path / "disk"
    tmpfs.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", str(tmpfs)], capture_output=True
    )
    if (
        mounted.returncode != 0
    ):  # not root: the device that is always full, with no folder around it
        with pytest.raises(OSError, match="No space left"):
            save(as_graph(linear), "/dev/full")
        return
    try:
        (tmpfs / "m").write_bytes(b"old")
        with pytest.raises(OSError, match="No space left") as caught:
            save(as_graph(linear), str(tmpfs / "m"))
        assert caught.value.errno == errno.ENOSPC
        assert ((tmpfs / "m").read_bytes(), os.listdir(tmpfs)) == (b"old", ["m"])
    finally:
        subprocess.run(["umount", str(tmpfs)], check=True)


@pytest.mark.parametrize(
    ("name", "number"),
    [("none/m", errno.ENOENT), ("", errno.EISDIR), ("new/", errno.EISDIR), ("a/m", errno.ENOTDIR)],
)
def test_a_path_that_can_be_no_file_says_so(linear, tmp_path, name, number):
    (tmp_path / "a").write_bytes(b"a file")
    with pytest.raises(OSError) as caught:
        save(as_graph(linear), str(tmp_path) + "/" + name)
    assert caught.value.errno == number
    assert os.listdir(tmp_path) == ["a"]


def test_what_may_not_be_written_is_left_alone(linear, folder):
    (folder / "m").write_bytes(b"old")
    (folder / "m").chmod(0o444)
    with somebody_else(), pytest.raises(PermissionError):
        save(as_graph(linear), str(folder / "m"))
    folder.chmod(0o555)
    with somebody_else(), pytest.raises(PermissionError):
        save(as_graph(linear), str(folder / "new"))
    folder.chmod(0o777)
    assert (os.listdir(folder), (folder / "m").read_bytes()) == (["m"], b"old")


def test_permissions_are_kept_and_new_files_obey_the_umask(linear, tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_bytes(b"")
    old.chmod(0o604)
    before = os.umask(0o027)
    try:
        save(as_graph(linear), str(old))
        save(as_graph(linear), str(new))
    finally:
        os.umask(before)
    assert [stat.S_IMODE(f.stat().st_mode) for f in (old, new)] == [0o604, 0o640]


def test_a_symbolic_link_stays_one_and_what_it_leads_to_is_written(linear, tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "there").write_bytes(b"old")
    for name in ("there", "missing"):
        (tmp_path / "sub" / name).symlink_to(f"../{name}")
        save(as_graph(linear), str(tmp_path / "sub" / name))
        assert (tmp_path / "sub" / name).is_symlink()
        assert (tmp_path / name).read_bytes() == dumps(as_graph(linear))
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError) as caught:
        save(as_graph(linear), str(tmp_path / "loop"))
    assert caught.value.errno == errno.ELOOP


def test_a_pipe_is_written_to_and_not_replaced(linear, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    save(as_graph(linear), str(pipe))
    reader.join()
    assert got == [dumps(as_graph(linear))]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


class Failing(io.RawIOBase):
    """Takes some bytes, then raises."""

    def __init__(self, takes: int) -> None:
        self.left = takes

    def writable(self) -> bool:
        return True

    def write(self, data) -> int:
        self.left -= len(data)
        if self.left < 0:
            raise RuntimeError("the cable was cut")
        return len(data)


@pytest.mark.parametrize("format", ["toffee", "onnx"])
@pytest.mark.parametrize("takes", [0, 300, 11_000])
def test_what_a_file_object_raises_comes_through_and_it_is_left_open(linear, takes, format):
    f = Failing(takes)
    with pytest.raises(RuntimeError, match="the cable was cut"):
        save(as_graph(linear), f, format)
    assert not f.closed


def test_a_file_object_is_written_to_from_where_it_stands(linear):
    f = io.BytesIO(b"before")
    f.seek(0, io.SEEK_END)
    save(as_graph(linear), f)
    assert f.getvalue() == b"before" + dumps(as_graph(linear))
    assert not f.closed


# ---- weights beside a model -------------------------------------------------------------------


def test_a_model_over_the_limit_moves_its_large_weights_to_one_file(linear, tmp_path):
    add_tensor(linear.initializer, "last", np.arange(3000, dtype=np.int64))
    path = tmp_path / "m.onnx"
    save(as_graph(linear), str(path), "onnx", max_onnx_bytes=4000)
    assert sorted(os.listdir(tmp_path)) == ["m.onnx", "m.onnx.data"]

    model = onnx.load(path, load_external_data=False)
    outside = {
        t.name: {e.key: e.value for e in t.external_data}
        for t in model.graph.initializer
        if t.data_location == onnx.TensorProto.EXTERNAL
    }
    assert outside == {
        "fc.weight": {"location": "m.onnx.data", "offset": "0", "length": "11200"},
        "last": {"location": "m.onnx.data", "offset": "12288", "length": "24000"},
    }
    assert path.stat().st_size <= 4000
    assert (tmp_path / "m.onnx.data").stat().st_size == 12288 + 24000
    onnx.checker.check_model(str(path), full_check=True)
    want = {t.name: t.raw_data for t in linear.initializer}
    assert {
        t.name: onnx.numpy_helper.to_array(t).tobytes() for t in onnx.load(path).graph.initializer
    } == want
    ours = toffee.load(path)
    assert {t.name: toffee.numpy_helper.to_array(t).tobytes() for t in ours.initializer} == want
    assert dumps(ours) == dumps(as_graph(linear))


def test_a_model_exactly_at_the_limit_stays_one_file(linear, tmp_path):
    size = len(dumps(as_graph(linear), "onnx"))
    save(as_graph(linear), str(tmp_path / "one.onnx"), "onnx", max_onnx_bytes=size)
    assert os.listdir(tmp_path) == ["one.onnx"]
    save(as_graph(linear), str(tmp_path / "two.onnx"), "onnx", max_onnx_bytes=size - 1)
    assert (tmp_path / "two.onnx.data").exists()


def test_the_toffee_format_has_no_limit(linear, tmp_path):
    save(as_graph(linear), str(tmp_path / "m"), "toffee", max_onnx_bytes=1)
    assert os.listdir(tmp_path) == ["m"]


def test_where_no_file_can_stand_beside_a_model_over_the_limit_is_an_error(linear, tmp_path):
    f = io.BytesIO()
    with pytest.raises(toffee.Error, match="Give the path of a file"):
        save(as_graph(linear), f, "onnx", max_onnx_bytes=4000)
    assert f.getvalue() == b""
    with pytest.raises(toffee.Error, match="Give the path of a file"):
        save(as_graph(linear), "/dev/null", "onnx", max_onnx_bytes=4000)
    with pytest.raises(toffee.Error, match="without its large weights"):
        save(as_graph(linear), str(tmp_path / "m"), "onnx", max_onnx_bytes=100)
    (tmp_path / "link.data").symlink_to("elsewhere")
    with pytest.raises(OSError, match="symbolic link"):
        save(as_graph(linear), str(tmp_path / "link"), "onnx", max_onnx_bytes=4000)
    assert os.listdir(tmp_path) == ["link.data"]


@pytest.mark.parametrize(("format", "limit"), [("toffee", 0), ("onnx", 0), ("onnx", 4000)])
def test_running_out_of_memory_anywhere_leaves_what_was_there(linear, tmp_path, format, limit):
    graph = as_graph(linear)
    (tmp_path / "m").write_bytes(b"old")
    failures = 0
    while True:
        _core._testing.fail_allocation(failures)
        try:
            save(graph, str(tmp_path / "m"), format, max_onnx_bytes=limit)
            break
        except MemoryError:
            failures += 1
        finally:
            _core._testing.fail_allocation(-1)
        assert [(f.name, f.read_bytes()) for f in tmp_path.iterdir()] == [("m", b"old")]
    assert failures >= 5


@pytest.mark.parametrize("old", [[], ["m.onnx"], ["m.onnx", "m.onnx.data"]])
def test_when_the_weights_cannot_be_written_both_files_are_as_they_were(linear, tmp_path, old):
    for name in old:
        (tmp_path / name).write_text(f"old {name}")
    with files_of_at_most(8192), pytest.raises(OSError) as caught:
        save(as_graph(linear), str(tmp_path / "m.onnx"), "onnx", max_onnx_bytes=4000)
    assert caught.value.errno == errno.EFBIG
    assert {f.name: f.read_text() for f in tmp_path.iterdir()} == {n: f"old {n}" for n in old}


# ---- what cannot be written -------------------------------------------------------------------


def test_a_zero_byte_in_a_text_is_refused_rather_than_cut_off(linear, tmp_path):
    linear.node[1].doc_string = "a\0b"
    with pytest.raises(ValueError, match=r"node 'fc' \(Gemm\): .* zero byte after 'a'"):
        save(as_graph(linear), str(tmp_path / "m"))
    assert os.listdir(tmp_path) == []


def test_graphs_nested_deeper_than_can_be_read_are_refused(pb):
    def nested(depth: int):
        msg = outer = pb.GraphProto(name="g", ir_version=2, producer_tag="pytorch")
        outer.opset_import.add(version=20)
        for _ in range(depth):
            node = outer.node.add(op_type="If", name="branch")
            outer = node.attribute.add(name="then_branch", type=5).g
        add_value(outer.value_info, "deepest", (1,))
        return msg

    deepest = nested(19)
    assert dumps(as_graph(deepest)) == deepest.SerializeToString(deterministic=True)
    assert dumps(toffee.loads(dumps(as_graph(deepest), "onnx"))) == dumps(as_graph(deepest))
    with pytest.raises(toffee.Error, match="nested"):
        dumps(as_graph(nested(20)))
