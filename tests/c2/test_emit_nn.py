"""Operators of neural networks as Caffe2 computes them, against PyTorch of today, both ways."""

from __future__ import annotations

import functools
import itertools
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from exported import to_graph
from onnx import numpy_helper as onnx_helper
from onnx_node_tests import all_cases, assert_similar, value
from test_emit_tensor import FLOATS, Case, both_ways, check, ints, numbers

import toffee
import toffee.backend.c2 as caffe2
from toffee import BackendError

WIDE = ["float32", "float64"]


def randoms(*shape: int, dtype: str = "float32", seed: int = 0) -> Any:
    return numbers(dtype, shape, seed, special=False)


# ---- activations -------------------------------------------------------------------------------

ACTIVATIONS: list[tuple[str, dict[str, Any]]] = [
    ("Celu", {"alpha": 0.7}),
    ("Elu", {}),
    ("Elu", {"alpha": 0.3}),
    ("Gelu", {}),
    ("Gelu", {"approximate": "tanh"}),
    ("HardSigmoid", {}),
    ("HardSigmoid", {"alpha": 0.3, "beta": 0.1}),
    ("HardSwish", {}),
    ("LeakyRelu", {"alpha": 0.2}),
    ("Mish", {}),
    ("Relu", {}),
    ("Selu", {}),
    ("Selu", {"alpha": 1.5, "gamma": 2.0}),
    ("Shrink", {"lambd": 0.6, "bias": 0.2}),
    ("Sigmoid", {}),
    ("Softplus", {}),
    ("Softsign", {}),
    ("Tanh", {}),
    ("ThresholdedRelu", {"alpha": 0.5}),
]


@both_ways
@pytest.mark.parametrize("dtype", FLOATS)
def test_activations_of_any_shape_and_of_large_numbers(dtype, prefer):
    cases = []
    for op, attrs in ACTIVATIONS:
        if op == "Celu" and dtype != "float32":
            continue  # ONNX has it for float32 only
        cases += [Case(op, [numbers(dtype, s, special=False)], attrs) for s in [(3, 37), (), (0,)]]
        large = np.array([100, -100, 30, -30, 20.5, 1e-4, -1e-4, 0], dtype)
        cases.append(Case(op, [large], attrs))
    check(cases, prefer, rtol=2e-5 if dtype == "float32" else 1e-5)


@both_ways
def test_activations_of_what_is_no_number(prefer):
    x = np.array([np.nan, np.inf, -np.inf], np.float32)
    names = ["Elu", "LeakyRelu", "Relu", "Selu", "Sigmoid", "Softplus", "Tanh", "HardSigmoid"]
    check([Case(op, [x]) for op in names], prefer)


@both_ways
def test_relu_of_integers(prefer):
    dtypes = ["int8", "int16", "int32", "int64"]
    check([Case("Relu", [numbers(dtype, (3, 37))]) for dtype in dtypes], prefer)


@both_ways
def test_prelu_has_slopes_that_broadcast(prefer):
    cases = []
    for dtype, slope in itertools.product(WIDE, [(), (1,), (3, 1), (1, 3, 1), (5,), (2, 3, 5)]):
        inputs = [randoms(2, 3, 5, dtype=dtype), randoms(*slope, dtype=dtype, seed=1)]
        cases.append(Case("PRelu", inputs))
    check(cases, prefer)


@both_ways
@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax", "Hardmax"])
def test_softmax_along_any_axis(op, prefer):
    cases = []
    for dtype, axis in itertools.product(FLOATS, (-1, 0, 1, 2, -3)):
        cases.append(Case(op, [randoms(3, 4, 5, dtype=dtype) * 10], {"axis": axis}))
    cases.append(Case(op, [randoms(7)]))
    check(cases, prefer)


@both_ways
def test_dropout_of_inference_changes_nothing(prefer):
    cases = []
    for dtype in FLOATS:
        x = randoms(3, 4, dtype=dtype)
        off, ratio = np.array(False), np.array(0.9, np.float32)
        cases += [
            Case("Dropout", [x], n_outputs=2),
            Case("Dropout", [x, ratio, off], known=(1, 2)),
            Case("Dropout", [x, np.float32(0), np.array(True)], known=(1, 2), n_outputs=2),
        ]
    check(cases, prefer)


# ---- convolutions and products -----------------------------------------------------------------

