"""Selecting, slicing, joining, indexing, scattering, padding and sorting against eager PyTorch."""

from __future__ import annotations

from collections.abc import Callable

import onnx
import pytest
import torch
import torch.nn.functional as F
from exported import check_export, ops, run_onnxruntime, to_bytes

aten = torch.ops.aten
X = torch.arange(24.0).reshape(2, 3, 4) / 7 - 1
I = torch.tensor([0, 2, 1, 2])  # noqa: E741
NEGATIVE = torch.tensor([-1, 0, 1, -2])
GRID = torch.tensor([[0, 1, 1], [1, 0, 1]])
MASK = torch.tensor([[True, False, True], [False, True, True]])

Case = tuple[Callable[..., object], tuple[torch.Tensor, ...], list[str] | None]


def constant(model: onnx.ModelProto, name: str) -> list[int]:
    (tensor,) = [t for t in model.graph.initializer if t.name == name]
    return onnx.numpy_helper.to_array(tensor).tolist()


def check_cases(case: Case) -> None:
    fn, args, expected = case
    graph = check_export(fn, args)
    if expected is not None:
        assert ops(graph) == expected


# ---- parts --------------------------------------------------------------------------------------

PARTS: list[Case] = [
    (lambda x: x[1], (X,), ["Gather"]),
    (lambda x: x.select(-1, -2), (X,), ["Gather"]),
    (lambda x: x[:, 1:], (X,), ["Slice"]),
    (lambda x: x[:, :-1], (X,), ["Slice"]),
    (lambda x: x[..., -3:-1], (X,), ["Slice"]),
    (lambda x: x[..., ::2], (X,), ["Slice"]),
    (lambda x: x[..., 1::2], (X,), ["Slice"]),
    (lambda x: x[:, 5:9].sum(), (X,), None),
    (lambda x: x[:, -9:9] + 1, (X,), ["Add"]),
    (lambda x: x[:, 2:1].shape[1] + x, (X,), None),
    (lambda x: x[:, 2:1], (X,), ["Slice"]),
    (lambda x: x.narrow(1, 1, 2), (X,), ["Slice"]),
    (lambda x: x.narrow(2, -3, 2), (X,), ["Slice"]),
    (lambda x: x[None, :, 0, ..., 1:3], (X,), ["Unsqueeze", "Gather", "Slice"]),
    (lambda x: x.chunk(2, 2), (X,), ["Split"]),
    (lambda x: x.chunk(3, -1), (X,), ["Split"]),
    (lambda x: x.chunk(2, 1), (X,), ["Split"]),
    (lambda x: x.chunk(1)[0] + 1, (X,), ["Add"]),
    (lambda x: x.split(2, 1), (X,), ["Split"]),
    (lambda x: x.split([1, 0, 3], -1), (X,), ["Split"]),
    (lambda x: aten.unsafe_split(x, 2, 2), (X,), ["Split"]),
    (lambda x: x.tensor_split(3, 2), (X,), ["Split"]),
    (lambda x: x.tensor_split((1, 3), 2), (X,), ["Split"]),
    (lambda x: torch.vsplit(x, 2), (X,), ["Split"]),
    (lambda x: x.unbind(1), (X,), ["Gather"] * 3),
    (lambda x: x[:1].unbind(), (X,), ["Slice", "Squeeze"]),
    (lambda x: x.unbind(0)[1], (X,), ["Gather"]),
    (lambda x, y: torch.cat([x, y, x], -1), (X, X + 1), ["Concat"]),
    (lambda x, y: torch.cat([x, y]), (X, I.reshape(1, 1, 4).expand(1, 3, 4)), None),
    (lambda x: torch.cat([torch.zeros(0), x[0]], 1) + 1, (X,), ["Gather", "Add"]),
    (lambda x: torch.concat([x, x], 1), (X,), ["Concat"]),
    (lambda x, y: torch.stack([x, y], -1), (X, X + 1), ["Unsqueeze", "Unsqueeze", "Concat"]),
    (lambda x, y: torch.stack([x.sum(), y.max()]), (X, X), None),
    (lambda x, y: torch.hstack([x, y]), (X, X + 1), ["Concat"]),
    (lambda x, y: torch.vstack([x[0, 0], y[0, 0]]), (X, X), None),
    (lambda x, y: torch.column_stack([x[0, 0], y[0, 0]]), (X, X), None),
    (lambda x, y: torch.dstack([x, y]), (X, X), None),
]


