"""Programs that write through views, read stale ones, and write to constants.

Each is exported, run by ONNX Runtime on other inputs, and compared with eager PyTorch.
"""

from __future__ import annotations

import io
import warnings
import weakref

import pytest
import torch
from exported import check_export, ops, to_graph
from program_data import Program, Tensor
from program_oracle import check_program

import toffee
from toffee.torch_toffee import export

X = torch.arange(24.0).reshape(2, 3, 4) / 7 - 1


def write_row(x):
    y = x + 1
    y[0] = x[1] * 2
    return y


def write_column(x):
    y = x + 1
    y[:, 0] = 5.0
    return y


def write_strided_slice(x):
    y = x + 1
    y[:, :, ::2] = x[:, :, 1::2]
    return y


def write_corner_of_several_axes(x):
    y = x * 2
    y[1:, 1:3, 2:] -= 3
    return y


def write_through_transpose(x):
    y = x + 1
    y.transpose(0, 2)[1].mul_(3)
    return y


def write_through_permute_and_reshape(x):
    y = x + 1
    y.permute(2, 0, 1)[2].view(-1)[1:4] = 0
    return y


def write_through_chain_of_views(x):
    y = x + 1
    y.view(6, 4).t()[1:3].select(1, 2).add_(10)
    return y


def write_through_diagonal(x):
    y = x + 1
    y[0, :, :3].diagonal().zero_()
    return y


def write_through_as_strided(x):
    y = x + 1
    y.as_strided((3,), (5,), 2).fill_(7)
    return y


def read_through_as_strided(x):
    y = x + 1
    windows = y.as_strided((2, 3, 2), (12, 4, 2), 1)
    y.mul_(2)
    return windows, y.as_strided((4,), (5,), 2), x.as_strided((20, 3), (1, 2))


def write_through_unsqueezed_expand_source(x):
    y = x + 1
    y.unsqueeze(0).squeeze(0)[0, 0] = 9
    return y


def write_through_split(x):
    y = x + 1
    a, b = y.split([1, 2], dim=1)
    b.relu_()
    a.neg_()
    return y


def write_through_unbind(x):
    y = x + 1
    for i, row in enumerate(y.unbind(1)):
        row.mul_(i)
    return y


def write_through_flatten(x):
    y = x + 1
    y.flatten()[3] = 1
    return y, y.flatten(1)


def write_base_then_read_view(x):
    y = x + 1
    v = y[:, 1]
    y.mul_(2)
    return v, y


def write_view_then_read_other_view(x):
    y = x + 1
    a, b = y[0], y.view(-1)
    a.add_(1)
    return b


def write_view_twice_then_read_base(x):
    y = x + 1
    y[0].add_(1)
    y[1].add_(2)
    y[:, 1].mul_(3)
    return y


def write_overlapping_parts_in_turn(x):
    y = x + 1
    a, b = y[:, 0:2], y[:, 1:3]
    a.mul_(2)
    b.add_(a.clone())  # PyTorch leaves a write that reads part of itself undefined
    a.sub_(b.clone())
    return y, a, b


def clone_stays_as_it_was(x):
    y = x + 1
    z = y.clone()
    y.zero_()
    return y, z


def reshape_of_transposed_is_a_copy(x):
    y = x + 1
    z = y.transpose(1, 2).reshape(-1)
    y.mul_(2)
    return z, y


def reshape_of_contiguous_is_a_view(x):
    y = x + 1
    z = y.reshape(-1)
    y.mul_(2)
    return z, y


def contiguous_of_contiguous_is_the_same(x):
    y = x + 1
    z = y.contiguous()
    z.add_(1)
    return y


def in_place_on_input(x):
    x.add_(1)
    return x * 2


def in_place_on_view_of_input(x):
    x[0].zero_()
    return x * 2


def write_input_and_return_it(x):
    x[:, 0] = 1
    return x


def write_to_fresh_zeros(x):
    z = torch.zeros(2, 3, 4)
    z[0] = x[1]
    return z


def write_parts_of_fresh_buffer_in_loop(x):
    out = torch.empty(2, 3, 4)
    for i in range(3):
        out[:, i] = x[:, 2 - i] * i
    return out