CONVOLUTIONS: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ((2, 3, 9), (4, 3, 3), {"pads": [1, 1], "strides": [2]}),
    ((2, 3, 9), (4, 3, 3), {"pads": [2, 0], "dilations": [2]}),
    ((2, 4, 7, 8), (6, 4, 3, 2), {"pads": [1, 0, 1, 0]}),
    ((2, 4, 7, 8), (6, 2, 3, 2), {"group": 2, "pads": [0, 1, 2, 3], "strides": [2, 1]}),
    ((2, 4, 7, 8), (4, 1, 3, 3), {"group": 4, "dilations": [2, 1]}),
    ((1, 2, 5, 6), (3, 2, 2, 3), {"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
    ((1, 2, 5, 6), (3, 2, 2, 3), {"auto_pad": "SAME_LOWER", "strides": [2, 2]}),
    ((1, 2, 5, 6), (3, 2, 2, 3), {"auto_pad": "VALID"}),
    ((1, 2, 4, 5, 6), (3, 2, 2, 3, 2), {"pads": [1, 0, 1, 0, 1, 1], "strides": [1, 2, 1]}),
    ((1, 4, 4, 5, 6), (4, 2, 2, 2, 2), {"group": 2, "dilations": [1, 2, 2]}),
    ((0, 2, 5, 6), (3, 2, 2, 3), {}),
]


@both_ways
@pytest.mark.parametrize("dtype", WIDE)
def test_convolutions(dtype, prefer):
    cases = []
    for x, w, attrs in CONVOLUTIONS:
        inputs = [randoms(*x, dtype=dtype), randoms(*w, dtype=dtype, seed=1)]
        bias = randoms(w[0], dtype=dtype, seed=2)
        cases += [Case("Conv", inputs, attrs), Case("Conv", [*inputs, bias], attrs, known=(1, 2))]
    check(cases, prefer)


TRANSPOSED: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ((2, 3, 5), (3, 4, 3), {"strides": [2], "pads": [1, 1], "output_padding": [1]}),
    ((2, 4, 4, 5), (4, 3, 3, 2), {}),
    ((2, 4, 4, 5), (4, 3, 3, 2), {"strides": [2, 3], "output_padding": [1, 2]}),
    ((2, 4, 4, 5), (4, 3, 3, 3), {"strides": [2, 2], "pads": [1, 0, 0, 2]}),
    ((2, 4, 4, 5), (4, 3, 3, 3), {"strides": [2, 1], "pads": [0, 1, 1, 0], "group": 2}),
    ((2, 4, 4, 5), (4, 3, 3, 2), {"dilations": [2, 1], "pads": [1, 1, 1, 1]}),
    ((1, 2, 3, 3), (2, 2, 3, 3), {"strides": [3, 2], "output_shape": [10, 8]}),
    ((1, 2, 3, 3), (2, 2, 3, 3), {"strides": [2, 2], "auto_pad": "SAME_UPPER"}),
    ((1, 2, 3, 3), (2, 2, 4, 4), {"strides": [2, 3], "auto_pad": "SAME_LOWER"}),
    ((1, 2, 3, 4, 2), (2, 3, 2, 3, 2), {"strides": [2, 1, 2], "pads": [0, 1, 0, 1, 1, 0]}),
]


@both_ways
@pytest.mark.parametrize("dtype", WIDE)
def test_transposed_convolutions(dtype, prefer):
    cases = []
    for x, w, attrs in TRANSPOSED:
        inputs = [randoms(*x, dtype=dtype), randoms(*w, dtype=dtype, seed=1)]
        bias = randoms(w[1] * attrs.get("group", 1), dtype=dtype, seed=2)
        cases += [
            Case("ConvTranspose", inputs, attrs),
            Case("ConvTranspose", [*inputs, bias], attrs),
        ]
    check(cases, prefer)


@both_ways
@pytest.mark.parametrize("dtype", [*FLOATS, "int32", "int64"])
def test_gemm_with_every_factor_and_any_bias(dtype, prefer):
    cases = []
    for a, b in itertools.product((0, 1), (0, 1)):
        x, w = [(3, 2), (2, 3)][1 - a], [(3, 4), (4, 3)][b]
        for bias in [None, (4,), (2, 1), (), (2, 4), (1, 4)]:
            inputs = [numbers(dtype, x, 1, False), numbers(dtype, w, 2, False)]
            inputs += [] if bias is None else [numbers(dtype, bias, 3, False)]
            cases.append(Case("Gemm", inputs, {"transA": a, "transB": b}))
            cases.append(
                Case("Gemm", inputs, {"transA": a, "transB": b, "alpha": 2.0, "beta": 3.0})
            )
            if dtype[0] == "f":
                cases.append(Case("Gemm", inputs, {"transA": a, "transB": b, "alpha": 0.3}))
    check(cases, prefer)


