"""Views by memory geometry: reading and writing, against NumPy on the same memory.

``view_read`` and ``view_write`` give a graph for a root and a view of it, both as sizes and
strides. ONNX Runtime runs it; NumPy's ``as_strided`` on real memory says what should come out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import toffee
from toffee._core import _testing

FLOAT = 1


@dataclass
class Geometry:
    """Sizes and strides in elements, from the first element of the memory."""

    sizes: list[int]
    strides: list[int]
    offset: int = 0

    def of(self, memory: np.ndarray) -> np.ndarray:
        strides = [stride * memory.itemsize for stride in self.strides]
        return np.lib.stride_tricks.as_strided(memory[self.offset :], self.sizes, strides)


def contiguous(sizes: list[int]) -> Geometry:
    strides = [int(np.prod(sizes[i + 1 :], dtype=np.int64)) for i in range(len(sizes))]
    return Geometry(sizes, strides)


def geometry_of(array: np.ndarray, memory: np.ndarray) -> Geometry:
    """The geometry of a NumPy view of MEMORY."""
    start = array.__array_interface__["data"][0] - memory.__array_interface__["data"][0]
    offset = start // memory.itemsize if array.size else 0
    return Geometry(list(array.shape), [s // memory.itemsize for s in array.strides], offset)


def arguments(root: Geometry, view: Geometry, dtype: int = FLOAT) -> tuple:
    return dtype, root.sizes, root.strides, view.offset, view.sizes, view.strides


def run(model: bytes, **inputs: np.ndarray) -> np.ndarray:
    onnx.checker.check_model(onnx.load_from_string(model), full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = {value.name for value in session.get_inputs()}
    return session.run(None, {name: inputs[name] for name in names})[0]


def node_types(model: bytes) -> list[str]:
    return [node.op_type for node in onnx.load_from_string(model).graph.node]


def in_order(array: np.ndarray) -> np.ndarray:
    return np.array(array, order="C")


def check(memory: np.ndarray, root: Geometry, view: Geometry) -> None:
    """Reading through VIEW, writing through it, and what is said of the two, all hold."""
    root_value = in_order(root.of(memory))
    seen = view.of(memory)
    places = view.of(np.arange(memory.size)).ravel()
    distinct = np.unique(places).size == places.size

    inside, covers, may_overlap = _testing.view_facts(*arguments(root, view))
    assert inside and (distinct or may_overlap)
    assert covers == (distinct and places.size == root_value.size)
    result = run(_testing.view_read(*arguments(root, view)), root=root_value)
    assert result.shape == seen.shape
    np.testing.assert_array_equal(result, seen)

    new = (-1 - np.arange(places.size, dtype=np.float32)).reshape(view.sizes)
    if not distinct:
        with pytest.raises(toffee.UnsupportedOperatorError, match="share one place"):
            _testing.view_write(*arguments(root, view))
        return
    written = memory.copy()
    written[places] = new.ravel()
    result = run(_testing.view_write(*arguments(root, view)), root=root_value, new=new)
    np.testing.assert_array_equal(result, root.of(written))


@pytest.mark.parametrize(
    "see",
    [
        lambda x: x,
        lambda x: x.T,
        lambda x: x[::-1, ::2],
        lambda x: np.lib.stride_tricks.sliding_window_view(x, 2, 0)[::2],
        lambda x: x.reshape(2, 3, 4).transpose(2, 0, 1)[1:, :, :2],
    ],
)
def test_views_of_every_day_are_not_taken_for_overlapping(see):
    memory = np.arange(24.0, dtype=np.float32).reshape(6, 4)
    view = see(memory)
    strides = [stride // 4 for stride in view.strides]
    start = (view.ctypes.data - memory.ctypes.data) // 4
    call = arguments(contiguous([6, 4]), Geometry(list(view.shape), strides, start))
    assert not _testing.view_facts(*call)[2]


# ---- what people write --------------------------------------------------------------------------

PLAIN = [
    (lambda x: x, [], []),
    (lambda x: x.reshape(2, 12), ["Reshape"], ["Reshape"]),
    (lambda x: x.transpose(2, 0, 1), ["Transpose"], ["Transpose"]),
    (lambda x: x[:, 1], ["Gather"], ["Unsqueeze", "Slice", "Slice", "Concat"]),
    (lambda x: x[:, 1:2], ["Slice"], ["Slice", "Slice", "Concat"]),
    (lambda x: x[:, :, 2:], ["Slice"], ["Slice", "Concat"]),
    (lambda x: x[:, :, :2], ["Slice"], ["Slice", "Concat"]),
    (lambda x: x[:, 1:3, 2:], ["Slice"], ["Slice", "Slice", "Concat", "Slice", "Concat"]),
    (lambda x: x[..., None], ["Unsqueeze"], ["Squeeze"]),
    (lambda x: x[..., ::2], ["Slice"], ["Unsqueeze", "Reshape", "Slice", "Concat", "Reshape"]),
    (lambda x: x.reshape(6, 4)[1:5], ["Reshape", "Slice"], None),
    (lambda x: x.reshape(24)[5:17], ["Reshape", "Slice"], None),
    (lambda x: np.diagonal(x, axis1=1, axis2=2), ["Reshape", "Slice"], None),
    (lambda x: np.broadcast_to(x[:, :1], (2, 5, 4)), ["Gather", "Unsqueeze", "Expand"], None),
]


@pytest.mark.parametrize(("view", "read", "write"), PLAIN)
def test_plain_views_become_plain_nodes(view, read, write):
    memory = np.arange(24, dtype=np.float32)
    root = contiguous([2, 3, 4])
    geometry = geometry_of(view(root.of(memory)), memory)

    read_types = node_types(_testing.view_read(*arguments(root, geometry)))
    assert [op for op in read_types if op != "Identity"] == read
    if write is not None:
        write_types = node_types(_testing.view_write(*arguments(root, geometry)))
        assert [op for op in write_types if op != "Identity"] == write
    check(memory, root, geometry)


def test_a_batch_of_one_keeps_its_place():
    memory = np.arange(60, dtype=np.float32)
    root = contiguous([1, 3, 20])
    view = geometry_of(root.of(memory).reshape(1, 3, 4, 5)[:, :, 1:3], memory)
    model = onnx.load_from_string(_testing.view_read(*arguments(root, view)))

    assert [node.op_type for node in model.graph.node] == ["Reshape", "Slice"]
    shape = onnx.numpy_helper.to_array(
        next(t for t in model.graph.initializer if t.name == model.graph.node[0].input[1])
    )
    assert shape[0] == 0
    check(memory, root, view)


def test_a_slice_to_the_end_does_not_name_the_size():
    model = onnx.load_from_string(
        _testing.view_read(*arguments(contiguous([7, 5]), Geometry([5, 5], [5, 1], 10)))
    )
    (node,) = model.graph.node
    numbers = {t.name: onnx.numpy_helper.to_array(t).tolist() for t in model.graph.initializer}
    assert (node.op_type, numbers[node.input[1]]) == ("Slice", [2])
    assert numbers[node.input[2]] == [2**63 - 1]


# ---- whatever there is --------------------------------------------------------------------------

sizes = st.lists(st.sampled_from([1, 1, 2, 3, 4, 5, 6]), max_size=4)


@st.composite
def dense_roots(draw: st.DrawFn) -> Geometry:
    """Sizes whose elements fill their memory, in any order of dimensions."""
    shape = draw(sizes)
    order = draw(st.permutations(range(len(shape))))
    strides = [0] * len(shape)
    stride = 1
    for axis in order:
        strides[axis] = stride
        stride *= shape[axis]
    return Geometry(shape, strides)


def step_of_chain(draw: st.DrawFn, x: np.ndarray) -> np.ndarray:
    """One view of the kinds that programs make."""
    kind = draw(
        st.sampled_from(
            ["slice", "select", "permute", "reshape", "unsqueeze", "squeeze"]
            + ["expand", "diagonal", "windows", "step"]
        )
    )
    if kind == "permute":
        return x.transpose(draw(st.permutations(range(x.ndim))))
    if kind == "unsqueeze":
        return np.expand_dims(x, draw(st.integers(0, x.ndim)))
    if kind == "squeeze":
        ones = [i for i, size in enumerate(x.shape) if size == 1]
        return x.squeeze(draw(st.sampled_from(ones))) if ones else x
    if kind == "expand":
        return np.broadcast_to(x, (draw(st.integers(1, 3)), *x.shape))
    if kind == "diagonal":
        return np.diagonal(x) if x.ndim >= 2 else x
    if kind == "reshape":
        shape, left = [], x.size
        while left > 1 and len(shape) < 4:
            shape.append(draw(st.sampled_from([d for d in range(1, left + 1) if left % d == 0])))
            left //= shape[-1]
        result = x.view()
        try:
            result.shape = (*shape, left)
        except AttributeError:  # NumPy would have to copy
            return x
        return result
    if x.ndim == 0 or 0 in x.shape:
        return x
    axis = draw(st.integers(0, x.ndim - 1))
    size = x.shape[axis]
    index: list = [slice(None)] * x.ndim
    if kind == "select":
        index[axis] = draw(st.integers(0, size - 1))
    elif kind == "slice":
        start = draw(st.integers(0, size))
        index[axis] = slice(start, draw(st.integers(start, size)))
    elif kind == "step":
        index[axis] = slice(draw(st.integers(0, size - 1)), None, draw(st.integers(2, 3)))
    else:
        x = np.lib.stride_tricks.sliding_window_view(x, draw(st.integers(1, size)), axis)
        index = [slice(None)] * x.ndim
        index[axis] = slice(None, None, draw(st.integers(1, 3)))
    return x[(*index, ...)]


@settings(max_examples=150, deadline=None)
@given(dense_roots(), st.integers(0, 5), st.data())
def test_chains_of_views_read_and_write_as_numpy_does(root, n_steps, data):
    memory = np.arange(int(np.prod(root.sizes)), dtype=np.float32)
    view = root.of(memory)
    for _ in range(n_steps):
        if view.ndim < 6:
            view = step_of_chain(data.draw, view)
    check(memory, root, geometry_of(view, memory))


@settings(max_examples=150, deadline=None)
@given(dense_roots(), st.data())
def test_any_strides_at_all_read_and_write_as_numpy_does(root, data):
    n = int(np.prod(root.sizes))
    offset = data.draw(st.integers(0, n - 1))
    left = n - 1 - offset
    view = Geometry([], [], offset)
    for _ in range(data.draw(st.integers(0, 4))):
        stride = data.draw(st.integers(0, max(left, 1)))
        size = data.draw(st.integers(1, 1 + min(4, left // stride if stride else 2)))
        left -= (size - 1) * stride
        view.sizes.append(size)
        view.strides.append(stride)
    check(np.arange(n, dtype=np.float32), root, view)


@settings(max_examples=60, deadline=None)
@given(sizes, st.data())
def test_a_root_with_gaps_in_its_memory_does_too(shape, data):
    memory = np.arange(8 ** len(shape), dtype=np.float32)
    whole = memory.reshape([8] * len(shape))
    start = [data.draw(st.integers(0, 1)) for _ in shape]
    step = [1 if size > 3 else data.draw(st.integers(1, 2)) for size in shape]
    slices = [slice(a, a + n * s, s) for a, n, s in zip(start, shape, step, strict=True)]
    root = whole[(*slices, ...)]
    view = root
    for _ in range(data.draw(st.integers(0, 3))):
        view = step_of_chain(data.draw, view) if view.ndim < 6 else view
    first = geometry_of(root, memory).offset
    root_geometry = geometry_of(root, memory)
    view_geometry = geometry_of(view, memory)
    root_geometry.offset = 0
    view_geometry.offset -= first if view.size else 0
    check(memory[first:], root_geometry, view_geometry)


# ---- what is refused ----------------------------------------------------------------------------

HUGE = 2**62
OUTSIDE = [
    Geometry([4], [1], 21),
    Geometry([2, 2], [12, 12], 0),
    Geometry([2], [1], -1),
    Geometry([2], [-1], 4),
    Geometry([HUGE], [HUGE], 0),
    Geometry([HUGE, HUGE], [0, 0], 0),
    Geometry([3], [HUGE], 0),
    Geometry([2], [1], 2**63 - 1),
    Geometry([2], [1], -(2**63)),
    Geometry([-1], [1], 0),
]


@pytest.mark.parametrize("view", OUTSIDE)
def test_a_view_outside_the_root_is_refused(view):
    call = arguments(contiguous([2, 3, 4]), view)
    assert _testing.view_facts(*call)[:2] == (False, False)
    for make in (_testing.view_read, _testing.view_write):
        with pytest.raises(toffee.UnsupportedOperatorError, match="clone"):
            make(*call)


@pytest.mark.parametrize(
    "root", [Geometry([3, 4], [0, 1]), Geometry([3, 4], [2, 1]), Geometry([HUGE, HUGE], [1, 1])]
)
def test_a_root_that_overlaps_itself_is_refused(root):
    with pytest.raises(toffee.UnsupportedOperatorError):
        _testing.view_read(*arguments(root, Geometry([2], [1])))


def test_more_windows_than_can_be_counted_are_refused():
    view = Geometry([2] * 63, [1] * 63)
    with pytest.raises((toffee.LimitError, toffee.UnsupportedOperatorError)):
        _testing.view_read(*arguments(contiguous([64]), view))


@pytest.mark.parametrize("view", [Geometry([0], [1], 0), Geometry([2, 0, 3], [1, 1, 1], 7)])
def test_an_empty_view_reads_nothing_and_writes_nothing(view):
    memory = np.arange(6, dtype=np.float32)
    check(memory, contiguous([2, 3]), view)
    assert _testing.view_facts(*arguments(contiguous([2, 3]), view))[:2] == (True, False)
    assert _testing.view_facts(*arguments(contiguous([0, 3]), view))[:2] == (True, True)


def test_scalars_are_views_like_others():
    memory = np.arange(1, dtype=np.float32)
    for root in (contiguous([]), contiguous([1, 1])):
        for view in (Geometry([], []), Geometry([1], [7]), Geometry([3, 1], [0, 5])):
            check(memory, root, view)


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int16", "float16", "int64", "float64"])
def test_every_dtype_can_be_read_and_written(dtype):
    number = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    root, view = contiguous([4, 6]), Geometry([2, 3], [6, 2], 6)
    memory = np.arange(24).astype(dtype)
    new = np.ones((2, 3), dtype)
    read = run(_testing.view_read(*arguments(root, view, number)), root=root.of(memory))
    np.testing.assert_array_equal(read, view.of(memory))
    scattered = Geometry([3], [7], 0)
    for geometry, value in ((view, new), (scattered, new[0])):
        model = _testing.view_write(*arguments(root, geometry, number))
        expected = memory.copy()
        geometry.of(expected)[...] = value
        result = run(model, root=root.of(memory), new=value)
        np.testing.assert_array_equal(result, root.of(expected))


@pytest.mark.parametrize("make", [_testing.view_read, _testing.view_write])
def test_memory_errors_at_every_allocation_come_through(make):
    call = arguments(contiguous([4, 6]), Geometry([3, 2], [7, 1], 0))
    _testing.fail_allocation(-1)
    make(*call)
    count = _testing.allocation_count()
    assert count > 0
    for n in range(count):
        _testing.fail_allocation(n)
        with pytest.raises(MemoryError):
            make(*call)
    _testing.fail_allocation(-1)
