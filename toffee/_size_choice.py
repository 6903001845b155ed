"""Which sizes a model is traced at, so that one graph for all can be made of the traces.

Nothing here runs a model: sizes are tuples, one size for each symbol of a
:class:`toffee._dims.Request`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from . import _dims

#: Sizes, one for each symbol.
Sizes = tuple[int, ...]

#: Sizes that a symbol may be given, as factors of what it must be a multiple of. Few have a divisor
#: in common, so that n // 2, (n + 1) // 2 and n // 4 are told apart. With the caller's size the
#: first three must be odd and even, or n // 2 * 2 is n - 1.
_SMALL = (3, 5, 13, 4, 7, 6, 9, 2, 11)
_SMALL_FOR_ODD = (4, 5, 13, 3, 7, 6, 9, 2, 11)
_SMALL_FOR_5 = (4, 7, 13, 3, 6, 9, 2, 11)

#: Sizes for models whose trace costs little, where more are looked at: both parities, and before,
#: at and after the multiples of 2, 3 and 4; and some that are far from these. As many as 3, 7 and 9
#: have no divisor in common with: each symbol takes them in another order.
_MORE = (6, 4, 9, 2, 19, 11, 8, 5, 38, 3, 12, 27, 16, 101, 23, 59)

#: Sizes where a graph divides sizes or bounds them: one after the other, so that no period and no
#: bound among them is passed over, and then ever farther apart. A prime number of them, so that
#: each symbol can take them in another order; but several are not large together.
_MANY = (*range(2, 45), 48, 54, 61, 64, 72, 81, 90, 100, 113, 128)
#: How large the product of all sizes may be at these; where the model computes at each; and where
#: it also is a large model, which is run at no more than so many of them.
_MOST_TOGETHER = 2048
_MOST_COMPUTED = 512
_MOST_COMPUTED_LARGE = 64
_RUNS_COMPUTED = 30
#: The largest single size where the model computes at each.
_LONGEST_COMPUTED = 64
#: Sizes for each symbol in turn, the others small: together they may be too large. And how many of
#: them are for a model that computes at each, and for a large one that does.
_ONE_LARGE = (16, 38, 61, 130)
_ONE_LARGE_COMPUTED, _ONE_LARGE_COMPUTED_LARGE = 3, 1
#: How many times the elements of the caller's arguments a model is verified with.
_MOST_VERIFIED = 32
#: Of how many times the elements sizes are that a graph is held against after an attempt before.
_BEYOND = 8
#: From here on sizes are looked for around the caller's.
_NEAR = 32

#: How many sizes above the least are looked at where that one is special.
_UPWARDS = 7

#: How many sizes are tried for a run before the model's error counts.
_ATTEMPTS = 3


def points(request: _dims.Request) -> list[list[Sizes]]:
    """The sizes for each further run, with replacements in case that the model refuses them: other
    sizes for all symbols, twice; if there are several, each moved alone from the first of these,
    and all moved once more. The caller's own sizes are too often round: a multiple of a block, or
    1."""
    others = _others_of(request)
    together = [
        [_apart([mine[at + more :] or mine for mine in others]) for more in range(_ATTEMPTS)]
        for at in range(3)
    ]
    if len(others) == 1:  # of a model with many operators these, and 1, are all
        return [together[0], together[2]] if request.sizes[0] > 1 else together
    base = together[0][0]
    alone = [
        [(*base[:i], size, *base[i + 1 :]) for size in mine[1 : 1 + _ATTEMPTS]]
        for i, mine in enumerate(others)
    ]
    return [together[0], *(wanted for wanted in alone if wanted), *together[1:]]


def further(request: _dims.Request, computes: bool, is_large: bool) -> list[Sizes]:
    """More sizes, as :func:`points` has them; each symbol much larger than the others; 2, where
    parts are the smallest, and large numbers, odd and even, the largest of them not if the model
    COMPUTES at each, and few if it also IS_LARGE; all as small as they may be."""
    others = _others_of(request)
    # Each symbol begins elsewhere, and all come to all of theirs: odd, even, small and large.
    found = [
        tuple(mine[(at + 3 * i) % len(mine)] for i, mine in enumerate(others))
        for at in range(1, max(map(len, others)))
    ]
    n = len(others)
    wanted = [(2,) * n, (27,) * n]
    if n > 1:
        found += [_towering(others, i) for i in range(n)]
        wanted += [tuple(31 if i == one else 3 for i in range(n)) for one in range(n)]
    n_large = len(_ONE_LARGE)
    if computes:
        n_large = _ONE_LARGE_COMPUTED_LARGE if is_large else _ONE_LARGE_COMPUTED
    for size in _ONE_LARGE[:n_large]:
        wanted += [tuple(size if i == one else 3 + i for i in range(n)) for one in range(n)]
    found += [tuple(map(_allowed, request.dims, factors)) for factors in wanted]
    return [*found, tuple(map(_least, request.dims))]


def ends(request: _dims.Request) -> list[list[Sizes]]:
    """The caller's sizes, with each symbol alone as small as it may be, from 1 on, or as the model
    takes it, and as large; and sizes where the least of the caller's is the largest, if that can
    be. Of each list the first that the model takes is meant."""
    sizes = request.sizes

    def with_one(i: int, wanted: Sequence[int | None]) -> list[Sizes]:
        allowed = [n for n in wanted if n is not None and request.dims[i].allows(n)]
        return [(*sizes[:i], n, *sizes[i + 1 :]) for n in allowed]

    found = []
    for i, dim in enumerate(request.dims):
        least = _least(dim)
        found.append(with_one(i, [least + n * dim.multiple_of for n in range(_ATTEMPTS)]))
        found.append(with_one(i, [dim.max]))
    if len(sizes) > 1:
        found.append([_towering(_others_of(request), sizes.index(min(sizes)))])
    return found


def upwards(request: _dims.Request, sizes: Sizes) -> list[Sizes]:
    """SIZES with the next few of the symbol that alone is as small as it may be in them, if one
    is."""
    small = [i for i, dim in enumerate(request.dims) if sizes[i] == _least(dim)]
    if len(small) != 1:
        return []
    (i,) = small
    steps = (sizes[i] + n * request.dims[i].multiple_of for n in range(1, _UPWARDS + 1))
    return [(*sizes[:i], n, *sizes[i + 1 :]) for n in steps if request.dims[i].allows(n)]


def _least(dim: _dims.Dim) -> int:
    """The smallest size of DIM, from 1 on."""
    return max(-(-dim.min // dim.multiple_of), 1) * dim.multiple_of


def more(request: _dims.Request) -> list[Sizes]:
    """Many sizes, for a model that costs little: what it computes with sizes is the better told,
    the more of them are seen."""
    n = len(request.dims)
    wanted = [
        tuple(_MORE[(at * (1, 3, 7, 9)[i % 4] + i) % len(_MORE)] for i in range(n))
        for at in range(len(_MORE))
    ]
    if n > 1:  # what is special for one alone, whatever the others are
        wanted += [
            tuple(1 if i == one else size for i in range(n))
            for one in range(n)
            for size in (7, 8, 37)
        ]
        wanted += [(size,) * n for size in (1, 2, 8)]
    allowed = [tuple(map(_allowed, request.dims, factors)) for factors in wanted]
    return list(dict.fromkeys(allowed))


def many(request: _dims.Request, computes: bool, is_large: bool) -> list[Sizes]:
    """Still more sizes, to hold against each other what fits those before; of few elements if the
    model COMPUTES at each, and fewer if it also IS_LARGE."""
    units = [size // dim.multiple_of for dim, size in zip(request.dims, request.sizes, strict=True)]
    tables = [_MANY if own < _NEAR else _near(own) for own in units]
    wanted = _in_turn(tables, max(_MOST_TOGETHER, 8 * math.prod(units)))
    if len(units) > 1:
        wanted += _one_large(tables, units)
    if computes:
        most = max(_MOST_COMPUTED_LARGE if is_large else _MOST_COMPUTED, 2 * math.prod(units))
        longest = [max(_LONGEST_COMPUTED, 2 * own) for own in units]
        wanted = [
            factors
            for factors in wanted
            if math.prod(factors) <= most
            and all(n <= limit for n, limit in zip(factors, longest, strict=True))
        ]
        if is_large:
            wanted = wanted[:: len(wanted) // _RUNS_COMPUTED + 1]
    return list(dict.fromkeys(tuple(map(_allowed, request.dims, factors)) for factors in wanted))


def _in_turn(tables: Sequence[Sequence[int]], most: int) -> list[Sizes]:
    """Each symbol through all of its table, each in another order; with a product of MOST, if they
    are several."""
    together = [
        tuple(
            mine[(at * (1, 20, 33, 7)[i % 4] + 5 * i) % len(mine)] for i, mine in enumerate(tables)
        )
        for at in range(len(_MANY))
    ]
    return [sizes for sizes in together if len(tables) == 1 or math.prod(sizes) <= most]


def _one_large(tables: Sequence[Sequence[int]], units: Sequence[int]) -> list[Sizes]:
    """Each large size of each table, beside small ones of the other symbols: around what the caller
    gave, UNITS, where that is large."""
    n = len(tables)
    return [
        tuple(
            size if i == one else 2 + (at + i) % 4 if own < _NEAR else own + at % 4
            for i, own in enumerate(units)
        )
        for one in range(n)
        for at, size in enumerate(tables[one][n - 1 :: n])
    ]


def _near(units: int) -> tuple[int, ...]:
    """As many sizes as in _MANY, most of them around UNITS: a model whose example is large may want
    as much."""
    far = (units // 2, units * 3 // 4, units * 5 // 4, units * 3 // 2)
    around = (
        units + (k + 1) // 2 * (-1 if k % 2 else 1) for k in range(1, len(_MANY) - len(far) + 1)
    )
    return (*around, *far)


def _allowed(dim: _dims.Dim, factor: int) -> int:
    """FACTOR times what DIM is a multiple of, or the nearest size that there is."""
    step = dim.multiple_of
    most = dim.max // step if dim.max is not None else factor
    return max(min(factor, most), -(-dim.min // step), 1) * step


def untraced(request: _dims.Request, traced: Collection[Sizes]) -> list[Sizes]:
    """Sizes that no run of those TRACED had, if any are allowed: beyond the largest at which the
    model is computed in a few times what it takes at the caller's, and the smallest from 2 on."""
    most = _MOST_VERIFIED ** (1 / len(request.dims))
    columns = list(zip(request.dims, zip(*traced, strict=True), request.sizes, strict=True))
    found = []
    for is_beyond in (True, False):
        choices = []
        for i, (dim, seen, own) in enumerate(columns):
            usual = max(int(own * most), max(_SMALL) * dim.multiple_of)
            largest = min(max(seen), usual) // dim.multiple_of + 1 + i
            around = range(largest, largest + 8) if is_beyond else range(2, largest + 8)
            wanted = [n * dim.multiple_of for n in around if dim.allows(n * dim.multiple_of)]
            choices.append([n for n in wanted if n not in seen] or wanted or [own])
        found.append(_apart(choices))
    return [sizes for sizes in dict.fromkeys(found) if sizes not in traced]


