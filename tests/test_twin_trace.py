"""What a trace does for being compared with others at other sizes: journal, sources, geometry only.

See Note [Twins] in csrc/trace/twin.h. A graph with sources is held against eager PyTorch at the
sizes of its run, by ONNX Runtime; that its sizes can be exchanged is seen from where they are.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import onnx
import onnxruntime
import pytest
import torch
from exported import as_numpy, compare, ops, run_onnxruntime
from test_alloc_failure import every_failure
from torch import nn

import toffee
from toffee import _models, _progress, _tracing, _twin
from toffee import torch_toffee as exporter

Journal = list[tuple[str, int]]


class _Traced:
    """One trace of FN that keeps a journal."""

    def __init__(
        self,
        fn: Callable[..., Any],
        *args: Any,
        sources: Any = (),
        skip: Any = None,
        training: bool = False,
    ) -> None:
        tracers: list[_tracing.Tracer] = []

        class Tracer(_tracing.Tracer):
            def begin(self, *hooks: Any) -> None:  # type: ignore[override]
                super().begin(*hooks)
                tracers.append(self)
                self.keep_journal(sources, skip, False)

        call = exporter._Call(args, {}, None, None)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_tracing, "Tracer", Tracer)
            how = exporter._How(False, training, None, None, False, _progress.of(False))
            self.graph, self.output = exporter._trace(_models.unwrap(fn), call, how)
        (self.tracer,) = tracers
        self.journal: Journal = self.tracer.journal

    def data(self) -> bytes:
        buffer = io.BytesIO()
        toffee.save(self.graph, buffer, format="onnx")
        return buffer.getvalue()


def _sources(a: Journal, b: Journal) -> tuple[int, ...]:
    assert [name for name, _ in a] == [name for name, _ in b]
    return tuple(i for i, (x, y) in enumerate(zip(a, b, strict=True)) if x != y)


def _names(journal: Journal, ordinals: tuple[int, ...]) -> list[str]:
    return [journal[i][0] for i in ordinals]


def _check(fn: Callable[..., Any], small: torch.Tensor, large: torch.Tensor) -> toffee.Graph:
    """FN traced at two sizes, and at the larger one again with its sources recorded, which ONNX
    Runtime must agree with; the graph."""
    torch.manual_seed(0)
    first = _Traced(fn, small)
    second = _Traced(fn, large)
    sources = _sources(first.journal, second.journal)
    recorded = _Traced(fn, large, sources=sources)
    assert [name for name, _ in recorded.journal] == [name for name, _ in first.journal]
    assert all(recorded.journal[i][1] == 0 for i in sources)
    _agrees(recorded, fn, large)
    _differ_in_sizes_alone(_Traced(fn, small, sources=sources).graph, recorded.graph)
    return recorded.graph


def _agrees(traced: _Traced, fn: Callable[..., Any], x: torch.Tensor) -> None:
    data = traced.data()
    onnx.checker.check_model(onnx.load_from_string(data), full_check=True)
    with torch.inference_mode():
        expected = fn(x)
    for optimize in (False, True):
        (result,) = run_onnxruntime(data, [as_numpy(x)], optimize)
        compare(result, as_numpy(expected), 1e-5, 1e-6, f"optimize={optimize}")


def _differ_in_sizes_alone(a: toffee.Graph, b: toffee.Graph) -> None:
    """A and B have the same nodes with the same attributes; of their constants, only such differ as
    have the same few elements: sizes can be put there, by what is computed from Shape."""
    tensors = [{t.name: toffee.numpy_helper.to_array(t) for t in g.initializer} for g in (a, b)]
    assert ops(a) == ops(b)
    for x, y in zip(a.node, b.node, strict=True):
        assert [str(z) for z in x.attribute] == [str(z) for z in y.attribute], x.op_type
        assert len(x.input) == len(y.input)
        for name, other in zip(x.input, y.input, strict=True):
            assert (name in tensors[0]) == (other in tensors[1])
            if name in tensors[0]:
                left, right = tensors[0][name], tensors[1][other]
                assert (left.dtype, left.shape) == (right.dtype, right.shape), x.op_type
                assert left.size < 7 or (left == right).all(), x.op_type


X = torch.linspace(-2, 2, 12).reshape(2, 6)
Y = torch.linspace(-2, 2, 18).reshape(2, 9)


# ---- the journal ---------------------------------------------------------------------------------


def _positions(x: torch.Tensor) -> torch.Tensor:
    n = x.shape[1]
    table = torch.arange(4.0).exp().sum()
    return x * table + torch.arange(n) + torch.tensor([1, n])[1]


def test_journals_of_two_runs_at_the_same_size_are_equal():
    assert _Traced(_positions, X).journal == _Traced(_positions, X + 1).journal


def test_journals_differ_where_data_depends_on_the_size_and_nowhere_else():
    a, b = _Traced(_positions, X).journal, _Traced(_positions, Y).journal
    assert _names(a, _sources(a, b)) == ["aten::arange", "tensor", "aten::select.int"]


def test_calls_that_are_recorded_have_digest_zero_and_calls_on_data_have_not():
    journal = _Traced(_positions, X).journal
    recorded = [name for name, digest in journal if digest == 0]
    assert recorded == ["aten::mul.Tensor", "aten::add.Tensor", "aten::add.Tensor"]


def test_what_is_written_to_data_is_in_the_digest():
    def fn(x: torch.Tensor) -> torch.Tensor:
        mask = torch.zeros(3)
        mask.fill_(x.shape[1])
        return x * mask.sum()

    a, b = _Traced(fn, X).journal, _Traced(fn, Y).journal
    assert _names(a, _sources(a, b)) == ["aten::fill_.Scalar", "aten::sum"]


def test_memory_that_nobody_has_written_does_not_differ():
    def fn(x: torch.Tensor) -> torch.Tensor:
        torch.full((64,), float(x.shape[1])).sum()
        scratch = torch.empty(64)
        scratch[0] = 1.0
        return x + scratch[0]

    a, b = _Traced(fn, X).journal, _Traced(fn, Y).journal
    assert _names(a, _sources(a, b)) == ["aten::full", "aten::sum"]


@pytest.mark.parametrize(
    "make",
    [
        lambda n: torch.arange(60).reshape(6, 10)[:, :: n // 3],
        lambda n: torch.arange(60).reshape(6, 10).t()[n // 2],
        lambda n: torch.ones(1).expand(n, 3),
        lambda n: torch.zeros(n, 0),
        lambda n: torch.view_as_complex(torch.full((2, 2), float(n))),
        lambda n: torch.full((2,), n, dtype=torch.bfloat16),
    ],
    ids=["strided", "transposed", "expanded", "empty", "complex", "bfloat16"],
)
def test_the_digest_sees_sizes_and_contents_of_any_layout(make):
    def fn(x: torch.Tensor) -> torch.Tensor:
        make(x.shape[1])
        return x + 1

    a, b = _Traced(fn, X).journal, _Traced(fn, Y).journal
    assert a == _Traced(fn, X).journal
    assert a[-2] != b[-2] and a[-1] == b[-1] == ("aten::add.Tensor", 0)


def test_a_sparse_tensor_of_data_does_not_stop_the_journal():
    def fn(x: torch.Tensor) -> torch.Tensor:
        return x @ torch.eye(x.shape[1]).to_sparse().to_dense()

    a, b = _Traced(fn, X).journal, _Traced(fn, Y).journal
    assert {name.partition(".")[0] for name in _names(a, _sources(a, b))} >= {"aten::eye"}


def test_a_function_that_the_witness_says_in_operators_is_one_entry_either_way():
    def on_data(x: torch.Tensor) -> torch.Tensor:
        return x + torch.tensor([1.0, torch.ones(1)])[0]

    def on_trace(x: torch.Tensor) -> torch.Tensor:
        return x + torch.tensor([1.0, x[0, 0]])[0]

    assert [name for name, _ in _Traced(on_data, X).journal][-3:] == [
        "tensor",
        "aten::select.int",
        "aten::add.Tensor",
    ]
    assert [name for name, _ in _Traced(on_trace, X).journal][-3:] == [
        "tensor",
        "aten::select.int",
        "aten::add.Tensor",
    ]


# ---- sources -------------------------------------------------------------------------------------


def test_positions_are_a_range_whose_limit_is_an_input():
    graph = _check(_positions, X, Y)
    (node,) = [node for node in graph.node if node.op_type == "Range"]
    limits = [t for t in graph.initializer if t.name == node.input[1]]
    assert toffee.numpy_helper.to_array(limits[0]).tolist() == 9


def _mask(x: torch.Tensor) -> torch.Tensor:
    n = x.shape[1]
    mask = torch.zeros(n, n)
    mask[:, : n // 2] = 1
    return x @ mask.tril() @ torch.eye(n).triu(1)


def _grown(x: torch.Tensor) -> torch.Tensor:
    mask = torch.full((x.shape[1],), float("-inf"))
    mask.index_fill_(0, torch.arange(x.shape[1] - 2), 0.0)
    return (x + mask).softmax(1)


def _cut(x: torch.Tensor) -> torch.Tensor:
    table = torch.arange(40.0).reshape(20, 2)
    return x + table[: x.shape[1], 1]


def _listed(x: torch.Tensor) -> torch.Tensor:
    return x * torch.tensor([[1.0], [x.shape[1]]]) + torch.as_tensor(float(x.shape[1]))


def _cloned(x: torch.Tensor) -> torch.Tensor:
    number = torch.tensor(x.shape[1]).clone()
    number += 1
    return x / number


def _counted(x: torch.Tensor) -> torch.Tensor:
    return torch.kthvalue(x, 2, dim=1).indices[:, None] + x


def _spread(x: torch.Tensor) -> torch.Tensor:
    n = x.shape[1]
    return x + torch.linspace(-1, 1, n) + torch.logspace(0, 1, n, base=2.0)


def _stepped(x: torch.Tensor) -> torch.Tensor:
    n = x.shape[1]
    down = torch.arange(n, 0, -1.0, dtype=torch.int64)
    return x + torch.arange(0.5, n / 2 + 0.5, 0.5) + torch.arange(2 * n, 0, -2) % 5 + down


def _triangles(x: torch.Tensor) -> torch.Tensor:
    n = x.shape[1]
    low, high = torch.tril_indices(n, n, -1), torch.triu_indices(n, n, 1)
    return x + low.sum() - high[0].sum()


def _combined(x: torch.Tensor) -> torch.Tensor:
    n = x.shape[1]
    a, b = torch.meshgrid(torch.arange(2), torch.arange(n), indexing="ij")
    pairs = torch.cartesian_prod(torch.arange(2), torch.arange(n)).sum(1).reshape(2, n)
    hot = nn.functional.one_hot(torch.arange(n) % 4, 4)
    return x + a * b + pairs + hot.sum(0)[0]


@pytest.mark.parametrize(
    "fn",
    [
        _mask,
        _grown,
        _cut,
        _listed,
        _cloned,
        _counted,
        _spread,
        _stepped,
        _triangles,
        _combined,
    ],
)
def test_a_graph_with_its_sources_recorded_computes_the_same(fn):
    _check(fn, X, Y)


def test_a_number_in_a_fill_is_no_attribute():
    def fn(x: torch.Tensor) -> torch.Tensor:
        return x + torch.full((1, x.shape[1]), x.shape[1])

    graph = _check(fn, X, Y)
    assert ops(graph) == ["Expand", "Cast", "Add"]


@pytest.mark.parametrize(
    "fn",
    [
        lambda x: nn.functional.scaled_dot_product_attention(x, x, x, is_causal=True),
        lambda x: x.unfold(1, 3, 1),
        lambda x: x.unfold(1, 3, 2) * 2,
        lambda x: nn.functional.unfold(x[None, None], (1, 3), dilation=(1, 2), stride=(1, 2)),
        lambda x: x.roll(-2, 1).roll(1, 1).roll(-1),
        lambda x: x.flip(1),
        lambda x: torch.cat(x.chunk(2, 1)[::-1], 1),
        lambda x: nn.functional.max_pool1d(x, 3, 2, ceil_mode=True),
        lambda x: nn.functional.max_pool1d(x, 3, 2, 1, 2, ceil_mode=True),
        lambda x: nn.functional.avg_pool1d(x, 2, 2, ceil_mode=True),
        lambda x: nn.functional.avg_pool1d(x, 3, 2, 1, True, False),
        lambda x: nn.functional.adaptive_avg_pool1d(x, 1),
        lambda x: nn.functional.pad(x, (1, 2)).cumsum(1).mean(1),
        lambda x: nn.functional.interpolate(x[None], scale_factor=2, mode="nearest"),
        lambda x: nn.functional.interpolate(x[None, None], scale_factor=(1, 2), mode="bilinear"),
    ],
    ids=[
        "causal",
        "unfold",
        "apart",
        "patches",
        "roll",
        "flip",
        "chunk",
        "max",
        "dilated",
        "avg",
        "padded",
        "global",
        "pad",
        "nearest",
        "bilinear",
    ],
)
def test_lowerings_bake_no_size(fn):
    _check(fn, X, Y)


@pytest.mark.parametrize(
    "draw",
    [torch.rand, torch.randn, lambda n: torch.randint(3, 9, (n,)), torch.randperm],
    ids=["rand", "randn", "randint", "randperm"],
)
def test_random_numbers_of_a_size_are_drawn_by_the_graph(draw):
    def fn(x: torch.Tensor) -> torch.Tensor:
        return x * 0 + draw(x.shape[1])

    a = _Traced(fn, Y, sources=(1,))
    assert a.journal[1][1] == 0
    assert not [t for t in a.graph.initializer if 9 in t.dims]
    session = onnxruntime.InferenceSession(a.data(), providers=["CPUExecutionProvider"])
    results = [session.run(None, {"x": as_numpy(Y)})[0] for _ in range(4)]
    assert any((result != results[0]).any() for result in results)
    assert results[0].shape == (2, 9)
    if draw is torch.randperm:
        assert sorted(results[0][0].tolist()) == list(range(9))


def test_a_source_without_a_form_is_reported_with_its_line():
    library = torch.library.Library("twin_tests", "FRAGMENT")
    library.define("steps(int n) -> Tensor")
    library.impl("steps", lambda n: torch.arange(n), "CompositeExplicitAutograd")

    def fn(x: torch.Tensor) -> torch.Tensor:
        return x + torch.ops.twin_tests.steps(x.shape[1])

    sources = _sources(_Traced(fn, X).journal, _Traced(fn, Y).journal)
    with pytest.raises(toffee.UnsupportedOperatorError) as caught:
        _Traced(fn, X, sources=sources)
    assert re.search(r"twin_tests::steps \(1 call\)\n .*test_twin_trace.py:\d+", str(caught.value))


def test_sources_that_are_recorded_anyway_or_never_come_change_nothing():
    plain = _Traced(_positions, X)
    recorded = tuple(i for i, (_, digest) in enumerate(plain.journal) if digest == 0)
    other = _Traced(_positions, X, sources=(*recorded, 1000))
    assert str(other.graph) == str(plain.graph)
    assert other.journal == plain.journal


# ---- geometry only -------------------------------------------------------------------------------


class _Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(64, 4, 128, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x) + x.transpose(1, 2).contiguous().transpose(1, 2)


def _in_place(x: torch.Tensor) -> torch.Tensor:
    y = x * 2
    y.add_(1).relu_()
    y[:, 1:] = y[:, :-1]
    return y.t_() + torch.zeros_like(y)


def _several(x: torch.Tensor) -> Any:
    values, index = x.sort(1)
    return [*torch.split(values * 2, 100, 1), index, x.unbind(0)[0], torch.var_mean(x, 1)[0]]


def _lists(x: torch.Tensor) -> Any:
    return torch.cat([x, x + 1], 1), torch.stack([x, x]), torch.einsum("ij,kj->ik", x, x)


def _elementwise(x: torch.Tensor) -> Any:
    y = nn.functional.gelu(x * x, approximate="tanh") + x.relu() / 2.0
    z = torch.add(y, x, alpha=2) * x[0] - x.t().contiguous().t()
    return z, x.int() + x.int(), x.int() / 2, x.mul(1j), y.double() * y


def _untouched(x: torch.Tensor) -> torch.Tensor:
    return torch.where(x > 0, x, x.new_zeros(())).to(torch.float64).cumsum(1)


_ZOO: list[tuple[str, Callable[..., Any], tuple[int, ...]]] = [
    (
        "convolutions",
        nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(True)),
        (2, 3, 80, 80),
    ),
    (
        "pools",
        nn.Sequential(nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        (2, 3, 80, 80),
    ),
    ("channels last", nn.Conv2d(3, 8, 3).to(memory_format=torch.channels_last), (2, 3, 80, 80)),
    ("linear", nn.Sequential(nn.Linear(300, 300), nn.GELU(), nn.LayerNorm(300)), (200, 300)),
    ("attention", _Attention(), (4, 200, 64)),
    ("lstm", nn.LSTM(64, 64, 2, batch_first=True), (4, 200, 64)),
    ("resize", nn.Upsample(scale_factor=2, mode="bilinear"), (2, 3, 80, 80)),
    ("in place", _in_place, (200, 200)),
    ("several", _several, (200, 300)),
    ("lists", _lists, (200, 300)),
    ("elementwise", _elementwise, (200, 200)),
    ("untouched", _untouched, (200, 300)),
]


@pytest.mark.parametrize(("fn", "size"), [row[1:] for row in _ZOO], ids=[row[0] for row in _ZOO])
def test_a_run_for_geometry_alone_gives_the_graph_of_a_real_one(fn, size):
    x = torch.randn(size)
    skipped = _Traced(fn, x.clone(), skip=_twin.ShapeOnly())
    assert skipped.tracer.skipped > 0
    assert skipped.data() == _Traced(fn, x.clone()).data()


def test_small_calls_random_ones_and_views_are_run():
    def fn(x: torch.Tensor) -> Any:
        return x[:2] * 2, x.t(), nn.functional.dropout(x), torch.rand_like(x), x[x > 0]

    asked: list[str] = []

    def skip(func: Any, args: Any, kwargs: Any) -> Any:
        asked.append(str(func))
        return NotImplemented

    with pytest.warns(toffee.TraceWarning):
        trace = _Traced(fn, torch.randn(200, 300), skip=skip, training=True)
    assert asked == ["aten.gt.Scalar"]
    assert trace.tracer.skipped == 0


def test_running_statistics_are_not_skipped():
    layer = nn.BatchNorm2d(4)
    _Traced(layer, torch.randn(2, 4, 80, 80) + 5, skip=_twin.ShapeOnly(), training=True)
    trace = _Traced(layer, torch.randn(2, 4, 80, 80), skip=_twin.ShapeOnly(), training=True)
    assert trace.tracer.skipped == 0


def test_what_skip_raises_comes_through():
    def skip(func: Any, args: Any, kwargs: Any) -> Any:
        raise ZeroDivisionError(str(func))

    with pytest.raises(ZeroDivisionError, match=r"aten\.mul"):
        _Traced(lambda x: x * 2, torch.randn(200, 300), skip=skip)


def test_what_the_meta_kernel_does_not_know_is_run():
    x = torch.randn(200, 300)
    assert _twin.ShapeOnly()(torch.ops.aten.nonzero.default, (x,), {}) is NotImplemented
    assert _twin.ShapeOnly()(torch.ops.aten.mm.default, (x, x), {}) is NotImplemented
    assert _twin.ShapeOnly()(torch.ops.aten.zeros.default, ([2],), {}) is NotImplemented
    assert _twin.ShapeOnly()(torch.ops.aten.numel.default, (x,), {}) is NotImplemented


@pytest.mark.parametrize("n", [4, 400])
def test_results_for_geometry_alone_are_zeros_of_the_real_strides(n):
    x = torch.randn(n, 3, n // 2, n // 4).to(memory_format=torch.channels_last)
    made = _twin.ShapeOnly()(torch.ops.aten.relu.default, (x,), {})
    assert (made.size(), made.stride(), made.dtype) == (x.size(), x.stride(), x.dtype)
    assert not made.any() and not made.is_meta
    target = _twin.ShapeOnly()(torch.ops.aten.relu_.default, (x,), {})
    assert target is x and bool((x < 0).any())


def test_results_are_remembered_by_all_that_they_depend_on():
    shapes = _twin.ShapeOnly()
    aten = torch.ops.aten
    x = torch.randn(200, 300)
    calls = [
        (aten.sum.dim_IntList, (x, [0]), {}),
        (aten.sum.dim_IntList, (x, [1]), {}),
        (aten.sum.dim_IntList, (x, [1], True), {}),
        (aten.sum.dim_IntList, (x, [1]), {"dtype": torch.float64}),
        (aten.sum.dim_IntList, (x.t(), [1]), {}),
        (aten.add.Scalar, (x.int(), 1), {}),
        (aten.add.Scalar, (x.int(), 1.0), {}),
        (aten.add.Scalar, (x.int(), True), {}),
        (aten.cat.default, ([x, x], 1), {}),
        (aten.cat.default, ([x, x, x], 1), {}),
        (aten.split.Tensor, (x.clone(), 150, 1), {}),
    ]
    first = [shapes(*call) for call in calls]
    again = [shapes(*call) for call in calls]
    for call, one, other in zip(calls, first, again, strict=True):
        func, args, kwargs = call
        ones, others, real = (
            list(y) if isinstance(y, (list, tuple)) else [y]
            for y in (one, other, func(*args, **kwargs))
        )
        for a, b, c in zip(ones, others, real, strict=True):
            assert a.data_ptr() != b.data_ptr()
            assert (a.size(), a.stride(), a.dtype) == (c.size(), c.stride(), c.dtype)
            assert (b.size(), b.stride(), b.dtype) == (c.size(), c.stride(), c.dtype)


def test_what_cannot_be_remembered_is_run():
    x = torch.randn(200, 300)
    call = (torch.ops.aten.rand_like.default, (x,), {"generator": {}})
    assert _twin.ShapeOnly()(*call) is NotImplemented


# ---- misuse --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sources", "skip", "error", "message"),
    [
        ([1], None, TypeError, "tuple of int"),
        (("a",), None, TypeError, "int"),
        ((1.5,), None, TypeError, "int"),
        ((-1,), None, ValueError, "ascending"),
        ((2, 1), None, ValueError, "ascending"),
        ((1, 1), None, ValueError, "ascending"),
        ((1 << 70,), None, OverflowError, "int too big"),
        ((), 3, TypeError, "function or None"),
    ],
)
def test_wrong_ordinals_and_functions_are_refused(sources, skip, error, message):
    with pytest.raises(error, match=message):
        _Traced(lambda x: x + 1, X, sources=sources, skip=skip)


def test_a_closed_tracer_keeps_no_journal_and_still_has_the_last_one():
    trace = _Traced(lambda x: x + 1, X)
    assert trace.tracer.journal == [("aten::add.Tensor", 0)]
    with pytest.raises(RuntimeError, match="closed"):
        trace.tracer.keep_journal((), None, False)
    assert _tracing.Tracer().journal == []
    assert _tracing.Tracer().skipped == 0


def test_every_allocation_of_a_journal_may_fail(fail_allocation, count_allocations):
    def run() -> None:
        _Traced(_positions, X, sources=(0,))

    assert every_failure(run, fail_allocation, count_allocations) > 10
