"""toffee.backend.onnxruntime against onnxruntime itself, and the places that weights come from."""

from __future__ import annotations

import copy
import os
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

import toffee
import toffee.backend.onnxruntime as backend
from toffee import _core, helper, numpy_helper
from toffee.backend import mapped
from toffee.torch_toffee import export

F32 = toffee.Tensor.FLOAT


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 16, 3), torch.nn.BatchNorm2d(16), torch.nn.ReLU(), torch.nn.Flatten(),
        torch.nn.Linear(16 * 36, 10),
    ).eval()  # fmt: skip


@pytest.fixture(scope="module")
def x():
    return torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def expected(model, x):
    with torch.inference_mode():
        return model(x).numpy()


@pytest.fixture(params=["toffee", "onnx"])
def path(request, tmp_path, model, x):
    path = tmp_path / f"m.{request.param}"
    export(model, x, path)
    return path


def weights_in_files(graph):
    """For each large initializer of GRAPH, whether ONNX Runtime is to read it from a file."""
    found = backend._Model(graph, use_files=True)
    return sorted(found.parts), sorted(found.values)


def close(result, expected):
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5)


# ---- results -----------------------------------------------------------------------------------


def test_a_loaded_graph_computes_what_the_model_does(path, x, expected):
    rep = backend.prepare(toffee.load(path))
    close(rep.run(x)[0], expected)
    close(rep.run(x.double().numpy())[0], expected)  # cast, as the script of 2017 needs
    name = rep.output_names[0]
    close(rep.run({rep.inputs[0].name: x})[name], expected)


def test_results_are_bit_for_bit_those_of_an_inference_session(tmp_path, model, x):
    export(model, x, tmp_path / "m.onnx", input_names=["x"])
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    ours = backend.run(toffee.load(tmp_path / "m.onnx"), x)[0]
    np.testing.assert_array_equal(ours, session.run(None, {"x": x.numpy()})[0])


def test_without_optimization_the_result_is_the_same(path, x, expected):
    close(backend.run(toffee.load(path), x, optimize=False)[0], expected)


def test_a_graph_needs_no_file(model, x, expected, path):
    graph = toffee.loads(path.read_bytes())
    assert weights_in_files(graph)[0] == []
    close(backend.run(graph, x)[0], expected)


def test_a_mutated_graph_runs_as_it_is_now_with_the_other_weights_from_the_file(path, x, expected):
    graph = toffee.load(path)
    where = {tensor.name: i for i, tensor in enumerate(graph.initializer)}
    weight = graph.initializer[where["4.weight"]]
    graph.initializer[where["4.weight"]] = numpy_helper.from_array(
        2 * numpy_helper.to_array(weight), "4.weight"
    )
    bias = numpy_helper.to_array(graph.initializer[where["4.bias"]])
    parts, values = weights_in_files(graph)
    assert parts == [where["0.weight"]] and values == ["4.weight"]
    close(backend.run(graph, x)[0], 2 * (expected - bias) + bias)


def test_what_changes_after_prepare_is_not_seen(path, x, expected):
    graph = toffee.load(path)
    rep = backend.prepare(graph)
    del graph.node[-1]
    del graph
    close(rep.run(x)[0], expected)


def test_parameters_that_were_not_exported_are_fed(tmp_path, model, x, expected):
    export(model, x, tmp_path / "m.toffee", export_params=False)
    rep = backend.prepare(toffee.load(tmp_path / "m.toffee"))
    parameters = {
        name: tensor for name, tensor in model.state_dict().items() if "num_batches" not in name
    }
    names = [spec.name for spec in rep.inputs]
    feeds = {**parameters, names[-1]: x}
    close(rep.run({name: feeds[name] for name in names})[0], expected)


def test_a_node_runs_on_its_own():
    node = helper.make_node("Gemm", ["a", "b", "c"], ["y"], transB=1)
    a, b, c = (np.random.default_rng(i).standard_normal((3, 3)).astype("f") for i in range(3))
    close(backend.run_node(node, [a, torch.from_numpy(b), c])["y"], a @ b.T + c)


def test_a_node_of_an_older_opset_runs():
    node = helper.make_node("Squeeze", ["x"], ["y"], axes=[0])  # an attribute until opset 12
    assert backend.run_node(node, np.ones((1, 2), "f"), opsets={"": 11})[0].shape == (2,)
    with pytest.raises(toffee.BackendError, match="cannot prepare"):
        backend.run_node(node, np.ones((1, 2), "f"))


