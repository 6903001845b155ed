"""Models whose sizes are open, of which the traces are not alike: what comes of it all the same."""

from __future__ import annotations

import io
import sys
import warnings
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

import toffee
from toffee.torch_toffee import export


def export_at_any_size(model, args, dims, **options):
    """The ONNX file of MODEL with open DIMS, as bytes."""
    file = io.BytesIO()
    export(model, args, file, format="onnx", dynamic_dims=dims, **options)
    return file.getvalue()


def check(model, args, dims, *others, **options):
    """Export, and compare ONNX Runtime with MODEL on ARGS and on OTHERS, arguments of other sizes.

    Returns
    -------
    The graph.
    """
    data = export_at_any_size(model, args, dims, **options)
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    for given in (args, *others):
        feeds = {n: x.numpy() for n, x in zip(names, given, strict=True)}
        results = session.run(None, feeds)
        with torch.no_grad():
            wanted = model(*given)
        wanted = wanted if isinstance(wanted, (tuple, list)) else (wanted,)
        for result, tensor in zip(results, wanted, strict=True):
            np.testing.assert_allclose(result, tensor.numpy(), rtol=1e-4, atol=1e-5)
    return toffee.load(io.BytesIO(data))


def rows(*lengths, width=4):
    return [(torch.randn(3, n, width),) for n in lengths]


# ---- several groups of runs ----------------------------------------------------------------------


class Padded(nn.Module):
    """Pads the length to a multiple of 4, if it is none, works in blocks, and cuts again."""

    def forward(self, x):
        length = x.shape[1]
        pad = -length % 4
        if pad > 0:
            x = nn.functional.pad(x, (0, 0, 0, pad))
        y = x.view(x.shape[0], -1, 4, x.shape[2]).cumsum(2).flatten(1, 2)
        return y[:, :-pad] if pad > 0 else y


def test_padding_that_is_needed_at_some_lengths_only_is_right_at_all():
    check(Padded(), *rows(12), {"x": {1: "length"}}, *rows(1, 4, 7, 8, 22, 31, 64))


@pytest.mark.parametrize("traced", [12, 15, 50])
@pytest.mark.parametrize("has_branch", [False, True])
def test_what_is_cut_where_nothing_was_padded_is_as_in_pytorch(traced, has_branch):
    """x[:, :-pad] is nothing at all where pad is 0, if no branch steps around it."""

    def cut(x):
        pad = -x.shape[1] % 4
        y = nn.functional.pad(x, (0, 0, 0, pad))
        return y if has_branch and pad == 0 else y[:, :-pad]

    check(cut, *rows(traced), {"x": {1: "length"}}, *rows(5, 7, 8, 12, 22, 31, 64))


class Windows(nn.Module):
    """Overlapping windows of 4 at steps of 2 over a length padded to a multiple of 4."""

    def forward(self, x):
        pad = -x.shape[1] % 4
        if pad > 0:
            x = nn.functional.pad(x, (0, 0, 0, pad))
        return x.unfold(1, 4, 2).amax(-1)


def test_numbers_that_agree_at_the_first_sizes_are_told_apart_at_further_ones():
    """How many windows there are is length // 2 at 15, 11 and 38, and is not at 12."""
    check(Windows(), *rows(12), {"x": {1: "length"}}, *rows(4, 9, 10, 13, 14, 16, 29))


# ---- lists of samples ----------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("among", [0, 1])
def test_samples_taken_apart_and_put_together_are_no_matter_of_how_many_there_are(axis, among):
    def regroup(x):
        return torch.cat(x.unbind(axis), among) * 2

    x = torch.randn(3, 3, 3)
    shape = [[5, 3, 3], [3, 5, 3], [3, 3, 5]][axis]
    graph = check(regroup, (x,), {"x": {axis: "n"}}, (torch.randn(shape),))
    assert "Concat" not in [n.op_type for n in graph.node if len(n.input) == 3]
    assert "Gather" not in [node.op_type for node in graph.node]


def test_samples_put_together_in_another_order_or_without_one_are_taken_one_by_one():
    def backwards(x):
        a, b, c = x.unbind(0)
        return torch.cat([c, b, a]), torch.cat([a, b]), torch.cat([a, a, c])

    check(backwards, (torch.randn(3, 4, 5),), {"x": {1: "n"}}, (torch.randn(3, 7, 5),))


# ---- recurrent -----------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize("bidirectional", [False, True], ids=["one way", "both ways"])
@pytest.mark.parametrize("given", [False, True], ids=["from zeros", "from a state"])
def test_projected_layers_of_any_length(bidirectional, given):
    made = nn.LSTM(4, 6, 2, proj_size=3, bidirectional=bidirectional)
    n = 4 if bidirectional else 2

    class Layer(nn.Module):
        def __init__(self):
            super().__init__()
            self.made = made

        def forward(self, x, *state):
            output, (h, c) = self.made(x, state or None)
            return output, h, c

    def inputs(length, batch):
        state = (torch.randn(n, batch, 3), torch.randn(n, batch, 6)) if given else ()
        return (torch.randn(length, batch, 4), *state)

    args = inputs(5, 2)
    names = toffee_input_names(Layer(), args)
    dims = {names[0]: {0: "length", 1: "batch"}} | {name: {1: "batch"} for name in names[1:]}
    check(Layer(), args, dims, inputs(1, 1), inputs(9, 3), inputs(2, 8))


def toffee_input_names(model, args):
    file = io.BytesIO()
    export(model, args, file)
    file.seek(0)
    return [info.name for info in toffee.load(file).input_info]


