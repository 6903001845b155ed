"""Sizes as expressions (csrc/size): their algebra, their text, and fitting them to what was seen.

Python's own integers, // and % are what everything is held against.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from toffee import _core

_testing = _core._testing

FLOAT, FLOAT16, DOUBLE = 1, 10, 11
IS, INVERSE, ROOT, INVERSE_ROOT, LOG, POWER, RATIO = range(7)

BIG = 2**62


def evaluate(tree, values):
    if isinstance(tree, int):
        return tree
    if isinstance(tree, str):
        return values[tree]
    op, left, right = tree
    a, b = evaluate(left, values), evaluate(right, values)
    if op == "+":
        return a + b
    if op == "-":
        return a - b
    if op == "*":
        return a * b
    if op in ("max", "min"):
        return max(a, b) if op == "max" else min(a, b)
    return a // b if op == "//" else a % b


def at_points(symbols):
    return [
        dict(zip(symbols, values, strict=True)) for values in zip(*symbols.values(), strict=True)
    ]


def text(tree, **symbols):
    """How TREE is written; the symbols in the order given, without a value unless told."""
    symbols = symbols or {"n": (5, 8), "m": (7, 9)}
    found = _testing.size_expr(symbols, tree)
    return found[0] if found else None


def fit(formula, symbols, hints=(), remembered=()):
    samples = [eval(formula, {}, point) for point in at_points(symbols)]
    return _testing.size_fit(symbols, samples, hints, remembered)


def star(names, sizes):
    """Points as an export has them: one run, each size alone changed, then all at once."""
    points = {name: [sizes[0] + k] for k, name in enumerate(names)}
    for changed in names:
        for size in sizes[1:]:
            for name in names:
                points[name].append(size if name == changed else points[name][0])
    for k, name in enumerate(names):
        points[name].append(sizes[-1] + 5 + 2 * k)
    return points


SIZES = (6, 9, 16, 23, 36)


def check_fit(formula, symbols, hints=(), remembered=()):
    """What is found is FORMULA at sizes from 1 to 60 that were not seen, too."""
    found = fit(formula, symbols, hints, remembered)
    assert found is not None, formula
    for point in at_points(symbols):
        assert eval(found, {}, point) == eval(formula, {}, point)
    rng = np.random.default_rng(0)
    for _ in range(20):
        values = {name: int(rng.integers(1, 61)) for name in symbols}
        assert eval(found, {}, values) == eval(formula, {}, values), (formula, found, values)


# ---- expressions ---------------------------------------------------------------------------------

leaves = st.one_of(st.sampled_from(["n", "m"]), st.integers(-9, 9))


numbers = st.sampled_from([1, 2, 3, 4, 12])


def trees_of(operators, divisors_of):
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.tuples(st.sampled_from(operators), inner, inner),
            st.tuples(st.sampled_from(["//", "%"]), inner, divisors_of(inner)),
        ),
        max_leaves=9,
    )


unbounded_trees = trees_of(["+", "-", "*"], lambda inner: numbers | inner)
trees = trees_of(["+", "-", "*", "max", "min"], lambda inner: numbers | inner)
flat_trees = trees_of(["+", "-", "max", "min"], lambda inner: numbers)  # what proofs are about
small = st.integers(-20, 20)
size = st.integers(1, 30)


@settings(max_examples=400, deadline=None)
@given(
    tree=unbounded_trees,
    points=st.lists(st.tuples(small, small), min_size=2, max_size=4),
    other=small,
)
def test_an_expression_and_its_text_have_pythons_value_at_the_points_and_elsewhere(
    tree, points, other
):
    check_value(tree, points, (other, 3 - 2 * other))


@settings(max_examples=1000, deadline=None)
@given(
    tree=trees | flat_trees,
    points=st.lists(st.tuples(size, size), min_size=1, max_size=3),
    other=st.tuples(size, size),
)
def test_a_bound_that_is_left_out_never_binds_at_a_size(tree, points, other):
    check_value(tree, points, other)


def check_value(tree, points, other):
    """TREE has Python's value, and its text has it, at POINTS and at the OTHER sizes."""
    symbols = {"n": tuple(p[0] for p in points), "m": tuple(p[1] for p in points)}
    found = _testing.size_expr(symbols, tree)
    assume(found)
    for values, sample in zip(at_points(symbols), found[2:], strict=True):
        try:
            expected = evaluate(tree, values)
        except ZeroDivisionError:  # in something that was cancelled: 0 * (n // m)
            continue
        assert sample == expected
        assert eval(found[0], {}, values) == expected
    values = dict(zip("nm", other, strict=True))
    try:
        expected = evaluate(tree, values)
    except ZeroDivisionError:
        return
    assert eval(found[0], {}, values) == expected
    assert _testing.size_eval(symbols, tree, values) == expected