@both_ways
@pytest.mark.parametrize("dtype", [*FLOATS, "int32", "int64"])
def test_matmul_broadcasts_and_takes_vectors(dtype, prefer):
    shapes = [
        ((2, 3), (3, 4)), ((5, 2, 3), (3, 4)), ((2, 3), (5, 3, 4)), ((4, 1, 2, 3), (5, 3, 4)),
        ((3,), (3, 4)), ((2, 3), (3,)), ((3,), (3,)), ((3,), (5, 3, 4)), ((5, 2, 3), (3,)),
        ((0, 3), (3, 4)), ((5, 0, 3), (5, 3, 4)),
    ]  # fmt: skip
    if dtype[0] == "f":
        shapes.append(((2, 0), (0, 4)))
    cases = [
        Case("MatMul", [numbers(dtype, a, 1, False), numbers(dtype, b, 2, False)])
        for a, b in shapes
    ]
    check(cases, prefer)


@both_ways
def test_einsum_of_one_two_and_three(prefer):
    a, b, c = randoms(2, 3, 4), randoms(2, 4, 5, seed=1), randoms(5, 3, seed=2)
    square = randoms(3, 3, seed=3)
    equations: list[tuple[str, list[Any]]] = [
        ("bij,bjk->bik", [a, b]), ("bij,bjk->ki", [a, b]), ("bij,bjk,kl->bil", [a, b, c]),
        ("bij->ij", [a]), ("bij->", [a]), ("bij->jib", [a]), ("ii->i", [square]), ("ii", [square]),
        ("...ij,...jk->...ik", [a, b]), ("bij,bij->b", [a, a]), ("i,j->ij", [c[0], c[1]]),
        ("bij,jk", [a, randoms(4, 2)]), ("bij, bjk -> bk", [a, b]),
        ("...j,...j->...", [a, randoms(1, 4)]), ("BiJ,BJk->Bik", [a, b]),
    ]  # fmt: skip
    cases = [Case("Einsum", inputs, {"equation": text}) for text, inputs in equations]
    check(cases, prefer)


# ---- pools -------------------------------------------------------------------------------------

POOLS: list[tuple[tuple[int, ...], dict[str, Any]]] = [
    ((2, 3, 9), {"kernel_shape": [3], "strides": [2]}),
    ((2, 3, 9), {"kernel_shape": [3], "strides": [2], "pads": [1, 1], "ceil_mode": 1}),
    ((2, 3, 9), {"kernel_shape": [4], "strides": [3], "pads": [0, 3]}),
    ((2, 3, 8, 9), {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 1, 1, 1]}),
    ((2, 3, 8, 9), {"kernel_shape": [3, 2], "strides": [2, 3], "ceil_mode": 1}),
    ((2, 3, 7, 7), {"kernel_shape": [2, 2], "strides": [2, 2], "pads": [1, 0, 0, 1]}),
    ((2, 3, 7, 7), {"kernel_shape": [3, 3], "strides": [3, 2], "pads": [1, 1, 1, 1],
                    "ceil_mode": 1}),
    ((2, 3, 7, 7), {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [2, 0, 2, 0]}),
    ((2, 3, 7, 7), {"kernel_shape": [2, 2], "dilations": [2, 3]}),
    ((2, 3, 7, 7), {"kernel_shape": [2, 3], "dilations": [2, 1], "pads": [1, 0, 0, 1],
                    "ceil_mode": 1, "strides": [3, 2]}),
    ((1, 2, 6, 6), {"kernel_shape": [3, 3], "auto_pad": "SAME_UPPER", "strides": [2, 2]}),
    ((1, 2, 6, 6), {"kernel_shape": [3, 3], "auto_pad": "SAME_LOWER", "strides": [2, 2]}),
    ((1, 2, 5, 6, 7), {"kernel_shape": [2, 3, 2], "strides": [2, 1, 2],
                       "pads": [1, 1, 0, 1, 1, 1]}),
    ((1, 2, 5, 6, 7), {"kernel_shape": [2, 2, 2], "strides": [2, 3, 2], "ceil_mode": 1}),
    ((0, 2, 6, 6), {"kernel_shape": [3, 3]}),
]  # fmt: skip


