"""Operators that toffee takes apart itself (toffee/_decompositions.py), against eager PyTorch."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from exported import check_export, run_onnxruntime, to_bytes
from scipy import special

import toffee
from toffee import _decompositions, _special

INF, NAN = math.inf, math.nan
EDGES = torch.tensor([0.0, -0.0, 1.0, -1.0, 1e-30, 1e30, -1e30, INF, -INF, NAN])
LINE = torch.cat([torch.linspace(-20, 20, 401) + 0.013, torch.linspace(-1, 1, 101)])
POSITIVE = torch.cat([torch.linspace(0.01, 30, 400), torch.tensor([1e-20, 1e5, INF, NAN])])
S = torch.special

#: Function, values it is traced and compared on, other values.
OF_ONE = {
    "lgamma": (torch.lgamma, LINE, torch.cat([POSITIVE, EDGES, LINE])[: len(LINE)]),
    "digamma": (torch.digamma, LINE, LINE - 0.3),
    "erfinv": (torch.erfinv, LINE / 20.02, LINE.clamp(-1.1, 1.1)),
    "i0": (torch.i0, LINE, LINE * 2),
    "i0e": (S.i0e, LINE, LINE * 20),
    "i1": (S.i1, LINE, LINE * 2),
    "i1e": (S.i1e, LINE, LINE * 20),
    "bessel_j0": (S.bessel_j0, LINE, LINE * 3),
    "bessel_j1": (S.bessel_j1, LINE, LINE * 3),
    "bessel_y0": (S.bessel_y0, POSITIVE, POSITIVE + 0.01),
    "bessel_y1": (S.bessel_y1, POSITIVE, POSITIVE + 0.01),
    "modified_bessel_k0": (S.modified_bessel_k0, POSITIVE, POSITIVE + 0.01),
    "modified_bessel_k1": (S.modified_bessel_k1, POSITIVE, POSITIVE + 0.01),
    "scaled_modified_bessel_k0": (S.scaled_modified_bessel_k0, POSITIVE, POSITIVE + 0.01),
    "scaled_modified_bessel_k1": (S.scaled_modified_bessel_k1, POSITIVE, POSITIVE + 0.01),
    "modified_bessel_i0": (S.modified_bessel_i0, LINE, LINE * 2),
    "modified_bessel_i1": (S.modified_bessel_i1, LINE, LINE * 2),
    "erfcx": (S.erfcx, LINE.clamp(min=-8), (LINE * 30).clamp(min=-8)),
    "ndtri": (S.ndtri, LINE / 40.1 + 0.5, (LINE / 40).abs() ** 8),
    "log_ndtr": (S.log_ndtr, LINE, LINE * 2),
    "spherical_bessel_j0": (S.spherical_bessel_j0, LINE, LINE * 3),
    "polygamma 1": (lambda x: torch.polygamma(1, x), LINE[150:401], LINE[150:401] - 0.3),
    "polygamma 2": (lambda x: torch.polygamma(2, x), LINE[:401], LINE[:401] - 0.3),
    "polygamma 5": (lambda x: torch.polygamma(5, x), POSITIVE[:400], POSITIVE[:400] + 0.3),
    "angle": (torch.angle, LINE, EDGES.repeat(51)[: len(LINE)]),
}


@pytest.mark.parametrize("name", OF_ONE)
def test_a_special_function_agrees_over_its_domain(name: str):
    # 1e-4: PyTorch's own kernels compute in float32, with errors of this size where the values
    # oscillate, or nearly cancel; test_special_functions_agree_with_scipy has the narrow bounds.
    function, traced, other = OF_ONE[name]
    check_export(function, traced, other, rtol=1e-4, atol=1e-5)


#: Function, SciPy's, from, to, largest relative error (absolute below 1).
BY_SCIPY = [
    (_special.lgamma, special.gammaln, -20.03, 1e3, 1e-11),
    (_special.digamma, special.digamma, 0.01, 1e3, 1e-11),
    (_special.erfcx, special.erfcx, -5, 1e3, 1e-12),
    (_special.erfinv, special.erfinv, -0.999999, 0.999999, 1e-11),
    (_special.ndtri, special.ndtri, 1e-300, 0.999999, 1e-11),
    (_special.i0e, special.i0e, -100, 100, 1e-12),
    (_special.i1e, special.i1e, -100, 100, 1e-12),
    (_special.k0, special.k0, 0.001, 100, 1e-12),
    (_special.k1, special.k1, 0.001, 100, 1e-12),
    (_special.k0e, special.k0e, 0.001, 100, 1e-12),
    (_special.k1e, special.k1e, 0.001, 100, 1e-12),
    (_special.j0, special.j0, -100, 100, 1e-11),
    (_special.j1, special.j1, -100, 100, 1e-11),
    (_special.y0, special.y0, 0.001, 100, 1e-11),
    (_special.y1, special.y1, 0.001, 100, 1e-11),
]


@pytest.mark.parametrize("row", BY_SCIPY, ids=lambda row: row[0].__name__)
def test_special_functions_agree_with_scipy(row: tuple[Callable, Callable, float, float, float]):
    ours, theirs, low, high, bound = row
    x = np.linspace(low, high, 5003)
    result, expected = ours(torch.from_numpy(x)).numpy(), theirs(x)
    assert (np.abs(result - expected) <= bound * np.maximum(np.abs(expected), 1)).all()


def test_the_zeta_function_takes_negative_arguments():
    s, q = torch.tensor([[1.0], [1.5], [2.0], [3.0], [5.0]]), torch.linspace(-6, 6, 49) + 0.01
    check_export(S.zeta, (s, q), (s, q + 0.02), rtol=1e-4)
    check_export(lambda q: S.zeta(2.0, q), q, q + 1, rtol=1e-4)
    check_export(lambda s: S.zeta(s, 3), s + 1, s + 2, rtol=1e-5)


@pytest.mark.parametrize("kind", "tuvw")
@pytest.mark.parametrize("shifted", ["", "shifted_"])
def test_chebyshev_polynomials_take_their_order_as_a_tensor(kind: str, shifted: str):
    function = getattr(S, f"{shifted}chebyshev_polynomial_{kind}")
    x, n = torch.linspace(-2, 2, 41)[:, None], torch.arange(-1.0, 9.0)
    check_export(function, (x, n), (x * 0.5, n + 2), rtol=1e-4)
    check_export(lambda x: function(x, 5), x, x * 0.7, rtol=1e-4)


def test_whole_numbers_give_floats():
    check_export(torch.lgamma, torch.arange(1, 5), torch.arange(3, 7))
    check_export(torch.i0, torch.tensor([True, False]), torch.tensor([False, False]))


TIED = torch.tensor([[1.0, 3.0, 3.0, 2.0, NAN, 5.0], [4.0, 4.0, 1.0, 4.0, 0.0, -INF]])
OTHER = torch.tensor([[2.0, 2.0, 1.0, 2.0, 7.0, 7.0], [0.0, NAN, NAN, 9.0, 9.0, INF]])


@pytest.mark.parametrize("function", [torch.cummax, torch.cummin])
@pytest.mark.parametrize("dim", [0, 1])
def test_running_extremes_name_the_last_of_equal_values_and_keep_nan(function: Callable, dim: int):
    check_export(lambda x: function(x, dim), TIED, OTHER)
    check_export(lambda x: function(x, dim), TIED.nan_to_num() > 2, OTHER.nan_to_num() > 2)
    check_export(lambda x: function(x, 0), torch.tensor(3), torch.tensor(4))


def test_a_running_logsumexp_starts_from_infinities():
    check_export(lambda x: torch.logcumsumexp(x, 1), TIED.nan_to_num(), OTHER.nan_to_num())
    check_export(lambda x: torch.logcumsumexp(x, 1), torch.tensor([[-INF, -INF, 1.0, INF]]))


@pytest.mark.parametrize("size", [4, 5])
@pytest.mark.parametrize("function", [torch.median, torch.nanmedian])
def test_medians_are_the_lower_one_of_two(function: Callable, size: int):
    # places: of values that are there once, as PyTorch promises no order of equal ones
    x = torch.tensor([[3.0, 1.0, 2.0, 5.0, 4.0], [9.0, NAN, 7.0, 8.0, 6.0]])[:, :size]
    y = torch.tensor([[NAN, 1.0, 2.0, 8.0, 4.0], [9.0, 0.0, 7.0, 8.0, 6.0]])[:, :size]
    check_export(lambda x: function(x, 1), x, y)
    check_export(lambda x: function(x, 1, keepdim=True), x, y)
    check_export(function, x, y)
    check_export(lambda x: function(x, 0), torch.tensor([4, 1, 3]), torch.tensor([5, 2, 9]))


def test_kthvalue_counts_from_one():
    x = torch.tensor([[3.0, 1.0, 2.0], [9.0, 7.0, 8.0]])
    check_export(lambda x: torch.kthvalue(x, 2, 1), x, -x)
    check_export(lambda x: torch.kthvalue(x, 1, 0, True), x, -x)


def test_the_mode_is_the_smallest_of_the_most_frequent():
    x = torch.tensor([[3, 1, 3, 1, 2], [5, 5, 2, 2, 2]])
    check_export(lambda x: torch.mode(x, 1)[0], x, x.flip(1) + 1)
    check_export(lambda x: torch.mode(x, 0, keepdim=True)[0], x, x.flip(1) + 1)


@pytest.mark.parametrize("right", [False, True])
def test_boundaries_are_searched_with_ties_and_nan(right: bool):
    edges, x = torch.tensor([1.0, 2.0, 2.0, 5.0]), torch.tensor([[0.0, 1.0, 2.0], [5.0, 6.0, NAN]])
    check_export(lambda e, x: torch.bucketize(x, e, right=right), (edges, x), (edges + 1, x))
    check_export(lambda e, x: torch.searchsorted(e, x, right=right), (edges, x), (edges + 1, x))
    rows = torch.stack([edges, edges * 2])
    check_export(
        lambda e, x: torch.searchsorted(e, x, right=right, out_int32=True), (rows, x), (rows + 1, x)
    )
    mixed, order = torch.tensor([5.0, 1.0, 2.0]), torch.tensor([1, 2, 0])
    check_export(lambda e, x: torch.searchsorted(e, x, sorter=order), (mixed, x), (mixed + 1, x))
    check_export(lambda e: torch.bucketize(2.0, e, right=right), edges, edges + 1)


def test_a_histogram_counts_the_upper_end_in_the_last_bin():
    x = torch.tensor([0.0, 0.5, 1.0, 2.0, 2.0, 3.0, -4.0])
    check_export(lambda x: torch.histc(x, 4, 0, 2), x, x + 0.25)
    check_export(lambda x: torch.histc(x, 5), x, x * x)
    check_export(lambda x: torch.histc(x, 3), torch.ones(4), torch.full((4,), 2.0))


@pytest.mark.parametrize("p", [0.0, 1.0, 2.0, 3.0, INF])
def test_distances_of_all_with_all(p: float):
    a, b = torch.randn(2, 5, 3), torch.randn(2, 4, 3)
    check_export(lambda a, b: torch.cdist(a, b, p), (a, b), rtol=1e-4)
    check_export(lambda a: torch.nn.functional.pdist(a, p), a[0], rtol=1e-4)


def test_a_sum_of_complex_products():
    a, b, x = (torch.randn(*s, dtype=torch.complex64) for s in ((3, 2, 4), (3, 4, 5), (2, 5)))
    check_export(torch.addbmm, (x, a, b), rtol=1e-4)
    check_export(lambda x, a, b: torch.addbmm(x, a, b, beta=0, alpha=2 - 1j), (x, a, b), rtol=1e-4)


def test_bilinear_layers():
    a, b = torch.randn(2, 5, 3), torch.randn(2, 5, 4)
    layer = torch.nn.Bilinear(3, 4, 6)
    check_export(layer, (a, b), rtol=1e-4)
    check_export(torch.nn.Bilinear(3, 4, 1, bias=False), (a[0], b[0]), rtol=1e-4)


def test_whole_numbers_are_averaged_and_cut_off():
    x = torch.randint(-50, 50, (2, 3, 9, 8))
    for options in (
        {"kernel_size": 3},
        {"kernel_size": (2, 3), "stride": (3, 2), "padding": (1, 1), "ceil_mode": True},
        {"kernel_size": 3, "padding": 1, "count_include_pad": False, "ceil_mode": True},
        {"kernel_size": 2, "stride": 3, "ceil_mode": True, "divisor_override": 3},
    ):
        check_export(lambda x, o=options: torch.nn.functional.avg_pool2d(x, **o), x)
    check_export(lambda x: torch.nn.functional.avg_pool3d(x, 2, padding=1), x)
    check_export(lambda x: torch.nn.functional.avg_pool1d(x[0], 4, 2), x)


@pytest.mark.parametrize("groups", [1, 2])
def test_whole_numbers_are_convolved_without_a_rounding(groups: int):
    x, w = torch.randint(-9, 9, (2, 4, 9, 8)), torch.randint(-9, 9, (6, 4 // groups, 3, 2))
    x[0, 0, 4, 4] = 2**60 + 1  # no float has it
    bias, F = torch.arange(6), torch.nn.functional
    options = {"stride": (2, 1), "padding": (1, 2), "dilation": (1, 3), "groups": groups}
    check_export(lambda x, w, b: F.conv2d(x, w, b, **options), (x, w, bias), (x * 3, w + 1, bias))
    check_export(lambda x, w: F.conv1d(x[..., 0], w[..., 0], groups=groups), (x, w))
    back = torch.randint(-9, 9, (4, 6 // groups, 3, 2))
    check_export(
        lambda x, w, b: F.conv_transpose2d(x, w, b, **options, output_padding=(1, 0)),
        (x, back, bias),
        (x * 3, back + 1, bias),
    )


def test_the_mean_of_whole_numbers_that_fall_on_one_place_is_rounded_down():
    x, index, source = torch.tensor([-7, 2, 5]), torch.tensor([0, 0, 2, 0]), torch.arange(4) - 6
    for include in (True, False):
        check_export(
            lambda x, i, s, b=include: (
                x.scatter_reduce(0, i, s, "mean", include_self=b),
                x.index_reduce(0, i, s, "mean", include_self=b),
            ),
            (x, index, source),
            (x - 3, index.flip(0), source * 3),
        )


def test_complex_numbers_are_put_and_scattered():
    x, y = torch.randn(2, 3, 4, dtype=torch.complex64)
    index, mask = torch.tensor([[0, 2, 1, 0]]), torch.rand(3, 4) < 0.5
    check_export(lambda x, y, i: x.scatter(0, i, y), (x, y, index))
    check_export(lambda x, y, i: x.scatter(0, i, y, reduce="add"), (x, y, index))
    check_export(lambda x, i: x.scatter(0, i, 2 - 3j), (x, index))
    check_export(lambda x, y, i: x.put(i, y[:1], accumulate=True), (x, y, index))
    check_export(lambda x, y, m: x.masked_scatter(m, y), (x, y, mask))
    with pytest.raises(toffee.UnsupportedOperatorError, match="aten::scatter"):
        to_bytes(lambda x, y, i: x.scatter(0, i, y, reduce="multiply"), (x, y, index))


def test_a_loss_of_a_layer_is_computed_without_chunks():
    args = torch.randn(6, 4), torch.randn(5, 4), torch.tensor([0, 4, 1, 2, -100, 3])
    others = torch.randn(6, 4), torch.randn(5, 4), torch.tensor([2, -100, -100, 0, 1, 1])
    options = torch.nn.LinearCrossEntropyOptions(batch_chunk_size=2)
    for reduction in ("mean", "sum", "none"):
        check_export(
            lambda x, w, t, r=reduction: torch.nn.functional.linear_cross_entropy(
                x, w, t, reduction=r, options=options
            ),
            args,
            others,
            rtol=1e-4,
        )


def test_fractional_pooling_takes_its_random_numbers_as_an_input():
    def pool(x: torch.Tensor, samples: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.nn.functional.fractional_max_pool2d(
            x, (2, 3), output_size=(3, 4), return_indices=True, _random_samples=samples
        )

    check_export(
        pool,
        (torch.randn(2, 3, 9, 11), torch.rand(2, 3, 2)),
        (torch.randn(2, 3, 9, 11), torch.rand(2, 3, 2)),
    )


def test_numbers_are_split_and_stepped_exactly():
    x = torch.cat([EDGES, torch.tensor([1e-45, 3e-39, 0.75, 2.0**127, 3.4028235e38])])
    regular = x[torch.isfinite(x)]
    check_export(torch.frexp, regular, regular.flip(0), rtol=0, atol=0)
    towards = x.roll(1)
    check_export(torch.nextafter, (x, towards), (towards, x), rtol=0, atol=0)


def test_a_bounded_number_of_places_is_found():
    x = torch.tensor([[0.0, 1.0, 2.0], [0.0, 0.0, 3.0]])
    for size in (0, 1, 3, 5):
        check_export(lambda x, n=size: torch.nonzero_static(x, size=n), x, 1 - x)
        check_export(lambda x, n=size: torch.nonzero_static(x * 1j, size=n), x, 1 - x)
        check_export(lambda x, n=size: torch.nonzero_static(x[:0], size=n, fill_value=7), x)


def test_writing_into_a_strided_part_makes_a_copy():
    x, part = torch.randn(5, 5), torch.randn(2, 2)
    check_export(lambda x, y: torch.as_strided_scatter(x, y, (2, 2), (7, 2), 1), (x, part))


def test_a_resize_to_the_same_size_is_nothing_and_another_one_is_refused():
    check_export(lambda x: (x + 1).resize_(2, 3), torch.randn(2, 3))
    with pytest.raises(toffee.UnsupportedOperatorError, match="aten::resize"):
        to_bytes(lambda x: (x + 1).resize_(7), torch.randn(2, 3))


def test_all_pairs_of_a_large_tensor_are_refused():
    x = torch.zeros(10000, dtype=torch.int64)
    with pytest.raises(toffee.UnsupportedOperatorError, match="aten::mode"):
        to_bytes(torch.mode, x)


def test_float16_is_computed_wide_and_rounded_once():
    x = torch.linspace(0.1, 9, 40, dtype=torch.float64).to(torch.float16)
    data = to_bytes(torch.lgamma, x, format="onnx")
    expected = torch.lgamma(x.to(torch.float64)).to(torch.float16)
    (result,) = run_onnxruntime(data, [x.numpy()], False)
    assert result.dtype == np.float16
    assert np.array_equal(result, expected.numpy())


def test_the_table_names_operators_of_pytorch():
    names = {s.name + (f".{s.overload_name}" if s.overload_name else "")
             for s in torch._C._jit_get_all_schemas()}  # fmt: skip
    assert set(_decompositions.TABLE) <= names
