"""One graph for any size: small models, at sizes that no trace had, against eager PyTorch and under
ONNX Runtime; and what is refused, with the line."""

from __future__ import annotations

import functools
import gc
import io
import math
import random
import re
import threading
import types
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import toffee
from toffee import Dim, _size_runs
from toffee.torch_toffee import export


def exported(model, args, dims, **keywords) -> bytes:
    buffer = io.BytesIO()
    keywords.setdefault("format", "onnx")
    export(model, args, buffer, dynamic_dims=dims, progress=False, **keywords)
    return buffer.getvalue()


def run(data: bytes, args) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    return session.run(None, {n: x.numpy() for n, x in zip(names, args, strict=True)})


def assert_right(data: bytes, model, args) -> None:
    with torch.no_grad():
        expected = model(*args)
    wanted = expected if isinstance(expected, (tuple, list)) else [expected]
    for result, tensor in zip(run(data, args), wanted, strict=True):
        assert result.shape == tuple(tensor.shape)
        np.testing.assert_allclose(result, tensor.numpy(), rtol=1e-4, atol=1e-4)


def assert_right_or_refused(model, args, dims, others, line):
    """An export is right for each of OTHERS, or is refused and names LINE; what it was refused
    with, or None."""
    try:
        data = exported(model, args, dims)
    except toffee.DynamicShapeError as error:
        assert line in str(error.__notes__)
        return error
    for other in others:
        assert_right(data, model, other)
    return None


def operators(data: bytes) -> list[str]:
    return [node.op_type for node in onnx.load_model_from_string(data).graph.node]


# ---- programs that compute with sizes ------------------------------------------------------------


def arange(x):
    return x + torch.arange(x.shape[1])


def causal(x):
    n = x.shape[1]
    return x[:, :, None].expand(-1, -1, n).masked_fill(torch.ones(n, n).triu(1).bool(), -1.0)


def positions(x):
    ids = torch.arange(x.shape[1]).expand(x.shape[0], -1)
    return x * ids.float().sin()


def linspace(x):
    return x * torch.linspace(0, 1, x.shape[1])


def new_zeros(x):
    return torch.cat([x.new_zeros(x.shape[0], 2), x, x.new_ones(x.shape[0], x.shape[1])], 1)


def flattened(x):
    return x.flatten() * 2, x.reshape(-1, 1), x.view(x.shape[1], x.shape[0])


def merged(x):
    return x[:, None].expand(-1, 3, -1).reshape(3 * x.shape[0], x.shape[1])