@settings(max_examples=100, deadline=None)
@given(a=trees, b=trees, c=trees)
def test_equal_polynomials_are_written_alike_however_they_are_built(a, b, c):
    symbols = {"n": (5, 8), "m": (7, 9)}
    one = _testing.size_expr(symbols, ("*", ("+", a, b), c))
    other = _testing.size_expr(symbols, ("+", ("*", c, b), ("*", c, a)))
    assume(one and other)
    # Where a division is made first decides on the order of factors, but not on which there are;
    # a minus in front of one takes brackets.
    written = [sorted(c for c in found[0] if c not in " ()") for found in (one, other)]
    assert one[2:] == other[2:] and written[0] == written[1]
    assert text(("-", ("+", a, b), b), **symbols) in (text(a, **symbols), None)


@pytest.mark.parametrize(
    "tree, expected",
    [
        (("+", ("*", 2, "n"), 1), "2*n + 1"),
        (("+", 1, ("+", "n", "n")), "2*n + 1"),
        (("+", ("+", "m", 3), ("*", "m", "n")), "n*m + m + 3"),
        (("-", "n", "n"), "0"),
        (("-", 0, "n"), "-n"),
        (("-", 7, "n"), "7 - n"),
        (("-", 7, ("%", "n", 4)), "7 - n % 4"),
        (("-", 0, ("//", "n", 4)), "-(n//4)"),
        (("*", -3, ("%", "n", 4)), "-3*(n % 4)"),
        (("*", "m", ("//", ("+", "n", 1), 2)), "m*((n + 1)//2)"),
        # What divides comes out.
        (("//", ("+", ("*", 4, "n"), 6), 2), "2*n + 3"),
        (("//", ("+", ("*", 4, "n"), 5), 4), "n + 1"),
        (("//", ("+", ("*", 6, "n"), 5), 8), "(3*n + 2)//4"),
        (("//", ("*", "n", "m"), "m"), "n"),
        (("//", ("*", ("*", "n", "m"), 8), ("*", "m", 16)), "n//2"),
        (("//", ("*", ("+", "n", 1), ("+", "m", 2)), ("+", "m", 2)), "n + 1"),
        (("//", ("*", 3, ("//", "n", 2)), 3), "n//2"),
        (("//", "n", 1), "n"),
        (("//", "n", "n"), "1"),
        (("//", "n", "m"), "n//m"),
        (("//", -7, 2), "-4"),
        # Quotients of quotients.
        (("//", ("//", "n", 2), 3), "n//6"),
        (("//", ("+", ("//", ("-", "n", 1), 2), 1), 2), "(n + 1)//4"),
        # Two ways to write the ceiling.
        (("-", 0, ("//", ("-", 0, "n"), 4)), "(n + 3)//4"),
        (("+", ("//", ("-", "n", 1), 4), 1), "(n + 3)//4"),
        # Remainders.
        (("%", ("+", ("*", 5, "n"), 9), 4), "(n + 1) % 4"),
        (("%", ("*", 6, "n"), 8), "2*(-n % 4)"),
        (("%", ("-", 0, "n"), 4), "-n % 4"),
        (("%", ("+", ("%", "n", 12), 1), 4), "(n + 1) % 4"),
        (("%", ("*", "n", "m"), "m"), "0"),
        (("%", -7, 4), "1"),
        (("%", ("%", "n", 4), ("+", "m", 1)), "(n % 4) % (m + 1)"),
        (("//", ("//", "n", "m"), ("+", "m", 1)), "n//m//(m + 1)"),
        # The greater and the less.
        (("max", 3, "n"), "max(n, 3)"),
        (("max", ("+", "n", 1), ("-", "n", 1)), "n + 1"),
        (("min", ("+", "n", 1), ("-", "n", 1)), "n - 1"),
        (("-", ("max", "n", "m"), ("max", "m", "n")), "0"),
        (("//", ("max", ("-", "n", 1), 1), 2), "max(n - 1, 1)//2"),
        (("*", 2, ("min", ("//", "n", 2), "m")), "2*min(n//2, m)"),
        # Bounds that never bind.
        (("max", ("-", "n", 1), 0), "n - 1"),
        (("max", ("-", "n", 2), 0), "max(n - 2, 0)"),
        (("min", ("//", "n", 2), "n"), "n//2"),
        (("min", ("//", ("+", "n", 1), 2), "n"), "(n + 1)//2"),
        (("min", ("//", ("+", "n", 2), 2), "n"), "n//2 + 1"),
        (("min", ("//", ("+", "n", 3), 2), "n"), "min((n + 1)//2 + 1, n)"),
        (("max", ("-", "n", ("%", "n", 4)), 0), "n - n % 4"),
        (("max", ("-", "n", ("//", "n", 3)), 0), "n - n//3"),
        (("max", ("-", ("*", "n", "m"), ("*", "m", ("//", "n", 3))), 0), "n*m - m*(n//3)"),
        (("max", ("max", "n", "m"), "n"), "max(n, m)"),
        (("min", ("min", "n", "m"), ("+", "n", 1)), "min(n, m)"),
        (("max", ("-", "n", ("min", "n", "m")), 0), "n - min(n, m)"),
        (("min", ("max", "n", "m"), "n"), "n"),
        (("max", ("-", 3, ("%", "n", 4)), 0), "3 - n % 4"),
        (("max", ("-", 2, ("%", "n", 4)), 0), "max(2 - n % 4, 0)"),
        (("max", ("-", "n", ("%", ("-", 1, "n"), 4)), 0), "max(n - (1 - n) % 4, 0)"),
        (("max", ("-", ("*", "n", "m"), "n"), 0), "max(n*m - n, 0)"),
        (("max", ("-", "n", ("//", "n", "m")), 0), "max(n - n//m, 0)"),
    ],
)
def test_an_expression_is_simplified_and_written_in_one_way(tree, expected):
    assert text(tree) == expected