def write_to_constant_used_before(x):
    c = torch.ones(4)
    y = x + c
    c.add_(1)
    return y + c


def write_traced_to_constant_used_before(x):
    c = torch.ones(3, 4)
    y = x + c
    c.copy_(x[0])
    return y + c


def write_traced_to_view_of_constant_seen_before(x):
    c = torch.ones(3, 4)
    v = c[1]
    y = x + v
    c[1] = x[0, 0]
    return y + v, x * c


def constant_changed_without_trace_between_uses(x):
    c = torch.zeros(300)
    y = x.sum() + c
    c.fill_(3)
    return y + c


def out_argument_gets_the_value(x):
    out = torch.empty(0)
    torch.add(x, 1, out=out)
    return out * 2


def out_argument_is_a_view(x):
    y = torch.zeros(2, 2, 3, 4)
    torch.mul(x, 2, out=y[1])
    return y


def copy_broadcasts_and_casts(x):
    z = torch.zeros(2, 3, 4, dtype=torch.int64)
    z.copy_((x[0, 0] * 10).round())
    return z


def in_place_keeps_the_dtype_of_its_target(x):
    y = (x * 10).to(torch.float32)
    y.add_(torch.ones(4, dtype=torch.float64))
    return y


def swap_two_rows(x):
    y = x + 0
    a, b = y[0].clone(), y[1].clone()
    y[0], y[1] = b, a
    return y


def masked_fill_in_place(x):
    y = x + 1
    y[:, 1:].masked_fill_(y[:, 1:] > 0, -1)
    return y


def write_through_slice_of_slice(x):
    y = x + 1
    y[:, 1:][:, :, 1:3][:, 1:].mul_(4)
    return y


def accumulate_into_view_with_itself(x):
    y = x + 1
    y[0] += y[1]
    y[1] += y[0]
    return y


def returns_same_tensor_twice_and_its_input(x):
    y = x + 1
    return y, y, x


def returns_stale_view(x):
    y = x + 1
    v = y[0]
    y.relu_()
    return v


def write_in_channels_last(x):
    y = torch.nn.functional.conv2d(x[None], torch.ones(2, 2, 1, 1)).contiguous(
        memory_format=torch.channels_last
    )
    y[:, 0].mul_(2)
    return y


def write_through_zero_dim_view(x):
    y = x + 1
    y[1, 2, 3].add_(100)
    return y


def empty_views_change_nothing(x):
    y = x + 1
    y[:, 3:].fill_(9)
    y[0:0] = 1
    return y


# The next ones were found by random programs (tests/random_programs.py).


def as_strided_of_a_view_without_elements_reads_its_storage(x):
    y = x + 1
    v = y.narrow(0, 1, 0).as_strided((3,), (2,), 1)
    return v, v * 2


def as_strided_of_a_view_without_elements_writes_to_its_storage(x):
    y = x + 1
    y[0:0].as_strided((4, 1), (2, 8), 1).mul_(3)
    return y


def transpose_in_place_of_a_view_that_overlaps_itself(x):
    y = x[0].unfold(1, 3, 1)
    y.transpose_(0, 2)
    return y, x * 2


def unsqueeze_in_place_then_write(x):
    y = x + 1
    v = y[0]
    v.unsqueeze_(0)
    v[0, 1] = 5
    return y, v


def squeeze_in_place_of_a_constant_without_elements(x):
    c = torch.zeros(1, 0)
    y = torch.maximum(c, x[0, :0, :0])
    c.squeeze_(0)
    return y, c, torch.cat([c, x.flatten()])


def memory_of_a_dropped_tensor_is_used_again(x):
    y = x + 1
    for _ in range(4):
        c = torch.zeros(2, 3, 4)
        y = y + c
        c[0] = y[1]
        y = y * c
        del c
    return y


PROGRAMS = [f for f in list(globals().values()) if getattr(f, "__module__", "") == __name__]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_graph_computes_what_the_program_computes(program):
    check_export(program, X)


def test_in_place_that_nobody_reads_elsewhere_costs_no_node():
    graph = to_graph(lambda x: (x + 1).relu_().mul_(2), X)
    assert ops(graph) == ["Add", "Relu", "Mul"]