@pytest.mark.parametrize("case", PARTS)
def test_parts_are_taken_and_joined_as_in_pytorch(case):
    check_cases(case)


@pytest.mark.parametrize(
    ("fn", "start", "end"),
    [
        (lambda x: x[:, 1:], [1], [2**63 - 1]),
        (lambda x: x[:, -1:], [-1], [2**63 - 1]),
        (lambda x: x[:, :-1], [0], [-1]),
        (lambda x: x[:, :2], [0], [2]),
    ],
)
def test_a_slice_says_what_the_program_said(fn, start, end):
    model = onnx.load_from_string(to_bytes(fn, X, format="onnx"))
    (node,) = model.graph.node
    assert (constant(model, node.input[1]), constant(model, node.input[2])) == (start, end)


def test_an_even_chunk_names_the_number_of_parts_and_not_their_size():
    model = onnx.load_from_string(to_bytes(lambda x: x.chunk(2, -1), X, format="onnx"))
    (node,) = model.graph.node
    attributes = {a.name: a.i for a in node.attribute}
    assert (attributes, len(node.input)) == ({"axis": 2, "num_outputs": 2}, 1)


# ---- by tensors ---------------------------------------------------------------------------------

GATHER: list[Case] = [
    (lambda x, i: x.gather(1, i), (X, torch.tensor([[[0, 2, 1], [2, 2, 0]]])), ["GatherElements"]),
    (lambda x, i: x.sum().gather(0, i), (X, torch.tensor(0)), None),
    (lambda x, i: x.gather(1, i[:0]), (X[0], torch.tensor([[0]])), None),
    (lambda x, i: torch.take_along_dim(x, i, 1), (X, torch.tensor([[[2]], [[0]]])), None),
    (lambda x, i: torch.take_along_dim(x, i), (X, I), None),
    (lambda x, i: x.index_select(1, i), (X, I), ["Gather"]),
    (lambda x, i: x.index_select(-1, i), (X, I.int()), ["Gather"]),
    (lambda x, i: x.sum().index_select(0, i), (X, torch.tensor(0)), None),
    (lambda x, i: x.take(i), (X, GRID * 9 - 2), ["Reshape", "Gather"]),
    (lambda x, i: x[:, i], (X, I), ["Gather"]),
    (lambda x, i: x[i], (X, GRID), ["Gather"]),
    (lambda x, i: x[i], (X, torch.tensor(1)), ["Gather"]),
    (lambda x, i: x[..., i], (X, NEGATIVE), ["Gather"]),
    (lambda x, i, j: x[i, j], (X, GRID, GRID + 1), None),
    (lambda x, i, j: x[i, :, j], (X, GRID, NEGATIVE[:3]), None),
    (lambda x, i, j: x[:, i, j], (X, GRID, GRID + 1), None),
    (lambda x, i, j: x[:, i[:, None], j], (X, I, I + 1), None),
    (lambda x, i: x[i, 1, i], (X, GRID[0]), None),
    (lambda x, i: x[1, :, i], (X, I), None),
    (lambda x, i, j: x[None, i, :, j], (X, GRID, GRID), None),
    (lambda x, i, j: x[i, j, i], (X, GRID, torch.tensor(-1)), None),
    (lambda x, i: x[i.to(torch.int32)], (X, GRID), None),
    (lambda x, i: aten._unsafe_index(x, [None, i]), (X, I), ["Gather"]),
    (lambda x, i: F.one_hot(i, 4), (X, I), ["OneHot"]),
    (lambda x, i: F.one_hot(i, 4), (X, torch.tensor(2)), None),
]


@pytest.mark.parametrize("case", GATHER)
def test_indexing_by_tensors_reads_what_pytorch_reads(case):
    fn, args, expected = case
    if len(args) > 1:
        fn_all = fn

        def fn(x, *rest):  # every argument is used, so that every one is an input
            return fn_all(x, *rest), x + 1

        expected = None if expected is None else sorted([*expected, "Add"])
    graph = check_export(fn, args)
    if expected is not None:
        assert sorted(ops(graph)) == expected