@pytest.mark.parametrize(
    "tree",
    [
        ("*", "n", "n"),
        ("*", ("*", 2**40, "m"), 2**40),
        ("+", ("*", 2, "n"), "n"),
        ("-", -BIG - 2, "n"),
        ("//", "m", "zero"),
        ("%", "m", "zero"),
        ("//", "m", 0),
        ("//", "m", -2),
        ("%", "m", -(2**63)),
        ("+", ("*", "n", "n"), 1),
    ],
)
def test_there_is_no_expression_past_64_bits_or_divided_by_what_is_zero_somewhere(tree):
    symbols = {"n": (BIG, 1), "m": (7, 9), "zero": (3, 0)}
    assert _testing.size_expr(symbols, tree) == ()


def test_numbers_at_the_edge_of_64_bits_are_kept():
    least, most = -(2**63), 2**63 - 1
    symbols = {"n": (least, most, -1)}
    assert _testing.size_expr(symbols, "n")[2:] == (least, most, -1)
    assert _testing.size_expr(symbols, ("-", 0, "n")) == ()
    found = _testing.size_expr(symbols, ("//", "n", 2))
    assert found[2:] == (least // 2, most // 2, -1)
    assert _testing.size_expr(symbols, ("%", "n", most))[2:] == (least % most, 0, most - 1)
    assert text(least, **symbols) == str(least)
    assert text(("*", least, "m"), m=(1, 0)) == f"{least}*m".replace("-", "-", 1)
    assert _testing.size_eval({"n": (1, 2)}, ("*", "n", "n"), {"n": most}) is None
    assert _testing.size_fit(symbols, (least, most, 0), (), ()) is None


def test_an_expression_that_grows_without_end_is_given_up():
    tree = ("+", ("+", "n", "m"), 1)
    for _ in range(3):
        tree = ("*", tree, tree)
    symbols = {"n": (1, 2), "m": (1, 3)}
    assert _testing.size_expr(symbols, tree)  # (n + m + 1)**8
    assert _testing.size_expr(symbols, ("*", tree, "n")) == ()


def test_a_bound_of_a_derived_size_may_bind_at_0():
    """A symbol is 1 or more, but what is selected may be nothing."""
    symbols = {"n": (5, 8), "_k": (3, 7)}
    assert text(("max", ("-", "_k", 1), 0), **symbols) == "max(_k - 1, 0)"
    assert text(("max", ("-", ("*", "n", "_k"), 1), 0), **symbols) == "max(n*_k - 1, 0)"
    assert text(("max", ("-", ("+", "n", "_k"), 1), 0), **symbols) == "n + _k - 1"
    assert text(("min", ("//", "_k", 2), "_k"), **symbols) == "_k//2"


def test_a_derived_size_is_known_for_one_and_has_no_value_elsewhere():
    symbols = {"n": (5, 9), "_count": (3, 4)}
    inside = ("+", "n", ("//", ("*", "_count", "n"), 2))
    assert _testing.size_expr(symbols, inside)[:2] == ("n + n*_count//2", True)
    assert _testing.size_expr(symbols, ("//", "n", 2))[1] is False
    assert _testing.size_eval(symbols, inside, {"n": 4, "_count": 4}) is None
    assert _testing.size_eval(symbols, "n", {"m": 4}) is None
    assert _testing.size_fit(symbols, (6, 8), (), ()) == "2*_count"


# ---- fits ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "formula",
    [
        *["7", "n", "2*n", "-3*n", "n + 1", "n - 4", "7 - n", "2*n + 1", "5*n - 13"],
        *["n//2", "n//4", "(n + 1)//2", "-(-n//4)", "(n - 1)//2 + 1", "n//2 + 1", "(n + 2 - 3)//2"],
        *["n % 2", "n % 4", "-n % 4", "n - n % 4", "n//4*4", "-(-n//4)*4", "n + -n % 4"],
        *["n*n", "3*n*n", "n*n + 1", "n*(n + 1)", "n*(n - 1)//2", "n*n*n", "3*n//2"],
        *["b*n", "4*b*n", "b*n + 1", "b*n*n", "b*(n + 1)", "(b + 1)*(n + 2)", "2*b*n - 3*n + b"],
        *["b + n", "n - b", "2*b + 3*n + 1", "b*(n//2)", "b*((n + 1)//2)", "b + n//2", "b*(n % 4)"],
        *["b*(-(-n//4)*4)", "(b + n)//2", "b*n//2", "(n//2)*(n//2)", "b*n + b + n"],
    ],
)
def test_each_form_is_found_again_and_right_at_sizes_that_were_not_seen(formula):
    hints = [("//", "n", 2)] if formula == "(n//2)*(n//2)" else ()
    check_fit(formula, star(["b", "n"], SIZES), hints)


