"""Views, reshapes and permutations against eager PyTorch, and the nodes that they become."""

from __future__ import annotations

from collections.abc import Callable

import onnx
import pytest
import torch
from exported import check_export, ops, to_bytes, to_graph

import toffee

aten = torch.ops.aten
X = torch.arange(24.0).reshape(2, 3, 4) / 7 - 1
ONE = torch.arange(6.0).reshape(1, 2, 1, 3, 1)

PLAIN: list[tuple[Callable[[torch.Tensor], object], torch.Tensor, list[str]]] = [
    (lambda x: x.view(2, 12), X, ["Reshape"]),
    (lambda x: x.reshape(2, 3, 2, 2), X, ["Reshape"]),
    (lambda x: x.reshape(-1), X, ["Reshape"]),
    (lambda x: x.reshape(4, 6), X, ["Reshape"]),
    (lambda x: (x + 1).view_as(x.reshape(6, 4)), X, ["Add", "Reshape"]),
    (lambda x: (x + 1).reshape_as(x.reshape(6, 4)), X, ["Add", "Reshape"]),
    (lambda x: aten._unsafe_view(x, [6, 4]), X, ["Reshape"]),
    (lambda x: aten.view_copy(x, [6, 4]), X, ["Reshape"]),
    (lambda x: x.unflatten(2, (2, 2)), X, ["Reshape"]),
    (lambda x: x.unflatten(-1, (-1, 2)), X, ["Reshape"]),
    (lambda x: x.flatten(1), X, ["Flatten"]),
    (lambda x: x.flatten(-2), X, ["Flatten"]),
    (lambda x: x.flatten(), X, ["Reshape"]),
    (lambda x: x.flatten(0, 1), X, ["Reshape"]),
    (lambda x: x[0, 0, 0].flatten(), X, ["Gather", "Gather", "Gather", "Reshape"]),
    (lambda x: x.squeeze(), ONE, ["Squeeze"]),
    (lambda x: x.squeeze(2), ONE, ["Squeeze"]),
    (lambda x: x.squeeze((0, -1)), ONE, ["Squeeze"]),
    (lambda x: x.squeeze(1) + 1, ONE, ["Add"]),
    (lambda x: x.unsqueeze(0), X, ["Unsqueeze"]),
    (lambda x: x.unsqueeze(-1), X, ["Unsqueeze"]),
    (lambda x: x.transpose(0, -1), X, ["Transpose"]),
    (lambda x: x.swapaxes(1, 2), X, ["Transpose"]),
    (lambda x: x.swapdims(-1, 0), X, ["Transpose"]),
    (lambda x: x.transpose(1, 1) + 1, X, ["Add"]),
    (lambda x: x[0].t(), X, ["Gather", "Transpose"]),
    (lambda x: x.mT, X, ["Transpose"]),
    (lambda x: x.mH, X, ["Transpose"]),
    (lambda x: x[0].H, X, ["Gather", "Transpose"]),
    (lambda x: aten.adjoint(x), X, ["Transpose"]),
    (lambda x: aten.numpy_T(x), X, ["Transpose"]),
    (lambda x: x.permute(2, 0, -2), X, ["Transpose"]),
    (lambda x: x.movedim(0, -1), X, ["Transpose"]),
    (lambda x: x.moveaxis((0, 1), (-1, 0)), X, ["Transpose"]),
    (lambda x: x.expand(5, 2, 3, 4), X, ["Expand"]),
    (lambda x: x.unsqueeze(1).expand(-1, 6, -1, -1), X, ["Unsqueeze", "Expand"]),
    (lambda x: x[:1].expand_as(x), X, ["Slice", "Expand"]),
    (lambda x: torch.broadcast_to(x, (2, 2, 3, 4)), X, ["Expand"]),
    (lambda x: x.repeat(2, 1, 3), X, ["Tile"]),
    (lambda x: x.repeat(2, 1, 3, 1), X, ["Unsqueeze", "Tile"]),
    (lambda x: x.tile(2), X, ["Tile"]),
    (lambda x: x.repeat_interleave(3, 1), X, ["Unsqueeze", "Expand", "Reshape"]),
    (lambda x: x.repeat_interleave(2), X, ["Reshape", "Unsqueeze", "Expand", "Reshape"]),
    (lambda x: torch.atleast_3d(x[0, 0]), X, ["Gather", "Gather", "Unsqueeze"]),
    (lambda x: torch.atleast_2d(x[0, 0], x[1]), X, ["Gather", "Gather", "Gather", "Unsqueeze"]),
    (lambda x: x.unfold(2, 2, 2), X, ["Reshape"]),
    (lambda x: x.unfold(1, 2, 1), X, ["Gather", "Transpose"]),
    (lambda x: x.diagonal(0, 1, 2), X, ["Reshape", "Slice"]),
    (lambda x: x.diagonal(-1, 2, 0), X, None),
    (lambda x: torch.linalg.diagonal(x, offset=1), X, None),
    (lambda x: x.diagonal(7, 1, 2) + 1, X, None),
    (lambda x: x.flip(0, 2), X, ["Slice"]),
    (lambda x: torch.fliplr(x), X, ["Slice"]),
    (lambda x: torch.rot90(x, 1, (1, 2)), X, ["Slice", "Transpose"]),
    (lambda x: torch.rot90(x, 2), X, ["Slice"]),
    (lambda x: torch.rot90(x, -1, (0, 2)), X, ["Slice", "Transpose"]),
    (lambda x: x.roll(1, 2), X, ["Slice", "Slice", "Concat"]),
    (lambda x: x.roll((-1, 5), (0, 1)), X, ["Slice", "Slice", "Concat"] * 2),
    (lambda x: x.roll(5), X, ["Reshape", "Slice", "Slice", "Concat", "Reshape"]),
    (lambda x: x.roll(4, 2) + 1, X, ["Add"]),
    (lambda x: x.real + 1, X, ["Add"]),
    (lambda x: x.resolve_conj().resolve_neg() + 1, X, ["Add"]),
]