@pytest.mark.parametrize("dtype", ["BFLOAT16", "FLOAT8E4M3FN", "FLOAT8E5M2"])
def test_dtypes_that_numpy_does_not_have_go_in_and_out(dtype):
    number = getattr(toffee.Tensor, dtype)
    values = np.arange(600, dtype="f").reshape(2, 300) % 8  # exact in all of them
    out = backend.run_node(helper.make_node("Cast", ["x"], ["y"], to=number), values)[0]
    assert out.dtype == helper.tensor_dtype_to_np_dtype(number)
    assert out.astype("f").tolist() == values.tolist()
    back = backend.run_node(helper.make_node("Cast", ["x"], ["y"], to=F32), out.T)[0]
    assert back.tolist() == values.T.tolist()
    # And as weights: large ones, which are handed over.
    graph = helper.make_graph(
        [helper.make_node("Cast", ["w"], ["y"], to=F32)],
        "g",
        [],
        [helper.make_tensor_value_info("y", F32, [2, 300 * 8])],
        [numpy_helper.from_array(np.tile(out, (1, 8)), "w")],
    )
    assert weights_in_files(graph)[1] == ["w"]
    assert backend.run(graph)[0].tolist() == np.tile(values, (1, 8)).tolist()


def test_strings_go_in_and_out():
    node = helper.make_node("Identity", ["x"], ["y"])
    assert backend.run_node(node, np.array(["a", "bc"]))[0].tolist() == ["a", "bc"]


def test_a_graph_that_does_not_say_the_types_of_its_inputs_takes_them_from_the_values():
    infos = [helper.make_empty_tensor_value_info("x")]
    outputs = [helper.make_empty_tensor_value_info("y")]
    weight = numpy_helper.from_array(np.full((1, 1000), 2, "f"), "w")
    nodes = [
        helper.make_node("Cast", ["x"], ["f"], to=F32),
        helper.make_node("Mul", ["f", "w"], ["y"]),
    ]
    graph = helper.make_graph(nodes, "g", infos, outputs, [weight])
    rep = backend.prepare(graph)
    del graph.node[:]  # prepared is prepared
    for dtype in (np.int32, np.int32, np.float16, np.int32):
        result = rep.run(np.full((3, 1), 5, dtype))[0]
        assert result.shape == (3, 1000) and (result == 10).all()


# ---- where the weights are ---------------------------------------------------------------------


def test_weights_of_a_loaded_graph_are_read_from_its_file(path):
    graph = toffee.load(path)
    large = [i for i, t in enumerate(graph.initializer) if len(t.raw_data) >= 1024]
    assert large and weights_in_files(graph) == (large, [])


def test_the_place_in_the_file_has_the_bytes(path):
    graph = toffee.load(path)
    arrays = [numpy_helper.to_array(t) for t in graph.initializer]
    data = path.read_bytes()
    for array, part in zip(arrays, mapped.file_parts(arrays), strict=True):
        assert part is not None and part.path == str(path)
        assert data[part.offset : part.offset + array.nbytes] == array.tobytes()


def test_weights_beside_an_onnx_model_are_read_from_their_own_file(tmp_path, model, x, expected):
    graph = toffee.loads(_bytes_of(model, x))
    _core.save(graph, tmp_path / "m.onnx", format="onnx", max_onnx_bytes=20_000)
    assert (tmp_path / "m.onnx.data").exists()
    loaded = toffee.load(tmp_path / "m.onnx")
    found = backend._Model(loaded, use_files=True)
    assert {part.path for part in found.parts.values()} == {str(tmp_path / "m.onnx.data")}
    close(backend.run(loaded, x)[0], expected)


def _bytes_of(model, x):
    import io

    buffer = io.BytesIO()
    export(model, x, buffer)
    return buffer.getvalue()


def test_weights_of_two_files_in_two_folders_are_found(tmp_path, model, x, expected):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        export(model, x, tmp_path / name / "m.toffee")
    graph = toffee.load(tmp_path / "one" / "m.toffee")
    other = toffee.load(tmp_path / "two" / "m.toffee")
    where = [t.name for t in graph.initializer].index("4.weight")
    graph.initializer[where] = other.initializer[where]
    found = backend._Model(graph, use_files=True)
    assert found.folder == str(tmp_path)
    assert {os.path.dirname(p.path) for p in found.parts.values()} == {
        str(tmp_path / "one"),
        str(tmp_path / "two"),
    }
    close(backend.run(graph, x)[0], expected)


def test_weights_that_lie_across_the_alignment_are_handed_over(tmp_path, model, x, expected):
    proto = toffee.loads(_bytes_of(model, x)).to_onnx()
    for pad in range(4):  # nobody else aligns the weights in a file
        proto.doc_string = "d" * (200 + pad)
        onnx.save(proto, tmp_path / "m.onnx")
        graph = toffee.load(tmp_path / "m.onnx")
        arrays = [numpy_helper.to_array(t) for t in graph.initializer]
        aligned = [i for i, a in enumerate(arrays) if a.nbytes >= 1024 and a.flags.aligned]
        assert weights_in_files(graph)[0] == aligned
        close(backend.run(graph, x)[0], expected)


