"""Operators on tensors as Caffe2 computes them, against PyTorch of today, both ways.

The cases of a group are the nodes of one graph, so that they share a process. The oracle is
toffee.backend.torch, which ONNX's own node tests are held against.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from exported import to_graph
from onnx_node_tests import all_cases, assert_similar, value

import toffee
import toffee.backend.c2 as caffe2
import toffee.backend.torch as pytorch
from toffee import BackendError, helper, numpy_helper

WAYS = ["caffe2", "aten"]
FLOATS = ["float32", "float64", "float16"]
INTS = ["int8", "uint8", "int16", "int32", "int64"]
SHAPES = [(3, 37), (), (0, 2)]
SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 0.5, 1.5, 2.5, -0.5, 60000.0]


@dataclass
class Case:
    """A node, its inputs (None: left out), and which of them never change."""

    op: str
    inputs: list[Any]
    attrs: dict[str, Any] = field(default_factory=dict)
    known: tuple[int, ...] = ()
    n_outputs: int = 1

    def __str__(self) -> str:
        shown = [None if x is None else f"{x.dtype}{list(x.shape)}" for x in self.inputs]
        return f"{self.op}({shown}, {self.attrs}, known={self.known})"


def build(cases: list[Case]) -> tuple[toffee.Graph, list[np.ndarray]]:
    """The cases as one graph, and its inputs."""
    nodes, infos, weights, feeds, outputs = [], [], [], [], []
    for i, case in enumerate(cases):
        names = []
        for k, x in enumerate(case.inputs):
            name = f"x{i}_{k}" if x is not None else ""
            names.append(name)
            if x is None:
                continue
            if k in case.known:
                weights.append(numpy_helper.from_array(x, name))
                continue
            dtype = helper.np_dtype_to_tensor_dtype(x.dtype)
            infos.append(helper.make_tensor_value_info(name, dtype, list(x.shape)))
            feeds.append(x)
        made = [f"y{i}_{k}" for k in range(case.n_outputs)]
        nodes.append(helper.make_node(case.op, names, made, **case.attrs))
        outputs += made
    return helper.make_graph(nodes, "cases", infos, outputs, weights), feeds


def close(result: np.ndarray, expected: np.ndarray, what: str, rtol: float) -> None:
    assert (result.dtype, result.shape) == (expected.dtype, expected.shape), what
    if expected.dtype.kind != "f":
        np.testing.assert_array_equal(result, expected, err_msg=what)
        return
    # a unit in the last place of half, of the value or of what it is a difference of
    half = expected.dtype == np.float16
    rtol, atol = (max(rtol, 1e-3), 1e-3) if half else (rtol, 1e-6)
    finite = np.abs(expected[np.isfinite(expected)].astype(np.float64))
    scale = min(float(finite.max(initial=1.0)), 1e3)
    np.testing.assert_allclose(result, expected, rtol=rtol, atol=atol * scale, err_msg=what)


def check(cases: list[Case], prefer: str, rtol: float = 1e-5) -> None:
    """Caffe2 gives for each case what PyTorch gives, twice over."""
    graph, feeds = build(cases)
    with pytorch.prepare(graph) as rep:
        expected = [np.asarray(x) for x in rep.run(feeds)]
    with caffe2.prepare(graph, prefer=prefer) as rep:
        for _ in range(2):
            results = [np.array(x) for x in rep.run(feeds)]
    owners = [case for case in cases for _ in range(case.n_outputs)]
    for case, result, wanted in zip(owners, results, expected, strict=True):
        close(result, wanted, f"{case}, prefer={prefer}", rtol)


def numbers(dtype: str, shape: tuple[int, ...], seed: int = 0, special: bool = True) -> Any:
    """Random numbers with what is special about floats among them."""
    generator = np.random.default_rng(seed)
    if dtype == "bool":
        return generator.random(shape) < 0.5
    if dtype[0] != "f":
        low = 0 if dtype[0] == "u" else -9
        return generator.integers(low, 10, shape).astype(dtype)
    array = np.asarray(generator.standard_normal(shape) * 3, dtype)
    if special and array.size > len(SPECIAL):
        array.reshape(-1)[: len(SPECIAL)] = SPECIAL
    return array


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


both_ways = pytest.mark.parametrize("prefer", WAYS)

UNARY = [
    "Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Ceil", "Cos", "Cosh", "Erf", "Exp",
    "Floor", "Log", "Neg", "Reciprocal", "Round", "Sin", "Sinh", "Sqrt", "Tan",
]  # fmt: skip


@both_ways
@pytest.mark.parametrize("dtype", FLOATS)
def test_functions_of_floats_keep_nan_infinity_and_shape(dtype, prefer):
    check([Case(op, [numbers(dtype, shape)]) for op in UNARY for shape in SHAPES], prefer, 2e-5)
    signs = numbers(dtype, (4, 9), special=False)  # of NaN ONNX says none
    check([Case("Sign", [signs]), Case("Sign", [signs * 0])], prefer)


@both_ways
def test_functions_of_whole_numbers(prefer):
    signed = [Case(op, [numbers(d, (4, 3))]) for op in ["Neg"] for d in INTS if d != "uint8"]
    cases = [Case(op, [numbers(d, (4, 3))]) for op in ["Abs", "Sign"] for d in INTS]
    cases += [Case("BitwiseNot", [numbers(d, (4, 3))]) for d in INTS]
    check(signed + cases, prefer)


PAIRS = [
    ((2, 3), (2, 3)), ((), ()), ((2, 3), ()), ((), (2, 3)), ((2, 3), (3,)), ((2, 1), (3,)),
    ((3,), (2, 1)), ((4, 1, 3), (2, 1)), ((0, 3), (3,)), ((0,), (1,)), ((1,), ()),
]  # fmt: skip


def nonzero(array: np.ndarray) -> np.ndarray:
    return np.where(array == 0, np.ones_like(array), array)


@both_ways
def test_arithmetic_broadcasts_both_ways_in_every_dtype(prefer):
    cases = []
    for op, dtype, (a, b) in itertools.product(
        ["Add", "Sub", "Mul", "Div", "Max", "Min"], FLOATS + INTS, PAIRS
    ):
        left, right = numbers(dtype, a), numbers(dtype, b, 1)
        cases.append(Case(op, [left, nonzero(right) if op == "Div" else right]))
    check(cases, prefer)


@both_ways
def test_pairs_of_special_numbers(prefer):
    left, right = (x.ravel() for x in np.meshgrid(*[np.array(SPECIAL, np.float32)] * 2))
    ops = ["Add", "Sub", "Mul", "Div", "Max", "Min", "Equal", "Greater", "GreaterOrEqual", "Less"]
    cases = [Case(op, [left, right]) for op in [*ops, "LessOrEqual", "Sum", "Mean"]]
    check([*cases, Case("Clip", [left, np.float32(-1), np.float32(1)], {}, (1, 2))], prefer)


@both_ways
def test_long_rows_of_nan_pass_through(prefer):
    x = np.full((65,), np.nan, np.float32)
    low, high = np.float32(0), np.float32(1)
    cases = [Case("Clip", [x, low, high], {}, (1, 2)), Case("Max", [low.reshape(1), x])]
    cases += [Case(op, [x, ints(0)], {}, (1,)) for op in ["ReduceMax", "ReduceMin", "ReduceSum"]]
    check(cases, prefer)


@both_ways
def test_remainders_have_the_sign_that_is_asked_for(prefer):
    cases = []
    for dtype in INTS:
        a, b = numbers(dtype, (5, 9)), nonzero(numbers(dtype, (9,), 1))
        cases += [Case("Mod", [a, b], {"fmod": fmod}) for fmod in (0, 1)]
    for dtype in FLOATS:
        a, b = numbers(dtype, (5, 9), special=False), nonzero(numbers(dtype, (9,), 1))
        cases.append(Case("Mod", [a, b], {"fmod": 1}))
    check(cases, prefer)


@both_ways
def test_powers_of_every_pair_of_dtypes(prefer):
    cases = []
    for base, exponent in itertools.product([*FLOATS, "int32", "int64"], FLOATS + INTS):
        x = np.abs(numbers(base, (3, 4), special=False)) + np.asarray(1, base)
        y = np.abs(numbers(exponent, (4,), 1, special=False)) % np.asarray(4, exponent)
        cases.append(Case("Pow", [x, np.asarray(y, exponent)]))
    x = numbers("float32", (3, 37))
    cases.append(Case("Pow", [np.abs(x), numbers("float32", (3, 37), 1, special=False)]))
    for exponent in (2, 3, -1, 0, 1, 0.5, -2, 2.5, 0.1):
        cases.append(Case("Pow", [x, np.float32(exponent)], {}, (1,)))
        cases.append(Case("Pow", [x.astype(np.float64), np.float64(exponent)], {}, (1,)))
    check(cases, prefer, 2e-5)


@both_ways
def test_sums_and_extremes_of_several_inputs(prefer):
    cases = []
    for dtype in FLOATS:
        a, b, c = (numbers(dtype, (2, 3), seed) for seed in range(3))
        row = numbers(dtype, (3,), 5)
        for op in ["Sum", "Mean", "Max", "Min"]:
            cases += [Case(op, [a]), Case(op, [a, b, c]), Case(op, [row, a, row])]
    check(cases, prefer)


@both_ways
def test_clip_has_either_bound_both_or_none(prefer):
    cases = []
    for dtype in FLOATS + INTS:
        x = numbers(dtype, (3, 37))
        low, high = np.asarray(2, dtype), np.asarray(5, dtype)
        for bounds in ([low, high], [None, high], [low], [], [high, low]):
            known = tuple(i for i in (1, 2) if i <= len(bounds) and bounds[i - 1] is not None)
            cases += [Case("Clip", [x, *bounds], {}, k) for k in {known, ()}]
    check(cases, prefer)


@both_ways
def test_running_sums_go_either_way_and_leave_out_the_element_itself(prefer):
    cases = []
    for dtype, axis in itertools.product(["float32", "float64", "int32", "int64"], (0, -1)):
        x = numbers(dtype, (4, 5), special=False)
        for exclusive, reverse in itertools.product((0, 1), (0, 1)):
            attrs = {"exclusive": exclusive, "reverse": reverse}
            cases.append(Case("CumSum", [x, np.int64(axis)], attrs, (1,)))
    cases.append(Case("CumSum", [numbers("float32", (0, 2)), np.int64(0)], {"exclusive": 1}, (1,)))
    check(cases, prefer)


@both_ways
def test_comparisons_and_choices_broadcast_in_every_dtype(prefer):
    cases = []
    for op in ["Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"]:
        for dtype, (a, b) in itertools.product(FLOATS + INTS, PAIRS):
            cases.append(Case(op, [numbers(dtype, a), numbers(dtype, b, 1)]))
    for dtype, (a, b) in itertools.product([*FLOATS, *INTS, "bool"], PAIRS):
        for condition in (a, b, (1,)):
            choice = [numbers("bool", condition, 2), numbers(dtype, a), numbers(dtype, b, 1)]
            cases.append(Case("Where", choice))
    check(cases, prefer)


@both_ways
def test_logic_and_bits(prefer):
    cases = [Case("Not", [numbers("bool", shape)]) for shape in SHAPES]
    for a, b in PAIRS:
        cases += [
            Case(op, [numbers("bool", a), numbers("bool", b, 1)]) for op in ("And", "Or", "Xor")
        ]
        for op, dtype in itertools.product(("BitwiseAnd", "BitwiseOr", "BitwiseXor"), INTS):
            cases.append(Case(op, [numbers(dtype, a), numbers(dtype, b, 1)]))
    places = np.array([0, 1, 7, 8, 9, 31, 32, 255], np.uint8)
    for direction in ("LEFT", "RIGHT"):
        cases.append(
            Case("BitShift", [np.full(8, 201, np.uint8), places], {"direction": direction})
        )
    cases += [Case("IsNaN", [numbers(dtype, shape)]) for dtype in FLOATS for shape in SHAPES]
    for up, down, dtype in itertools.product((0, 1), (0, 1), ("float32", "float64")):
        attrs = {"detect_positive": up, "detect_negative": down}
        cases.append(Case("IsInf", [numbers(dtype, (3, 37))], attrs))
    check(cases, prefer)


@both_ways
def test_casts_between_all_dtypes_cut_off(prefer):
    dtypes = [*FLOATS, *INTS, "bool"]
    cases = []
    for start, end in itertools.product(dtypes, dtypes):
        x = numbers(start, (3, 5), special=False)
        x = np.abs(x) if end == "uint8" and start != "bool" else x  # below 0 C says nothing
        to = helper.np_dtype_to_tensor_dtype(np.dtype(end))
        cases.append(Case("Cast", [x], {"to": to}))
        cases.append(Case("CastLike", [x, np.zeros((), end)]))
    cases.append(Case("Cast", [numbers("float32", (3, 37))], {"to": toffee.Tensor.BOOL}))
    cases.append(Case("Cast", [numbers("float32", (3, 37))], {"to": toffee.Tensor.FLOAT16}))
    check(cases, prefer)


REDUCTIONS = ["L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "Sum", "SumSquare"]


@both_ways
@pytest.mark.parametrize("dtype", [*FLOATS, "int32", "int64"])
def test_reductions_over_some_axes_or_all(dtype, prefer):
    cases = []
    for name, keep in itertools.product(REDUCTIONS, (0, 1)):
        x = numbers(dtype, (2, 3, 4), special=False)
        x = np.abs(x) + np.asarray(1, dtype) if name == "LogSum" else x
        attrs = {"keepdims": keep}
        for axes in (ints(1), ints(-1, 0), ints(0, 1, 2), None, ints()):
            cases.append(Case("Reduce" + name, [x, axes], attrs, (1,)))
            noop = {**attrs, "noop_with_empty_axes": 1}
            if name != "LogSum" or dtype[0] == "f":  # the oracle forgets whole numbers there
                cases.append(Case("Reduce" + name, [x, axes], noop, (1,)))
        cases.append(Case("Reduce" + name, [x[0, 0, 1].reshape(()), None], attrs))
    check(cases, prefer, 2e-5)


@both_ways
def test_reductions_of_nothing(prefer):
    cases = []
    for name, keep in itertools.product(REDUCTIONS, (0, 1)):
        x, attrs = numbers("float32", (2, 0, 3)), {"keepdims": keep}
        cases.append(Case("Reduce" + name, [x, ints(1)], attrs, (1,)))
        cases.append(Case("Reduce" + name, [x, ints(0)], attrs, (1,)))
    dtypes = ["int8", "uint8", "int32", "int64", "bool", "float64", "float16"]
    for name, dtype in itertools.product(("Max", "Min"), dtypes):
        cases.append(Case("Reduce" + name, [numbers(dtype, (2, 0)), ints(1)], {}, (1,)))
    check(cases, prefer)


@both_ways
def test_extremes_take_nan_for_the_largest_and_the_smallest(prefer):
    x = numbers("float32", (3, 37))
    x[1] = np.round(x[1])
    cases = []
    for name, axis, last in itertools.product(("Max", "Min"), (0, -1), (0, 1)):
        cases.append(Case("Reduce" + name, [x, ints(axis)], {}, (1,)))
        for dtype in ["float32", "float64", *INTS]:
            y = numbers(dtype, (9, 40), special=False).round()
            attrs = {"axis": axis, "select_last_index": last, "keepdims": last}
            cases.append(Case("Arg" + name, [y], attrs))
    cases += [Case("Arg" + name, [x], {"axis": 1}) for name in ("Max", "Min")]
    check(cases, prefer)


@both_ways
def test_the_largest_come_in_the_order_of_their_places_where_they_are_equal(prefer):
    cases = []
    for dtype in [*FLOATS, *INTS]:
        x = numbers(dtype, (6, 40), special=False).round()
        for axis, largest, k in itertools.product((0, 1), (0, 1), (1, 5)):
            attrs = {"axis": axis, "largest": largest, "sorted": 1}
            cases.append(Case("TopK", [x, ints(k)], attrs, (1,), 2))
    graph, feeds = build(cases)
    with caffe2.prepare(graph, prefer=prefer) as rep:
        results = [np.array(x) for x in rep.run(feeds)]
    for i, case in enumerate(cases):
        x, k, axis = case.inputs[0], int(case.inputs[1][0]), case.attrs["axis"]
        keys = x.astype(np.float64) * (-1 if case.attrs["largest"] else 1)
        order = np.argsort(keys, axis, kind="stable").take(range(k), axis)
        np.testing.assert_array_equal(results[2 * i + 1], order, err_msg=str(case))
        wanted = np.take_along_axis(x, order, axis)
        np.testing.assert_array_equal(results[2 * i], wanted, err_msg=str(case))
    nan = np.array([1, np.nan, 3, -np.inf, np.inf], np.float32)
    check([Case("TopK", [nan, ints(3)], {"largest": up}, (1,), 2) for up in (0, 1)], prefer)


@both_ways
def test_shapes_change_and_elements_stay(prefer):
    cases = []
    for dtype in [*FLOATS, *INTS, "bool"]:
        x = numbers(dtype, (2, 3, 4))
        cases += [
            Case("Reshape", [x, ints(0, -1)], {}, (1,)),
            Case("Reshape", [x, ints(4, 6)]),
            Case("Flatten", [x], {"axis": 2}),
            Case("Transpose", [x], {"perm": [2, 0, 1]}),
            Case("Transpose", [x]),
            Case("Unsqueeze", [x, ints(0, -1)], {}, (1,)),
            Case("Squeeze", [x[:1, :, :1], ints(-1, 0)], {}, (1,)),
            Case("Squeeze", [x[:1, :, :1]]),
            Case("Identity", [x]),
            Case("Expand", [x[:, :1], ints(2, 1, 3, 1)], {}, (1,)),
            Case("Tile", [x, ints(1, 2, 3)], {}, (1,)),
            Case("Concat", [x, x, x[:, :1]], {"axis": 1}),
            Case("Concat", [x], {"axis": -1}),
            Case("Split", [x, ints(1, 0, 3)], {"axis": 2}, (1,), 3),
            Case("Split", [x], {"axis": 1, "num_outputs": 2}, (), 2),
            Case("Trilu", [x[0], np.int64(1)], {"upper": 1}, (1,)),
            Case("Trilu", [x], {"upper": 0}),
            Case("Shape", [x]),
            Case("Shape", [x], {"start": -2, "end": 3}),
            Case("Shape", [x], {"start": 3}),
            Case("Size", [x]),
        ]
    check(cases, prefer)


@both_ways
def test_shapes_of_nothing_and_of_one_number(prefer):
    one, none = np.float32(7), np.zeros((0, 3), np.float32)
    cases = [
        Case("Reshape", [none, ints(3, 0)], {"allowzero": 1}, (1,)),
        Case("Reshape", [none, ints(0, 1, 3)], {}, (1,)),
        Case("Reshape", [np.ones((1, 1), np.float32), ints()], {}, (1,)),
        Case("Reshape", [one, ints(1, 1)], {}, (1,)),
        Case("Flatten", [one], {"axis": 0}),
        Case("Flatten", [none], {"axis": 0}),
        Case("Transpose", [one]),
        Case("Transpose", [none]),
        Case("Expand", [one, ints(0, 2)], {}, (1,)),
        Case("Expand", [one, ints()], {}, (1,)),
        Case("Expand", [np.ones((3, 1), np.float32), ints(0)], {}, (1,)),
        Case("Tile", [none, ints(2, 0)], {}, (1,)),
        Case("Concat", [none, np.ones((2, 3), np.float32)], {"axis": 0}),
        Case("Split", [none], {"num_outputs": 2, "axis": 1}, (), 2),
        Case("Unsqueeze", [one, ints(0, 1)], {}, (1,)),
        Case("Shape", [one]),
        Case("Size", [none]),
        Case("Size", [one]),
    ]
    check(cases, prefer)


@both_ways
def test_slices_take_steps_and_go_backwards(prefer):
    big = 2**63 - 1
    cuts = [
        ((1,), (3,), (0,), None), ((0, 1), (2, -1), (0, 2), None),
        ((-2,), (big,), (-1,), None), ((0,), (big,), (1,), (2,)),
        ((-1,), (-big,), (1,), (-1,)), ((5, 0), (0, 9), (2, 1), (-2, 3)),
        ((3,), (1,), (0,), None), ((-99,), (99,), (2,), (5,)),
        ((4, 3), (-99, -99), (1, 2), (-3, -1)), ((1, 1, 1), (4, 5, 6), (0, 1, 2), (2, 2, 2)),
    ]  # fmt: skip
    cases = []
    for dtype in [*FLOATS, *INTS, "bool"]:
        x = numbers(dtype, (4, 5, 6))
        for start, end, axes, steps in cuts:
            rest = [ints(*axes)] + ([ints(*steps)] if steps else [])
            cases.append(Case("Slice", [x, ints(*start), ints(*end), *rest], {}, (1, 2, 3, 4)))
        cases.append(Case("Slice", [x, ints(1, 1), ints(3, 3)], {}, (1, 2)))
    cases.append(Case("Slice", [x[:0], ints(0), ints(3)], {}, (1, 2)))
    check(cases, prefer)


@both_ways
def test_pads_on_any_axis_of_any_kind(prefer):
    cases = []
    for dtype in [*FLOATS, *INTS, "bool"]:
        x = numbers(dtype, (2, 3, 4, 5))
        fill = np.asarray(1 if dtype == "bool" else 2.5, dtype)
        for pads in (ints(0, 0, 1, 2, 0, 0, 2, 1), ints(1, 0, -1, 2, 0, 2, 1, -2)):
            cases.append(Case("Pad", [x, pads, fill], {}, (1, 2)))
            cases.append(Case("Pad", [x, pads, fill], {}, (1,)))
            cases.append(Case("Pad", [x, pads], {}, (1,)))
        for mode in ("reflect", "edge", "wrap"):
            for pads in (ints(0, 0, 1, 2, 0, 0, 2, 1), ints(1, 2, 0, 0, 1, 0, 0, 3)):
                cases.append(Case("Pad", [x, pads], {"mode": mode}, (1,)))
        cases.append(Case("Pad", [x, ints(1, 2), fill, ints(-1)], {}, (1, 2, 3)))
    for number in (0.1, -np.inf, np.nan, 2**60 + 0.0):
        x = np.ones((2, 3), np.float64)
        cases.append(Case("Pad", [x, ints(1, 1, 0, 2), np.float64(number)], {}, (1, 2)))
    whole = np.ones(3, np.int64)
    cases.append(Case("Pad", [whole, ints(1, 1), np.int64(2**53 + 1)], {}, (1, 2)))
    check(cases, prefer)


@both_ways
def test_indices_count_from_either_end(prefer):
    cases = []
    for dtype in [*FLOATS, *INTS, "bool"]:
        x = numbers(dtype, (4, 5, 6))
        for axis, known in itertools.product((0, 1, -1), ((), (1,))):
            for index in (ints(0, -1, 3), ints(-2), np.array([[1, -4], [0, 2]]), np.int64(-1)):
                cases.append(Case("Gather", [x, index], {"axis": axis}, known))
        cases.append(Case("Gather", [x, np.array([1, 0], np.int32)], {"axis": 1}))
        cases.append(Case("Gather", [x, np.zeros((0, 2), np.int64)], {"axis": 1}))
        along = np.random.default_rng(0).integers(-4, 4, (2, 5, 6))
        cases += [Case("GatherElements", [x, along[:, :, :k]], {"axis": 0}) for k in (6, 2)]
        pairs = np.array([[0, -1], [3, 4], [-4, 0]])
        cases.append(Case("GatherND", [x, pairs]))
        cases.append(Case("GatherND", [x, pairs[:, :1]]))
        batch = np.random.default_rng(1).integers(-5, 5, (4, 2, 1))
        cases.append(Case("GatherND", [x, batch], {"batch_dims": 1}))
        if dtype != "float16":
            cases.append(Case("NonZero", [x]))
        cases.append(Case("Compress", [x, np.array([True, False, True])], {"axis": 1}))
        cases.append(Case("Compress", [x, np.array([True, False, True])]))
    check(cases, prefer)


@both_ways
def test_scattered_updates_replace_add_multiply_or_compete(prefer):
    cases = []
    for dtype in ["float32", "float64", *INTS]:
        x = numbers(dtype, (4, 5), special=False)
        index, updates = np.array([[0, -1, 1], [2, 3, 1]]), numbers(dtype, (2, 3), 3, special=False)
        for reduction in ("none", "add", "mul", "max", "min"):
            attrs = {"reduction": reduction}
            cases.append(Case("ScatterElements", [x, index, updates], {**attrs, "axis": 1}))
            rows = np.array([[1], [-2] if reduction == "none" else [1]])
            cases.append(
                Case("ScatterND", [x, rows, numbers(dtype, (2, 5), 4, special=False)], attrs)
            )
            cells = np.array([[1, 2], [0, -1], [3, 3]])
            cases.append(
                Case("ScatterND", [x, cells, numbers(dtype, (3,), 5, special=False)], attrs)
            )
    check(cases, prefer)


@both_ways
def test_what_is_made_from_shapes_and_counts(prefer):
    cases = []
    for dtype in [*FLOATS, *INTS, "bool"]:
        for number in (0, 1, 2.5, 0.1, -np.inf):
            if dtype[0] != "f" and number not in (0, 1):
                continue
            fill = numpy_helper.from_array(np.array([number], dtype))
            for known in ((0,), ()):
                if dtype == "float64" and number == 0.1 and not known:
                    continue
                cases.append(Case("ConstantOfShape", [ints(2, 3)], {"value": fill}, known))
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        x = np.zeros((3, 4), np.float32)
        if dtype != "bool":
            cases += [Case("EyeLike", [x], {"dtype": kind, "k": k}) for k in (0, -1, 2)]
        values = np.array([0, 1], dtype)
        for axis, known in itertools.product((0, 1, -1), ((1,), (1, 2))):
            index = np.array([[0, -1, 3], [7, -4, -5]])
            cases.append(Case("OneHot", [index, np.int64(4), values], {"axis": axis}, known))
    cases.append(Case("ConstantOfShape", [ints()], {}, (0,)))
    for dtype in ("float32", "float64", "int16", "int32", "int64"):
        for start, stop, step in ((0, 7, 2), (10, 6, -3), (5, 5, 1), (0, -5, 1), (-3, 9, 4)):
            ends = [np.asarray(x, dtype) for x in (start, stop, step)]
            cases += [Case("Range", ends, {}, known) for known in ((), (0, 1, 2))]
    for op, periodic in itertools.product(("Hann", "Hamming", "Blackman"), (0, 1)):
        cases.append(Case(op + "Window", [np.int64(9)], {"periodic": periodic}))
    check(cases, prefer)


@both_ways
def test_sets_of_elements(prefer):
    cases = []
    for dtype in [*FLOATS, *INTS]:
        x = numbers(dtype, (5, 6), special=False).round() % np.asarray(5, dtype)
        for sorted_ in (0, 1):
            cases.append(Case("Unique", [x], {"sorted": sorted_}, (), 4))
        rows = np.asarray(x[[0, 1, 0, 2, 1]], dtype)
        cases.append(Case("Unique", [rows], {"axis": 0}, (), 4))
        cases.append(Case("Unique", [rows.T.copy()], {"axis": -1, "sorted": 0}, (), 4))
        for time in (0, 1):
            attrs = {"time_axis": time, "batch_axis": 1 - time}
            lengths = ints(1, 4, 3, 2, 4) if time else ints(5, 1, 2, 3, 4, 0)
            cases.append(Case("ReverseSequence", [x, lengths], attrs))
    check(cases, prefer)


def test_random_numbers_have_the_distribution_that_is_asked_for():
    like = np.zeros((200, 300), np.float32)
    shape = {"shape": [200, 300]}
    cases = [
        Case("RandomNormal", [], {**shape, "mean": 2.0, "scale": 3.0}),
        Case("RandomUniform", [], {**shape, "low": -1.0, "high": 3.0}),
        Case("RandomNormalLike", [like], {"mean": 2.0, "scale": 3.0}),
        Case("RandomUniformLike", [like], {"low": -1.0, "high": 3.0}),
        Case("Bernoulli", [np.full((200, 300), 0.25, np.float32)]),
        Case("Multinomial", [np.log(np.float32([[1, 3]]))], {"sample_size": 60000}),
    ]
    graph, feeds = build(cases)
    with caffe2.prepare(graph) as rep:
        results, again = ([np.array(x) for x in rep.run(feeds)] for _ in range(2))
    moments = [(x.mean(), x.std()) for x in results]
    expected = [(2, 3), (1, 4 / 12**0.5)] * 2 + [(0.25, 0.1875**0.5), (0.75, 0.1875**0.5)]
    np.testing.assert_allclose(moments, expected, atol=0.05)
    assert not any(np.array_equal(one, other) for one, other in zip(results, again, strict=True))


@both_ways
def test_determinants(prefer):
    check([Case("Det", [numbers(d, (3, 4, 4), special=False)]) for d in FLOATS[:2]], prefer, 1e-4)


# ---- ONNX's own tests --------------------------------------------------------------------------

#: Draws of random numbers, which cannot be NumPy's.
DRAWN = ("test_bernoulli",)
FAMILIES = ("create", "index", "logic", "math", "reduce", "shape")


@functools.cache
def operators() -> frozenset[str]:
    """Operators whose rules are in the files that this file is about."""
    root = Path(__file__).parents[2] / "csrc" / "caffe2"
    found = set()
    for family in FAMILIES:
        rows = (root / f"emit_{family}.c").read_text().partition("rows[] = {")[2]
        found |= {line.split('"')[1] for line in rows.splitlines() if line.startswith('    {"')}
    return frozenset(found)


def node_cases() -> list[str]:
    return [
        name
        for name, case in all_cases().items()
        if {node.op_type for node in case.model.graph.node} <= operators()
        and not name.startswith(DRAWN)
    ]


def prefixed(name: str, known: bool) -> tuple[onnx.ModelProto, list[Any], list[Any]] | None:
    """The test as a model whose names begin with its own, its inputs, and its results.

    KNOWN: all inputs but the first are initializers, as axes and shapes mostly are; None if there
    are none.
    """
    case = all_cases()[name]
    inputs, outputs = ([value(x) for x in data] for data in case.data_sets[0])
    model = onnx.compose.add_prefix(case.model, f"{name}/")
    if known:
        if len(inputs) < 2 or any(isinstance(x, list) or x is None for x in inputs):
            return None
        for info, array in zip(list(model.graph.input)[1:], inputs[1:], strict=True):
            tensor = onnx.numpy_helper.from_array(np.asarray(array), info.name)
            model.graph.initializer.add().CopyFrom(tensor)
            model.graph.input.remove(info)
        inputs = inputs[:1]
    return model, inputs, outputs


def is_taken(model: onnx.ModelProto, prefer: str) -> bool:
    """Whether the emission takes MODEL; if not, it says why."""
    try:
        caffe2.emit(toffee.loads(model.SerializeToString()), prefer=prefer)
    except BackendError as error:
        assert "Caffe2 cannot compute it: " in str(error) or "no fill operator" in str(error)
        return False
    return True


def wrong_results(names: list[str], models: dict[str, Any], prefer: str) -> dict[str, str]:
    """What is wrong with each of these tests, run as one graph."""
    whole, feeds, expected = onnx.ModelProto(), [], []
    whole.CopyFrom(models[names[0]][0])
    for name in names:
        model, inputs, outputs = models[name]
        if name != names[0]:
            whole.graph.MergeFrom(model.graph)
        feeds += inputs
        expected.append(outputs)
    graph = toffee.loads(whole.SerializeToString())
    with caffe2.prepare(graph, prefer=prefer) as rep:
        results = [np.array(x) for x in rep.run(feeds)]
    wrong = {}
    for name, outputs in zip(names, expected, strict=True):
        made, results = results[: len(outputs)], results[len(outputs) :]
        try:
            assert_similar(made, outputs, all_cases()[name].rtol, all_cases()[name].atol)
        except AssertionError as error:
            wrong[name] = str(error)[:300]
    return wrong


@both_ways
@pytest.mark.parametrize("known", [False, True], ids=["fed", "known"])
def test_onnx_node_tests_are_right_or_refused(prefer, known):
    models, groups, wrong = {}, {}, {}
    for name in node_cases():
        models[name] = prefixed(name, known)
        if models[name] is not None and is_taken(models[name][0], prefer):
            opset = models[name][0].opset_import[0].version
            groups.setdefault(opset, []).append(name)
    for names in groups.values():
        try:
            wrong |= wrong_results(names, models, prefer)
        except BackendError:  # find out which of them it is
            for name in names:
                try:
                    wrong |= wrong_results([name], models, prefer)
                except BackendError as error:
                    wrong[name] = str(error)[:300]
    assert wrong == {}
    assert sum(map(len, groups.values())) > 200


# ---- programs of PyTorch -----------------------------------------------------------------------


class Tensors(torch.nn.Module):
    """What forwards do between their layers."""

    def forward(self, x, index):
        a, b = x.chunk(2, 1)
        c = torch.cat([a * 2 - b, torch.where(a > b, a, b.flip(2))], 1)
        c = c.permute(0, 2, 1)[:, ::2, 1:-1].reshape(x.shape[0], -1)
        d = torch.nn.functional.pad(x, (1, 2, 0, 1), value=0.5)[:, index]
        e, f = torch.topk(c.softmax(1), 3)
        g = x.cumsum(1).clamp(-1, 2).pow(2).mean((1, 2)) + x.amax(2).std(1)
        h = (a @ b.mT).tril().logsumexp(-1)
        return c, d, e, f, g, h, x.argmax(1), (x > 0).sum(1), x.to(torch.int32) // 2


@both_ways
def test_a_program_of_pytorch_on_other_inputs(prefer):
    generator = torch.Generator().manual_seed(0)
    index = torch.tensor([3, 0, -1])
    graph = to_graph(Tensors(), (torch.randn(2, 6, 9, generator=generator), index))
    x = torch.randn(2, 6, 9, generator=generator)
    with caffe2.prepare(graph, prefer=prefer) as rep:
        results = rep.run([x.numpy(), index.numpy()])
    with torch.inference_mode():
        expected = Tensors()(x, index)
    for i, (result, wanted) in enumerate(zip(results, expected, strict=True)):
        close(np.asarray(result), wanted.numpy(), f"output {i}", 1e-5)


class Aten(torch.nn.Module):
    def forward(self, x, y):
        return torch.logaddexp(x, y), torch.cummax(x, 1)[0], torch.lerp(x, y, 0.25), x.erfinv()


def test_nodes_of_pytorchs_own_domain_are_calls_of_aten():
    args = (torch.randn(2, 3), torch.randn(2, 3))
    graph = to_graph(Aten(), args, fallback="aten")
    x, y = torch.rand(2, 3), torch.rand(2, 3)
    with caffe2.prepare(graph) as rep:
        results = rep.run([x.numpy(), y.numpy()])
    for result, wanted in zip(results, Aten()(x, y), strict=True):
        close(np.asarray(result), wanted.numpy(), "", 1e-5)