@both_ways
@pytest.mark.parametrize("dtype", FLOATS)
def test_pools_round_up_or_down_with_any_padding(dtype, prefer):
    cases = []
    for shape, attrs in POOLS:
        if dtype == "float16" and len(shape) == 5:
            continue  # for which PyTorch has no kernel, so that there is nothing to compare with
        x = randoms(*shape, dtype=dtype)
        cases += [
            Case("MaxPool", [x], attrs),
            Case("AveragePool", [x], attrs),
            Case("AveragePool", [x], {**attrs, "count_include_pad": 1}),
            Case("LpPool", [x], attrs),
            Case("LpPool", [x], {**attrs, "p": 3}),
        ]
    check(cases, prefer, rtol=5e-3 if dtype == "float16" else 1e-5)  # the sums of halves in float


@both_ways
def test_max_pools_tell_where_the_largest_are(prefer):
    cases = []
    for shape, attrs in POOLS[:4] + POOLS[8:9] + POOLS[13:14]:
        cases.append(Case("MaxPool", [randoms(*shape)], attrs, n_outputs=2))
    attrs = {"kernel_shape": [2, 2], "strides": [2, 2]}
    x = randoms(2, 3, 6, 8)
    cases = [case for case in cases if case.attrs.get("pads", [0, 0]) != [0, 3]]
    cases.append(Case("MaxPool", [x], {**attrs, "storage_order": 1}, n_outputs=2))
    check(cases, prefer)


@both_ways
def test_max_pools_of_small_integers(prefer):
    cases = []
    for dtype, (shape, attrs) in itertools.product(["int8", "uint8"], POOLS[:8]):
        cases.append(Case("MaxPool", [numbers(dtype, shape)], attrs))
    check(cases, prefer)


@both_ways
@pytest.mark.parametrize("op", ["GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"])
def test_global_pools(op, prefer):
    shapes = [(2, 3, 4), (2, 3, 4, 5), (2, 3, 4, 5, 2), (0, 3, 4, 5)]
    check([Case(op, [randoms(*s, dtype=d)]) for s, d in itertools.product(shapes, FLOATS)], prefer)


@both_ways
def test_max_unpool_puts_back_what_max_pool_took(prefer):
    x = torch.randn(2, 3, 6, 8, generator=torch.Generator().manual_seed(0))
    y, places = torch.nn.functional.max_pool2d(x, 2, return_indices=True)
    whole = places + torch.arange(6).reshape(2, 3, 1, 1) * 48  # counted in the whole tensor
    attrs = {"kernel_shape": [2, 2], "strides": [2, 2]}
    inputs = [y.numpy(), whole.numpy()]
    cases = [
        Case("MaxUnpool", inputs, attrs),
        Case("MaxUnpool", [*inputs, ints(2, 3, 7, 9)], attrs, known=(2,)),
    ]
    check(cases, prefer)


# ---- normalizations ----------------------------------------------------------------------------


@both_ways
@pytest.mark.parametrize(
    ("dtype", "offset"), [("float16", 0), ("float32", 0), ("float64", 0), ("float32", 50)]
)
def test_normalizations_also_far_from_zero(dtype, offset, prefer):
    cases = []
    for shape in [(4, 6), (4, 6, 5), (4, 6, 5, 3), (2, 6, 3, 4, 2)]:
        x = (randoms(*shape, dtype=dtype) + np.asarray(offset, dtype)).astype(dtype)
        scale, bias, mean, var = (randoms(6, dtype=dtype, seed=i) for i in range(4))
        var = np.abs(var) + np.asarray(0.5, dtype)
        cases.append(Case("BatchNormalization", [x, scale, bias, mean, var], {"epsilon": 1e-3}))
        cases.append(
            Case("BatchNormalization", [x, scale, bias, mean, var], {"training_mode": 1},
                 n_outputs=3)
        )  # fmt: skip
        last = [randoms(*shape[1:], dtype=dtype, seed=i) for i in (5, 6)]
        cases.append(Case("LayerNormalization", [x, *last], {"axis": 1}))
        cases.append(Case("LayerNormalization", [x, last[0]], {"axis": 1}))
        cases.append(
            Case("LayerNormalization", [x, last[0][..., :1], last[1][..., :1]], {"axis": 1})
        )
        if dtype == "float32":
            cases.append(Case("LayerNormalization", [x, *last], {"axis": 1}, n_outputs=3))
        if len(shape) > 2:
            cases.append(Case("InstanceNormalization", [x, scale, bias], {"epsilon": 1e-3}))
    # PyTorch keeps statistics of halves in half. A mean of 50 takes digits from the deviations.
    loose = 1e-2 if dtype == "float16" else 1e-4 if offset else 1e-5
    check(cases, prefer, rtol=loose)


