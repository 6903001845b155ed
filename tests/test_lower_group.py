"""Elements in groups: equal ones, counts of them, and a matrix for each, as mixtures of experts."""

from __future__ import annotations

import pytest
import torch
from exported import check_export, ops, to_graph

import toffee


def experts(seed: int, n_rows: int = 12, n_groups: int = 4) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(n_rows, 8, generator=generator)
    matrices = torch.randn(n_groups, 8, 16, generator=generator)
    groups = torch.randint(0, n_groups, (n_rows,), generator=generator).sort().values
    return rows, matrices, groups


def test_each_row_is_multiplied_by_the_matrix_of_its_group():
    def forward(rows, matrices, groups):
        counts = torch.histc(groups.float(), bins=4, min=0, max=3)
        return torch._grouped_mm(rows, matrices, offs=counts.cumsum(0, dtype=torch.int32))

    check_export(forward, experts(0), experts(1))


def test_groups_may_be_empty_and_one_may_have_all_rows():
    def forward(rows, matrices, ends):
        return torch._grouped_mm(rows, matrices, offs=ends)

    rows, matrices, _ = experts(0)
    ends = [torch.tensor(x, dtype=torch.int32) for x in ([0, 12, 12, 12], [3, 3, 3, 12])]
    check_export(forward, (rows, matrices, ends[0]), (rows, matrices, ends[1]))


def test_a_grouped_product_of_stacked_rows_is_refused():
    def forward(rows, matrices):
        return torch._grouped_mm(rows, matrices, offs=torch.tensor([3, 8], dtype=torch.int32))

    with pytest.raises(toffee.UnsupportedOperatorError, match="_grouped_mm"):
        to_graph(forward, (torch.randn(4, 8), torch.randn(8, 16)))


@pytest.mark.parametrize(("bins", "low", "high"), [(7, 0, 3), (4, -1, 1.5), (1, 0, 1), (100, 0, 1)])
def test_a_histogram_counts_as_pytorch_does(bins, low, high):
    traced = torch.linspace(-2, 4, 60)
    other = torch.cat((torch.tensor([float("nan"), float("inf"), low, high]), traced[:56] ** 2))
    check_export(lambda x: torch.histc(x, bins, low, high), traced, other)
    check_export(lambda x: torch.histc(x, bins, low, high), traced.double().reshape(5, 12))


# ---- equal elements ------------------------------------------------------------------------------

NAN = float("nan")
FEW = torch.tensor([[3, 1, 1, 7], [3, 3, -2, 7]])
MORE = torch.tensor([[5, 4, 0, 0], [0, 9, 9, 8]])  # another number of them
ALL = {"return_inverse": True, "return_counts": True}


@pytest.mark.filterwarnings("ignore::toffee.TraceWarning")
@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8, torch.int8, torch.bool])
def test_unique_whole_numbers_are_sorted(dtype):
    args = (FEW.abs().to(dtype), MORE.to(dtype))
    assert "Unique" in ops(check_export(torch.unique, *args))
    check_export(lambda x: torch.unique(x, **ALL), *args)
    check_export(lambda x: torch.unique(x, return_counts=True), *args)
    check_export(lambda x: torch.unique(x, sorted=False, return_inverse=True), *args)


@pytest.mark.filterwarnings("ignore::toffee.TraceWarning")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
def test_each_nan_is_unique(dtype):
    traced, other = FEW.to(dtype), torch.tensor([[2.5, NAN, 2.5, NAN], [-0.0, 0.0, 1, 1]]).to(dtype)
    check_export(torch.unique, traced, other)
    check_export(lambda x: torch.unique(x, **ALL), traced, other)


@pytest.mark.filterwarnings("ignore::toffee.TraceWarning")
@pytest.mark.parametrize("dtype", [torch.int64, torch.float32, torch.float16])
@pytest.mark.parametrize("dim", [0, 1, -1])
def test_unique_slices(dtype, dim):
    traced = torch.tensor([[[1, 2], [1, 2], [0, 5]], [[3, 0], [3, 0], [3, 0]]]).to(dtype)
    other = torch.tensor([[[4, 4], [0, 9], [4, 4]], [[4, 4], [0, 9], [4, 4]]]).to(dtype)
    check_export(lambda x: torch.unique(x, dim=dim), traced, other)
    check_export(lambda x: torch.unique(x, dim=dim, **ALL), traced, other)


