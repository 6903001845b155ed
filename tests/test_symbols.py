"""Expressions in symbols, what a symbol may be, and symbols that take sizes."""

from __future__ import annotations

import json
import random

import pytest

from toffee import _symbols, helper
from toffee._symbols import Limits, Misfit, Sizes, limits_of, parse

# ---- expressions -------------------------------------------------------------------------------


def _random_expression(rng: random.Random, depth: int) -> str:
    """What Python can read, and is computed with whole numbers alone."""
    kind = rng.randrange(8) if depth else rng.randrange(2)
    if kind == 0:
        return rng.choice(["batch", "length", "x_2"])
    if kind == 1:
        return str(rng.randrange(30))
    if kind == 2:
        return f"({_random_expression(rng, depth - 1)})"
    if kind == 3:
        return f"{rng.choice('+-')}{_random_expression(rng, depth - 1)}"
    left, right = (_random_expression(rng, depth - 1) for _ in range(2))
    space = rng.choice(["", " "])
    if kind == 4:
        return f"{rng.choice(['max', 'min'])}({left},{space}{right})"
    return f"{left}{space}{rng.choice(['+', '-', '*', '//', '%'])}{space}{right}"


def test_an_expression_is_what_python_computes():
    rng = random.Random(1)
    sizes = {"batch": 3, "length": 17, "x_2": 0}
    computed = 0
    for _ in range(4000):
        text = _random_expression(rng, 4)
        expression = parse(text)
        if not expression.known(sizes):
            assert not any(name in text for name in sizes), text
            continue
        try:
            expected = eval(text, {"__builtins__": {"max": max, "min": min}}, sizes)  # noqa: S307
        except ZeroDivisionError:
            with pytest.raises(ZeroDivisionError):
                expression.value(sizes)
            continue
        assert expression.value(sizes) == expected, text
        computed += 1
    assert computed > 2000


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("batch", ("batch",)),
        (" batch ", ("batch",)),
        ("2*length + 1", ("length",)),
        ("batch*(height//2)", ("batch", "height")),
        ("45.2", ("45.2",)),  # axis 2 of value 45
        ("layer1.0.conv.2 % 3", ("layer1.0.conv.2",)),
        ("batch*45.2 - 1", ("batch", "45.2")),
        ("größe//2", ("größe",)),
        ("max(n - 1, min(m, 4))", ("n", "m")),
        ("max + min", ("max", "min")),
    ],
)
def test_the_symbols_of_an_expression_are_known(text, names):
    assert parse(text).names == names


@pytest.mark.parametrize(
    "text",
    ["3", "2*3", "", " ", "a b", "2*", "*a", "(a", "a)", "()", "a//", "a**2", "a/2", "floor(a/2)",
     "max(a)", "max(a, 2", "max(a, 2, 3)", "(a, 2)", "max(, a)", "max a, 2", "maxi(a, 2)",
     "a[0]", "a if b else c", "__import__('os')", "a,b", "a+" * 400 + "a" + "+a" * 400]
)  # fmt: skip
def test_what_is_no_expression_is_a_name_for_one_size(text):
    expression = parse(text)
    assert expression.is_symbol and expression.names == (text,)
    assert expression.value({text: 7}) == 7


def test_a_text_that_is_made_to_be_deep_takes_no_stack():
    assert parse("(" * 400 + "a" + ")" * 400).value({"a": 5}) == 5
    assert parse("-" * 900 + "a").value({"a": 5}) == 5


# ---- limits ------------------------------------------------------------------------------------


def graph_with(text: str | None, *shapes):
    infos = [
        helper.make_tensor_value_info(f"x{i}", 1, list(shape)) for i, shape in enumerate(shapes)
    ]
    graph = helper.make_graph([], "g", infos, infos)
    if text is not None:
        graph.metadata_props.add(key=_symbols.DYNAMIC_DIMS, value=text)
    return graph