MASKED: list[Case] = [
    (lambda x, m: x[m], (X, MASK), None),
    (lambda x, m: x[m], (X, X > 0), None),
    (lambda x, m: x[:, m[0]], (X, MASK), None),
    (lambda x, m: x[:, :, m], (X, torch.tensor([True, False, True, True])), None),
    (lambda x, m: x[m, 1], (X, MASK), None),
    (lambda x, m: x[m.to(torch.uint8)], (X, MASK), None),
    (lambda x, m: x[m[:, 0], :, 1], (X, torch.tensor([[True], [True]])), None),
    (lambda x, m: x.masked_select(m), (X, X > 0), None),
    (lambda x, m: x.masked_select(m[..., None]), (X, MASK), None),
    (lambda x, m: m.nonzero(), (X, MASK), ["NonZero", "Transpose"]),
    (lambda x, m: m.nonzero(as_tuple=True), (X, MASK), None),
    (lambda x, m: torch.argwhere(m), (X, MASK), None),
    (lambda x, m: m[0, 0].nonzero(), (X, MASK), None),
]


@pytest.mark.filterwarnings("ignore::toffee.TraceWarning")
@pytest.mark.filterwarnings("ignore:indexing with dtype torch.uint8")
@pytest.mark.parametrize("case", MASKED)
def test_masks_read_what_pytorch_reads(case):
    fn, args, expected = case
    # How many are true is read off the run, so the other inputs keep the mask.
    graph = check_export(lambda x, m: (fn(x, m), x + 1, ~m), args, (args[0] * 2 + 1, args[1]))
    if expected is not None:
        assert sorted(ops(graph)) == sorted([*expected, "Add", "Not"])


def test_a_mask_may_have_more_true_ones_in_another_run():
    model = to_bytes(lambda x, m: x[m] * 2, (X, MASK), format="onnx")
    mask = torch.tensor([[True, True, True], [False, True, True]])
    (result,) = run_onnxruntime(model, [X.numpy(), mask.numpy()], optimize=False)
    torch.testing.assert_close(torch.from_numpy(result), X[mask] * 2)


# ---- writing ------------------------------------------------------------------------------------


def put(x: torch.Tensor, indices: tuple, values: torch.Tensor, accumulate: bool = False):
    # Only the operator itself takes a None among the indices.
    return aten.index_put(x, indices, values, accumulate)


S = torch.tensor([[[0, 2, 1], [2, 2, 0]]])
WRITE: list[Case] = [
    (lambda x, i: put(x, (i,), torch.tensor(5.0)), (X, GRID[0]), None),
    (lambda x, i: put(x, (None, i), x[:, :1] * 3, True), (X, I), None),
    (lambda x, i: put(x, (i[:2], i[2:]), x[0, 0]), (X, torch.tensor([0, 1, 2, 1])), None),
    (lambda x, i: put(x, (None, i, i), x[:, 0], True), (X, I), None),
    (lambda x, i: put(x, (i, None, i + 1), x[0, 1, :3], True), (X, GRID[:1]), None),
    (lambda x, i: put(x, (i, i - 1), x[1, 1]), (X, torch.tensor([-2, -1])), None),
    (lambda x, i: aten._unsafe_index_put(x, [i], x[:1]), (X, GRID[0, :1]), None),
    (lambda x, m: put(x, (m,), torch.tensor(5.0)), (X, MASK), ["Unsqueeze", "Where"]),
    (lambda x, m: put(x, (m,), x[0, 0]), (X, MASK), None),
    (lambda x, m: put(x, (None, m), torch.tensor(2.0), True), (X, MASK[0]), None),
    (lambda x, m: put(x, (m,), torch.tensor(5.0)), (X, X > 0), ["Where"]),
    (lambda x, i: x.scatter(2, i, x * 9), (X, S), None),
    (lambda x, i: x.scatter(1, i, 7.5), (X, S), None),
    (lambda x, i: x.scatter(1, i, x * 9, reduce="add"), (X, S), None),
    (lambda x, i: x.scatter(1, i, 3, reduce="multiply"), (X, S), None),
    (lambda x, i: x.scatter_add(1, i, x * 9), (X, S), None),
    (lambda x, i: x.sum().scatter(0, i, 2.0), (X, torch.tensor(0)), None),
    (lambda x, i: x.scatter(1, i[:, :0], 3.0) + 1, (X, S), None),
    (lambda x, i: x.index_add(1, i, x[:, [0, 1, 2, 0]], alpha=3), (X, I), None),
    (lambda x, i: x.index_add(0, i, x[:1]), (X, torch.tensor([1])), None),
    (lambda x, i: x.put(i, x[0, 0] * 9), (X, torch.tensor([3, -1, 9, -20])), None),
    (lambda x, i: x.put(i, x[0, 0], accumulate=True), (X, I * 9), None),
    (lambda x, i: x.index_copy(2, i, x[..., :3] * 2), (X, torch.tensor([3, 0, 2])), None),
    (lambda x, i: x.index_fill(-1, i, 4), (X, I), None),
    (lambda x, i: x.select_scatter(x[:, 0] * 2, 1, -1) + i, (X, torch.tensor(1)), None),
    (lambda x, i: x.slice_scatter(x[:, :2] * 2, 1, 1) + i, (X, torch.tensor(1)), None),
    (lambda x, i: x.slice_scatter(x[..., :2] * 2, -1, -4, None, 2) + i, (X, torch.tensor(1)), None),
    (lambda x, i: x.diagonal_scatter(x[:, :, 0], 1, 1, 2), (X[:1], torch.tensor(1)), None),
    (lambda x, m: x.masked_scatter(m, x * 3), (X, X > 0), None),
    (lambda x, m: x.masked_scatter(m[..., None], -x), (X, MASK), None),
]