# ---- models that set themselves up in their first run --------------------------------------------


class Hooked(nn.Module):
    """Adds a hook in its first run, and remembers in an attribute that it has."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.is_hooked = False

    def forward(self, x):
        if not self.is_hooked:
            self.layer.register_forward_hook(lambda module, args, output: output + 1)
            self.is_hooked = True
        return self.layer(x)


def test_a_hook_that_the_first_run_adds_is_not_added_again_by_further_ones():
    model = Hooked()
    check(model, (torch.randn(2, 4),), {"x": {0: "batch"}}, (torch.randn(5, 4),))
    assert len(model.layer._forward_hooks) == 1


# ---- models of reports against torch.onnx --------------------------------------------------------


def torchvision_models():
    sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
    from seed_models import import_torchvision

    return import_torchvision().models


def check_report(model, given, dynamic_shapes, batches, names=("images", "logits")):
    """Export as the report did, and look at what it looked at: the declared sizes, and results."""
    file = io.BytesIO()
    named = {"input_names": names[:1], "output_names": names[1:]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        export(model, (given,), file, format="onnx", dynamic_shapes=dynamic_shapes, **named)
    session = onnxruntime.InferenceSession(file.getvalue(), providers=["CPUExecutionProvider"])
    for value in (*session.get_inputs(), *session.get_outputs()):
        assert isinstance(value.shape[0], str) and value.name in names
    for n in batches:
        x = torch.randn(n, *given.shape[1:])
        with torch.no_grad():
            wanted = model(x)
        (result,) = session.run(list(names[1:]), {names[0]: x.numpy()})
        wanted = wanted["out"] if isinstance(wanted, dict) else wanted
        np.testing.assert_allclose(result, wanted.numpy(), rtol=1e-3, atol=1e-3)


def test_resnet_50_of_133653_has_any_batch():
    model = torchvision_models().resnet50(weights=None).eval()
    check_report(
        model, torch.randn(2, 3, 64, 64), {"x": {0: torch.export.Dim("batch")}}, (1, 2, 5, 7)
    )


def test_one_image_of_149065_is_no_fixed_batch_of_1():
    model = torchvision_models().segmentation.lraspp_mobilenet_v3_large(
        weights=None, weights_backbone=None
    )
    batch = torch.export.Dim("batch_size", min=1, max=16)
    check_report(model.eval(), torch.randn(1, 3, 64, 64), ({0: batch},), (1, 2, 7, 16))


class Recognizer(nn.Module):
    """As the recognizer of text in pytorch#148886: an encoder of images, and a decoder that reads
    its own letters, one more each time, then looks at all of them once more."""

    START, STOP, PAD = 10, 0, 11

    def __init__(self, width=16, steps=4):
        super().__init__()
        self.steps = steps
        self.patches = nn.Conv2d(3, width, 4, 4)
        self.places = nn.Parameter(torch.randn(1, 16, width))
        self.encoder = nn.TransformerEncoderLayer(width, 2, 32, batch_first=True, norm_first=True)
        self.letters = nn.Embedding(12, width)
        self.queries = nn.Parameter(torch.randn(1, steps, width))
        self.decoder = nn.TransformerDecoderLayer(width, 2, 32, batch_first=True, norm_first=True)
        self.head = nn.Linear(width, 10)

    def decode(self, letters, memory, queries, mask, padding=None):
        context = self.letters(letters)
        return self.head(
            self.decoder(
                queries + context.mean(1, keepdim=True), memory, mask, tgt_key_padding_mask=padding
            )
        )

    def forward(self, images):
        batch = images.shape[0]
        memory = self.encoder(self.patches(images).flatten(2).transpose(1, 2) + self.places)
        queries = self.queries.expand(batch, -1, -1)
        mask = torch.triu(torch.full((self.steps, self.steps), float("-inf")), 1)
        letters = torch.full((batch, self.steps), self.PAD, dtype=torch.long)
        letters[:, 0] = self.START
        logits = []
        for i in range(self.steps):
            j = i + 1
            part = self.decode(letters[:, :j], memory, queries[:, i:j], mask[i:j, i:j])
            logits.append(part)
            if j < self.steps:
                letters[:, j] = part.squeeze(1).argmax(-1)
        logits = torch.cat(logits, 1)
        start = torch.full((batch, 1), self.START, dtype=torch.long)
        letters = torch.cat([start, logits[:, :-1].argmax(-1)], 1)
        padding = (letters == self.STOP).int().cumsum(-1) > 0
        return self.decode(letters, memory, queries, mask, padding)


def test_the_recognizer_of_148886_has_any_batch():
    batch = torch.export.Dim("batch_size", min=1, max=128)
    images = torch.randn(1, 3, 16, 16).repeat(16, 1, 1, 1)
    check_report(Recognizer().eval(), images, [{0: batch}], (1, 8, 21), ("input", "output"))


def test_runs_that_are_all_at_special_sizes_are_no_group():
    """The parts of a split differ in number unless its axis is even; the window is cut at 1."""

    def parts(x, y):
        y = nn.functional.avg_pool2d(y, 3, padding=1, ceil_mode=True)
        flat = y.reshape(len(y), -1)
        return y, flat.split(flat.shape[-1] // 2, 1)[0]

    args = torch.randn(4), torch.randn(3, 4, 4, 12)
    with pytest.raises(toffee.DynamicShapeError):
        export_at_any_size(parts, args, {"x": {0: "n"}, "y": {2: "n", 3: "m"}})