@both_ways
@pytest.mark.parametrize("dtype", WIDE)
def test_other_normalizations(dtype, prefer):
    cases = []
    for size, rank in itertools.product((1, 2, 3, 4, 5), (3, 4, 5)):
        x = randoms(*(2, 6, 3, 4, 2)[:rank], dtype=dtype)
        attrs = {"size": size, "alpha": 0.3, "beta": 0.6, "bias": 1.5}
        cases.append(Case("LRN", [x], attrs))
    x = randoms(2, 3, 4, 5, dtype=dtype)
    x[0, :, 0] = 0
    for axis, p in itertools.product((-1, 1), (1, 2)):
        cases.append(Case("LpNormalization", [x], {"axis": axis, "p": p}))
    cases.append(Case("MeanVarianceNormalization", [randoms(2, 3, 4, 5, dtype=dtype)]))
    cases.append(
        Case("MeanVarianceNormalization", [randoms(2, 3, 4, 5, dtype=dtype)], {"axes": [1, -1]})
    )
    check(cases, prefer)


# ---- images ------------------------------------------------------------------------------------

TRANSFORMS = [
    "half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "half_pixel_symmetric",
]  # fmt: skip
SCALES = [[1, 1, 2, 2], [1, 1, 0.6, 0.6], [1, 1, 1.3, 2.7], [1, 1, 3, 1]]


@both_ways
@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("dtype", WIDE)
def test_resize_finds_the_same_neighbours(mode, dtype, prefer):
    x = randoms(1, 2, 5, 6, dtype=dtype)
    cases = []
    for transform, scales in itertools.product(TRANSFORMS, SCALES):
        inputs = [x, None, np.array(scales, np.float32)]
        attrs: dict[str, Any] = {"mode": mode, "coordinate_transformation_mode": transform}
        cases.append(Case("Resize", inputs, attrs, known=(2,)))
        if mode == "nearest":
            for rule in ("round_prefer_ceil", "floor", "ceil"):
                cases.append(Case("Resize", inputs, {**attrs, "nearest_mode": rule}, known=(2,)))
        else:
            cases.append(Case("Resize", inputs, {**attrs, "antialias": 1}, known=(2,)))
        if mode == "cubic":
            more = {"cubic_coeff_a": -0.5, "exclude_outside": 1}
            cases.append(Case("Resize", inputs, {**attrs, **more}, known=(2,)))
    for sizes in ([1, 2, 7, 3], [1, 2, 1, 1], [2, 2, 5, 6]):
        attrs = {"mode": mode}
        cases.append(Case("Resize", [x, None, None, ints(*sizes)], attrs, known=(3,)))
    crop = {"mode": mode, "coordinate_transformation_mode": "tf_crop_and_resize"}
    roi = np.array([0, 0, 0.2, -0.4, 1, 1, 0.8, 1.3], np.float32)
    crop["extrapolation_value"] = 7.0
    cases.append(Case("Resize", [x, roi, None, ints(1, 2, 4, 4)], crop, known=(1, 3)))
    check(cases, prefer)


@both_ways
@pytest.mark.parametrize("shape", [(1, 2, 7), (1, 2, 3, 4, 5)])
def test_resize_of_lines_and_volumes(shape, prefer):
    cases = []
    for mode, transform in itertools.product(("nearest", "linear"), TRANSFORMS):
        attrs = {"mode": mode, "coordinate_transformation_mode": transform}
        if mode == "nearest":
            attrs["nearest_mode"] = "floor"
        for factors in ([2, 3, 2], [2, 2, 2], [1, 2, 2], [3, 2, 2]):
            scales = np.array([1, 1, *factors][: len(shape)], np.float32)
            cases.append(Case("Resize", [randoms(*shape), None, scales], attrs, known=(2,)))
    check(cases, prefer)


