"""Recurrent layers and cells against eager PyTorch."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from exported import as_numpy, check_export, ops, run_onnxruntime, to_bytes, to_graph
from torch import nn
from torch.nn.utils.rnn import (
    pack_padded_sequence,
    pack_sequence,
    pad_packed_sequence,
)

import toffee

STEPS, SAMPLES, INPUT, HIDDEN = 5, 3, 4, 6

LAYERS: dict[str, tuple[type[nn.RNNBase], dict[str, Any]]] = {
    "lstm": (nn.LSTM, {}),
    "gru": (nn.GRU, {}),
    "rnn_tanh": (nn.RNN, {"nonlinearity": "tanh"}),
    "rnn_relu": (nn.RNN, {"nonlinearity": "relu"}),
}
OPERATORS = {"lstm": "LSTM", "gru": "GRU", "rnn_tanh": "RNN", "rnn_relu": "RNN"}

every_layer = pytest.mark.parametrize("name", LAYERS)


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def layer(name: str, **options: Any) -> nn.RNNBase:
    """A layer whose gates are neither all open nor all shut, and differ from one another."""
    cls, fixed = LAYERS[name]
    made = cls(INPUT, HIDDEN, **fixed, **options).eval()
    for parameter in made.parameters():
        parameter.data = torch.randn_like(parameter) * 0.5
    return made


def sequence(batch_first: bool = False) -> torch.Tensor:
    return torch.randn(SAMPLES, STEPS, INPUT) if batch_first else torch.randn(STEPS, SAMPLES, INPUT)


def states(made: nn.RNNBase, samples: int = SAMPLES) -> Any:
    """Initial states: a tensor, or for an LSTM a pair of different ones."""
    n = made.num_layers * (2 if made.bidirectional else 1)
    if isinstance(made, nn.LSTM):
        return torch.randn(n, samples, HIDDEN), torch.randn(n, samples, HIDDEN)
    return torch.randn(n, samples, HIDDEN)


def nodes(made: nn.Module, args: Any, op_type: str, **kwargs: Any) -> list[onnx.NodeProto]:
    model = onnx.load_from_string(to_bytes(made, args, format="onnx", **kwargs))
    return [node for node in model.graph.node if node.op_type == op_type]


# ---- layers -------------------------------------------------------------------------------------


@every_layer
@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("bidirectional", [False, True], ids=["one way", "both ways"])
@pytest.mark.parametrize("batch_first", [False, True], ids=["steps first", "batch first"])
@pytest.mark.parametrize("bias", [False, True], ids=["no bias", "bias"])
@pytest.mark.parametrize("given", [False, True], ids=["from zeros", "from states"])
def test_a_recurrent_layer_is_one_node_a_layer(
    name, num_layers, bidirectional, batch_first, bias, given
):
    made = layer(
        name,
        num_layers=num_layers,
        bidirectional=bidirectional,
        batch_first=batch_first,
        bias=bias,
    )
    x = sequence(batch_first)
    graph = check_export(made, (x, states(made)) if given else (x,))
    assert ops(graph).count(OPERATORS[name]) == num_layers
    assert not {"MatMul", "Gemm", "Sigmoid", "Tanh"} & set(ops(graph))


@every_layer
def test_a_sequence_without_batch_gets_one_for_the_node(name):
    made = layer(name, num_layers=2)
    graph = check_export(made, (torch.randn(STEPS, INPUT),))
    assert OPERATORS[name] in ops(graph)
    hx = tuple(h[:, 0] for h in states(made)) if name == "lstm" else states(made)[:, 0]
    check_export(made, (torch.randn(STEPS, INPUT), hx))


@every_layer
def test_one_step_of_one_sample_with_one_hidden_is_right(name):
    cls, fixed = LAYERS[name]
    check_export(cls(1, 1, **fixed), (torch.randn(1, 1, 1),))


@every_layer
def test_only_the_last_state_may_be_used(name):
    made = layer(name, num_layers=2, bidirectional=True)

    def last(x):
        hidden = made(x)[1]
        return (hidden[1] if name == "lstm" else hidden)[-1]

    check_export(last, (sequence(),))


@every_layer
def test_an_initial_state_of_zeros_is_left_out(name):
    made = layer(name, num_layers=2)
    for node in nodes(made, (sequence(),), OPERATORS[name]):
        assert len(node.input) == 4
    for node in nodes(made, (sequence(), states(made)), OPERATORS[name]):
        assert len(node.input) == (7 if name == "lstm" else 6)


@every_layer
def test_large_states_of_zeros_are_left_out_as_well(name):
    cls, fixed = LAYERS[name]
    made = cls(INPUT, 64, 2, bidirectional=True, **fixed).eval()
    for node in nodes(made, (torch.randn(2, 16, INPUT),), OPERATORS[name]):
        assert len(node.input) == 4
    check_export(made, (torch.randn(2, 16, INPUT),))


def test_a_state_that_is_written_after_it_was_read_is_as_it_was():
    made = nn.GRU(INPUT, 64).eval()

    def forward(x):
        state = torch.zeros(1, SAMPLES, 64)
        first = made(x, state)[0]
        state += 1
        second = made(x, state)[0]
        state += x.sum()
        return first, second, made(x, state)[0]

    check_export(forward, (sequence(),))


def test_learned_initial_states_that_are_zeros_now_stay_parameters():
    class Learned(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = layer("gru")
            self.start = nn.Parameter(torch.zeros(1, SAMPLES, HIDDEN))

        def forward(self, x):
            return self.rnn(x, self.start)

    (node,) = nodes(Learned(), (sequence(),), "GRU")
    assert node.input[5] == "start"


def test_initial_states_that_the_program_computes_are_inputs_of_the_node():
    made = layer("lstm")
    check_export(
        lambda x: made(x, (x[:1, :, :1].expand(1, SAMPLES, HIDDEN), x.new_ones(1, 3, 6))),
        (sequence(),),
    )


def test_attributes_say_what_differs_from_the_default():
    def attributes(name, **options):
        (node,) = nodes(layer(name, **options), (sequence(),), OPERATORS[name])
        return {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}

    assert attributes("lstm") == {"hidden_size": HIDDEN}
    assert attributes("rnn_tanh") == {"hidden_size": HIDDEN}
    assert attributes("gru") == {"hidden_size": HIDDEN, "linear_before_reset": 1}
    assert attributes("rnn_relu", bidirectional=True) == {
        "hidden_size": HIDDEN,
        "direction": b"bidirectional",
        "activations": [b"Relu", b"Relu"],
    }


@every_layer
def test_parameters_keep_their_names_and_bytes(name):
    made = layer(name, bidirectional=True)
    graph = to_graph(made, (sequence(),))
    stored = {tensor.name: tensor.numpy() for tensor in graph.initializer}
    for key, parameter in made.state_dict().items():
        np.testing.assert_array_equal(stored[key], parameter.numpy())


@every_layer
def test_parameters_may_be_given_at_run_time(name):
    made = layer(name, num_layers=2, bidirectional=True)
    x = sequence()
    data = to_bytes(made, (x,), format="onnx", export_params=False)
    feeds = [as_numpy(p) for p in made.state_dict().values()] + [as_numpy(x)]
    output = run_onnxruntime(data, feeds, optimize=True)[0]
    with torch.inference_mode():
        np.testing.assert_allclose(output, as_numpy(made(x)[0]), rtol=1e-5, atol=1e-6)


@every_layer
def test_parameters_may_be_parts_of_one_buffer(name):
    # As they are on a GPU.
    made = layer(name, num_layers=2, bidirectional=True)
    buffer = torch.cat([parameter.data.flatten() for parameter in made.parameters()])
    at = 0
    for parameter in made.parameters():
        parameter.data = buffer[at : at + parameter.numel()].view(parameter.shape)
        at += parameter.numel()
    check_export(made, (sequence(),))


@every_layer
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_halves_are_within_their_own_rounding(name, dtype):
    made = layer(name, bidirectional=True).to(dtype)
    eps = torch.finfo(dtype).eps
    # PyTorch rounds the gates of each of the five steps, ONNX Runtime computes them in float.
    tolerance = 8 * eps

    def forward(x):
        return made(x.to(dtype))[0].float()

    graph = check_export(forward, (sequence(),), rtol=tolerance, atol=tolerance)
    assert OPERATORS[name] in ops(graph)


@every_layer
def test_doubles_go_step_by_step_as_the_runtime_has_no_node_for_them(name):
    made = layer(name, num_layers=2, bidirectional=True).double()
    graph = check_export(made, (sequence().double(),), rtol=1e-12, atol=1e-12)
    assert OPERATORS[name] not in ops(graph)


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize("bias", [False, True], ids=["no bias", "bias"])
@pytest.mark.parametrize("batch_first", [False, True], ids=["steps first", "batch first"])
def test_projections_are_products_behind_the_layer(bias, batch_first):
    made = nn.LSTM(
        INPUT, HIDDEN, 2, proj_size=2, bidirectional=True, bias=bias, batch_first=batch_first
    )
    x = sequence(batch_first)
    assert ops(check_export(made, (x,))).count("LSTM") == 2
    check_export(made, (x, (torch.randn(4, SAMPLES, 2), torch.randn(4, SAMPLES, HIDDEN))))


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_projections_of_halves_are_within_their_own_rounding(dtype):
    made = nn.LSTM(INPUT, HIDDEN, 2, proj_size=2, bidirectional=True).to(dtype)
    # Each of the steps is rounded at other places.
    tolerance = 8 * torch.finfo(dtype).eps
    check_export(
        lambda x: made(x.to(dtype))[0].float(), (sequence(),), rtol=tolerance, atol=tolerance
    )


@every_layer
def test_doubles_may_have_initial_states(name):
    made = layer(name, num_layers=2, bidirectional=True).double()
    hx = states(made)
    hx = tuple(h.double() for h in hx) if isinstance(hx, tuple) else hx.double()
    check_export(made, (sequence().double(), hx), rtol=1e-12, atol=1e-12)


@every_layer
def test_an_empty_batch_gives_empty_results(name):
    made = layer(name, num_layers=2)
    check_export(made, (torch.randn(STEPS, 0, INPUT),))
    check_export(layer(name, batch_first=True), (torch.randn(0, STEPS, INPUT),))


def test_a_layer_may_be_used_twice():
    made = layer("lstm")
    graph = check_export(lambda x: made(made(x)[0][..., :INPUT])[0], (sequence(),))
    assert ops(graph).count("LSTM") == 2


# ---- packed sequences ---------------------------------------------------------------------------

LONGEST_FIRST = torch.tensor([5, 4, 2])
ANY_ORDER = torch.tensor([2, 5, 3])
with_lengths = pytest.mark.filterwarnings("ignore:aten.._pad_packed_sequence makes a shape")


class Padded(nn.Module):
    """Pads what a layer makes of a padded sequence and its lengths."""

    def __init__(self, made: nn.RNNBase, is_sorted: bool = False, **padding: Any):
        super().__init__()
        self.rnn = made
        self.is_sorted = is_sorted
        self.padding = padding

    def forward(self, x, lengths, hx=None):
        first = self.rnn.batch_first
        packed = pack_padded_sequence(x, lengths, first, enforce_sorted=self.is_sorted)
        packed, last = self.rnn(packed, hx)
        return pad_packed_sequence(packed, first, **self.padding), last


@with_lengths
@every_layer
@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("bidirectional", [False, True], ids=["one way", "both ways"])
@pytest.mark.parametrize("batch_first", [False, True], ids=["steps first", "batch first"])
def test_lengths_in_any_order_are_an_input_of_the_node(
    name, num_layers, bidirectional, batch_first
):
    made = layer(name, num_layers=num_layers, bidirectional=bidirectional, batch_first=batch_first)
    x = sequence(batch_first)
    for hx in (None, states(made)):
        args = (x, ANY_ORDER) if hx is None else (x, ANY_ORDER, hx)
        graph = check_export(Padded(made), args, (x * -2, torch.tensor([5, 1, 4]), *args[2:]))
        cells = [node for node in graph.node if node.op_type == OPERATORS[name]]
        assert len(cells) == num_layers
        assert all(node.input[4] for node in cells)
        assert not {"Compress", "ScatterND", "NonZero"} & set(ops(graph))


@with_lengths
@every_layer
def test_the_longest_sequence_may_be_shorter_in_another_run(name):
    made = layer(name, batch_first=True)
    x = sequence(batch_first=True)
    check_export(Padded(made), (x, ANY_ORDER), (x, torch.tensor([1, 3, 2])))
    check_export(Padded(made), (x, torch.tensor([1, 3, 2])), (x, ANY_ORDER))
    check_export(Padded(made, True), (x, LONGEST_FIRST), (x, torch.tensor([3, 3, 1])))


@every_layer
@pytest.mark.parametrize("total", [STEPS, STEPS + 3])
def test_a_total_length_is_the_same_in_every_run(name, total):
    model = Padded(layer(name), total_length=total)
    x = sequence()
    with warnings.catch_warnings():
        warnings.simplefilter("error", toffee.TraceWarning)
        check_export(model, (x, ANY_ORDER), (x, torch.tensor([1, 3, 2])))


def test_a_result_as_long_as_the_longest_sequence_is_warned_about():
    with pytest.warns(toffee.TraceWarning, match="pad_packed_sequence makes a shape"):
        to_graph(Padded(layer("gru")), (sequence(), ANY_ORDER))
    with pytest.raises(toffee.TraceError, match="pad_packed_sequence makes a shape"):
        to_graph(Padded(layer("gru")), (sequence(), ANY_ORDER), strict=True)


@with_lengths
@every_layer
def test_padding_may_have_another_value(name):
    model = Padded(layer(name, bidirectional=True), padding_value=-7.5, total_length=STEPS + 1)
    check_export(model, (sequence(), ANY_ORDER), (sequence(), torch.tensor([3, 4, 4])))


@every_layer
def test_lengths_that_the_program_says_are_constants(name):
    made = layer(name, num_layers=2, bidirectional=True)

    def forward(x):
        packed, last = made(pack_padded_sequence(x, [4, 4, 1]))
        return pad_packed_sequence(packed), last

    with warnings.catch_warnings():
        warnings.simplefilter("error", toffee.TraceWarning)
        graph = check_export(forward, (sequence(),))
    stored = {tensor.name: tensor.numpy() for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == OPERATORS[name]:
            np.testing.assert_array_equal(stored[node.input[4]], np.int32([4, 4, 1]))


def test_there_may_be_many_lengths():
    made = layer("gru")
    lengths = torch.arange(40, 0, -1).clamp(max=STEPS)
    graph = check_export(
        lambda x: pad_packed_sequence(made(pack_padded_sequence(x, lengths))[0]),
        (torch.randn(STEPS, 40, INPUT),),
    )
    (node,) = [node for node in graph.node if node.op_type == "GRU"]
    assert node.input[4] in {tensor.name for tensor in graph.initializer}


def test_lengths_that_are_all_the_same_are_left_out():
    made = layer("lstm")
    graph = check_export(
        lambda x: pad_packed_sequence(made(pack_padded_sequence(x, [STEPS] * SAMPLES))[0]),
        (sequence(),),
    )
    (node,) = [node for node in graph.node if node.op_type == "LSTM"]
    assert len(node.input) == 4


@with_lengths
def test_packed_elements_may_be_computed_with_in_between():
    first, second = layer("lstm", bidirectional=True), nn.GRU(2 * HIDDEN, 3)

    class Between(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second, self.linear = first, second, nn.Linear(INPUT, INPUT)

        def forward(self, x, lengths):
            packed = pack_padded_sequence(x, lengths, enforce_sorted=False)
            packed = packed._replace(data=self.linear(packed.data).relu())
            packed, _ = self.first(packed)
            packed, last = self.second(packed._replace(data=packed.data.tanh() + 1))
            return pad_packed_sequence(packed, padding_value=0.5), last, packed.data

    graph = check_export(Between(), (sequence(), ANY_ORDER), (sequence(), torch.tensor([4, 3, 3])))
    assert {"LSTM", "GRU", "Compress", "ScatterND"} <= set(ops(graph))


@with_lengths
def test_a_packed_sequence_may_be_padded_at_once():
    def forward(x, lengths):
        packed = pack_padded_sequence(x, lengths, enforce_sorted=False)
        return pad_packed_sequence(packed, padding_value=9), packed.data, packed.batch_sizes

    check_export(forward, (sequence(), ANY_ORDER), (sequence(), torch.tensor([5, 5, 1])))
    whole = torch.arange(STEPS * SAMPLES).reshape(STEPS, SAMPLES)
    check_export(forward, (whole, ANY_ORDER), (whole, torch.tensor([2, 1, 4])))


@with_lengths
@every_layer
def test_a_packed_sequence_may_go_in_and_come_out(name):
    made = layer(name, bidirectional=True)
    sequences = [torch.randn(n, INPUT) for n in (2, 5, 3)]
    packed = pack_sequence(sequences, enforce_sorted=False)

    def forward(packed):
        packed, last = made(packed)
        return packed, last, pad_packed_sequence(packed, batch_first=True)

    with warnings.catch_warnings():  # batch_sizes[0] is read
        warnings.simplefilter("ignore", toffee.TraceWarning)
        check_export(forward, (packed,), (packed._replace(data=packed.data * 2),))


@with_lengths
@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("bidirectional", [False, True], ids=["one way", "both ways"])
def test_packed_sequences_go_step_by_step_where_others_do(dtype, bidirectional):
    made = nn.LSTM(INPUT, HIDDEN, 2, proj_size=2, bidirectional=bidirectional).to(dtype)
    x = sequence().to(dtype)
    check_export(Padded(made), (x, ANY_ORDER), (x, torch.tensor([1, 4, 5])))
    gru = nn.GRU(INPUT, HIDDEN, 2, bidirectional=bidirectional).double()
    check_export(Padded(gru), (x.double(), ANY_ORDER), (x.double(), torch.tensor([1, 4, 2])))


@with_lengths
def test_dropout_of_packed_sequences_is_between_layers():
    made = layer("gru", num_layers=3, dropout=0.25)
    drops = nodes(Padded(made), (sequence(), ANY_ORDER), "Dropout", training=True)
    assert len(drops) == 2
    check_export(Padded(made), (sequence(), ANY_ORDER))


@with_lengths
def test_parameters_of_packed_layers_may_be_given_at_run_time():
    model = Padded(layer("lstm", num_layers=2, bidirectional=True)).eval()
    args = (sequence(), ANY_ORDER)
    data = to_bytes(model, args, format="onnx", export_params=False)
    feeds = [as_numpy(x) for x in (*model.state_dict().values(), *args)]
    output = run_onnxruntime(data, feeds, optimize=True)[0]
    with torch.inference_mode():
        np.testing.assert_allclose(output, as_numpy(model(*args)[0][0]), rtol=1e-5, atol=1e-6)


@with_lengths
def test_each_allocation_of_an_export_may_fail(fail_allocation, count_allocations):
    model = Padded(layer("lstm", num_layers=2, bidirectional=True), padding_value=1.0).eval()

    def run():
        return to_bytes(model, (sequence(), ANY_ORDER), format="onnx")

    assert run()  # which also learns of PyTorch's operators, once for all
    for n in range(count_allocations(run)):
        with fail_allocation(n), pytest.raises(MemoryError):
            run()
    assert run()


# ---- dropout ------------------------------------------------------------------------------------


@every_layer
def test_dropout_is_between_layers_and_only_in_training(name):
    made = layer(name, num_layers=3, dropout=0.25)
    assert "Dropout" not in ops(check_export(made, (sequence(),)))
    drops = nodes(made, (sequence(),), "Dropout", training=True)
    assert len(drops) == 2
    assert all(len(drop.input) == 3 for drop in drops)


@every_layer
def test_dropout_of_everything_leaves_zeros(name):
    made = layer(name, num_layers=2, dropout=1.0).train()
    graph = check_export(made, (sequence(),), training=True)
    assert ops(graph).count(OPERATORS[name]) == 2


def test_one_layer_has_nothing_to_drop_between():
    made = layer("gru").train()
    made.dropout = 0.5
    assert "Dropout" not in ops(check_export(made, (sequence(),), training=True))


# ---- cells --------------------------------------------------------------------------------------

CELLS: dict[str, tuple[type[nn.RNNCellBase], dict[str, Any], int]] = {
    # and the number of nodes
    "lstm_cell": (nn.LSTMCell, {}, 13),
    "gru_cell": (nn.GRUCell, {}, 14),
    "rnn_tanh_cell": (nn.RNNCell, {"nonlinearity": "tanh"}, 4),
    "rnn_relu_cell": (nn.RNNCell, {"nonlinearity": "relu"}, 4),
}
every_cell = pytest.mark.parametrize("name", CELLS)


def cell_state(name: str, *dims: int) -> Any:
    h = torch.randn(*dims, HIDDEN)
    return (h, torch.randn(*dims, HIDDEN)) if name == "lstm_cell" else h


@every_cell
@pytest.mark.parametrize("bias", [False, True], ids=["no bias", "bias"])
@pytest.mark.parametrize("given", [False, True], ids=["from zeros", "from states"])
def test_a_cell_is_two_products_and_its_gates(name, bias, given):
    cls, fixed, n_nodes = CELLS[name]
    made = cls(INPUT, HIDDEN, bias=bias, **fixed)
    x = torch.randn(SAMPLES, INPUT)
    graph = check_export(made, (x, cell_state(name, SAMPLES)) if given else (x,))
    assert len(graph.node) == n_nodes
    assert ops(graph).count("Gemm") == 2


@every_cell
def test_a_cell_takes_one_sample_without_a_batch(name):
    cls, fixed, _ = CELLS[name]
    check_export(cls(INPUT, HIDDEN, **fixed), (torch.randn(INPUT), cell_state(name)))


@every_cell
def test_a_cell_takes_doubles(name):
    cls, fixed, _ = CELLS[name]
    made = cls(INPUT, HIDDEN, **fixed).double()
    check_export(made, (torch.randn(SAMPLES, INPUT).double(),), rtol=1e-12, atol=1e-12)


@every_cell
def test_a_loop_over_a_cell_is_unrolled(name):
    class Loop(nn.Module):
        def __init__(self):
            super().__init__()
            cls, fixed, _ = CELLS[name]
            self.cell = cls(INPUT, HIDDEN, **fixed)

        def forward(self, xs):
            state = None
            for x in xs:
                state = self.cell(x, state)
            return state

    graph = check_export(Loop(), (sequence(),))
    assert ops(graph).count("Gemm") == 2 * STEPS


@every_cell
def test_an_empty_batch_of_a_cell_gives_empty_results(name):
    cls, fixed, _ = CELLS[name]
    check_export(cls(INPUT, HIDDEN, **fixed), (torch.randn(0, INPUT),))