@pytest.mark.parametrize("case", WRITE)
def test_writing_by_tensors_gives_what_pytorch_gives(case):
    fn, args, expected = case

    def both(x, index):
        return fn(x, index), index == index

    # Indices must stay without repeats where the last one wins: PyTorch does not say which that is.
    graph = check_export(both, args, (args[0] * -2 + 1, args[1]))
    if expected is not None:
        assert ops(graph) == [*expected, "Equal"]


@pytest.mark.parametrize("include_self", [True, False])
@pytest.mark.parametrize("reduce", ["sum", "prod", "amax", "amin", "mean"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64, torch.int32])
def test_scatter_reduce_joins_as_pytorch_does(reduce, include_self, dtype):
    if reduce == "mean" and not dtype.is_floating_point:
        return
    x = torch.arange(12).reshape(3, 4).to(dtype) - 3

    def fn(x, i):
        return x.scatter_reduce(0, i, x * 2, reduce, include_self=include_self)

    check_export(fn, (x, torch.tensor([[0, 1, 1, 0], [0, 0, 2, 2]])))


@pytest.mark.parametrize("include_self", [True, False])
@pytest.mark.parametrize("reduce", ["prod", "amax", "amin", "mean"])
@pytest.mark.filterwarnings("ignore:index_reduce")
def test_index_reduce_joins_as_pytorch_does(reduce, include_self):
    def fn(x, i):
        return x.index_reduce(1, i, x[:, [0, 1, 2, 0]], reduce, include_self=include_self)

    check_export(fn, (X, torch.tensor([0, 2, 2, 2])))


def test_a_mask_of_bools_and_halves_can_be_accumulated():
    check_export(
        lambda x, i: x.index_put((i,), x[:1], accumulate=True),
        (torch.tensor([True, False, False]), torch.tensor([1, 1])),
        (torch.tensor([False, False, True]), torch.tensor([0, 1])),
    )
    check_export(
        lambda x, i: x.scatter_add(0, i, x), (X[0, 0].half(), I), (X[1, 1].half(), I), rtol=2e-3
    )


# ---- padding ------------------------------------------------------------------------------------

IMAGE = torch.arange(2 * 3 * 4 * 5.0).reshape(2, 3, 4, 5) / 9
PADS: list[Case] = [
    (lambda x: F.pad(x, (1, 2)), (IMAGE,), ["Pad"]),
    (lambda x: F.pad(x, (1, 2, 0, 3), value=-2.5), (IMAGE,), ["Pad"]),
    (lambda x: F.pad(x, (-1, 2)), (IMAGE,), ["Pad", "Slice"]),
    (lambda x: F.pad(x, (-3, 3), mode="reflect"), (X,), ["Pad", "Slice"]),
    (lambda x: F.pad(x, (-4, 6), mode="replicate"), (X,), ["Pad", "Slice"]),
    (lambda x: F.pad(x, (-1, -2)), (IMAGE,), ["Slice"]),
    (lambda x: F.pad(x, (0, 0)) + 1, (IMAGE,), ["Add"]),
    (lambda x: F.pad(x, (1, 2, 3, 0), mode="reflect"), (IMAGE,), ["Pad"]),
    (lambda x: F.pad(x, (1, 2, 3, 0), mode="replicate"), (IMAGE,), ["Pad"]),
    (lambda x: F.pad(x, (1, 2, 3, 0), mode="circular"), (IMAGE,), ["Pad"]),
    (lambda x: F.pad(x, (1, -2, 3, 0), mode="circular"), (IMAGE,), ["Slice", "Pad"]),
    (torch.nn.ReflectionPad1d(2), (X,), ["Pad"]),
    (torch.nn.ReplicationPad3d(1), (IMAGE,), ["Pad"]),
    (torch.nn.ZeroPad2d((1, 0, 2, 0)), (IMAGE,), ["Pad"]),
    (lambda x: aten.constant_pad_nd(x, [1, 1], 3), (IMAGE,), ["Pad"]),
    (lambda x: aten.reflection_pad2d(x, [1, 1, 2, 2]), (IMAGE,), ["Pad"]),
    (lambda x: F.pad(x, (1, 2), value=2), (torch.arange(6).reshape(2, 3),), ["Pad"]),
    (lambda x: F.pad(x, (1, 2), value=True), (MASK,), ["Pad"]),
    (lambda x: F.pad(x, (1, 2)), (torch.arange(6, dtype=torch.int16),), ["Cast", "Pad", "Cast"]),
    (lambda x: F.pad(x, (2, 0), mode="reflect"), (X.half(),), ["Pad"]),
]