def beyond(taken: Collection[Sizes], known: Collection[Sizes], n_most: int) -> list[Sizes]:
    """N_MOST of the sizes TAKEN that are none of those KNOWN, large and small, and of not many
    times the elements."""
    most = _BEYOND * max(map(math.prod, known))
    others = [sizes for sizes in {*taken} - {*known} if math.prod(sizes) <= most]
    others.sort(key=lambda sizes: (max(sizes), sizes), reverse=True)
    return others[:: len(others) // n_most + 1]


def _others_of(request: _dims.Request) -> list[list[int]]:
    """For each symbol, sizes to try other than the caller's, best first."""
    pairs = zip(request.dims, request.sizes, strict=True)
    return [_others(dim, size) for dim, size in pairs]


def _towering(others: Sequence[Sequence[int]], at: int) -> Sizes:
    """The symbol AT at the largest of its sizes, the others at their smallest."""
    return tuple(max(mine) if i == at else min(mine) for i, mine in enumerate(others))


def _apart(choices: Sequence[Sequence[int]]) -> Sizes:
    """The first of each of CHOICES, no two the same if that can be."""
    taken: list[int] = []
    for mine in choices:
        taken.append(next((size for size in mine if size not in taken), mine[0]))
    return tuple(taken)


def _others(dim: _dims.Dim, size: int) -> list[int]:
    """Sizes to try other than SIZE, best first: small where small is usual, near SIZE where it is
    large, so that a model which asks for a least size is content. The third is far from it: what
    changes at some size in between is seen."""
    step = dim.multiple_of
    units = size // step
    if units < 8:
        near = [*(_SMALL_FOR_5 if units == 5 else _SMALL_FOR_ODD if units % 2 else _SMALL)]
    elif units < _NEAR:
        near = [units + 3, units - 1, 3 * units + 2, units + 5, units - 3, units + 2, units - 2]
    else:
        near = [units * 3 // 4 | 1, units + 3, units * 3 // 2, units * 7 // 8 | 1, units - 3]
    found = [n * step for n in near if dim.allows(n * step) and n != units]
    if len(found) < 3:  # little room: take what there is
        least = -(-dim.min // step)
        most = dim.max // step if dim.max is not None else least + 12
        room = [n * step for n in range(max(least, 1), most + 1) if n != units]
        found += [n for n in room if n not in found and (n != 1 or len(room) < 3)]
    if not found:
        raise ValueError(f"{dim} allows no size but {size}")
    return found