@both_ways
def test_pixels_move_between_axes(prefer):
    cases = []
    for dtype in [*FLOATS, "int8", "int32", "int64"]:
        x = numbers(dtype, (2, 8, 4, 6), special=False)
        cases += [Case("SpaceToDepth", [x], {"blocksize": 2})]
        cases += [Case("DepthToSpace", [x], {"blocksize": 2, "mode": m}) for m in ("DCR", "CRD")]
    check(cases, prefer)


@both_ways
def test_grids_and_columns(prefer):
    x, grid = randoms(2, 3, 5, 6), np.random.default_rng(0).uniform(-1.2, 1.2, (2, 4, 3, 2))
    volume = randoms(1, 2, 3, 4, 5)
    places = np.random.default_rng(1).uniform(-1.1, 1.1, (1, 2, 3, 4, 3))
    cases = []
    for padding, corners in itertools.product(["zeros", "border", "reflection"], (0, 1)):
        for mode in ("linear", "nearest", "cubic"):
            attrs = {"mode": mode, "padding_mode": padding, "align_corners": corners}
            cases.append(Case("GridSample", [x, grid.astype(np.float32)], attrs))
        attrs = {"mode": "linear", "padding_mode": padding, "align_corners": corners}
        cases.append(Case("GridSample", [volume, places.astype(np.float32)], attrs))
    for corners in (0, 1):
        attrs = {"align_corners": corners}
        theta = randoms(2, 2, 3)
        cases.append(Case("AffineGrid", [theta, ints(2, 3, 4, 5)], attrs, known=(1,)))
        theta = randoms(2, 3, 4)
        cases.append(Case("AffineGrid", [theta, ints(2, 3, 4, 5, 2)], attrs, known=(1,)))
    columns = randoms(1, 2 * 4, 12)
    cases.append(Case("Col2Im", [columns, ints(5, 4), ints(2, 2)], known=(1, 2)))
    attrs = {"pads": [1, 0, 0, 2], "strides": [2, 2]}
    columns = randoms(1, 2 * 4, 9)
    cases.append(Case("Col2Im", [columns, ints(5, 4), ints(2, 2)], attrs, known=(1, 2)))
    check(cases, prefer)


@both_ways
def test_regions(prefer):
    x = randoms(2, 3, 10, 12)
    rois = np.array([[0, 0, 6, 7], [2.5, 1, 9, 9], [1, 3, 1.5, 3.2]], np.float32)
    cases = []
    for mode, ratio in itertools.product(("half_pixel", "output_half_pixel"), (0, 2)):
        attrs = {
            "coordinate_transformation_mode": mode,
            "sampling_ratio": ratio,
            "output_height": 3,
            "output_width": 2,
            "spatial_scale": 0.8,
        }
        cases.append(Case("RoiAlign", [x, rois, ints(0, 1, 1)], attrs))
    numbered = np.concatenate([np.array([[0], [1], [1]], np.float32), rois], 1)
    attrs = {"pooled_shape": [2, 3], "spatial_scale": 0.9}
    cases.append(Case("MaxRoiPool", [x, numbered], attrs))
    check(cases, prefer)


# ---- recurrent layers --------------------------------------------------------------------------

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}


@both_ways
@pytest.mark.parametrize("dtype", WIDE)
@pytest.mark.parametrize("op", GATES)
def test_recurrent_layers_in_every_direction(op, dtype, prefer):
    steps, samples, size, hidden = 5, 3, 4, 6
    cases = []
    for direction, layout, full in itertools.product(
        ("forward", "reverse", "bidirectional"), (0, 1), (False, True)
    ):
        d = 2 if direction == "bidirectional" else 1
        n = GATES[op] * hidden
        shapes: list[tuple[int, ...]] = [(steps, samples, size), (d, n, size), (d, n, hidden)]
        states = [(d, samples, hidden)] * (2 if op == "LSTM" else 1)
        if layout:
            shapes[0] = (samples, steps, size)
            states = [(samples, d, hidden)] * len(states)
        inputs = [randoms(*s, dtype=dtype, seed=i) * 0.3 for i, s in enumerate(shapes)]
        attrs: dict[str, Any] = {"direction": direction, "layout": layout, "hidden_size": hidden}
        known: tuple[int, ...] = ()
        if full:
            inputs.append(randoms(d, 2 * n, dtype=dtype, seed=5))
            inputs.append(np.full(samples, steps, np.int32))
            inputs += [randoms(*s, dtype=dtype, seed=6) for s in states]
            known = (4,)
            if op == "LSTM":
                inputs.append(randoms(d, 3 * hidden, dtype=dtype, seed=7))
            if op == "GRU":
                attrs["linear_before_reset"] = 1
            attrs["clip"] = 0.9
        n_outputs = 3 if op == "LSTM" else 2
        inputs = [np.asarray(x) for x in inputs]
        cases.append(Case(op, inputs, attrs, known, n_outputs))
    check(cases, prefer)