@pytest.mark.parametrize("case", PADS)
def test_padding_is_pytorchs(case):
    check_cases(case)


# ---- order --------------------------------------------------------------------------------------

SHUFFLED = torch.randn(3, 7, generator=torch.Generator().manual_seed(0))
TIES = torch.tensor([[2, 0, 2, 1, 0], [1, 1, 1, 0, 2]])
ORDER: list[Case] = [
    (lambda x: x.sort(), (SHUFFLED,), ["TopK"]),
    (lambda x: x.sort(0, descending=True), (SHUFFLED,), ["TopK"]),
    (lambda x: x.sort(stable=True, dim=1), (TIES,), ["TopK"]),
    (lambda x: x.sort(stable=True, dim=1, descending=True), (TIES,), ["TopK"]),
    (lambda x: x.argsort(0), (SHUFFLED,), ["TopK"]),
    (lambda x: x.argsort(stable=True, dim=1), (TIES,), ["TopK"]),
    (lambda x: torch.msort(x), (SHUFFLED,), ["TopK"]),
    (lambda x: x.sort()[0], (SHUFFLED > 0,), None),
    (lambda x: x.sum().sort(), (SHUFFLED,), None),
    (lambda x: x.topk(3), (SHUFFLED,), ["TopK"]),
    (lambda x: x.topk(2, 0, largest=False), (SHUFFLED,), ["TopK"]),
    (lambda x: x.topk(2)[0], (TIES.to(torch.int16),), None),
    (lambda x: x.half().topk(2), (SHUFFLED,), None),
]


@pytest.mark.parametrize("case", ORDER)
def test_order_is_pytorchs(case):
    check_cases(case)


def test_write_at_constant_masks_and_numbers_together() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        y = x * 1
        y[torch.tensor([1]), 0::2, torch.tensor([True, True, False, False])] += x[0, 0, 0]
        y[torch.tensor([True, False]), :, torch.tensor([False, True, False, False])] = 7
        y[torch.tensor([[True, False, True], [False] * 3]), 1] -= 2
        return y

    check_export(program, torch.arange(24.0).reshape(2, 3, 4))


def test_read_at_a_constant_mask_needs_no_search_in_the_graph() -> None:
    mask = torch.tensor([[True, False, True], [False, True, False]])
    x = torch.arange(24.0).reshape(2, 3, 4)
    assert "NonZero" not in ops(check_export(lambda x: x[mask], x))
    check_export(lambda x: x[mask & False], x)
    check_export(lambda x: x[:, torch.tensor([False, True, True])], x)


def test_parts_of_a_dimension_without_elements() -> None:
    x = torch.zeros(2, 0)
    check_export(lambda x: x.chunk(3, 1), x)
    check_export(lambda x: x.tensor_split(3, 1), x)


def test_add_at_no_index() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        y = x * 1
        return y.index_add_(1, torch.tensor([], dtype=torch.int64), x[:, :1].expand(2, 0)[:, :0])

    check_export(program, torch.ones(2, 3))
    check_export(lambda x: x.expand(3, 2, 0) + 1, torch.ones(2, 1))


@pytest.mark.parametrize("mode", ["circular", "constant"])
def test_an_empty_batch_is_padded(mode: str):
    check_export(lambda x: F.pad(x, (1, 2), mode=mode), torch.zeros(0, 3, 3))


def test_bfloat16_is_selected_by_a_mask():
    args = (torch.ones(3, dtype=torch.bfloat16), torch.ones(3) > 0)
    data = to_bytes(lambda x, mask: x.masked_select(mask), args, format="onnx")
    onnx.checker.check_model(onnx.load_from_string(data), full_check=True)
