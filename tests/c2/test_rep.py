"""toffee.backend.c2 as a backend: graphs in, arrays out, errors that name the node."""

from __future__ import annotations

import contextlib
import copy
import gc
import io
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

import toffee
import toffee.backend.c2 as backend
from toffee import BackendError, Tensor, helper, numpy_helper
from toffee.torch_toffee import export

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 16, 3), torch.nn.ReLU(), torch.nn.MaxPool2d(2), torch.nn.Flatten(),
        torch.nn.Linear(16 * 9, 10),
    ).eval()  # fmt: skip


@pytest.fixture(scope="module")
def x():
    return torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def expected(model, x):
    with torch.inference_mode():
        return model(x).numpy()


def load(model, x, **kwargs) -> toffee.Graph:
    buffer = io.BytesIO()
    export(model, torch.zeros_like(x), buffer, **kwargs)
    return toffee.loads(buffer.getvalue())


@pytest.fixture(scope="module")
def graph(model, x):
    return load(model, x)


def close(result, expected):
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5)


def info(name: str, dtype: int = Tensor.FLOAT, shape: object = ("n",)):
    return helper.make_tensor_value_info(name, dtype, shape)


def is_gone(pid: int) -> bool:
    return not os.path.exists(f"/proc/{pid}")


# ---- running -----------------------------------------------------------------------------------


def test_prepare_and_run_as_in_2017(graph, x, expected):
    rep = backend.prepare(graph, device="CPU")
    outputs = rep.run(x.numpy())
    close(outputs[0], expected)
    close(outputs[graph.output[0]], expected)
    close(rep.run({rep.inputs[0].name: x})[0], expected)
    close(rep.run([x])[0], expected)
    assert isinstance(rep, toffee.backend.Rep)
    rep.close()


def test_run_takes_a_graph_or_what_was_prepared(graph, x, expected):
    close(backend.run(graph, x)[0], expected)
    close(backend.run(graph, x, prefer="aten", threads=1)[0], expected)
    with backend.prepare(graph) as rep:
        close(backend.run(rep, x)[0], expected)
        with pytest.raises(TypeError, match="prefer is for prepare"):
            backend.run(rep, x, prefer="aten")


def test_last_net_seconds_is_what_the_operators_took(graph, x):
    with backend.prepare(graph) as rep:
        assert rep.last_net_seconds is None
        start = time.perf_counter()
        rep.run(x)
        assert 0 < rep.last_net_seconds < time.perf_counter() - start


@pytest.mark.parametrize("format", ["toffee", "onnx"])
def test_weights_of_a_loaded_file_are_read_from_there(model, x, expected, tmp_path, format):
    path = tmp_path / f"m.{format}"
    export(model, torch.zeros_like(x), path)
    with backend.prepare(toffee.load(path)) as rep:
        maps = Path(f"/proc/{rep.pid}/maps").read_text()
        assert str(path) in maps
        close(rep.run(x)[0], expected)
        path.unlink()
        close(rep.run(x)[0], expected)


def test_parameters_that_were_not_exported_are_fed(model, x, expected):
    graph = load(model, x, export_params=False)
    state = {name: value.numpy() for name, value in model.state_dict().items()}
    with backend.prepare(graph) as rep:
        assert [spec.name for spec in rep.inputs[:-1]] == list(state)
        close(rep.run([*state.values(), x])[0], expected)
        halved = {name: value / 2 for name, value in state.items()}
        with torch.inference_mode():
            other = copy.deepcopy(model)
            for parameter in other.parameters():
                parameter /= 2
            close(rep.run([*halved.values(), x])[0], other(x).numpy())


def test_a_graph_without_types_takes_those_of_its_first_inputs(model, x, expected):
    graph = load(model, x)
    for declared in [*graph.input_info, *graph.output_info]:
        declared.dtype, declared.shape = 0, None
    graph.value_info = []
    with backend.prepare(graph) as rep:
        assert rep.pid is None
        close(rep.run(x)[0], expected)
        first = rep.pid
        rep.run(x)
        assert rep.pid == first
        (y,) = rep.run(torch.cat([x, x]))
        close(y, np.concatenate([expected, expected]))
        assert is_gone(first)