def slices(x):
    n = x.shape[1]
    return x[:, : n // 2], x[:, n // 2 :], x[:, -1:], x[:, 1:-1], x[:, ::2]


def padded(x):
    return F.pad(x, (1, x.shape[1])), F.pad(x, (0, -x.shape[1] % 8))


def repeated(x):
    return x.repeat(2, x.shape[0]), x.repeat_interleave(3, 1)


def rolled(x):
    return x.roll(1, 1), x.flip(1)


def halves(x):
    left, right = x.split([x.shape[1] - 1, 1], 1)
    return torch.cat([right, left], 1), torch.stack([x, x], 0)


def scalars(x):
    n = x.shape[1]
    return x / n, x * n**-0.5, x + float(n), x.mean(1) * (1 / n), x * (n * (n + 1) // 2)


def indexed(x):
    n = x.shape[1]
    return x.gather(1, torch.arange(n).flip(0).expand_as(x)), x[:, torch.arange(n) // 2]


def backwards(x):
    n = x.shape[1]
    return x[:, torch.arange(n - 1, -1, -1)], x[:, torch.arange(n - 1, 0, -2)]


def outer(x):
    return x[:, :, None] @ x[:, None, :], torch.einsum("bi,bj->ij", x, x)


PROGRAMS = [
    arange,
    causal,
    positions,
    linspace,
    new_zeros,
    flattened,
    merged,
    slices,
    padded,
    repeated,
    rolled,
    halves,
    scalars,
    indexed,
    backwards,
    outer,
]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_what_is_computed_from_sizes_is_right_at_sizes_that_were_not_traced(program):
    torch.manual_seed(0)
    data = exported(program, torch.randn(3, 6), {"x": ("batch", "length")})
    onnx.checker.check_model(data, full_check=True)
    for sizes in ((3, 6), (2, 8), (8, 10), (5, 15), (1, 6), (3, 2), (1, 33)):
        assert_right(data, program, (torch.randn(*sizes),))


# ---- numbers that are more than sums and products ------------------------------------------------


def bounded(x):
    n = x.shape[1]
    last = x[:, : min(n, 6)]
    return last, x / max(n - 1, 1), F.pad(x, (0, max(n, 12) - n)), x + max(n // 3, 1)


def greater(x, y):
    m, n = len(x), len(y)
    return x.new_ones(max(m, n)) * 2, x[: min(m, n)] + y[: min(m, n)]


def reals(x):
    n = x.shape[1]
    return x * (1.0 - 1 / n), x / (n + 1e-6), x * 0.5**n, x * 0.9**n, x * ((n - 1) / (n + 1))


def ratios(x, y):
    m, n = len(x), len(y)
    return x * (m / n), y / (m * n + 1e-5), x * 2.0 ** (m // 2 - n), y * math.sqrt(m * n)


def tables(x):
    n = x.shape[1]
    halves = torch.tensor([i * 0.5 for i in range(n)])
    return x + halves, x * torch.tensor([0.25 + i * 0.1 for i in range(n)])


def parts(x):
    n = x.shape[1]
    return (
        *(x.chunk(k, 1)[-1] for k in (2, 3)),
        x.split(max(n // 3, 1), 1)[-1],
        x[:, n - n // 3 :],
        x[:, -(n // 3) :],
        x.roll(n // 2, 1),
    )


def strided_writes(x):
    y, z, w = x.clone(), x.clone(), x.clone()
    y[:, ::2] = 0.5
    z[:, 1::2] *= 2
    w[:, : x.shape[1] // 2 * 2 : 2] += x.shape[1]
    return y, z, w, x + z[:, :1]


@pytest.mark.parametrize(
    "program", [bounded, reals, tables, parts, strided_writes], ids=lambda program: program.__name__
)
def test_bounds_parts_and_real_numbers_are_right_at_sizes_that_were_not_traced(program):
    data = exported(program, (torch.randn(2, 5),), {"x": {0: "b", 1: "n"}})
    for n in (1, 2, 3, 4, 5, 6, 7, 10, 14, 15, 17, 22, 30, 37):
        assert_right(data, program, (torch.randn(n % 3 + 1, n),))


@pytest.mark.parametrize("program", [greater, ratios], ids=lambda program: program.__name__)
def test_two_sizes_are_told_apart_in_bounds_and_ratios(program):
    data = exported(program, (torch.randn(4), torch.randn(6)), {"x": {0: "m"}, "y": {0: "n"}})
    for m, n in ((1, 1), (2, 7), (7, 2), (10, 10), (23, 14), (14, 23), (1, 30), (30, 1)):
        assert_right(data, program, (torch.randn(m), torch.randn(n)))


def test_a_bound_is_declared_and_inferred():
    def program(x):
        return x.new_ones(max(len(x) - 1, 1)), x[: min(len(x), 6)]

    graph = toffee.loads(exported(program, (torch.randn(5),), "n"))
    assert [info.shape for info in graph.output_info] == [("max(n - 1, 1)",), ("min(n, 6)",)]
    for n in (1, 4, 9):
        inferred = toffee.infer_shapes(graph, {"x": (n,)})
        assert [info.shape for info in inferred.output_info] == [(max(n - 1, 1),), (min(n, 6),)]


def test_a_slice_to_a_number_ends_where_the_input_ends():
    def forward(x):
        return x[:, :16], x[:, -16:]

    data = exported(forward, torch.randn(2, 40), {"x": {1: "n"}})
    for n in (40, 17, 16, 15, 3, 1, 100):
        assert_right(data, forward, (torch.randn(2, n),))


# ---- layers --------------------------------------------------------------------------------------


def image_model():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
        nn.ConvTranspose2d(4, 4, 2, stride=2),
        nn.Conv2d(4, 2, 3, dilation=2, padding=2),
    ).eval()


def test_convolutions_and_pools_take_any_height_and_width():
    torch.manual_seed(0)
    model = image_model()
    dims = {"input": {0: "batch", 2: "height", 3: "width"}}
    data = exported(model, torch.randn(2, 3, 18, 20), dims)
    assert not {"Shape", "Gather", "Concat"} & set(operators(data))
    for sizes in ((1, 16, 16), (3, 17, 31), (2, 64, 9)):
        assert_right(data, model, (torch.randn(sizes[0], 3, *sizes[1:]),))


class Pyramid(nn.Module):
    """As PSPNet has it: averages of several grids, each blown up again."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x):
        y = self.conv(x)
        size = y.shape[2:]
        grids = [F.adaptive_avg_pool2d(y, k) for k in (1, 2, 3, 6)]
        return torch.cat([y, *(F.interpolate(g, size=size, mode="bilinear") for g in grids)], 1)


@pytest.mark.parametrize(
    "model",
    [
        Pyramid(),
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(7), nn.Flatten(), nn.Linear(196, 5)),
        nn.AdaptiveAvgPool2d((3, None)),
        lambda x: F.adaptive_avg_pool2d(x, (x.shape[2] // 2, 5)),
        lambda x: F.adaptive_avg_pool3d(x[:, :, None].expand(-1, -1, 5, -1, -1), (2, 3, 4)),
        lambda x: F.adaptive_avg_pool1d(x.flatten(1, 2), 4).double() * 2,
    ],
    ids=["pyramid", "head", "rows", "half", "3d", "1d"],
)
def test_averages_over_as_many_windows_take_any_size(model):
    dims = {"x": {0: "n", 2: "h", 3: "w"}}
    data = exported(model, torch.randn(2, 3, 32, 32), dims, input_names=["x"])
    for n, h, w in ((1, 12, 18), (3, 25, 31), (2, 40, 7), (1, 128, 9)):
        assert_right(data, model, (torch.randn(n, 3, h, w),))


def test_averages_over_windows_of_one_size_stay_what_they_are():
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.AdaptiveAvgPool2d(8))
    assert operators(exported(net, torch.randn(2, 3, 32, 32), "batch")) == ["Conv", "AveragePool"]


def test_interpolation_to_the_size_of_another_tensor():
    def forward(x, y):
        return F.interpolate(x, size=y.shape[2:], mode="bilinear", align_corners=False) + y

    dims = {"x": {2: "h", 3: "w"}, "y": {2: "height", 3: "width"}}
    data = exported(forward, (torch.randn(1, 2, 4, 5), torch.randn(1, 2, 9, 11)), dims)
    for h, w, height, width in ((4, 5, 9, 11), (6, 6, 7, 20), (3, 9, 12, 9)):
        assert_right(data, forward, (torch.randn(1, 2, h, w), torch.randn(1, 2, height, width)))


def to_six_and_five(x):
    return F.interpolate(x, size=(6, 5), mode="nearest")


def to_a_third_and_double(x):
    return F.interpolate(x, size=(x.shape[2] // 3 + 1, 2 * x.shape[3] - 1), mode="nearest")


def to_ten_and_triple_exactly(x):
    return F.interpolate(x, size=(10, 3 * x.shape[3]), mode="nearest-exact")


def up_again(x):
    half = F.max_pool2d(x, 2, ceil_mode=True)
    return x + F.interpolate(half, size=x.shape[2:], mode="nearest")


@pytest.mark.parametrize(
    ("model", "is_plain"),
    [
        (to_six_and_five, False),
        (to_a_third_and_double, False),
        (to_ten_and_triple_exactly, False),
        (up_again, True),
    ],
)
def test_nearest_neighbours_are_those_of_torch_at_any_size(model, is_plain):
    """Elements on the border of two neighbours (2 * 14/4) are rounded by ONNX Runtime as they come;
    where there can be none, Resize will do."""
    data = exported(model, torch.randn(1, 2, 9, 11), {"x": {2: "h", 3: "w"}})
    assert ("Resize" in operators(data)) == is_plain
    for h, w in ((9, 11), (1, 1), (14, 30), (36, 41), (60, 84), (7, 2), (3, 100)):
        assert_right(data, model, (torch.randn(1, 2, h, w),))


def test_attention_of_a_multiple_to_itself_is_run_by_onnxruntime():
    """Whose optimizer loses x * 0.25 if two factors stand before one product."""

    def forward(x):
        x = x * 0.25
        return F.scaled_dot_product_attention(x, x, x)

    data = exported(forward, torch.randn(2, 3, 5, 4), {"x": {0: "batch", 2: "n"}})
    for batch, n in ((2, 5), (1, 1), (3, 20)):
        assert_right(data, forward, (torch.randn(batch, 3, n, 4),))


@pytest.mark.parametrize("layer", [nn.LSTM, nn.GRU, nn.RNN])
def test_recurrent_layers_take_any_length_and_batch(layer):
    torch.manual_seed(0)
    model = layer(4, 5, bidirectional=True, batch_first=True).eval()

    def forward(x):
        return model(x)[0]

    data = exported(forward, torch.randn(2, 6, 4), {"x": ("batch", "length")})
    for sizes in ((1, 1), (3, 9), (7, 2)):
        assert_right(data, forward, (torch.randn(*sizes, 4),))


def test_attention_with_masks_takes_any_length_and_batch():
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).eval()

    def forward(x, padding):
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
        return encoder(x, mask=mask, src_key_padding_mask=padding)

    def arguments(batch, length):
        padding = torch.zeros(batch, length)
        padding[:, length // 2 + 1 :] = float("-inf")
        return torch.randn(batch, length, 8), padding

    data = exported(forward, arguments(2, 6), {"x": ("b", "n"), "padding": ("b", "n")})
    for sizes in ((1, 5), (3, 9), (7, 2)):
        assert_right(data, forward, arguments(*sizes))


def test_batch_normalization_in_training_mode_uses_the_batch_that_comes():
    torch.manual_seed(0)
    model = nn.BatchNorm1d(3)
    data = exported(model, torch.randn(6, 3), "batch", training=True)
    x = torch.randn(11, 3)
    expected = F.batch_norm(x, None, None, training=True).numpy()
    np.testing.assert_allclose(run(data, (x,))[0], expected, rtol=1e-4, atol=1e-4)
    assert model.num_batches_tracked == 1


# ---- arguments -----------------------------------------------------------------------------------


@dataclass
class Pair:
    left: torch.Tensor
    right: torch.Tensor


def test_inputs_in_dicts_dataclasses_and_keywords():
    def forward(table, pair, *, scale):
        return table["a"] + pair.left.sum() + pair.right, scale * 2

    file = io.BytesIO()
    export(
        forward,
        ({"a": torch.randn(2)}, Pair(torch.randn(3), torch.randn(2))),
        file,
        format="onnx",
        kwargs={"scale": torch.randn(4)},
        dynamic_dims={
            "table.a": {0: "n"},
            "pair.left": {0: "m"},
            "pair.right": {0: "n"},
            "scale": {0: "k"},
        },
    )
    args = torch.randn(7), torch.randn(5), torch.randn(7), torch.randn(9)
    summed, doubled = run(file.getvalue(), args)
    np.testing.assert_allclose(summed, (args[0] + args[1].sum() + args[2]).numpy(), rtol=1e-5)
    np.testing.assert_allclose(doubled, 2 * args[3].numpy())


def test_one_tensor_given_twice_is_two_inputs():
    x = torch.randn(3, 2)
    data = exported(lambda a, b: a - 2 * b, (x, x), "batch")
    assert_right(data, lambda a, b: a - 2 * b, (torch.randn(5, 2), torch.randn(5, 2)))


def test_the_options_of_an_export_work_with_open_sizes(tmp_path):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Dropout()).eval()
    x, y = torch.randn(2, 4), torch.randn(7, 4)
    for options in (
        {"verify": True},
        {"strict": True},
        {"optimize": True},
        {"fallback": "aten"},
        {"source_lines": False, "module_names": False},
    ):
        assert_right(exported(model, x, "batch", **options), model, (y,))
    without = toffee.loads(exported(model, x, "batch", export_params=False))
    assert list(without.input) == ["0.weight", "0.bias", "input"]
    plain = toffee.loads(exported(model, x, "batch", format="toffee"))
    assert plain == toffee.loads(exported(model, x, "batch"))


def test_lines_are_left_out_if_the_caller_wants_none():
    for program in (positions, padded):
        graph = toffee.loads(exported(program, torch.randn(3, 6), {"x": ("b", "n")}))
        assert any(node.doc_string for node in graph.node)
        graph = toffee.loads(
            exported(program, torch.randn(3, 6), {"x": ("b", "n")}, source_lines=False)
        )
        assert not any(node.doc_string for node in graph.node)


def test_examples_take_the_place_of_grown_arguments():
    seen = []

    def pick(table, rows):
        seen.append((len(table), rows.tolist()))
        return table[rows]

    def arguments(n):
        return torch.randn(n, 3), torch.arange(n)

    dims = {"table": {0: "n"}, "rows": {0: "n"}}
    with pytest.warns(toffee.TraceWarning):
        data = exported(pick, arguments(4), dims, examples=[arguments(n) for n in (5, 7, 10)])
    assert {n for n, _ in seen} == {4, 5, 7, 10}
    assert all(rows == list(range(n)) for n, rows in seen)
    seen.clear()
    assert_right(data, pick, arguments(12))


# ---- what the export leaves behind ---------------------------------------------------------------


class Stateful(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))
        self.norm = nn.BatchNorm1d(3)
        self.calls = 0
        self.cache = {}

    def forward(self, x):
        self.calls += 1
        self.cache = {**self.cache, x.shape[0]: 1}
        self.seen += 1
        random.random()
        np.random.rand()
        return self.norm(x) + self.seen + torch.rand(()) * 0


@pytest.mark.filterwarnings("ignore::toffee.TraceWarning")
def test_state_is_as_after_one_forward_pass():
    def prepared():
        torch.manual_seed(3)
        random.seed(3)
        np.random.seed(3)
        return Stateful().train()

    x = torch.randn(4, 3)
    once, exporting = prepared(), prepared()
    prepared()
    once(x)
    expected = torch.rand(3), random.random(), np.random.rand()
    prepared()
    exported(exporting, x, "batch", training=True)
    found = torch.rand(3), random.random(), np.random.rand()
    assert torch.equal(found[0], expected[0]) and found[1:] == expected[1:]
    for (name, mine), (_, its) in zip(
        exporting.state_dict().items(), once.state_dict().items(), strict=True
    ):
        assert torch.equal(mine, its), name
    assert exporting.calls == once.calls == 1 and exporting.cache == once.cache
    assert exporting.training and exporting.norm.training


class Filling(nn.Module):
    """Fills containers of its own and an object's."""

    def __init__(self):
        super().__init__()
        self.ramps, self.sizes, self.order = {}, set(), []
        self.helper = types.SimpleNamespace(last=None, inner={"sizes": []})

    def forward(self, x):
        n = x.shape[0]
        self.sizes.add(n)
        self.order.append(n)
        self.helper.last = n
        self.helper.inner["sizes"].append(n)
        if n not in self.ramps:
            self.ramps[n] = torch.arange(n * 1000.0).reshape(n, 1000)
        return x + self.ramps[n]


@pytest.mark.parametrize("verify", [False, True])
def test_containers_of_the_model_are_as_after_one_forward_pass(verify):
    model = Filling()
    x = torch.randn(40, 1000)  # so large that values of a further run are not computed
    data = exported(model, x, "n", verify=verify)
    assert list(model.ramps) == model.order == [40] and model.sizes == {40}
    assert vars(model.helper) == {"last": 40, "inner": {"sizes": [40]}}
    assert torch.equal(model.ramps[40], torch.arange(40_000.0).reshape(40, 1000))
    assert_right(data, Filling(), (torch.randn(23, 1000),))


def test_what_a_function_remembers_of_further_runs_is_right():
    @functools.lru_cache
    def ramp(n):
        return torch.arange(n * 1000.0).reshape(n, 1000)

    data = exported(lambda x: x + ramp(x.shape[0]), torch.randn(40, 1000), {"x": {0: "n"}})
    for n in range(1, 70):
        assert torch.equal(ramp(n), torch.arange(n * 1000.0).reshape(n, 1000)), n
    assert_right(data, lambda x: x + ramp(x.shape[0]), (torch.randn(23, 1000),))


class Box:
    def __init__(self):
        self.items = []


@pytest.mark.parametrize("verify", [False, True])
@pytest.mark.parametrize(
    ("make", "look"), [(list, list), (dict, list), (Box, lambda box: list(box.items))]
)
def test_what_the_model_puts_into_its_arguments_is_of_the_first_run_alone(make, look, verify):
    def fill(x, filled):
        before = len(look(filled))
        if isinstance(filled, dict):
            filled[x.shape[0]] = x * 2
        else:
            (filled.items if isinstance(filled, Box) else filled).append(x.shape[0])
        return x.sum(0) * len(look(filled)) + before

    filled = make()
    data = exported(fill, (torch.randn(4, 3), filled), {"x": {0: "n"}}, verify=verify)
    assert look(filled) == [4]
    x = torch.randn(7, 3)
    np.testing.assert_allclose(run(data, (x,))[0], fill(x, make()).numpy(), rtol=1e-5)


def test_an_argument_that_cannot_be_copied_is_given_to_each_run():
    lock = threading.Lock()
    with lock:  # a copy would not be held
        data = exported(lambda x, a: x * (2 + a.locked()), (torch.ones(4, 3), lock), "batch")
    assert_right(data, lambda x: x * 3, (torch.randn(7, 3),))


def test_state_is_put_back_after_a_refusal_too():
    model = nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 2)).train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    dice = torch.get_rng_state()
    with pytest.raises(toffee.DynamicShapeError):
        exported(model, torch.ones(4, 3), {"input": {1: "features"}})
    assert model.training and torch.equal(dice, torch.get_rng_state())
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


# ---- what is refused -----------------------------------------------------------------------------


def loop(x):
    y = x[:, 0]
    for i in range(1, x.shape[1]):
        y = torch.tanh(y + x[:, i])  # the loop
    return y


def power(x):
    return x * (x.shape[1] ** 3 % 7)  # the power


TABLE = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3, 2, 3, 8, 4, 6, 2, 6, 4, 3]


def lookup(x):
    return x * TABLE[x.shape[1] % 25]  # the lookup


def quarters(x):
    return x.reshape(x.shape[0], x.shape[1] // 4, 4)  # the reshape


def squeezed(x):
    return x.sum(1, keepdim=True).squeeze()  # the squeeze


def stepped(x):
    if x.shape[1] < 50:
        return x.relu()  # small
    return x.sin()  # large


def written(x, y):
    y = y[4 : len(y) // 2]
    y[y.shape[1] : -1] = 0.5  # the write
    return x + y.sum(0)


def turned(x, y):
    means = y.mean(2)
    return x + means.roll(x.shape[1], 1).view(-1)[0]  # the roll


def overlapping(x):
    y = x / 2
    windows = y.unfold(-1, x.shape[1] // 2, 1)
    windows[:, :, 1:].fill_(0.25)  # the fill
    return y


def recent(x):
    if x.shape[1] < 4:
        x = nn.functional.pad(x, (4 - x.shape[1], 0))  # the padding
    return x[:, -4:]  # the last four


class Body(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(8, 2)

    def forward(self, x):
        return self.linear(x)  # the linear


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = Body()

    def forward(self, x):
        return self.body(x)


N = {"x": {1: "n"}}
REFUSED = [
    (loop, N, "the loop", ["after .* operators it calls", "n=8", "at any|at every size"]),
    (power, N, "the power", ["number that Mul takes fits no expression", r"it is \d, and then \d"]),
    (lookup, N, "the lookup", ["fits no expression in the sizes", "first seen at n=", "then at n"]),
    (quarters, N, "the reshape", [r"refuses other sizes of 'n'", r"Dim\('n', multiple_of=4\)"]),
    (squeezed, {"x": {0: "batch"}}, "the squeeze", ["at batch=1", r"Dim\('batch', min=2\)"]),
    (Net(), N, "the linear", ["other sizes of 'n'", "mat1 and mat2", "leave the dimension out"]),
    (
        Net(),
        {"x": ("batch", "features")},
        "the linear",
        ["other sizes of 'features'", "batch=4, features=", "leave the dimension out"],
    ),
    (stepped, {"x": {1: Dim("n", max=60)}}, "small|large", ["at n=60", "max=..."]),
    (
        recent,
        {"x": {1: Dim("n", min=2)}},
        "the padding",
        ["at n=2 ", r"toffee\.Dim\('n', min=4\) leaves smaller sizes out"],
    ),
]


@pytest.mark.parametrize("lines", [True, False], ids=["source_lines", "without"])
@pytest.mark.parametrize(
    ("model", "dims", "line", "said"), REFUSED, ids=[row[2] + str(row[1]) for row in REFUSED]
)
def test_what_no_graph_can_do_is_refused_with_its_line(model, dims, line, said, lines):
    with pytest.raises(toffee.DynamicShapeError) as caught:
        exported(model, torch.randn(4, 8), dims, source_lines=lines)
    error = caught.value
    (place,) = error.places
    assert place.file == __file__ and re.search(f"# ({line})$", str(place))
    if isinstance(model, Net):
        assert place.module == "body.linear" and place.function.endswith("forward")
    assert str(place) in str(error)
    for pattern in said:
        assert re.search(pattern, str(error)), str(error)
    assert isinstance(error, toffee.TraceError) and "\nWhat to do: " in str(error)


def test_what_is_written_only_where_one_size_is_much_larger_than_another_is_seen():
    args = torch.randn(16), torch.randn(5, 16)
    with pytest.raises(toffee.DynamicShapeError, match=r"(?s)does something else at m=.*the write"):
        exported(written, args, {"x": {0: "m"}, "y": {0: "n", 1: "m"}})


def test_what_moves_elements_is_seen_where_the_example_has_only_one():
    """Grown, all its slices are the same: a roll by a multiple of the size is none."""
    args = torch.randn(2, 3), torch.randn(2, 1, 4)
    dims = {"x": {1: "m"}, "y": {1: "n"}}
    others = [(torch.randn(2, m), torch.randn(2, n, 4)) for m, n in ((12, 32), (3, 5), (4, 2))]
    assert_right_or_refused(turned, args, dims, others, "# the roll")


@pytest.mark.parametrize("dims", [None, N])
def test_a_write_that_cannot_be_said_is_refused_with_its_own_line(dims):
    with pytest.raises(toffee.UnsupportedOperatorError, match="share one place") as caught:
        exported(overlapping, torch.randn(4, 8), dims)
    (place,) = caught.value.places
    assert str(place).endswith("# the fill") and f"{place.line}: writing" in str(caught.value)


@pytest.mark.parametrize(
    ("model", "dims"),
    [
        (loop, {"x": {0: "batch"}}),
        (quarters, {"x": {1: Dim("n", multiple_of=4)}}),
        (squeezed, {"x": {0: Dim("batch", min=2)}}),
        (Net(), {"x": {0: "batch"}}),
        (stepped, {"x": {1: Dim("n", max=49)}}),
        (recent, {"x": {1: Dim("n", min=4)}}),
    ],
)
def test_what_the_messages_advise_helps(model, dims):
    data = exported(model, torch.randn(4, 8), dims)
    (axis,) = dims["x"]
    for n in (8, 4, 12, 20):
        args = torch.randn(n, 8) if axis == 0 else torch.randn(4, n)
        assert_right(data, model, (args,))


def middle(x, y):
    return x[(len(x) - 1) // 2] + y


def thirds(x, y):
    z = y.expand(2, -1) + 1
    z[:, : len(x) : 3] = 0.5
    return z


@pytest.mark.parametrize("program", [middle, thirds])
def test_a_large_model_that_divides_its_sizes_is_run_at_more_of_them(program, monkeypatch):
    """At 1, 3, 5 and 13 the middle is (n - 1)/2; and few runs have the larger size first."""
    monkeypatch.setattr("toffee._sizes._FEW_OPERATORS", 0)
    dims = {"x": {0: "m"}, "y": {0: "n"}}
    args = torch.randn(1), torch.randn(10)
    sizes = ((2, 9), (4, 3), (6, 30), (12, 2), (7, 6))
    others = [(torch.randn(m), torch.randn(n)) for m, n in sizes]
    refusal = assert_right_or_refused(program, args, dims, others, "0.5")
    assert refusal is None or program is thirds


def test_a_large_model_that_refuses_most_sizes_is_run_at_more_of_them(monkeypatch):
    """Of the first ones it takes 7 and 13, which are both odd."""

    def forward(x):
        n = len(x)
        return F.pad(x, (0, n % 2)), x.narrow(0, 0, n // 3).unflatten(0, (2, -1)).sum()

    monkeypatch.setattr("toffee._sizes._FEW_OPERATORS", 0)
    others = [(torch.randn(n),) for n in (6, 8, 12, 19, 20)]
    assert_right_or_refused(forward, torch.randn(7), "n", others, "n % 2")


def thirds_after_a_third(x):
    """How many columns there are is a quotient of a quotient, and no number that Python had."""
    part = x[:, x.shape[1] // 3 :: 3]
    return part + torch.arange(part.shape[1]), part.new_ones(part.shape[1] // 2, 2)


def last_of_the_rest(x):
    part = x[:, : -(x.shape[1] // 2)].split((x.shape[1] - x.shape[1] // 2 + 1) // 2, 1)[-1]
    return part * 2


def last_rows_of_a_padded(x):
    rows = F.pad(x.flatten(), (1, x.shape[1] // 2))[-4:]
    return rows.expand(len(rows), len(rows))


def between_a_half_and_two_thirds(x):
    """As many columns as (n + 2)//6 at 4, 7, 10 and so on."""
    n = x.shape[1]
    part = x[:, n - n // 2 : -(n // 3)]
    return part + torch.arange(part.shape[1])


def begun_beyond_64(x):
    part = x[:, x.shape[1] // 2 :: 2] * 1
    part[:, 16::2] += 3
    return part


@pytest.mark.parametrize(
    "program",
    [
        thirds_after_a_third,
        last_of_the_rest,
        last_rows_of_a_padded,
        between_a_half_and_two_thirds,
        begun_beyond_64,
    ],
)
def test_a_large_model_is_right_or_refused_where_parts_of_parts_are_cut(program, monkeypatch):
    monkeypatch.setattr("toffee._sizes._FEW_OPERATORS", 0)
    sizes = ((1, 1), (3, 6), (1, 4), (2, 9), (1, 14), (2, 31), (1, 40), (1, 97))
    others = [(torch.randn(m, n),) for m, n in sizes]
    dims = {"x": {0: "m", 1: "n"}}
    refusal = assert_right_or_refused(program, torch.randn(3, 6), dims, others, "16::2")
    assert refusal is None or program is begun_beyond_64


def test_a_large_model_that_takes_few_sizes_is_run_at_many(monkeypatch):
    """A quarter is one column from 4 to 7, or four from 16 to 19; else there is no sum."""
    monkeypatch.setattr("toffee._sizes._FEW_OPERATORS", 0)

    def last_quarter(x):
        return x[:, -(x.shape[1] // 4) :] + torch.arange(4)

    data = exported(last_quarter, torch.randn(2, 4), {"x": {1: "n"}})
    for n in (1, 4, 7, 16, 17, 19):
        assert_right(data, last_quarter, (torch.randn(2, n),))


def test_what_is_special_at_the_least_size_that_a_model_takes_is_seen(monkeypatch):
    """It takes no less than 2, and there alone writes something."""
    monkeypatch.setattr("toffee._sizes._FEW_OPERATORS", 0)

    def forward(x):
        y = x.clone()
        y[-1:2] += 3
        return y, x.unfold(0, 2, 1)

    others = [(torch.randn(n),) for n in (2, 3, 7)]
    refusal = assert_right_or_refused(forward, torch.randn(4), {"x": {0: "n"}}, others, "y[-1:2]")
    assert refusal is None or "n=2" in str(refusal)


def test_what_the_first_look_refuted_is_not_taken_by_the_next_one():
    """Which computes everything, and saw fewer sizes."""

    def forward(x):
        part = x.narrow(0, 1, len(x) // 3)
        part.unflatten(0, (2, -1))  # refuses most sizes
        return x * 0.5 ** len(part[1 : len(part) - len(part) // 3 : 3])

    others = [(torch.randn(n),) for n in (7, 13, 38, 90, 128)]
    assert_right_or_refused(forward, torch.randn(7), "n", others, "0.5 **")


def test_a_part_of_a_part_is_right_at_sizes_that_the_first_runs_do_not_tell(monkeypatch):
    """Of the last of three parts, a third: at the sizes of the first runs this is (n + 18)//19."""
    runs = []
    run = _size_runs.Runner.run
    monkeypatch.setattr(_size_runs.Runner, "run", lambda *to: runs.append(to[1]) or run(*to))

    def forward(x):
        part = x[: (len(x) + 1) // 2].chunk(3)[-1]
        return part[-(-len(part) // 3) :: 3]

    data = exported(forward, torch.randn(3, 2), "n", input_names=["x"])
    for n in (30, 40, 46, 52, 70):
        assert_right(data, forward, (torch.randn(n, 2),))
    assert len(set(runs)) > 50
    runs.clear()
    exported(lambda x: x.flatten() * len(x), torch.randn(3, 2), "n")
    assert len(set(runs)) < 30  # where nothing is divided, few runs tell enough


def test_a_model_is_not_run_at_ever_larger_sizes_where_it_makes_much_of_them(monkeypatch):
    """Refused, it is run at all sizes that there are, and n**4 elements are 10^8 at 100."""
    monkeypatch.setattr(_size_runs, "_MOST_MADE", 1 << 16)
    runs = []
    run = _size_runs.Runner.run
    monkeypatch.setattr(_size_runs.Runner, "run", lambda *to: runs.append(to[1]) or run(*to))

    def forward(x):
        made = torch.from_numpy(np.ones(min(len(x), 30) ** 4, "f4"))  # not 10^8 here
        return x[:, 0], made * (3, 1, 4, 1, 5, 9)[len(x) % 6]

    with pytest.raises(toffee.DynamicShapeError, match="fits no expression"):
        exported(forward, torch.randn(4, 2), "n")
    sizes = {n for (n,) in runs}
    assert max(sizes) == 19 and {2, 7, 10, 14, 15} < sizes


def test_the_runs_of_a_model_that_is_refused_are_freed_with_the_error():
    def forward(x):
        return x * (3, 1, 4, 1, 5, 9)[len(x) % 6]

    gc.collect()
    gc.disable()
    try:
        with pytest.raises(toffee.DynamicShapeError):
            exported(forward, torch.randn(4, 2), "n")
        assert not any(type(found) is _size_runs.Run for found in gc.get_objects())
    finally:
        gc.enable()


def test_a_size_of_a_tensor_without_elements_is_not_guessed():
    """The columns are what PyTorch makes of -1: none below 8, and 16 at multiples of 8."""

    def forward(x):
        return x[: len(x) // 8 * 8].view(len(x), -1)

    data = exported(forward, torch.randn(2, 4, 4), "n", input_names=["x"])
    for n in (3, 8, 16, 40, 64, 120):
        assert_right(data, forward, (torch.randn(n, 4, 4),))


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("pool", [F.max_pool2d, F.avg_pool2d])
def test_a_last_window_of_a_fixed_axis_is_said_by_padding(pool, padding):
    """In opset 20, ONNX infers a window that begins in the padding, which PyTorch leaves out."""
    how = {} if pool is F.max_pool2d else {"count_include_pad": False}

    def forward(x):
        y = pool(x, 2, padding=padding, ceil_mode=True, **how)
        return torch.cat([y, y.new_zeros(len(x), x.shape[1], y.shape[2], len(x))], 3)

    for size in ((2, 3, 1 + padding, 4), (2, 3, 5, 6), (2, 3, 3, 3)):
        channels = exported(forward, torch.randn(*size), {"x": {0: "n", 1: "c"}})
        assert not any(a.name == "ceil_mode" for a in _window(channels).attribute)
        assert_right(channels, forward, (torch.randn(5, 2, *size[2:]),))
        width = exported(forward, torch.randn(*size), {"x": {0: "n", 3: "w"}})
        assert any(a.name == "ceil_mode" for a in _window(width).attribute)
        for w in (1, 2, 5, 8):
            assert_right(width, forward, (torch.randn(3, *size[1:3], w),))


def _window(data):
    (node,) = (
        n for n in onnx.load_model_from_string(data).graph.node if n.op_type.endswith("Pool")
    )
    return node


def test_a_size_of_an_output_that_is_another_at_a_special_size_is_not_declared():
    def last(x):
        rows = x[-2:].reshape(-1, 4)
        return torch.cat(rows.chunk(2)[::-1]), x * 2

    data = exported(last, torch.randn(5, 4), "n", input_names=["x"])
    for n in (1, 2, 9):
        assert_right(data, last, (torch.randn(n, 4),))
    shapes = [info.shape for info in toffee.loads(data).output_info]
    assert shapes == [(None, 4), ("n", 4)]


def test_what_a_normalization_hides_in_most_values_is_found():
    """With one row nothing is written; normalized pairs are 1 and -1 either way."""

    def program(x):
        pairs = x[:, :, :2] * 1
        pairs[:, :, -1 : len(x)] = 0.5
        return F.layer_norm(pairs, (2,))

    x = torch.randn(3, 4, 4)
    with pytest.raises(toffee.DynamicShapeError, match="n=1"):
        exported(program, x, "n", input_names=["x"])


def test_symbols_that_must_be_equal_are_named():
    def forward(x, y):
        return x + y

    args = torch.randn(4, 3), torch.randn(4, 3)
    with pytest.raises(toffee.DynamicShapeError, match="'a' and 'b' must be equal: .* a=4, b=4"):
        exported(forward, args, {"x": {0: "a"}, "y": {0: "b"}})
    data = exported(forward, args, {"x": {0: "a"}, "y": {0: "a"}})
    assert_right(data, forward, (torch.randn(9, 3), torch.randn(9, 3)))


def test_a_model_that_raises_at_its_own_sizes_raises_that():
    def forward(x):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        exported(forward, torch.randn(2, 3), "batch")


def test_what_is_refused_leaves_the_file_that_was_there(tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(b"before")
    with pytest.raises(toffee.DynamicShapeError):
        export(loop, torch.randn(2, 5), path, dynamic_dims=N)
    assert path.read_bytes() == b"before"


def test_how_long_a_slice_is_follows_from_the_slice_whatever_fits_a_few_examples():
    """3*((n + 1)//2)//2 - (n + 1)//2 is the same at all of them."""

    def forward(x):
        part = x[len(x) // 2 :][::3]
        return part + torch.arange(len(part))

    examples = [(torch.randn(n),) for n in (6, 8, 10)]
    data = exported(forward, torch.randn(5), {"x": {0: "n"}}, examples=examples)
    assert [info.shape for info in toffee.loads(data).output_info] == [("(n + 5)//6",)]
    for n in range(1, 30):
        assert_right(data, forward, (torch.randn(n),))
