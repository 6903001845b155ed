"""Activations, normalizations, dropout, embeddings and attention against eager PyTorch."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import onnx
import pytest
import torch
import torch.nn.functional as F
from exported import check_export, ops, to_bytes, to_graph
from torch import nn

import toffee
from toffee.torch_toffee import export


def attributes(fn: Callable[..., Any], args: Any, op_type: str, **kwargs: Any) -> dict[str, Any]:
    """The attributes of the only OP_TYPE in the graph of FN."""
    model = onnx.load_from_string(to_bytes(fn, args, format="onnx", **kwargs))
    (node,) = [node for node in model.graph.node if node.op_type == op_type]
    return {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def wide(*dims: int) -> torch.Tensor:
    """Numbers on both sides of every threshold of the activations."""
    return torch.randn(*dims) * 8


def noisy(layer: nn.Module) -> nn.Module:
    """LAYER with parameters and statistics that are not the trivial 0 and 1."""
    for name, tensor in [*layer.named_parameters(), *layer.named_buffers()]:
        if tensor.is_floating_point():
            tensor.data = (
                torch.rand_like(tensor) + 0.5 if "var" in name else torch.randn_like(tensor)
            )
    return layer


# ---- activations --------------------------------------------------------------------------------

ACTIVATIONS: list[tuple[Callable[[torch.Tensor], torch.Tensor], list[str]]] = [
    (F.relu, ["Relu"]),
    (F.relu6, ["Clip"]),
    (lambda x: F.hardtanh(x, -2.0, 3.5), ["Clip"]),
    (lambda x: F.leaky_relu(x, 0.3), ["LeakyRelu"]),
    (lambda x: F.rrelu(x, 0.1, 0.5), ["LeakyRelu"]),
    (lambda x: F.elu(x, 0.7), ["Elu"]),
    (lambda x: torch.ops.aten.elu(x, 0.7, 1.3), ["Elu", "Mul"]),
    (lambda x: torch.ops.aten.elu(x, 0.7, 1.3, 0.4), ["Mul", "Elu", "Min", "Relu", "Add", "Mul"]),
    (F.selu, ["Selu"]),
    (lambda x: F.celu(x, 1.7), ["Celu"]),
    (F.gelu, ["Gelu"]),
    (lambda x: F.gelu(x, approximate="tanh"), ["Gelu"]),
    (F.silu, ["Sigmoid", "Mul"]),
    (F.mish, ["Mish"]),
    (F.hardswish, ["HardSwish"]),
    (F.hardsigmoid, ["HardSigmoid"]),
    (F.hardshrink, ["Shrink"]),
    (lambda x: F.softshrink(x, 1.5), ["Shrink"]),
    (F.softplus, ["Softplus"]),
    (lambda x: F.softplus(x, 0.5), ["Mul", "Softplus", "Div"]),
    (lambda x: F.softplus(x, 1.0, 2.0), ["Softplus", "Greater", "Where"]),
    (F.logsigmoid, ["Neg", "Softplus", "Neg"]),
    (lambda x: F.threshold(x, 0.5, -3.0), ["LessOrEqual", "Where"]),
    (lambda x: F.glu(x, 1), ["Split", "Sigmoid", "Mul"]),
    (F.glu, ["Split", "Sigmoid", "Mul"]),
]


@pytest.mark.parametrize(
    ("fn", "expected"), ACTIVATIONS, ids=lambda p: "-".join(p) if isinstance(p, list) else "f"
)
def test_activations_agree_with_torch(
    fn: Callable[[torch.Tensor], torch.Tensor], expected: list[str]
) -> None:
    assert ops(check_export(fn, wide(3, 4, 6))) == expected


@pytest.mark.parametrize(
    ("fn", "expected"), ACTIVATIONS, ids=lambda p: "-".join(p) if isinstance(p, list) else "f"
)
def test_activations_of_bfloat16_use_operators_that_know_it(
    fn: Callable[[torch.Tensor], torch.Tensor], expected: list[str]
) -> None:
    x = wide(3, 4, 6).bfloat16()
    model = onnx.load_from_string(to_bytes(fn, x, format="onnx"))
    onnx.checker.check_model(model, full_check=True)
    assert model.graph.output[0].type.tensor_type.elem_type == onnx.TensorProto.BFLOAT16


@pytest.mark.parametrize(
    "fn",
    [F.softplus, F.celu, F.silu, F.threshold, F.hardtanh, F.hardshrink],
    ids=lambda f: f.__name__,
)
def test_activations_of_double_stay_double(fn: Callable[..., torch.Tensor]) -> None:
    arguments = (0.5, -3.0) if fn is F.threshold else ()
    model = onnx.load_from_string(
        to_bytes(lambda x: fn(x, *arguments), wide(3, 4).double(), format="onnx")
    )
    onnx.checker.check_model(model, full_check=True)
    assert model.graph.output[0].type.tensor_type.elem_type == onnx.TensorProto.DOUBLE
    assert "Cast" not in [node.op_type for node in model.graph.node]


@pytest.mark.parametrize(
    ("n_slopes", "dims"), [(1, (2, 4, 5)), (4, (2, 4, 5)), (4, (3, 4)), (1, (5,))]
)
def test_prelu_lines_its_slopes_up_with_the_channels(n_slopes: int, dims: tuple[int, ...]) -> None:
    layer = nn.PReLU(n_slopes)
    layer.weight.data = torch.randn(n_slopes)
    check_export(layer, wide(*dims))


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64, torch.int8])
def test_activations_of_whole_numbers(dtype: torch.dtype) -> None:
    x = torch.tensor([[-9, -1, 0, 3, 9]], dtype=dtype)
    check_export(lambda x: F.threshold(x, 2, 5), x)
    model = onnx.load_from_string(to_bytes(F.relu, x, format="onnx"))
    onnx.checker.check_model(model, full_check=True)  # ONNX Runtime has no Relu of int64


def test_rrelu_of_training_draws_its_slopes() -> None:
    graph = to_graph(nn.RReLU(0.1, 0.5), wide(3, 4), training=True)
    assert ops(graph) == ["RandomUniformLike", "PRelu"]


def test_inplace_activations_are_values_like_others() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        y = x * 2
        F.relu_(y)
        F.hardtanh_(y, 0.0, 3.0)
        return y + 1

    assert ops(check_export(program, wide(3, 4))) == ["Mul", "Relu", "Clip", "Add"]


# ---- dropout ------------------------------------------------------------------------------------


def test_dropout_stays_in_the_graph_of_evaluation() -> None:
    graph = check_export(nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.3)).eval(), wide(2, 4))
    assert ops(graph)[-1] == "Dropout"
    assert len(graph.node[-1].input) == 2


def test_dropout_of_training_says_so() -> None:
    graph = to_graph(nn.Dropout(0.3), wide(2, 4), training=True)
    assert ops(graph) == ["Dropout"]
    assert len(graph.node[0].input) == 3


def test_dropout_of_everything_is_zero() -> None:
    buffer = io.BytesIO()
    export(lambda x: F.dropout(x, 1.0), wide(2, 4), buffer, training=True)
    assert ops(toffee.loads(buffer.getvalue())) == ["Mul"]
    check_export(lambda x: F.dropout(x, 1.0, training=False) + 1, wide(2, 4))


def test_feature_dropout_drops_whole_channels() -> None:
    graph = to_graph(nn.Dropout2d(0.3), wide(2, 3, 4, 5), training=True)
    assert ops(graph) == ["Dropout", "Mul"]


def test_other_dropouts_are_nothing_in_evaluation() -> None:
    model = nn.Sequential(nn.Dropout2d(0.3), nn.AlphaDropout(0.3), nn.ReLU()).eval()
    assert ops(check_export(model, wide(2, 3, 4, 5))) == ["Relu"]


# ---- embedding ----------------------------------------------------------------------------------


def test_embedding_is_a_gather_of_rows() -> None:
    layer = nn.Embedding(7, 5, padding_idx=2)
    graph = check_export(
        layer, torch.tensor([[0, 6, 2], [3, 3, 1]]), torch.tensor([[5, 4, 6], [0, 1, 2]])
    )
    assert ops(graph) == ["Gather"]
    check_export(layer, torch.tensor([1, 6], dtype=torch.int32))


def test_one_hot_with_a_number_of_classes() -> None:
    graph = check_export(
        lambda x: F.one_hot(x, 5), torch.tensor([[0, 4], [2, 1]]), torch.tensor([[3, 3], [0, 4]])
    )
    assert ops(graph) == ["OneHot"]


def test_embedding_that_cuts_long_rows() -> None:
    weight = torch.randn(6, 4) * 2

    def program(indices: torch.Tensor, weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        weight = weight * 1
        rows = F.embedding(indices, weight, max_norm=1.5)
        return rows, weight  # rows that are not named stay as long as they are

    check_export(program, (torch.tensor([0, 3, 3]), weight), (torch.tensor([5, 1, 1]), -weight))


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize(
    "kwargs", [{}, {"padding_idx": 2}, {"padding_idx": -1}, {"include_last_offset": True}], ids=str
)
def test_bags_of_embeddings_agree_with_torch(mode: str, kwargs: dict[str, Any]) -> None:
    layer = nn.EmbeddingBag(9, 4, mode=mode, **kwargs)
    with torch.no_grad():  # the row of padding_idx is zeros, which hides whether it is counted
        layer.weight.normal_()
    check_export(
        layer,
        (torch.tensor([1, 2, 8, 0, 2, 5]), torch.tensor([0, 2, 2, 6])),  # the second is empty
        (torch.tensor([2, 2, 3, 7, 0, 1]), torch.tensor([0, 1, 4, 6])),
    )


def test_a_table_of_indices_is_a_bag_a_row() -> None:
    layer = nn.EmbeddingBag(9, 4, mode="sum")
    check_export(
        lambda i, w: layer(i, per_sample_weights=w),
        (torch.tensor([[1, 2, 8], [0, 2, 5]]), torch.randn(2, 3)),
        (torch.tensor([[2, 2, 3], [7, 0, 1]]), torch.randn(2, 3)),
    )


# ---- normalization ------------------------------------------------------------------------------


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize(
    ("kind", "dims"),
    [("1d", (4, 3)), ("1d", (4, 3, 5)), ("2d", (4, 3, 5, 6)), ("3d", (2, 3, 4, 5, 2))],
)
def test_batch_norm_agrees_with_torch(kind: str, dims: tuple[int, ...], affine: bool) -> None:
    layer = noisy(getattr(nn, f"BatchNorm{kind}")(3, eps=1e-3, affine=affine)).eval()
    assert ops(check_export(layer, wide(*dims), atol=1e-5)) == ["BatchNormalization"]


def test_batch_norm_has_the_share_of_the_old_as_momentum() -> None:
    layer = nn.BatchNorm2d(3, eps=0.25, momentum=0.25).eval()
    assert attributes(layer, wide(2, 3, 4, 5), "BatchNormalization") == {
        "epsilon": 0.25,
        "momentum": 0.75,
    }


def test_batch_norm_in_training_uses_its_batch_and_keeps_the_statistics() -> None:
    layer = noisy(nn.BatchNorm2d(3))
    found = attributes(layer, wide(2, 3, 4, 5), "BatchNormalization", training=True)
    assert found["training_mode"] == 1
    before = layer.running_mean.clone()
    model = onnx.load_from_string(to_bytes(layer, wide(2, 3, 4, 5), format="onnx", training=True))
    onnx.checker.check_model(model, full_check=True)
    (mean,) = [t for t in model.graph.initializer if t.name == "running_mean"]
    torch.testing.assert_close(torch.tensor(onnx.numpy_helper.to_array(mean)), before)


def test_batch_norm_without_statistics_uses_its_batch() -> None:
    layer = nn.BatchNorm2d(3, track_running_stats=False).eval()
    graph = check_export(layer, wide(2, 3, 4, 5), atol=1e-5)
    assert ops(graph) == ["BatchNormalization"]
    # ONNX Runtime updates statistics in place, and these are constants that others share
    found = attributes(layer, wide(2, 3, 4, 5), "BatchNormalization")
    assert found["momentum"] == 1


@pytest.mark.parametrize("n", [1, 2, 3])
def test_instance_norm_agrees_with_torch(n: int) -> None:
    layer = noisy(getattr(nn, f"InstanceNorm{n}d")(3, affine=True)).eval()
    x = wide(2, 3, *[4, 5, 3][:n])
    assert ops(check_export(layer, x, atol=1e-5)) == ["InstanceNormalization"]
    tracked = noisy(getattr(nn, f"InstanceNorm{n}d")(3, track_running_stats=True)).eval()
    check_export(tracked, x, atol=1e-5)
    check_export(getattr(nn, f"InstanceNorm{n}d")(3).eval(), wide(3, *[4, 5, 3][:n]), atol=1e-5)


@pytest.mark.parametrize(("shape", "affine"), [((6,), True), ((4, 6), True), ((6,), False)])
def test_layer_norm_agrees_with_torch(shape: tuple[int, ...], affine: bool) -> None:
    layer = noisy(nn.LayerNorm(shape, eps=1e-3, elementwise_affine=affine))
    assert ops(check_export(layer, wide(2, 4, 6), atol=1e-5)) == ["LayerNormalization"]
    found = attributes(layer, wide(2, 4, 6), "LayerNormalization")
    assert found["axis"] == -len(shape)


def test_layer_norm_without_bias() -> None:
    check_export(noisy(nn.LayerNorm(6, bias=False)), wide(2, 6), atol=1e-5)


@pytest.mark.parametrize(
    "layer", [nn.LayerNorm(6), nn.GroupNorm(2, 4), nn.InstanceNorm1d(4, affine=True)], ids=str
)
def test_norms_of_double_have_the_precision_of_double(layer: nn.Module) -> None:
    check_export(noisy(layer.double()), wide(2, 4, 6).double(), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("groups", [1, 2, 6])
@pytest.mark.parametrize("dims", [(2, 6), (2, 6, 5), (2, 6, 4, 5)])
@pytest.mark.parametrize("affine", [True, False])
def test_group_norm_agrees_with_torch(groups: int, dims: tuple[int, ...], affine: bool) -> None:
    if dims == (2, 6) and groups == 6:
        dims = (2, 12)  # torch wants more than one value to normalize over
    layer = noisy(nn.GroupNorm(groups, dims[1], affine=affine))
    check_export(layer, wide(*dims), atol=1e-5)


@pytest.mark.parametrize(("eps", "affine"), [(None, True), (1e-3, True), (1e-3, False)])
def test_rms_norm_agrees_with_torch(eps: float | None, affine: bool) -> None:
    layer = noisy(nn.RMSNorm(6, eps=eps, elementwise_affine=affine))
    check_export(layer, wide(2, 4, 6), atol=1e-5)


def test_rms_norm_of_half_adds_the_epsilon_of_float() -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        return F.rms_norm(x.half(), (6,)).float()

    check_export(program, torch.rand(2, 6) * 1e-2, rtol=2e-3, atol=1e-3)  # one step of half


def test_core_norms_return_their_statistics() -> None:
    aten = torch.ops.aten
    mean, var = torch.randn(4), torch.rand(4) + 0.5

    def program(x: torch.Tensor) -> list[Any]:
        return [
            aten.native_layer_norm(x, [6], None, None, 1e-5),
            aten.native_group_norm(x, None, None, 2, 4, 6, 2, 1e-5),
            aten.native_batch_norm(x, None, None, None, None, True, 0.1, 1e-5),
            aten._native_batch_norm_legit_no_training(x, None, None, mean, var, 0.1, 1e-5)[0],
        ]

    check_export(program, wide(2, 4, 6), atol=1e-5)


# ---- attention ----------------------------------------------------------------------------------


def heads(*dims: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return torch.randn(*dims, 5, 8), torch.randn(*dims, 7, 8), torch.randn(*dims, 7, 6)


def attention(**kwargs: Any) -> Callable[..., torch.Tensor]:
    return lambda q, k, v, *mask: F.scaled_dot_product_attention(q, k, v, *mask, **kwargs)


@pytest.mark.parametrize("kwargs", [{}, {"scale": 0.5}, {"is_causal": True}], ids=str)
@pytest.mark.parametrize("dims", [(), (3,), (2, 3)])
def test_attention_agrees_with_torch(dims: tuple[int, ...], kwargs: dict[str, Any]) -> None:
    check_export(attention(**kwargs), heads(*dims))


def test_attention_without_a_mask_is_products_around_softmax() -> None:
    graph = check_export(attention(), heads(2, 3))
    assert ops(graph) == ["Mul", "Transpose", "MatMul", "Softmax", "MatMul"]


def test_a_query_that_may_see_nothing_gets_zeros() -> None:
    open_row = torch.rand(5, 7) > 0.4
    open_row[2] = False
    other = torch.rand(5, 7) > 0.6
    other[4] = False
    q, k, v = heads(2, 3)
    check_export(attention(), (q, k, v, open_row), (q + 1, k, v, other))
    added, more = (torch.zeros(5, 7).masked_fill(~mask, -torch.inf) for mask in (open_row, other))
    check_export(attention(), (q, k, v, added), (q + 1, k, v, more))


def test_a_float_mask_is_added() -> None:
    q, k, v = heads(2, 3)
    check_export(attention(), (q, k, v, torch.randn(2, 1, 5, 7)))


def test_grouped_queries_share_keys_and_values() -> None:
    q = torch.randn(2, 6, 5, 8)
    k, v = torch.randn(2, 2, 7, 8), torch.randn(2, 2, 7, 8)
    check_export(attention(enable_gqa=True), (q, k, v))


def test_dropped_attention_says_so() -> None:
    graph = to_graph(attention(dropout_p=0.5), heads(2, 3), training=True)
    assert ops(graph) == ["Mul", "Transpose", "MatMul", "Softmax", "Dropout", "MatMul"]


def test_multihead_attention_layers_are_made_of_it() -> None:
    layer = nn.MultiheadAttention(8, 2, batch_first=True).eval()
    check_export(lambda x: layer(x, x, x)[0], torch.randn(2, 5, 8), atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.int8, torch.int16, torch.int32, torch.int64])
def test_relu_of_integers_also_before_a_clamp(dtype: torch.dtype) -> None:
    x = torch.tensor([-3, 0, 1, 5], dtype=dtype)
    check_export(torch.relu, x)
    check_export(lambda x: x.relu().clamp(0, 2), x)