@pytest.mark.parametrize(("fn", "x", "expected"), PLAIN)
def test_each_operator_means_what_it_means_in_pytorch(fn, x, expected):
    graph = check_export(fn, x)
    if expected is not None:
        assert sorted(ops(graph)) == sorted(expected)


@pytest.mark.parametrize("dtype", ["bool", "int8", "int16", "int64", "float16", "float64"])
def test_moving_elements_works_in_every_dtype(dtype):
    def fn(x):
        return (
            x.permute(2, 0, 1).reshape(4, 6),
            x.roll(1, 1),
            x.flip(1),
            x.repeat(1, 2, 1),
            x.unsqueeze(1).expand(2, 2, 3, 4),
            x.unfold(2, 2, 1),
            x.diagonal(0, 1, 2),
        )

    check_export(fn, torch.arange(24).reshape(2, 3, 4).to(getattr(torch, dtype)))


def shape_constant(fn: Callable[..., object], x: torch.Tensor) -> list[int]:
    """The shape that the only Reshape of FN asks for."""
    model = onnx.load_from_string(to_bytes(fn, x, format="onnx"))
    (node,) = [node for node in model.graph.node if node.op_type == "Reshape"]
    (tensor,) = [t for t in model.graph.initializer if t.name == node.input[1]]
    return onnx.numpy_helper.to_array(tensor).tolist()


@pytest.mark.parametrize(
    ("fn", "shape"),
    [
        (lambda x: x.view(2, 12), [0, -1]),
        (lambda x: x.view(2, -1), [0, -1]),
        (lambda x: x.view(6, 4), [-1, 4]),
        (lambda x: x.view(2, 3, 2, 2), [0, 0, 2, 2]),
        (lambda x: x.flatten(0, 1), [-1, 4]),
    ],
)
def test_a_reshape_does_not_name_the_batch(fn, shape):
    assert shape_constant(fn, X) == shape


def test_scalars_pass_through_permutations_and_reshapes():
    def fn(x):
        s = x.sum()
        return s.t(), s.reshape(1, 1), s.view(()), s.squeeze(), s.unsqueeze(0)

    check_export(fn, X)
    check_export(lambda x: (x.sum().flip(0), x.sum().transpose(0, 0), x.sum().expand(3)), X)
    check_export(lambda x: (x.sum().movedim(0, 0), x.sum().unfold(0, 1, 1)), X)
    check_export(lambda x: (x.sum().roll(1), x.sum().repeat(2), x.sum().tile((2, 3))), X)


def test_empty_tensors_keep_their_shapes():
    def fn(x):
        empty = x[:, :0] + 1
        return empty.reshape(0, 5), empty.flatten(1), empty.transpose(0, 1), empty.repeat(2, 1, 1)

    check_export(fn, X)


def test_the_same_bytes_as_another_dtype_are_refused():
    with pytest.raises(toffee.Error):
        to_graph(lambda x: x.view(torch.int32), X)


def test_meshgrid_is_taken_apart_into_views():
    check_export(lambda x: torch.meshgrid(x[0, 0], x[0, :, 0], indexing="xy"), X)