# ---- quantization and losses -------------------------------------------------------------------


@both_ways
def test_quantized_numbers_round_and_saturate(prefer):
    x = randoms(3, 4, 5) * 40
    scale, zero = np.array([0.5, 0.3, 2, 0.7], np.float32), np.array([3, 0, 200, 128], np.uint8)
    signed = np.array([3, 0, -100, 127], np.int8)
    one = np.float32(0.25)
    cases = [
        Case("QuantizeLinear", [x, one, np.uint8(3)]),
        Case("QuantizeLinear", [x, one]),
        Case("QuantizeLinear", [x, scale, zero], {"axis": 1}),
        Case("QuantizeLinear", [x, scale, signed], {"axis": -2}),
        Case("DequantizeLinear", [numbers("uint8", (3, 4, 5)), scale, zero], {"axis": 1}),
        Case("DequantizeLinear", [numbers("int8", (3, 4, 5)), one, np.int8(-7)]),
        Case("DequantizeLinear", [numbers("int32", (3, 4, 5)) * 1000003, one]),
        Case("DynamicQuantizeLinear", [x], n_outputs=3),
        Case("DynamicQuantizeLinear", [np.zeros((2, 2), np.float32)], n_outputs=3),
        Case("DynamicQuantizeLinear", [np.abs(x) + 3], n_outputs=3),
    ]
    check(cases, prefer)