def test_callers_input_ends_as_after_a_plain_call():
    x = X.clone()
    export(in_place_on_input, x, io.BytesIO())
    assert torch.equal(x, X + 1)


def test_parameter_written_in_the_run_has_its_old_value_in_the_file():
    class Counter(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("count", torch.full((300,), 2.0))

        def forward(self, x):
            self.count += 1
            return x * self.count

    model = Counter()
    graph = to_graph(model, torch.ones(300))
    (tensor,) = [t for t in graph.initializer if t.name == "count"]
    assert set(tensor.numpy().tolist()) == {2.0}


def test_batch_norm_in_training_mode_keeps_its_statistics_in_the_file():
    model = torch.nn.BatchNorm1d(3).train()
    model.running_mean.fill_(0.25)
    graph = to_graph(model, torch.randn(4, 3), training=True)
    (mean,) = [t for t in graph.initializer if t.name == "running_mean"]
    assert mean.numpy().tolist() == [0.25] * 3


def test_trace_keeps_no_activation_alive():
    dead = []

    def forward(x):
        y = x + 1
        ref = weakref.ref(y)
        z = y * 2
        del y
        dead.append(ref() is None)
        return z

    to_graph(forward, X)
    assert dead == [True]


def test_trace_leaves_nothing_on_tensors():
    model = torch.nn.Linear(4, 2)
    before = {name: dict(vars(p)) for name, p in model.named_parameters()}
    to_graph(model, X)
    assert {name: dict(vars(p)) for name, p in model.named_parameters()} == before
    assert vars(X) == {}


def test_constant_mask_in_an_index_is_no_leak():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_export(lambda x: x[torch.tensor([True, False])], X)
        check_export(lambda x: x[1, torch.tensor([True, False, True]), 1:], X)


def row(name, *shape, dtype=torch.float32, alias=""):
    return Tensor(name, dtype, shape, tuple(range(len(shape))), alias)


@pytest.mark.parametrize("is_module", [True, False])
def test_captured_tensors_that_share_memory_have_their_old_values_in_the_file(is_module):
    captured = (row("p", 1, 2), row("q", 2, 1, alias="p.transpose(0, 1)"))
    lines = ("q.add_(q)", "v0, v1 = q.unbind(0)", "v2 = v0 * a")
    program = Program((row("a", 2),), captured, lines, ("v1", "v2", "p"), is_module)
    assert check_program(program) is None


def test_input_that_holds_an_earlier_input_takes_it_in():
    inputs = (row("c", 4, 3), row("a", 3, alias="c[1]"), row("b", 4, alias="c[:, 1]"))
    lines = ("v0 = a * 1", "c.mul_(2)", "b.add_(1)", "a[0] = 7")
    program = Program(inputs, (), lines, ("a", "b", "c", "v0"), False)
    assert check_program(program) is None


def test_write_to_an_input_that_overlaps_another_in_part_is_refused():
    base = torch.arange(4.0)
    with pytest.raises(toffee.TraceError, match="shares part of its memory"):
        export(lambda a, b: (a.add_(1), b), (base[:3], base[1:]), io.BytesIO())
    check_export(lambda a, b: a + b, (base[:3], base[1:]))


@pytest.mark.parametrize("length", [3, 6])
def test_write_through_windows_that_overlap_is_refused_also_if_only_these_are_read(length):
    """What PyTorch computes there hangs on the order in which it writes."""

    def program(x):
        windows = (x * 1).unfold(0, 3, 1)
        windows.add_(1)
        return windows * 2

    x = torch.arange(float(length))
    if length == 3:  # one window
        return check_export(program, (x,))
    with pytest.raises(toffee.UnsupportedOperatorError, match="share one place") as caught:
        export(program, (x,), io.BytesIO())
    assert "windows.add_(1)" in str(caught.value.places[0])


def test_view_outside_of_what_the_trace_knows_is_refused_when_it_overlaps():
    with pytest.raises(toffee.TraceError, match="reaches memory outside"):
        export(lambda x: x.as_strided((3,), (2,), 0).mul_(2), torch.arange(6.0)[:4], io.BytesIO())