def test_a_file_whose_name_is_no_text_is_read_and_not_declared(tmp_path, model, x, expected):
    path = os.fsencode(tmp_path) + b"/\xff.toffee"
    export(model, x, os.fsdecode(path))
    graph = toffee.load(os.fsdecode(path))
    assert weights_in_files(graph)[0] == []
    close(backend.run(graph, x)[0], expected)


@pytest.mark.parametrize("how", ["replaced", "removed"])
def test_a_file_that_is_not_the_mapped_one_any_more_is_not_read(path, x, expected, how, model):
    graph = toffee.load(path)
    if how == "removed":
        path.unlink()
    else:
        other = copy.deepcopy(model)
        torch.nn.init.zeros_(other[4].weight)
        export(other, x, path)  # replaces the file; the mapping keeps the old one
    assert weights_in_files(graph)[0] == []
    close(backend.run(graph, x)[0], expected)


def test_a_file_that_is_replaced_while_the_session_opens_is_not_believed(
    path, x, expected, monkeypatch, model
):
    graph = toffee.load(path)
    other = copy.deepcopy(model)
    torch.nn.init.zeros_(other[4].weight)
    opened = []
    open_model = backend._open_model

    def replace_first(found, *args):
        if not opened:
            export(other, x, path)
        opened.append(bool(found.parts))
        return open_model(found, *args)

    monkeypatch.setattr(backend, "_open_model", replace_first)
    close(backend.run(graph, x)[0], expected)
    assert opened == [True, False]


def test_memory_that_was_written_to_is_in_no_file(tmp_path):
    values = np.arange(1000, dtype="f")
    values.tofile(tmp_path / "w.bin")
    writable = np.memmap(tmp_path / "w.bin", "f", mode="c")
    reading = np.memmap(tmp_path / "w.bin", "f", mode="r")
    heap = values.copy()
    parts = mapped.file_parts([writable, reading, reading[10:], heap])
    assert [part and part.offset for part in parts] == [None, 0, 40, None]


def test_without_proc_every_weight_is_handed_over(path, x, expected, monkeypatch):
    monkeypatch.setattr(mapped, "_MAPS", "/nonexistent")
    graph = toffee.load(path)
    assert weights_in_files(graph)[0] == []
    close(backend.run(graph, x)[0], expected)


_MEMORY = """
import resource, sys, numpy as np, toffee, onnxruntime
from toffee.backend import onnxruntime as backend
def anonymous():
    rows = dict(line.split(":") for line in open("/proc/self/status"))
    return int(rows["RssAnon"].split()[0]) * 1024
path, ours = sys.argv[1], sys.argv[2] == "toffee"
x = np.ones((1, 4096), "f")
before = anonymous()
if ours:
    rep = backend.prepare(toffee.load(path), optimize=False)
    rep.run(x)
else:
    session = onnxruntime.InferenceSession(path)
    session.run(None, {"x": x})
print(anonymous() - before)
"""


def test_weights_are_not_copied(tmp_path):
    """64 MiB of weights; what is mapped from a file is not anonymous memory."""
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", F32, [1, 4096])],
        [helper.make_tensor_value_info("y", F32, [1, 4096])],
        [numpy_helper.from_array(np.ones((4096, 4096), "f"), "w")],
    )
    toffee.save(graph, tmp_path / "m.onnx")

    def growth(who):
        command = [sys.executable, "-c", _MEMORY, str(tmp_path / "m.onnx"), who]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    assert growth("toffee") < 16 << 20
    assert growth("onnxruntime") > 60 << 20  # the measure measures


# ---- the model without its weights -------------------------------------------------------------


def test_initializers_with_a_place_are_declared_and_not_written(conv_graph, weights):
    data = _core.dumps(conv_graph, format="onnx", places=[("folder/w.bin", 128)])
    assert len(data) < weights.nbytes
    (tensor,) = onnx.ModelProto.FromString(data).graph.initializer
    assert tensor.data_location == onnx.TensorProto.EXTERNAL and not tensor.raw_data
    assert {entry.key: entry.value for entry in tensor.external_data} == {
        "location": "folder/w.bin",
        "offset": "128",
        "length": str(weights.nbytes),
    }
    assert list(tensor.dims) == [64, 3, 3, 3] and tensor.name == "w"


def test_initializers_without_a_place_are_written_as_ever(conv_graph):
    for format in ("toffee", "onnx"):
        assert _core.dumps(conv_graph, format=format, places=[None]) == _core.dumps(
            conv_graph, format=format
        )