def test_sizes_that_an_operator_wants_are_taken_from_the_inputs():
    def pool(x: np.ndarray) -> np.ndarray:
        tensor = torch.nn.functional.max_pool2d(torch.from_numpy(x), 3, 2, ceil_mode=True)
        return tensor.numpy()

    shape = ["n", 2, "height", "width"]
    attributes = {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}
    node = helper.make_node("MaxPool", ["x"], ["y"], **attributes)
    graph = helper.make_graph([node], "g", [info("x", shape=shape)], [info("y", shape=[None] * 4)])
    rng = np.random.default_rng(0)
    with backend.prepare(graph) as rep:
        for size in (6, 7, 8):
            x = rng.standard_normal((1, 2, size, size)).astype(np.float32)
            np.testing.assert_array_equal(rep.run(x)[0], pool(x))
    assert is_gone(rep.pid)


def test_an_operator_that_caffe2_never_has_is_refused_before_the_first_run():
    graph = helper.make_graph(
        [helper.make_node("Mystery", ["x"], ["y"], domain="com.example")],
        "g",
        [info("x", shape=["n"])],
        [info("y", shape=["n"])],
    )
    graph.opset_import = [
        *graph.opset_import,
        toffee.OperatorSetId(domain="com.example", version=1),
    ]
    with pytest.raises(BackendError, match="Mystery"):
        backend.prepare(graph)


def test_constants_reach_caffe2():
    value = numpy_helper.from_array(np.arange(3, dtype=np.float32), "c")
    nodes = [
        helper.make_node("Constant", [], ["c"], value=value),
        helper.make_node("Add", ["x", "c"], ["y"]),
    ]
    graph = helper.make_graph(nodes, "g", [info("x", shape=[3])], [info("y", shape=[3])])
    assert backend.run(graph, np.ones(3, np.float32))[0].tolist() == [1, 2, 3]


def test_an_input_or_a_weight_may_be_an_output():
    w = np.arange(4, dtype=np.float32)
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "g",
        [info("x")],
        [info("x"), info("y"), info("w", shape=[4])],
        [numpy_helper.from_array(w, "w")],
    )
    x, y, again = backend.run(graph, np.array([-1, 1], np.float32))
    assert (x.tolist(), y.tolist(), again.tolist()) == ([-1, 1], [0, 1], w.tolist())


def test_run_node(x):
    node = helper.make_node("Relu", ["x"], ["y"])
    np.testing.assert_array_equal(backend.run_node(node, x)[0], np.maximum(x.numpy(), 0))
    node = helper.make_node("Sum", ["a", "b", "a"], ["y"])
    (y,) = backend.run_node(node, [x, x])
    close(y, 3 * x.numpy())


def test_inputs_are_cast_and_checked_as_by_every_backend(graph, x, expected):
    with backend.prepare(graph) as rep:
        close(rep.run(x.numpy().astype(np.float64))[0], expected)
        close(rep.run(np.asfortranarray(x.numpy()))[0], expected)
        with pytest.raises(BackendError, match="must be float32"):
            rep.run(np.zeros((2, 3, 8, 9), np.float32))
        with pytest.raises(BackendError, match="1 input"):
            rep.run([])


# ---- errors ------------------------------------------------------------------------------------


def test_the_error_of_an_operator_names_the_node_its_line_and_what_to_do():
    relu = helper.make_node("Relu", ["x"], ["h"], name="act", doc_string="model.py:6")
    product = helper.make_node(
        "MatMul", ["h", "w"], ["y"], name="head.mm", doc_string="model.py:7\nmore"
    )
    graph = helper.make_graph(
        [relu, product],
        "g",
        [info("x", shape=["a", "b"]), info("w", shape=["c", "d"])],
        [info("y", shape=["a", "d"])],
    )
    x, w = np.ones((2, 3), np.float32), np.ones((3, 4), np.float32)
    with backend.prepare(graph) as rep:
        with pytest.raises(BackendError) as caught:
            rep.run([x, w.T])
        said = str(caught.value)
        assert said.startswith("Caffe2 cannot run node 1 'head.mm' (MatMul, model.py:7):\n")
        assert "enforce fail at" in said
        assert "prefer=" in said
        assert "frame #" not in said
        close(rep.run([x, w])[0], x @ w)  # it is as good as before


def test_supports_device():
    assert backend.supports_device("CPU")
    assert not backend.supports_device("CUDA")
    assert not backend.supports_device("TPU")


def test_element_types_that_caffe2_has_not_are_refused(graph):
    w = numpy_helper.from_array(np.ones(3, np.complex64), "w")
    made = helper.make_graph(
        [helper.make_node("Identity", ["w"], ["y"])],
        "g", [], [info("y", Tensor.COMPLEX64, [3])], [w],
    )  # fmt: skip
    with pytest.raises(BackendError, match="(?i)complex64"):
        backend.run(made)
    made = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "g", [info("x", Tensor.UINT64)], [info("y", Tensor.UINT64)],
    )  # fmt: skip
    with pytest.raises(BackendError, match="(?i)uint64"):
        backend.run(made, np.ones(3, np.uint64))