@pytest.mark.parametrize(
    "formula", ["b*n*m", "2*b + n - m", "b*(n + m)", "b*n + m", "b*((n + 1)//2)*m", "n*m//4"]
)
def test_forms_of_three_symbols_are_found_again(formula):
    check_fit(formula, star(["b", "n", "m"], SIZES))


@pytest.mark.parametrize(
    "formula, points, expected",
    [
        # a multiple is told by two values of the symbol, with an offset by three
        ("2*n", (5, 9), "2*n"),
        ("2*n + 1", (5, 9), None),
        ("2*n + 1", (5, 9, 14), "2*n + 1"),
        ("2*n + 1", (5, 9, 5, 9), None),
        ("n//2", (5, 8), None),
        ("n//2", (5, 8, 14), "n//2"),
        # 5//7, 9//7 and 14//7 are 5//8 + …, so that the divisor cannot be told
        ("n//7", (5, 9, 14), None),
        # the ceiling and the floor plus one are the same but at multiples
        ("n//4 + 1", (6, 11, 17, 23), None),
        ("n//4 + 1", (6, 11, 17, 24), "n//4 + 1"),
        ("(n + 3)//4", (6, 11, 17, 24), "(n + 3)//4"),
        # a bend is seen where there are two sizes on each side
        ("max(n, 10)", (5, 9, 14), None),
        ("max(n, 10)", (5, 9, 14, 20), "max(n, 10)"),
        ("min(n, 10)", (5, 9, 14, 20), "min(n, 10)"),
        ("max(n - 4, 10)", (5, 9, 16, 20), None),
        ("max(n - 4, 10)", (5, 9, 16, 20, 27), "max(n - 4, 10)"),
        ("max(n - 1, 1)", (2, 4, 9, 20), "n - 1"),
        ("max(n - 1, 1)", (1, 4, 9, 20), "max(n - 1, 1)"),
        ("max(n - 2, 5)", (2, 10, 17, 20), None),
        ("n**5 - 7", (2, 3, 5, 9), None),
        ("[3, 1, 4, 1, 5][n]", (0, 1, 2, 3, 4), None),
    ],
)
def test_a_form_is_believed_only_when_a_point_confirms_it(formula, points, expected):
    assert fit(formula, {"n": points}) == expected


def test_a_sum_is_not_believed_where_a_product_would_look_the_same():
    # The sizes are never changed together: b*n + 1 is 9*b + 4*n - 35 there.
    symbols = {"b": (4, 6, 7, 4, 4), "n": (9, 9, 9, 11, 14)}
    assert fit("9*b + 4*n - 35", symbols) != "9*b + 4*n - 35"