@pytest.mark.filterwarnings("ignore::toffee.TraceWarning")
@pytest.mark.parametrize("dim", [None, 0, 1])
def test_runs_of_equal_elements(dim):
    for traced, other in ((FEW, MORE), (FEW.float(), MORE.float().where(MORE != 9, NAN))):
        check_export(lambda x: torch.unique_consecutive(x, dim=dim), traced, other)
        check_export(lambda x: torch.unique_consecutive(x, dim=dim, **ALL), traced, other)


def test_a_number_of_unique_elements_is_that_of_the_run_and_said_so():
    with pytest.warns(toffee.TraceWarning, match="_unique2 makes a shape that depends on the val"):
        to_graph(torch.unique, FEW)


# ---- counts --------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::toffee.TraceWarning")
@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8])
def test_numbers_are_counted_up_to_the_largest(dtype):
    traced, other = torch.tensor([1, 1, 0, 3]).to(dtype), torch.tensor([7, 0, 2, 7]).to(dtype)
    check_export(torch.bincount, traced, other)
    check_export(lambda x: torch.bincount(x, minlength=6), traced, other)
    for weights in (torch.tensor([0.5, 2, NAN, 1]), torch.tensor([1, 2, 3, 4])):
        check_export(torch.bincount, (traced, weights), (other, weights.flip(0)))


@pytest.mark.filterwarnings("ignore::toffee.TraceWarning")
def test_rows_are_repeated_as_often_as_a_tensor_says():
    x, times, other = torch.randn(3, 4), torch.tensor([2, 0, 3]), torch.tensor([1, 4, 2])
    check_export(torch.repeat_interleave, times, other)
    check_export(torch.repeat_interleave, times.int(), other.int())
    check_export(lambda x, n: x.repeat_interleave(n, 0), (x, times), (x + 1, other))
    check_export(lambda x, n: x.repeat_interleave(n[:1]), (x, times), (x + 1, other))
    check_export(lambda x, n: x.repeat_interleave(n, 0), (x + 1j, times), (x - 1j, other))
    check_export(lambda x, n: x.mT.repeat_interleave(n, 1, output_size=5), (x, times))


@pytest.mark.parametrize("density", [False, True])
def test_a_histogram_has_its_edges_beside_it(density):
    x, y = torch.linspace(-1, 3, 40), torch.linspace(-1.5, 2.5, 40) ** 2
    check_export(lambda x: torch.histogram(x, 7, density=density), x, y)
    check_export(lambda x: torch.histogram(x, 4, range=(0.0, 2.0), density=density), x, y)
    check_export(lambda x, w: torch.histogram(x, 5, weight=w, density=density), (x, y), (y, x + 1))
    edges = torch.tensor([-1.0, 0, 0.5, 2, 2.25])
    check_export(lambda x, e: torch.histogram(x, e, density=density), (x, edges), (y, edges + 0.5))
    same = torch.full((5,), 2.0)
    check_export(lambda x: torch.histogram(x, 3, density=density), same, torch.arange(5.0))


@pytest.mark.parametrize("reduce", ["sum", "mean", "max", "min", "prod"])
@pytest.mark.parametrize("initial", [None, 1.5])
def test_segments_are_reduced_and_may_be_empty(reduce, initial):
    def by_lengths(x, lengths):
        return torch.segment_reduce(x, reduce, lengths=lengths, initial=initial)

    def by_offsets(x, offsets):
        return torch.segment_reduce(x, reduce, offsets=offsets, initial=initial, axis=0)

    def by_rows(x, lengths):
        return torch.segment_reduce(x, reduce, lengths=lengths, initial=initial, axis=1)

    x = torch.randn(6, 4)
    y = torch.where(torch.rand(6, 4, generator=torch.Generator().manual_seed(0)) < 0.1, NAN, x + 1)
    check_export(by_lengths, (x, torch.tensor([2, 0, 4])), (y, torch.tensor([0, 5, 1])))
    check_export(by_offsets, (x, torch.tensor([0, 3, 3, 6])), (y, torch.tensor([0, 0, 1, 6])))
    rows = torch.tensor([[1, 3, 0]] * 6), torch.tensor([[2, 0, 2]] * 6)
    check_export(by_rows, (x, rows[0]), (y, rows[1]))