# ---- closing -----------------------------------------------------------------------------------


def test_a_closed_rep_refuses_to_run(graph, x):
    with backend.prepare(graph) as rep:
        pid = rep.pid
        assert not is_gone(pid)
    assert is_gone(pid)
    assert "(closed)" in repr(rep)
    with pytest.raises(BackendError, match="closed"):
        rep.run(x)
    rep.close()


def test_a_collected_rep_ends_its_process(graph):
    rep = backend.prepare(graph)
    pid = rep.pid
    del rep
    gc.collect()
    until = time.monotonic() + 5
    while not is_gone(pid):
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_rep_whose_process_died_says_so_every_time(graph, x):
    rep = backend.prepare(graph)
    os.kill(rep.pid, signal.SIGKILL)
    for _ in range(2):
        with pytest.raises(BackendError, match="SIGKILL"):
            rep.run(x)
    assert "(closed)" in repr(rep)
    rep.close()


def long_graph() -> toffee.Graph:
    """Minutes of products of matrices."""
    nodes = [
        helper.make_node("MatMul", [f"h{i}" if i else "x", "x"], [f"h{i + 1}"]) for i in range(500)
    ]
    shape = [1200, 1200]
    return helper.make_graph(nodes, "long", [info("x", shape=shape)], [info("h500", shape=shape)])


def test_a_run_that_takes_too_long_is_a_time_out_and_closes_the_rep():
    x = np.zeros((1200, 1200), np.float32)
    with backend.prepare(long_graph(), timeout=0.5, threads=1) as rep:
        with pytest.raises(backend.RunTimeout, match=r"timeout=0\.5"):
            rep.run(x)
        with pytest.raises(BackendError, match=r"not run within 0\.5 s"):
            rep.run(x)


def test_close_breaks_off_a_run_in_another_thread():
    x = np.zeros((1200, 1200), np.float32)
    rep = backend.prepare(long_graph(), threads=1)
    errors = []

    def work() -> None:
        try:
            rep.run(x)
        except BackendError as error:
            errors.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.3)
    rep.close()
    thread.join(5)
    assert not thread.is_alive()
    assert len(errors) == 1
    assert "closed" in errors[0]


def test_runs_of_several_threads_on_one_rep_are_all_right(graph, model, x):
    inputs = [x * k for k in range(4)]
    with torch.inference_mode():
        wanted = [model(one).numpy() for one in inputs]
    with backend.prepare(graph) as rep:
        results = {}

        def work(k: int) -> None:
            results[k] = [rep.run(inputs[k])[0] for _ in range(20)]

        threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for k, want in enumerate(wanted):
        for result in results[k]:
            close(result, want)


def test_a_thousand_graphs_leave_nothing(graph, x):
    # Fewer through the whole way; tests/c2/test_runner.py has the thousand.
    backend.run(graph, x)
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    pids = []
    for _ in range(100):
        with backend.prepare(graph, threads=1) as rep:
            rep.run(x)
            pids.append(rep.pid)
    assert all(map(is_gone, pids))
    assert len(os.listdir("/proc/self/fd")) == before


# ---- other processes ---------------------------------------------------------------------------


def in_another_process(data: bytes, x: np.ndarray) -> np.ndarray:
    (y,) = backend.run(toffee.loads(data), x)
    return np.array(y)


def test_a_spawned_process_has_reps_of_its_own(graph, x, expected):
    context = multiprocessing.get_context("spawn")
    with backend.prepare(graph) as rep, context.Pool(1) as pool:
        data = toffee.dumps(graph)
        close(pool.apply(in_another_process, (data, x.numpy())), expected)
        close(rep.run(x)[0], expected)


def test_a_forked_process_may_not_use_its_parents_reps(graph, x, expected):
    with backend.prepare(graph) as rep:
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            said = "nothing"
            with contextlib.suppress(BaseException):
                try:
                    rep.run(x)
                except BackendError as error:
                    said = str(error)
            os.write(writer, said.encode())
            os._exit(0)
        os.waitpid(child, 0)
        assert (
            "belongs to the process of which this one is a fork" in os.read(reader, 1000).decode()
        )
        os.close(reader)
        os.close(writer)
        close(rep.run(x)[0], expected)


def test_a_rep_cannot_be_pickled(graph):
    with backend.prepare(graph) as rep, pytest.raises(TypeError, match="send the graph"):
        pickle.dumps(rep)