def test_a_hint_comes_before_every_other_expression_and_needs_no_confirmation():
    symbols = {"n": (4, 8), "m": (6, 6)}
    half = ("//", "n", 2)
    assert fit("n//2", symbols, hints=[("-", "n", 2), half]) == "n//2"
    assert fit("n//2", symbols, remembered=[half]) == "n//2"
    assert fit("n", symbols, hints=[("*", ("//", "n", 4), 4)]) == "4*(n//4)"


@pytest.mark.parametrize("parts", [2, 3, 4])
def test_the_last_of_equal_parts_is_found_where_a_few_have_less_or_none(parts):
    """As ``chunk`` cuts: of 4 in 3 parts there are 2 and 2."""
    symbols = {"n": (5, 3, 13, 4, 7, 6, 9, 2, 19, 11, 8, 38, 12, 27, 16, 1)}
    length = f"-(-n//{parts})"
    start, rest = f"(n - 1)//({length})*({length})", f"n - (n - 1)//({length})*({length})"
    for formula in (start, rest):
        found = fit(formula, symbols)
        assert found is not None
        for n in range(1, 200):
            assert eval(found, {}, {"n": n}) == eval(formula, {}, {"n": n})
            pieces = list(range(n))[:: eval(length, {}, {"n": n})]
            assert eval(start, {}, {"n": n}) == pieces[-1]


def test_what_was_met_before_takes_part_in_sums_and_products():
    symbols = {"n": (5, 8, 14, 21)}
    pooled = ("//", ("-", "n", 3), 4)
    assert fit("n + (n - 3)//4", symbols, remembered=[pooled]) == "n + (n + 1)//4 - 1"
    assert fit("6*((n - 3)//4)", symbols, remembered=[pooled]) == "6*((n + 1)//4) - 6"
    assert fit("n*((n - 3)//4)", symbols, remembered=[pooled]) == "n*((n + 1)//4) - n"


def test_sizes_that_are_zero_or_negative_are_fitted_like_others():
    symbols = {"n": (0, -3, 4, 7, -10), "m": (2, 0, 0, 5, 1)}
    for formula in ["n*m", "3*n + 2*m", "2 - n", "n//2", "-n % 3", "n*m*2 + 1"]:
        check_fit(formula, symbols)


names = st.sampled_from(["b", "n"])
divisors = st.sampled_from([2, 3, 4, 8])
number = st.integers(-6, 6)
forms = st.one_of(
    st.builds("{}*{} + {}".format, number, names, number),
    st.builds("{}*b + {}*n + {}".format, number, number, number),
    st.builds("{}*{}*{}".format, number, names, names),
    st.builds("{}//{}".format, names, divisors),
    st.builds("-(-{}//{})".format, names, divisors),
    st.builds("{}%{}".format, names, divisors),
    st.builds("-{}%{}".format, names, divisors),
    st.builds("-(-{0}//{1})*{1}".format, names, divisors),
    st.builds("{} + {}//{}".format, names, names, divisors),
    st.builds("{0} - {0}//{1}".format, names, divisors),
)
bent = st.one_of(
    st.builds("{}(n + {}, {})".format, st.sampled_from(["max", "min"]), number, st.integers(1, 30)),
    st.builds(
        "{}(n//{} + {}, {})".format,
        st.sampled_from(["max", "min"]),
        st.integers(2, 6),
        number,
        st.integers(1, 9),
    ),
    st.builds("{}(n, m)".format, st.sampled_from(["max", "min"])),
    st.builds("m*max(n - {}, {})".format, st.integers(0, 3), st.integers(1, 9)),
)
sizes = st.lists(st.integers(2, 40), min_size=3, max_size=6, unique=True)


@settings(max_examples=300, deadline=None)
@given(formula=forms, sizes=sizes)
def test_what_is_found_has_the_samples_whatever_the_points_are(formula, sizes):
    symbols = star(["b", "n"], sizes)
    found = fit(formula, symbols)
    for point in at_points(symbols):
        assert found is None or eval(found, {}, point) == eval(formula, {}, point)


@settings(max_examples=200, deadline=None)
@given(formula=forms, base=st.integers(0, 5))
def test_what_is_found_from_points_of_every_kind_is_the_true_form(formula, base):
    """Sizes that are 0, 1 and d - 1 past a multiple of each divisor leave no second meaning."""
    check_fit(formula, star(["b", "n"], [s + 24 * base for s in (24, 25, 31, 47, 48, 58, 66)]))