@both_ways
def test_products_of_quantized_numbers_are_exact(prefer):
    generator = np.random.default_rng(0)

    def draw(dtype: str, *shape: int) -> Any:
        info = np.iinfo(dtype)
        return generator.integers(info.min, info.max + 1, shape).astype(dtype)

    x, w = draw("uint8", 2, 4, 7, 8), draw("int8", 6, 2, 3, 3)
    a, b = draw("uint8", 3, 400), draw("int8", 400, 5)
    scales = np.array([0.01, 0.02, 0.05, 0.01, 0.03, 0.04], np.float32)
    attrs = {"group": 2, "pads": [1, 0, 1, 2], "strides": [2, 1]}
    step, out = np.float32(0.02), np.float32(0.9)
    cases = [
        Case("ConvInteger", [x, w, np.uint8(120), np.int8(4)], attrs),
        Case("ConvInteger", [x, w], attrs),
        Case("MatMulInteger", [a, b, np.uint8(120), draw("int8", 5)]),
        Case("MatMulInteger", [a, b]),
        Case("QLinearConv", [x, step, np.uint8(7), w, scales, draw("int8", 6), out, np.uint8(99),
                             draw("int32", 6) // 100000], attrs),
        Case("QLinearMatMul", [a, step, np.uint8(7), b, step, np.int8(-3), out, np.int8(3)]),
    ]  # fmt: skip
    check(cases, prefer)


@both_ways
def test_losses(prefer):
    cases = []
    for dtype, shape in itertools.product(WIDE, [(5, 4), (3, 4, 2), (2, 4, 3, 2)]):
        x = randoms(*shape, dtype=dtype)
        target = np.random.default_rng(0).integers(0, 4, (shape[0], *shape[2:]))
        target[0] = 1
        weight = np.abs(randoms(4, dtype=dtype, seed=1)) + np.asarray(0.1, dtype)
        for reduction, extra in itertools.product(
            ("none", "mean", "sum"), ({}, {"ignore_index": 1})
        ):
            attrs = {"reduction": reduction, **extra}
            cases += [
                Case("NegativeLogLikelihoodLoss", [x, target, weight], attrs),
                Case("NegativeLogLikelihoodLoss", [x, target.astype(np.int32)], attrs),
                Case("SoftmaxCrossEntropyLoss", [x, target, weight], attrs, n_outputs=2),
                Case("SoftmaxCrossEntropyLoss", [x, target], attrs),
            ]
    check(cases, prefer)


# ---- ONNX's own tests --------------------------------------------------------------------------


@functools.cache
def operators() -> frozenset[str]:
    """Operators whose rules are in the files that this file is about."""
    root = Path(__file__).parents[2] / "csrc" / "caffe2"
    names = (
        "activation",
        "einsum",
        "loss",
        "nn",
        "norm",
        "pool",
        "quant",
        "resize",
        "rnn",
        "vision",
    )
    rows = "".join((root / f"emit_{name}.c").read_text() for name in names)
    found = re.findall(r'^    \{"(\w+)", (?:emit|aten|NULL)', rows, re.MULTILINE)
    return frozenset(found)


def node_cases() -> list[str]:
    return [
        name
        for name, case in all_cases().items()
        if {node.op_type for node in case.model.graph.node} <= operators()
    ]


def run_case(name: str, prefer: str, known: bool) -> None:
    """Run one of ONNX's tests, with all inputs but the first as initializers if KNOWN."""
    case = all_cases()[name]
    model = onnx.ModelProto.FromString(case.model.SerializeToString())
    inputs = [value(item) for item in case.data_sets[0][0]]
    if known:
        for info, array in list(zip(model.graph.input, inputs, strict=True))[1:]:
            model.graph.initializer.append(onnx_helper.from_array(np.asarray(array), info.name))
            model.graph.input.remove(info)
        inputs = inputs[:1]
    graph = toffee.loads(model.SerializeToString())
    with caffe2.prepare(graph, prefer=prefer) as rep:
        results = list(rep.run(inputs))
    expected = [value(item) for item in case.data_sets[0][1]]
    assert_similar(results, expected, case.rtol, case.atol)


@both_ways
@pytest.mark.parametrize("known", [False, True], ids=["fed", "known"])
def test_onnx_node_tests_are_right_or_refused(prefer, known):
    n_right, wrong = 0, {}
    for name in node_cases():
        try:
            run_case(name, prefer, known)
            n_right += 1
        except Exception as error:
            told = "Caffe2 cannot compute it: " in str(error) or "no fill operator" in str(error)
            if isinstance(error, BackendError) and told:
                continue
            wrong[name] = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    assert wrong == {}
    assert n_right > 300


# ---- programs of PyTorch -----------------------------------------------------------------------


class Layers(torch.nn.Module):
    """Much of what networks for images are made of."""

    def __init__(self) -> None:
        super().__init__()
        nn = torch.nn
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(8), nn.Hardswish(),
            nn.MaxPool2d(3, 2, ceil_mode=True), nn.Conv2d(8, 8, 3, groups=4, dilation=2, padding=2),
            nn.GroupNorm(2, 8), nn.GELU(), nn.AvgPool2d(2, 1, padding=1, count_include_pad=False),
            nn.ConvTranspose2d(8, 4, 3, stride=2, output_padding=1), nn.InstanceNorm2d(4),
            nn.PReLU(4), nn.LocalResponseNorm(3), nn.Upsample(scale_factor=2, mode="bilinear"),
            nn.PixelUnshuffle(2), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(256, 12),
            nn.LayerNorm(12), nn.SiLU(), nn.Softmax(-1),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x)


class Recurrent(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = torch.nn.LSTM(5, 6, 2, bidirectional=True, batch_first=True)
        self.gru = torch.nn.GRU(12, 4, bidirectional=True)
        self.rnn = torch.nn.RNN(8, 3, nonlinearity="relu")

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        y, (h, c) = self.lstm(x)
        y, g = self.gru(y.transpose(0, 1))
        z, _ = self.rnn(y)
        return z, h, c, g


@both_ways
@pytest.mark.parametrize(
    ("model", "shape"), [(Layers, (2, 3, 33, 33)), (Recurrent, (3, 7, 5))], ids=["images", "rnn"]
)
def test_a_network_of_pytorch_on_other_inputs(model, shape, prefer):
    torch.manual_seed(0)
    network = model().eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    graph = to_graph(network, torch.randn(shape))
    x = torch.randn(shape, generator=torch.Generator().manual_seed(5))
    with torch.inference_mode():
        expected = network(x)
    expected = expected if isinstance(expected, tuple) else (expected,)
    with caffe2.prepare(graph, prefer=prefer) as rep:
        results = list(rep.run(x.numpy()))
    for result, wanted in zip(results, expected, strict=True):
        scale = float(wanted.abs().max())
        np.testing.assert_allclose(result, wanted.numpy(), rtol=0, atol=1e-5 * scale)