def test_limits_are_read_from_the_metadata():
    text = json.dumps(
        {
            "batch": {"min": 1, "max": 8, "multiple_of": 1},
            "length": {"min": 2, "max": None, "multiple_of": 4},
            "any": {"min": 0, "max": None, "multiple_of": 1},
        }
    )
    assert limits_of(graph_with(text)) == {"batch": Limits(1, 8, 1), "length": Limits(2, None, 4)}
    assert limits_of(graph_with(None)) == {}


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "3", "null", '{"batch": 3}', '{"batch": {"min": "1", "max": -1}}',
     '{"batch": {"multiple_of": 0}}',
     '{"batch": {"min": true, "max": 1.5}}', "[" * 100_000]
)  # fmt: skip
def test_metadata_that_says_something_else_sets_no_limits(text):
    assert limits_of(graph_with(text)) == {}


@pytest.mark.parametrize(
    ("limits", "size", "fault"),
    [
        (Limits(), 0, None),
        (Limits(1, 8), 8, None),
        (Limits(2), 1, "at least 2"),
        (Limits(1, 8), 9, "at most 8"),
        (Limits(0, None, 4), 6, "a multiple of 4"),
        (Limits(0, None, 4), 8, None),
    ],
)
def test_a_limit_says_what_a_size_breaks(limits, size, fault):
    assert limits.fault(size) == fault


@pytest.mark.parametrize(
    ("limits", "size"),
    [(Limits(), 2), (Limits(5), 5), (Limits(3, None, 4), 4), (Limits(0, 1), 1),
     (Limits(1, 8, 8), 8)],
)  # fmt: skip
def test_the_nearest_size_is_the_least_allowed_from_there_up(limits, size):
    assert limits.nearest(2) == size
    assert limits.fault(size) is None


def test_limits_are_told_in_words():
    assert Limits(1, 8, 4).describe() == "1 to 8, a multiple of 4"
    assert Limits(2).describe() == "2 or more"
    assert Limits().describe() == "any"


def test_symbols_of_inputs_come_in_order_and_once():
    text = '{"length": {"min": 2}}'
    graph = graph_with(text, ["length", "batch", 3, None], ["batch", "2*width + length"])
    assert _symbols.symbols_of(graph) == {
        "length": Limits(2),
        "batch": Limits(),
        "width": Limits(),
    }


# ---- sizes -------------------------------------------------------------------------------------


def test_expressions_are_computed_whichever_input_comes_first():
    sizes = Sizes()
    sizes.take("y", ["2*length + 1", "batch"], (15, 2))
    sizes.take("x", ["length"], (7,))
    sizes.settle()
    assert sizes.shape(["batch", "length//2", "width", "length - 9", None, 3]) == (
        2, 3, "width", "length - 9", None, 3,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([("x", ["b"], (3,)), ("ids", ["b"], (5,))], "'ids' has 5 for 'b' and 'x' has 3"),
        ([("x", ["n", "n"], (3, 4))], "'x' has both 3 and 4 for 'n'"),
        ([("x", ["n", 3], (2, 4))], "'x' has 4 in dimension 1, which is 3"),
        ([("x", ["n"], (2, 4))], "'x' has 2 dimensions, and the graph declares 1"),
        ([("x", ["n", 3], (2,))], "'x' has 1 dimension, and the graph declares 2"),
        ([("x", ["batch"], (9,))], "'x' has 9 in dimension 0 for 'batch', which must be at most 8"),
        ([("x", [2, "length"], (2, 3))], "'x' has 3 in dimension 1 for 'length', .* multiple of 2"),
        (
            [("y", ["2*n + 1"], (8,)), ("x", ["n"], (3,))],
            r"'y' has 8 in dimension 0, where '2\*n \+ 1' is 7 for n=3",
        ),
        ([("y", ["n//m"], (8,)), ("x", ["n//m"], (3,))], "'x' has 3 for 'n//m' and 'y' has 8"),
    ],
)  # fmt: skip
def test_shapes_that_do_not_fit_name_input_dimension_and_sizes(inputs, message):
    sizes = Sizes({"batch": Limits(1, 8), "length": Limits(0, None, 2)})
    with pytest.raises(Misfit, match=f"^{message}"):
        for name, declared, shape in inputs:
            sizes.take(name, declared, shape)
        sizes.settle()