@pytest.mark.parametrize(
    "points, formulas",
    [
        (
            [(3, 1), (2, 2), (4, 3), (3, 4), (4, 5), (3, 7), (4, 9), (2, 1)],
            ("-(-m//3)", "-(-m//n)"),
        ),
        (
            [(2, 1), (4, 2), (3, 3), (6, 4), (8, 5), (7, 6), (10, 7), (9, 7), (12, 8), (11, 9)],
            ("m + n//2", "n + m//3"),
        ),
    ],
)
def test_of_two_forms_that_are_the_same_at_all_points_none_is_taken(points, formulas):
    names = ("n", "m")
    few = dict(zip(names, zip(*points, strict=True), strict=True))
    more = dict(zip(names, zip(*points, (7, 13), (20, 3), strict=True), strict=True))
    values = {"n": 11, "m": 29}
    for formula in formulas:
        assert fit(formula, few) is None
        assert eval(fit(formula, more), {}, values) == eval(formula, {}, values)


def test_a_size_that_moved_at_one_point_only_says_nothing_about_others():
    """x[12:-7:3] has no elements up to 19: of what comes of it there is one run that tells."""
    symbols = {"n": (3, 5, 4, 13, 6, 9, 19, 2, 38)}
    size = ("*", ("//", "n", 20), 7)
    for formula in ("n//20*8", "n//20*14", "n//20*7 + 2", "n + n//20*14", "n//20*7*n//38*8"):
        assert fit(formula, symbols, hints=[size], remembered=[size]) is None, formula
    assert fit("n//20*7", symbols, remembered=[size]) is None
    assert fit("n//20*7", symbols, hints=[size]) == "7*(n//20)"
    assert _testing.size_fit_real(symbols, DOUBLE, (0.0,) * 8 + (3.5,), [size])[1] is None


@settings(max_examples=200, deadline=None)
@given(formula=bent)
def test_what_bends_at_some_size_is_found_where_both_sides_were_seen(formula):
    """At the sizes of an export, with some beyond: those behind the last bend are not seen else."""
    sizes = (5, 3, 13, 4, 7, 6, 9, 2, 19, 11, 8, 38, 12, 27, 16, 1)
    symbols = {"n": sizes, "m": (4, 6, 9, 13, 1, 38, 8, 5, 3, 2, 27, 12, 16, 7, 11, 19)}
    found = fit(formula, symbols)
    assume(found is not None)
    values = {eval(formula, {}, point) for point in at_points(symbols)}
    assume(len(values) > 2)  # else it is a number, or one bend may be another
    for n in range(1, 39):
        point = {"n": n, "m": 1 + 7 * n % 39}
        assert eval(found, {}, point) == eval(formula, {}, point), found


def test_a_bound_of_a_quotient_is_not_believed_of_two_sizes():
    """-((n + 1)//2//4) is max(-(n//7), -4) at all of these."""
    symbols = {"n": (10, 13, 9, 3, 6, 4, 2, 19, 11, 8, 5, 38, 37, 12, 27, 16, 1, 7)}
    found = fit("-((n + 1)//8)", symbols)
    assert found is None or eval(found, {}, {"n": 40}) == -5


@pytest.mark.parametrize(
    ("formula", "hint", "rival"),
    [  # what was seen is both of these, and they differ at other sizes
        (
            "max(((n + 1)//4 + 1)//2, 1)",
            ("+", ("//", ("+", "n", 1), 4), 1),
            "(n + 6)//8",
        ),
        (
            "-(max((n + 1)//2 - 6, 0)//4)",
            ("max", ("-", ("//", ("+", "n", 1), 2), 6), 0),
            "min(2 - (n + 7)//8, 0)",
        ),
    ],
)
def test_a_form_is_not_believed_where_another_that_fits_is_something_else_elsewhere(
    formula, hint, rival
):
    symbols = {"n": (5, 3, 4, 13, 6, 9, 2, 19, 11, 8, 38, 12, 27, 16, 101, 23, 59)}
    assert all(eval(formula, {}, point) == eval(rival, {}, point) for point in at_points(symbols))
    assert fit(formula, symbols, hints=[hint]) is None
    symbols["n"] += (10, 18, 25)  # here they do
    check_fit(formula, symbols, hints=[hint])


def test_a_remainder_of_a_part_is_not_believed_of_three_values():
    """Of x[: n // 8 * 8].view(n, -1), which takes multiples of 8, and less than that."""
    symbols = {"n": (2, 3, 4, 6, 8, 5, 16, 1)}
    assert fit("16 * min(n//8, 1)//n * n", symbols, hints=[("*", ("//", "n", 8), 8)]) is None


