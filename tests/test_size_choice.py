"""Which sizes an export runs a model at (toffee/_size_choice.py): allowed ones, and ones that tell
forms apart."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from toffee import Dim, _dims, _size_choice


def request(dims, sizes):
    assert all(dim.allows(size) for dim, size in zip(dims, sizes, strict=True))
    return _dims.Request(tuple(dims), tuple(() for _ in dims), tuple(sizes))


@st.composite
def requests(draw):
    dims, sizes = [], []
    for i in range(draw(st.integers(1, 4))):
        step = draw(st.sampled_from([1, 1, 1, 2, 8, 32]))
        least = draw(st.integers(1, 12))
        most = draw(st.one_of(st.none(), st.integers(least + 1, 60)))
        least_size = least * step - draw(st.integers(0, step - 1))
        dims.append(Dim(f"d{i}", least_size, most and most * step, step))
        sizes.append(step * draw(st.integers(least, most or 300)))
    return request(dims, sizes)


def every_choice(wanted, computes):
    return {
        "points": [sizes for choices in _size_choice.points(wanted) for sizes in choices],
        "ends": [sizes for choices in _size_choice.ends(wanted) for sizes in choices],
        "more": _size_choice.more(wanted),
        "further": _size_choice.further(wanted, computes, True),
        "many": _size_choice.many(wanted, computes, True),
    }


@settings(max_examples=300, deadline=None)
@given(wanted=requests(), computes=st.booleans())
def test_every_size_is_one_that_the_dimension_may_have(wanted, computes):
    for chosen in every_choice(wanted, computes).values():
        for sizes in chosen:
            assert len(sizes) == len(wanted.dims)
            assert all(dim.allows(n) for dim, n in zip(wanted.dims, sizes, strict=True))


@settings(max_examples=300, deadline=None)
@given(wanted=requests())
def test_a_verified_size_is_allowed_was_not_run_and_is_not_many_times_the_callers(wanted):
    chosen = every_choice(wanted, False)
    few = {wanted.sizes, *chosen["points"], *chosen["ends"]}
    for traced in (few, {*few, *chosen["further"], *chosen["many"]}):
        for sizes in _size_choice.untraced(wanted, traced):
            assert sizes not in traced
            assert all(dim.allows(n) for dim, n in zip(wanted.dims, sizes, strict=True))
            for n, own, dim in zip(sizes, wanted.sizes, wanted.dims, strict=True):
                step = dim.multiple_of
                usual = max(own * 32 ** (1 / len(sizes)), 13 * step)
                assert n <= max(usual, dim.min) + 13 * step


def test_many_sizes_have_both_parities_with_each_symbol_small_and_large():
    dims = [Dim("a"), Dim("b"), Dim("c")]
    for units in ((2,), (2, 5), (3, 4, 8), (2, 200), (224, 224)):
        wanted = request(dims[: len(units)], units)
        sizes = _size_choice.many(wanted, False, True)
        for i, own in enumerate(units):
            mine = {size[i] for size in sizes}
            assert {n % 6 for n in mine} == set(range(6))
            assert max(mine) >= (100 if own < 32 else own * 3 // 2)
        if len(units) > 1 and max(units) < 32:
            larger = {size[0] > size[1] for size in sizes}
            assert larger == {True, False}
        most = max(2048, 8 * math.prod(units), max(map(max, sizes)) * 5 * max(units))
        assert max(map(math.prod, sizes)) <= most


def test_few_elements_are_asked_for_where_each_run_is_computed():
    wanted = request([Dim("a"), Dim("b")], (2, 9))
    assert max(map(math.prod, _size_choice.many(wanted, True, True))) <= 64
    assert len(_size_choice.many(wanted, True, True)) <= 30
    assert max(map(math.prod, _size_choice.many(wanted, True, False))) <= 512
    assert max(map(max, _size_choice.many(wanted, True, False))) <= 64
    assert max(map(max, _size_choice.further(wanted, True, True))) <= 31


def test_beyond_what_is_known_are_a_few_sizes_of_not_many_times_the_elements():
    known = [(5, 9), (2, 8)]
    taken = [*known, (3, 4), (90, 2), (4, 70), (90, 90)]
    assert _size_choice.beyond(taken, known, 8) == [(90, 2), (4, 70), (3, 4)]
    assert _size_choice.beyond(known, known, 8) == []
    found = _size_choice.beyond([(n,) for n in range(1, 200)], [(n,) for n in range(30)], 8)
    assert found[0] == (199,) and len(found) == 8 and found[-1][0] < 60