@pytest.mark.parametrize(
    ("places", "error", "message"),
    [
        ([], ValueError, "0 places for 1 initializers"),
        ([None, None], ValueError, "2 places for 1 initializers"),
        ([3], TypeError, "None or a tuple"),
        ([("a",)], TypeError, "2 arguments"),
        ([(1, 2)], TypeError, "must be str"),
        ([("a\0b", 2)], ValueError, "null"),
        (3, TypeError, "not iterable"),
    ],
)
def test_bad_places_are_errors(conv_graph, places, error, message):
    with pytest.raises(error, match=message):
        _core.dumps(conv_graph, places=places)


def test_a_graph_that_changes_while_its_places_are_read_is_an_error(conv_graph):
    class Places:
        def __iter__(self):
            yield None
            conv_graph.initializer.extend([numpy_helper.from_array(np.ones(3, "f"), "v")])

    with pytest.raises((RuntimeError, ValueError)):
        _core.dumps(conv_graph, places=Places())


def test_to_onnx_gives_the_model(conv_graph):
    model = conv_graph.to_onnx()
    assert isinstance(model, onnx.ModelProto)
    assert model == onnx.load_from_string(toffee.dumps(conv_graph, format="onnx"))
    onnx.checker.check_model(model, full_check=True)


def test_to_onnx_without_onnx_says_what_to_install(conv_graph, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match="pip install onnx"):
        conv_graph.to_onnx()


# ---- sessions ----------------------------------------------------------------------------------


def test_session_options_and_providers_are_used(path, x, expected, tmp_path):
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.log_severity_level = 4
    rep = backend.prepare(
        toffee.load(path), session_options=options, providers=["CPUExecutionProvider"]
    )
    close(rep.run(x)[0], expected)
    assert (tmp_path / "optimized.onnx").exists()
    assert rep.session.get_providers() == ["CPUExecutionProvider"]


def test_a_closed_rep_lets_go_of_its_session(path, x):
    with backend.prepare(toffee.load(path)) as rep:
        assert backend.run(rep, x).names == rep.output_names
    assert rep.session is None
    with pytest.raises(toffee.BackendError, match="closed"):
        backend.run(rep, x)


def test_supports_device():
    assert backend.supports_device("CPU")
    assert not backend.supports_device("TPU")
    has_cuda = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    assert backend.supports_device("CUDA:0") == has_cuda


# ---- errors ------------------------------------------------------------------------------------


def test_an_unknown_device_is_an_error(conv_graph):
    with pytest.raises(toffee.BackendError, match="unknown device 'TPU'"):
        backend.prepare(conv_graph, "TPU")


def test_cuda_without_a_provider_says_what_to_install(conv_graph, monkeypatch):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(toffee.BackendError, match="CUDA:1.*pip install onnxruntime-gpu"):
        backend.prepare(conv_graph, "CUDA:1")


def test_a_provider_that_does_not_start_is_an_error_and_not_the_cpu(conv_graph, monkeypatch):
    class Session(onnxruntime.InferenceSession):
        def __init__(self, *args, providers):
            assert providers == [
                ("CUDAExecutionProvider", {"device_id": 1}),
                "CPUExecutionProvider",
            ]
            super().__init__(*args, providers=["CPUExecutionProvider"])

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    with pytest.raises(toffee.BackendError, match="could not start CUDAExecutionProvider.*CUDA:1"):
        backend.prepare(conv_graph, "CUDA:1")


def test_without_onnxruntime_the_error_names_the_package(conv_graph, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert not backend.supports_device("CPU")
    with pytest.raises(toffee.BackendError, match="pip install onnxruntime"):
        backend.prepare(conv_graph)


def test_what_onnx_runtime_refuses_is_an_error_with_its_words():
    node = helper.make_node("NoSuchOperator", ["x"], ["y"])
    with pytest.raises(toffee.BackendError, match="cannot prepare the graph.*NoSuchOperator"):
        backend.run_node(node, np.float32(1))


def test_what_fails_as_it_runs_is_an_error_with_its_words():
    node = helper.make_node("Reshape", ["x", "shape"], ["y"])
    with pytest.raises(toffee.BackendError, match="failed as it ran.*Reshape"):
        backend.run_node(node, [np.ones(6, "f"), np.int64([4, 2])])


def test_a_cyclic_graph_and_an_undefined_name_are_errors(conv_graph):
    conv_graph.node[0].input[0] = "y"
    with pytest.raises(toffee.BackendError, match="cannot prepare"):
        backend.prepare(conv_graph)
    conv_graph.node[0].input[0] = "nowhere"
    with pytest.raises(toffee.BackendError, match="cannot prepare"):
        backend.prepare(conv_graph)


def test_what_is_no_graph_is_a_type_error():
    with pytest.raises(TypeError, match=r"toffee\.Graph, not bytes"):
        backend.prepare(b"...")