@settings(max_examples=200, deadline=None)
@given(samples=st.lists(st.integers(-(2**63), 2**63 - 1), min_size=4, max_size=4), n=trees)
def test_numbers_of_any_magnitude_are_fitted_or_not(samples, n):
    symbols = {"n": (3, 2**63 - 1, -(2**63), 0), "m": tuple(samples)}
    found = _testing.size_fit(symbols, samples[::-1], [n], ["m"])
    for point, sample in zip(at_points(symbols), samples[::-1], strict=True):
        assert found is None or eval(found, {}, point) == sample


# ---- real numbers --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "dtype, rounded", [(FLOAT, np.float32), (DOUBLE, float), (FLOAT16, np.half)]
)
@pytest.mark.parametrize(
    "formula, expected",
    [
        ("n", (IS, "n", 1.0)),
        ("n // 2", (IS, "n//2", 1.0)),
        ("n / 3", (IS, "n", 1 / 3)),
        ("0.1 * n", (IS, "n", 0.1)),
        ("(n - 1) / 2", (IS, "n - 1", 0.5)),
        ("1 / n", (INVERSE, "n", 1.0)),
        ("2 / (n - 1)", (INVERSE, "n - 1", 2.0)),
        ("math.pi / n", (INVERSE, "n", math.pi)),
        ("-math.log(10000) / n", (INVERSE, "n", -math.log(10000))),
        ("math.sqrt(n)", (ROOT, "n", 1.0)),
        ("1 / math.sqrt(n)", (INVERSE_ROOT, "n", 1.0)),
        ("1 / math.sqrt(2 * n + 3)", (INVERSE_ROOT, "2*n + 3", 1.0)),
        ("math.log(n)", (LOG, "n", 1.0)),
        ("1.5", (IS, "1", 1.5)),
        ("-3.0 + 0 * n", (IS, "-3", 1.0)),
        ("math.inf", (IS, "1", math.inf)),
    ],
)
def test_a_real_number_is_a_function_of_a_size_in_the_rounding_of_its_dtype(
    formula, expected, dtype, rounded
):
    sizes = (5, 8, 14)
    samples = tuple(float(rounded(eval(formula, {"math": math, "n": n}))) for n in sizes)
    form, expr, scale, _, _ = _testing.size_fit_real({"n": sizes}, dtype, samples, ())
    assert (form, expr) == expected[:2]
    assert scale == pytest.approx(expected[2], rel=1e-15)


@pytest.mark.parametrize("dtype, rounded", [(FLOAT, np.float32), (DOUBLE, float)])
@pytest.mark.parametrize(
    "formula, expected",
    [
        ("1.0 - 1 / n", (INVERSE, "n", -1.0, None, 1.0)),
        ("n + 1e-6", (IS, "n", 1.0, None, 1e-6)),
        ("n * m + 1e-5", (IS, "n*m", 1.0, None, 1e-5)),
        ("0.1 + 0.25 * n", (IS, "n", 0.25, None, 0.1)),
        ("0.5 ** n", (POWER, "n", 0.5, None, 0.0)),
        ("2.0 ** -(n // 2)", (POWER, "n//2", 0.5, None, 0.0)),
        ("2.0 ** (n - m)", (POWER, "n - m", 2.0, None, 0.0)),
        ("0.9 ** n", (POWER, "n", 0.9, None, 0.0)),
        ("n / m", (RATIO, "n", 1.0, "m", 0.0)),
        ("(n - 1) / (n + 1)", (RATIO, "n - 1", 1.0, "n + 1", 0.0)),
        ("n / (2 * m)", (RATIO, "n", 1.0, "2*m", 0.0)),
        ("(n // 2) / (n * m)", (RATIO, "n//2", 1.0, "n*m", 0.0)),
        ("1 / max(n - 1, 3)", (INVERSE, "max(n - 1, 3)", 1.0, None, 0.0)),
    ],
)
def test_sums_powers_and_ratios_are_found_at_the_precision_of_the_dtype(
    formula, expected, dtype, rounded
):
    symbols = {"n": (5, 8, 14, 3, 9, 2, 21), "m": (4, 7, 5, 9, 12, 11, 3)}
    samples = tuple(float(rounded(eval(formula, {}, at))) for at in at_points(symbols))
    assert _testing.size_fit_real(symbols, dtype, samples, ()) == expected


many = st.lists(st.integers(2, 40), min_size=5, max_size=9, unique=True)
decimals = st.builds(lambda k, n: k * 10.0**-n, st.integers(1, 99), st.integers(0, 3))
real_forms = st.one_of(
    st.builds("{} + {} / {}".format, decimals, decimals, names),
    st.builds("{} - {} * {}".format, decimals, decimals, names),
    st.builds("{} * {} ** 0.5 + {}".format, decimals, names, decimals),
    st.builds("(1 + {}) ** -{}".format, decimals, names),
    st.builds("({} + {}) / {}".format, names, st.integers(0, 9), names),
    st.builds("{} ** {} * {}".format, decimals, names, names),  # there is no such form
    st.builds("{0} ** 2 / (3 * {1} + 2)".format, names, names),
)


