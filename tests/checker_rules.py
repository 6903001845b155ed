"""The rules of the checker: for each a model that keeps it and one that breaks it."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from checker_models import (
    ANY,
    BOOL,
    DOUBLE,
    FLOAT,
    FLOAT16,
    INT32,
    INT64,
    Model,
    Node,
    Typed,
    X,
    single,
)

ONES = np.ones((2, 3), np.float32)


@dataclasses.dataclass
class Rule:
    """One rule, in words."""

    name: str
    keeps: Model
    breaks: Model
    message: str  # a pattern of what toffee says of the second model
    onnx_too: bool  # whether onnx with full_check refuses it; else it comes up in a runtime only


def conv(x: list[int] | None = None, **attributes: Any) -> Model:
    """Conv of 4 channels to 6 with a 3 x 3 window."""
    weight = np.ones((6, 4 // attributes.get("group", 1), 3, 3), np.float32)
    return single("Conv", {"x": (FLOAT, x or [1, 4, 9, 9]), "w": weight}, **attributes)


def conv_weight(*dims: int, bias: int = 6, **attributes: Any) -> Model:
    """Conv of 4 channels with a weight of ``dims`` and a bias of ``bias`` elements."""
    arrays = {"w": np.ones(dims, np.float32), "b": np.ones(bias, np.float32)}
    return single("Conv", {"x": (FLOAT, [1, 4, 9, 9]), **arrays}, **attributes)


def pool(**attributes: Any) -> Model:
    return single("MaxPool", {"x": (FLOAT, [1, 4, 9, 9])}, **attributes)


def binary(op: str, a: Typed, b: Typed, output: Typed = ANY) -> Model:
    return single(op, {"a": a, "b": b}, output=output)


def gemm(a: list[int], b: list[int], c: list[int] | None = None, **attributes: Any) -> Model:
    inputs: dict[str, Any] = {"a": (FLOAT, a), "b": (FLOAT, b)}
    if c is not None:
        inputs["c"] = (FLOAT, c)
    return single("Gemm", inputs, **attributes)


def batch_norm(n_outputs: int, channels: int = 4, **attributes: Any) -> Model:
    statistics = {name: np.ones(channels, np.float32) for name in ("scale", "bias", "mean", "var")}
    inputs: dict[str, Any] = {"x": (FLOAT, [2, 4, 5, 5]), **statistics}
    return single("BatchNormalization", inputs, n_outputs, **attributes)


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def reshape(*shape: int, **attributes: Any) -> Model:
    return single("Reshape", {"x": (FLOAT, [2, 3, 4]), "shape": ints(*shape)}, **attributes)


def lstm(hidden: int = 5, gates: int = 4, directions: int = 1, **attributes: Any) -> Model:
    w = np.ones((directions, gates * hidden, 3), np.float32)
    r = np.ones((directions, gates * hidden, hidden), np.float32)
    inputs: dict[str, Any] = {"x": (FLOAT, [7, 2, 3]), "w": w, "r": r}
    return single("LSTM", inputs, **{"hidden_size": 5, **attributes})


def branch(value: str = "x", n: int = 1) -> Model:
    """The body of an If: ``n`` outputs, each made of ``value``, which may come from outside."""
    names = [f"b{i}" for i in range(n)]
    return Model([Node("Relu", [value], [name]) for name in names], {}, {n: ANY for n in names})


def conditional(then_branch: Model | None = None, **attributes: Any) -> Model:
    node = Node(
        "If",
        ["c"],
        ["y"],
        {"then_branch": then_branch or branch(), "else_branch": branch(), **attributes},
    )
    return Model([node], {"c": (BOOL, []), "x": X}, {"y": ANY})


def loop(n_body_outputs: int = 2) -> Model:
    names = [f"v{i}" for i in range(n_body_outputs - 1)]
    body = Model(
        [
            Node("Identity", ["cond"], ["cond_out"]),
            *(Node("Relu", ["v"], [name]) for name in names),
        ],
        {"i": (INT64, []), "cond": (BOOL, []), "v": ANY},
        {"cond_out": (BOOL, []), **{name: ANY for name in names}},
    )
    node = Node("Loop", ["m", "", "x"], ["y"], {"body": body})
    return Model([node], {"m": (INT64, []), "x": X}, {"y": ANY})


def scan(num_scan_inputs: int) -> Model:
    body = Model([Node("Relu", ["e"], ["f"])], {"e": ANY}, {"f": ANY})
    return single("Scan", {"x": (FLOAT, [2, 3])}, body=body, num_scan_inputs=num_scan_inputs)


def initialized(array: np.ndarray, declared: Typed) -> Model:
    """An initializer that is an input too, so that it has a declared type."""
    return Model([Node("Abs", ["w"], ["y"])], {"w": declared}, {"y": ANY}, {"w": array})


RULES = [
    Rule(
        "an operator is one of the opset",
        single("Relu", {"x": X}),
        single("Rellu", {"x": X}),
        r"no operator 'Rellu' in opset 20; did you mean 'Relu'\?",
        True,
    ),
    Rule(
        "an operator that was taken out is not there",
        single("Resize", {"x": X, "r": None, "s": np.ones(3, np.float32)}),
        single("Upsample", {"x": X, "s": np.ones(3, np.float32)}, mode="nearest"),
        r"no operator 'Upsample' in opset 20",
        True,
    ),
    Rule(
        "a node has no fewer inputs than its operator takes",
        binary("Add", X, X),
        single("Add", {"a": X}),
        r"has 1 input; Add has 2 \(A, B\)",
        True,
    ),
    Rule(
        "a node has no more inputs than its operator takes",
        single("Relu", {"x": X}),
        single("Relu", {"x": X, "z": X}),
        r"has 2 inputs; Relu has 1 \(X\)",
        True,
    ),
    Rule(
        "optional inputs count",
        single("Clip", {"x": X, "low": None, "high": (FLOAT, [])}),
        single("Clip", {"x": X, "low": None, "high": (FLOAT, []), "z": X}),
        r"has 4 inputs; Clip has 1 to 3 \(input, min\?, max\?\)",
        True,
    ),
    Rule(
        "a variadic operator has at least its fewest inputs",
        single("Concat", {"x": X}, axis=0),
        single("Concat", {}, axis=0),
        r"has 0 inputs; Concat has 1 or more \(inputs\.\.\)",
        True,
    ),
    Rule(
        "a required input is not left out",
        binary("Add", X, X),
        single("Add", {"a": None, "b": X}),
        r"input 0 \(A\) is left out, but Add needs it",
        True,
    ),
    Rule(
        "a node has no more outputs than its operator gives",
        pool(kernel_shape=[3, 3]),
        single("MaxPool", {"x": (FLOAT, [1, 4, 9, 9])}, 3, kernel_shape=[3, 3]),
        r"has 3 outputs; MaxPool has 1 to 2 \(Y, Indices\?\)",
        True,
    ),
    Rule(
        "an attribute is one of its operator's",
        conv(kernel_shape=[3, 3]),
        conv(kernel_size=[3, 3]),
        r"attribute 'kernel_size' is not one of Conv's \(auto_pad, dilations, group, kernel_shape, "
        r"pads, strides\); did you mean 'kernel_shape'\?",
        True,
    ),
    Rule(
        "an operator without attributes has none",
        single("Relu", {"x": X}),
        single("Relu", {"x": X}, inplace=1),
        r"attribute 'inplace' is not one of Relu's \(it has none\)",
        True,
    ),
    Rule(
        "an attribute has the type of its operator's",
        conv(strides=[2, 2]),
        conv(strides=2),
        r"attribute 'strides' is of type INT; Conv's is INTS",
        True,
    ),
    Rule(
        "a required attribute is there",
        single("Concat", {"x": X, "z": X}, axis=1),
        single("Concat", {"x": X, "z": X}),
        r"attribute 'axis' \(INT: .*\) is missing; Concat requires it",
        True,
    ),
    Rule(
        "a text attribute has one of its operator's values",
        single("Gelu", {"x": X}, approximate="tanh"),
        single("Gelu", {"x": X}, approximate="erf"),
        r"attribute 'approximate' is 'erf'; Gelu allows none\|tanh",
        False,
    ),
    Rule(
        "an input has a dtype that its operator allows",
        single("MatMul", {"a": (INT32, [2, 3]), "b": (INT32, [3, 2])}, output=(INT32, None)),
        single("MatMul", {"a": (BOOL, [2, 3]), "b": (BOOL, [3, 2])}, output=(BOOL, None)),
        r"input 0 \(A, 'a'\) is BOOL; MatMul allows FLOAT, INT32, INT64, FLOAT16",
        True,
    ),
    Rule(
        "inputs of one type variable have one dtype",
        binary("Add", X, X),
        binary("Add", X, (DOUBLE, [2, 3, 4])),
        r"input 1 \(B, 'b'\) is DOUBLE, but input 0 is FLOAT; .*put a Cast in between",
        True,
    ),
    Rule(
        "a declared output has the dtype that the inputs give it",
        binary("Add", X, X),
        binary("Add", X, X, (INT64, None)),
        r"output 0 \(C, 'y0'\) is INT64, but input 0 is FLOAT",
        True,
    ),
    Rule(
        "the shape of a Reshape is INT64",
        reshape(6, 4),
        single("Reshape", {"x": X, "shape": np.array([6, 4], np.int32)}),
        r"input 1 \(shape, 'shape'\) is INT32; Reshape allows INT64",
        True,
    ),
    Rule(
        "the shape of an Expand is INT64",
        single("Expand", {"x": X, "shape": ints(5, 2, 3, 4)}),
        single("Expand", {"x": X, "shape": (FLOAT, [3])}),
        r"input 1 \(shape, 'shape'\) is FLOAT; Expand allows INT64",
        True,
    ),
    Rule(
        "kernel_shape has a number for each spatial axis",
        conv(kernel_shape=[3, 3]),
        conv(kernel_shape=[3]),
        r"attribute 'kernel_shape' has 1 numbers; 2 spatial axes need 2",
        True,
    ),
    Rule(
        "kernel_shape agrees with the weight",
        conv(kernel_shape=[3, 3]),
        conv(kernel_shape=[3, 5]),
        r"attribute 'kernel_shape' has 5 at 1, but input 1 \(W\) has size 3 there",
        False,
    ),
    Rule(
        "a convolution's pads have two numbers for each spatial axis",
        conv(pads=[1, 1, 1, 1]),
        conv(pads=[1, 1]),
        r"attribute 'pads' has 2 numbers; 2 spatial axes need 4",
        True,
    ),
    Rule(
        "a convolution's strides are at least 1",
        conv(strides=[2, 1]),
        conv(strides=[2, 0]),
        r"attribute 'strides' has 0 at 1; at least 1 is allowed",
        True,
    ),
    Rule(
        "a convolution's input has the rank of its weight",
        conv([1, 4, 9, 9]),
        conv([1, 4, 9]),
        r"input 0 \(X\) has rank 3 and input 1 \(W\) has 4; they must agree",
        True,
    ),
    Rule(
        "pads and auto_pad do not contradict each other",
        conv(pads=[0, 0, 0, 0], auto_pad="SAME_UPPER"),
        conv(pads=[1, 1, 1, 1], auto_pad="SAME_UPPER"),
        r"attributes 'pads' and 'auto_pad' \(SAME_UPPER\) contradict each other",
        False,
    ),
    Rule(
        "group divides the channels that a convolution gives",
        conv_weight(6, 2, 3, 3, group=2),
        conv_weight(5, 2, 3, 3, group=2, bias=5),
        r"group = 2 does not divide the 5 channels",
        False,
    ),
    Rule(
        "a convolution's weight is made for the input's channels",
        conv_weight(6, 4, 3, 3),
        conv_weight(6, 3, 3, 3),
        r"X has 4 channels, but W and group = 1 are made for 3",
        False,
    ),
    Rule(
        "a convolution's bias has an element for each channel",
        conv_weight(6, 4, 3, 3, bias=6),
        conv_weight(6, 4, 3, 3, bias=4),
        r"input 2 \(B\) has 4 elements for 6 output channels",
        False,
    ),
    Rule(
        "a transposed convolution's weight begins with the input's channels",
        single(
            "ConvTranspose", {"x": (FLOAT, [1, 4, 9, 9]), "w": np.ones((4, 6, 3, 3), np.float32)}
        ),
        single(
            "ConvTranspose", {"x": (FLOAT, [1, 4, 9, 9]), "w": np.ones((6, 4, 3, 3), np.float32)}
        ),
        r"X has 4 channels, but W and group = 1 are made for 6",
        False,
    ),
    Rule(
        "a pool's kernel_shape is there",
        pool(kernel_shape=[3, 3]),
        pool(strides=[2, 2]),
        r"attribute 'kernel_shape' \(INTS: .*\) is missing; MaxPool requires it",
        True,
    ),
    Rule(
        "a pool's kernel_shape has a number for each spatial axis",
        pool(kernel_shape=[3, 3]),
        pool(kernel_shape=[3, 3, 3]),
        r"attribute 'kernel_shape' has 3 numbers; 2 spatial axes need 2",
        True,
    ),
    Rule(
        "a pool's pads have two numbers for each spatial axis",
        pool(kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        pool(kernel_shape=[3, 3], pads=[1, 1]),
        r"attribute 'pads' has 2 numbers; 2 spatial axes need 4",
        True,
    ),
    Rule(
        "Gemm multiplies matrices",
        gemm([2, 3], [3, 5]),
        gemm([2, 3, 4], [4, 5]),
        r"input 0 \(A\) has rank 3; Gemm multiplies matrices",
        True,
    ),
    Rule(
        "Gemm's inner sizes agree, as transA and transB turn them",
        gemm([3, 2], [5, 3], transA=1, transB=1),
        gemm([2, 3], [5, 3]),
        r"A has 3 columns and B has 5 rows",
        True,
    ),
    Rule(
        "Gemm's C can be broadcast to the product",
        gemm([2, 3], [3, 5], [5]),
        gemm([2, 3], [3, 5], [2]),
        r"input 2 \(C\) has rank 1 and size 2 at axis 0, which cannot be broadcast",
        False,
    ),
    Rule(
        "MatMul's inner sizes agree",
        binary("MatMul", (FLOAT, [7, 2, 3]), (FLOAT, [3, 5])),
        binary("MatMul", (FLOAT, [7, 2, 3]), (FLOAT, [2, 5])),
        r"A has 3 columns and B has 2 rows",
        True,
    ),
    Rule(
        "shapes can be broadcast together",
        binary("Add", X, (FLOAT, [3, 1])),
        binary("Add", X, (FLOAT, [2, 1])),
        r"inputs 0 and 1 cannot be broadcast together: axis -2 has sizes 3 and 2",
        True,
    ),
    Rule(
        "Concat's axis lies in the rank",
        single("Concat", {"a": X, "b": X}, axis=-3),
        single("Concat", {"a": X, "b": X}, axis=3),
        r"attribute 'axis' is 3; for an input of rank 3 it must lie in -3\.\.2",
        True,
    ),
    Rule(
        "Concat's inputs differ in its axis only",
        single("Concat", {"a": X, "b": (FLOAT, [2, 5, 4])}, axis=1),
        single("Concat", {"a": X, "b": (FLOAT, [2, 5, 4])}, axis=0),
        r"input 1 has size 5 at axis 1 and another has 3; only axis 0 may differ",
        True,
    ),
    Rule(
        "Softmax's axis lies in the rank",
        single("Softmax", {"x": X}, axis=-3),
        single("Softmax", {"x": X}, axis=-4),
        r"attribute 'axis' is -4",
        True,
    ),
    Rule(
        "Flatten's axis may be the rank itself but no more",
        single("Flatten", {"x": X}, axis=3),
        single("Flatten", {"x": X}, axis=4),
        r"attribute 'axis' is 4; for an input of rank 3 it must lie in -3\.\.3",
        True,
    ),
    Rule(
        "batch normalization in training gives its statistics",
        batch_norm(3, training_mode=1),
        batch_norm(1, training_mode=1),
        r"has 1 outputs; training_mode = 1 goes with 3 \(Y, running_mean, running_var\)",
        True,
    ),
    Rule(
        "batch normalization outside training gives one output",
        batch_norm(1),
        batch_norm(3),
        r"has 3 outputs; training_mode = 0 goes with 1 \(Y\)",
        True,
    ),
    Rule(
        "batch normalization has statistics for each channel",
        batch_norm(1, channels=4),
        batch_norm(1, channels=3),
        r"input 1 \(scale\) has 3 elements for 4 channels",
        True,
    ),
    Rule(
        "a Reshape keeps the number of elements",
        reshape(6, 4),
        reshape(6, 5),
        r"data has 24 elements, which shape cannot hold \(30 elements\)",
        False,
    ),
    Rule(
        "a Reshape's -1 can be worked out",
        reshape(0, -1),
        reshape(5, -1),
        r"data has 24 elements, which shape cannot hold \(5 elements times the -1\)",
        True,
    ),
    Rule(
        "a Reshape has one -1 at most",
        reshape(-1, 4),
        reshape(-1, -1, 4),
        r"shape has more than one -1",
        True,
    ),
    Rule(
        "a Reshape's 0 keeps an axis that is there",
        reshape(0, 0, 0, 1),
        reshape(2, 3, 4, 0),
        r"shape\[3\] is 0, which keeps the size of that axis, but data has rank 3",
        True,
    ),
    Rule(
        "an Expand enlarges axes of size 1",
        single("Expand", {"x": (FLOAT, [2, 1, 4]), "shape": ints(3, 1)}),
        single("Expand", {"x": X, "shape": ints(5, 1)}),
        r"an axis of size 3 cannot be expanded to shape\[0\], 5",
        True,
    ),
    Rule(
        "Squeeze takes axes of size 1",
        single("Squeeze", {"x": (FLOAT, [2, 1, 4]), "axes": ints(-2)}),
        single("Squeeze", {"x": X, "axes": ints(-2)}),
        r"axis 1 has size 3; only axes of size 1 can be squeezed",
        True,
    ),
    Rule(
        "Unsqueeze's axes lie in the rank that it gives",
        single("Unsqueeze", {"x": X, "axes": ints(0, 4)}),
        single("Unsqueeze", {"x": X, "axes": ints(0, 5)}),
        r"axes\[1\] is 5, outside of a rank of 5",
        True,
    ),
    Rule(
        "perm is a permutation",
        single("Transpose", {"x": X}, perm=[2, 0, 1]),
        single("Transpose", {"x": X}, perm=[2, 0, 0]),
        r"attribute 'perm' is not a permutation: perm\[2\] is 0; each of 0\.\.2",
        True,
    ),
    Rule(
        "perm has an axis for each of the input's",
        single("Transpose", {"x": X}, perm=[2, 0, 1]),
        single("Transpose", {"x": X}, perm=[1, 0]),
        r"attribute 'perm' has 2 axes; the input's rank is 3",
        False,
    ),
    Rule(
        "DepthToSpace's channels are a multiple of the block",
        single("DepthToSpace", {"x": (FLOAT, [1, 9, 2, 2])}, blocksize=3),
        single("DepthToSpace", {"x": (FLOAT, [1, 9, 2, 2])}, blocksize=2),
        r"axis 1 has size 9, which is no multiple of 4 \(blocksize 2\)",
        False,
    ),
    Rule(
        "Split says in one way how to split",
        single("Split", {"x": X, "split": ints(1, 2)}, 2, axis=1),
        single("Split", {"x": X, "split": ints(1, 2)}, 2, axis=1, num_outputs=2),
        r"both say how to split: give either input 1 \(split\) or attribute 'num_outputs'",
        True,
    ),
    Rule(
        "Split's sizes add up to the axis",
        single("Split", {"x": X, "split": ints(1, 2)}, 2, axis=1),
        single("Split", {"x": X, "split": ints(1, 1)}, 2, axis=1),
        r"the sizes in split add up to 2, but the axis has 3",
        True,
    ),
    Rule(
        "Split has an output for each part",
        single("Split", {"x": X}, 3, axis=1, num_outputs=3),
        single("Split", {"x": X}, 2, axis=1, num_outputs=3),
        r"attribute 'num_outputs' is 3, but there are 2 outputs",
        False,
    ),
    Rule(
        "Resize has scales or sizes",
        single("Resize", {"x": X, "r": None, "s": None, "sizes": ints(4, 6, 8)}),
        single(
            "Resize",
            {"x": X, "r": None, "s": np.ones(3, np.float32) * 2, "sizes": ints(4, 6, 8)},
        ),
        r"has both of input 2 \(scales\) and input 3 \(sizes\)",
        True,
    ),
    Rule(
        "a recurrent layer's weights fit its hidden size",
        lstm(),
        lstm(gates=3),
        r"axis 1 of W \(gates x hidden units\) has size 15 and must have 20",
        False,
    ),
    Rule(
        "a bidirectional layer has weights for both directions",
        lstm(directions=2, direction="bidirectional"),
        lstm(directions=1, direction="bidirectional"),
        r"axis 0 of W \(directions\) has size 1 and must have 2",
        False,
    ),
    Rule(
        "Cast's target is a dtype",
        single("Cast", {"x": X}, output=(INT64, None), to=INT64),
        single("Cast", {"x": X}, output=(INT64, None), to=99),
        r"attribute 'to' is 99 \(UNDEFINED\), which Cast cannot give",
        True,
    ),
    Rule(
        "Cast's target is one that Cast can make",
        single("Cast", {"x": X}, output=(FLOAT16, None), to=FLOAT16),
        single("Cast", {"x": X}, output=(14, None), to=14),
        r"attribute 'to' is 14 \(COMPLEX64\), which Cast cannot give|is COMPLEX64; Cast allows",
        True,
    ),
    Rule(
        "Cast's target is the dtype that the output is declared with",
        single("Cast", {"x": X}, output=(INT64, None), to=INT64),
        single("Cast", {"x": X}, output=(INT32, None), to=INT64),
        r"attribute 'to' is INT64, but the output is declared INT32",
        True,
    ),
    Rule(
        "a Constant has a value",
        single("Constant", {}, value=ONES),
        single("Constant", {}),
        r"has 0 attributes with a value .* and must have exactly one",
        True,
    ),
    Rule(
        "a Constant has one value only",
        single("Constant", {}, value_float=1.0),
        single("Constant", {}, value=ONES, value_float=1.0),
        r"has 2 attributes with a value .* and must have exactly one",
        True,
    ),
    Rule(
        "a Constant has the dtype that its output is declared with",
        single("Constant", {}, output=(INT64, None), value_ints=[1, 2]),
        single("Constant", {}, output=(FLOAT, None), value_ints=[1, 2]),
        r"the value is INT64, but the output is declared FLOAT",
        True,
    ),
    Rule(
        "ConstantOfShape's value is one element",
        single("ConstantOfShape", {"n": ints(2, 3)}, value=np.ones(1, np.float32)),
        single("ConstantOfShape", {"n": ints(2, 3)}, value=np.ones(2, np.float32)),
        r"attribute 'value' has 2 elements and must have one",
        False,
    ),
    Rule(
        "an If has both branches",
        conditional(),
        Model(
            [Node("If", ["c"], ["y"], {"then_branch": branch()})],
            {"c": (BOOL, []), "x": X},
            {"y": ANY},
        ),
        r"attribute 'else_branch' \(GRAPH: .*\) is missing",
        True,
    ),
    Rule(
        "the branches of an If give as many outputs as it has",
        conditional(branch()),
        conditional(branch(n=2)),
        r"the graph in attribute 'then_branch' has 2 outputs; the node's own outputs ask for 1",
        True,
    ),
    Rule(
        "the nodes of a branch keep the rules",
        conditional(branch()),
        conditional(Model([Node("Rellu", ["x"], ["b0"])], {}, {"b0": ANY})),
        r"node 0 \(If\): in the graph of attribute 'then_branch': node 0 \(Rellu\): there is no",
        True,
    ),
    Rule(
        "a value taken from the graph around has a dtype there",
        conditional(Model([Node("Add", ["x", "x"], ["b0"])], {}, {"b0": ANY})),
        conditional(Model([Node("Add", ["x", "c"], ["b0"])], {}, {"b0": ANY})),
        r"input 1 \(B, 'c'\) is BOOL; Add allows",
        True,
    ),
    Rule(
        "the body of a Loop gives the condition and each value",
        loop(2),
        loop(3),
        r"the graph in attribute 'body' has 3 outputs; the node's own outputs ask for 2",
        True,
    ),
    Rule(
        "a Scan scans one input at least",
        scan(1),
        scan(0),
        r"attribute 'num_scan_inputs' is 0; of the 1 inputs at least 1 is scanned",
        False,
    ),
    Rule(
        "an initializer has the dtype that it is declared with",
        initialized(ONES, (FLOAT, [2, 3])),
        initialized(ONES.astype(np.int64), (FLOAT, [2, 3])),
        r"initializer 'w' is INT64, but is declared FLOAT",
        True,
    ),
    Rule(
        "an initializer has the rank that it is declared with",
        initialized(ONES, (FLOAT, [2, 3])),
        initialized(ONES, (FLOAT, [2, 3, 1])),
        r"initializer 'w' has rank 2, but is declared with rank 3",
        True,
    ),
    Rule(
        "an initializer has the dims that it is declared with",
        initialized(ONES, (FLOAT, [2, 3])),
        initialized(ONES, (FLOAT, [2, 4])),
        r"initializer 'w' has size 3 at axis 1, but is declared with 4",
        True,
    ),
    Rule(
        "a value is defined before it is used",
        Model([Node("Relu", ["x"], ["t"]), Node("Relu", ["t"], ["y"])], {"x": X}, {"y": ANY}),
        Model([Node("Relu", ["t"], ["y"]), Node("Relu", ["x"], ["t"])], {"x": X}, {"y": ANY}),
        r"node 0 \(Relu\).*'t'",
        True,
    ),
    Rule(
        "a value is defined once",
        Model([Node("Relu", ["x"], ["t"]), Node("Abs", ["x"], ["y"])], {"x": X}, {"y": ANY}),
        Model([Node("Relu", ["x"], ["y"]), Node("Abs", ["x"], ["y"])], {"x": X}, {"y": ANY}),
        r"node 1 \(Abs\).*'y'",
        True,
    ),
    Rule(
        "a domain is declared",
        single("Relu", {"x": X}),
        Model([Node("Frob", ["x"], ["y"], domain="my.own")], {"x": X}, {"y": ANY}),
        r"node 0 \(my.own::Frob\): its domain 'my.own' is not declared",
        True,
    ),
]