@settings(max_examples=300, deadline=None)
@given(formula=real_forms, sizes=many, is_double=st.booleans())
def test_a_real_form_that_is_found_holds_at_sizes_that_were_not_seen(formula, sizes, is_double):
    rounded = float if is_double else np.float32
    symbols = star(["b", "n"], sizes)
    with np.errstate(over="ignore"):
        samples = tuple(float(rounded(eval(formula, {}, at))) for at in at_points(symbols))
    assume(len(set(samples)) > 2 and all(1e-30 < abs(s) < 1e30 for s in samples if s != 0))
    found = _testing.size_fit_real(symbols, DOUBLE if is_double else FLOAT, samples, ())
    assume(found[1] is not None)
    form, expr, scale, by, offset = found
    for at in at_points({"b": (1, 7, 40, 64), "n": (31, 1, 12, 50)}):
        e = eval(expr, {}, at)
        if form in (POWER, RATIO):
            value = scale**e if form == POWER else e / eval(by, {}, at)
        else:
            function = (float, lambda x: 1 / x, math.sqrt, lambda x: x**-0.5, math.log)[form]
            value = scale * function(e) + offset
        expected = eval(formula, {}, at)
        # Units in the last place of the sum of the magnitudes, of which either may round. A root of
        # n*n - 2*n may be n - 1 in all digits that were seen.
        largest = max(abs(expected), abs(eval(formula.replace(" - ", " + "), {}, at)))
        assert abs(value - expected) <= largest * 8 * np.finfo(rounded).eps


def test_any_scale_is_believed_of_four_sizes_but_not_of_three():
    three, four = (5, 8, 14), (5, 8, 14, 23)
    samples = tuple(0.37 * n for n in four)
    assert _testing.size_fit_real({"n": three}, DOUBLE, samples[:3], ())[1] is None
    assert _testing.size_fit_real({"n": four}, DOUBLE, samples, ())[:3] == (IS, "n", 0.37)


@pytest.mark.parametrize(
    "samples", [(1.0, math.nan, 2.0), (1.0, 2.0, math.inf), (0.3, 0.1, 0.9), (5.0, 8.001, 14.0)]
)
def test_real_numbers_that_are_no_function_of_a_size_are_not_fitted(samples):
    assert _testing.size_fit_real({"n": (5, 8, 14)}, FLOAT, samples, ())[1] is None


# ---- failures ------------------------------------------------------------------------------------


def test_each_allocation_that_fails_is_a_memory_error(fail_allocation, count_allocations):
    symbols = star(["b", "n"], SIZES)
    tree = ("%", ("//", ("*", ("+", "b", 1), ("-", "n", 2)), ("+", "n", 1)), ("*", "n", 4))
    cut = ("-", "n", ("%", ("//", "n", 3), 4))
    bound = ("max", ("min", cut, "b"), ("-", cut, ("max", "n", "b")))
    samples = [b * -(-n // 4) for b, n in zip(*symbols.values(), strict=True)]
    reals = tuple(2.0 / (n + 1) for n in symbols["n"])
    ratios = tuple((b + 1) / n for b, n in zip(*symbols.values(), strict=True))
    middle = sorted(symbols["n"])[len(symbols["n"]) // 2]
    bounded = [max(n, middle) for n in symbols["n"]]
    falling = [max(middle - n, 0) for n in symbols["n"]]
    many = [("+", ("*", k, "b"), "n") for k in range(40)]  # so that the tables grow
    for function, arguments in [
        (_testing.size_expr, (symbols, tree)),
        (_testing.size_expr, (symbols, bound)),
        (_testing.size_eval, (symbols, tree, {"b": 2, "n": 3})),
        (_testing.size_fit, (symbols, samples, [tree], many)),
        (_testing.size_fit_real, (symbols, DOUBLE, reals, [])),
        (_testing.size_fit, (symbols, bounded, [], [])),
        (_testing.size_fit, (symbols, falling, [], [])),
        (_testing.size_fit_real, (symbols, DOUBLE, ratios, [])),
    ]:
        whole = function(*arguments)
        n_allocations = count_allocations(function, *arguments)
        assert n_allocations >= 1
        for n in range(n_allocations):
            with fail_allocation(n), pytest.raises(MemoryError):
                function(*arguments)
        assert function(*arguments) == whole
