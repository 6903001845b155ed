"""Attention and the layers made of it, against eager PyTorch on other inputs.

Layers are held against PyTorch's own path: its fused fast path of inference has NaN where a query
sees no key, zeros where a sequence is padded, and reads masks of floats as bools.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from exported import check_export, ops, to_graph
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

import toffee

BATCH, HEADS, QUERIES, KEYS, SIZE, OUT = 2, 4, 5, 7, 8, 6
EMBED, STEPS = 8, 5
INF = math.inf


@pytest.fixture(autouse=True)
def slow_path() -> Iterator[None]:
    torch.manual_seed(0)
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    yield
    torch.backends.mha.set_fastpath_enabled(before)


def operands(*batch: int, out: int = OUT) -> tuple[torch.Tensor, ...]:
    return (
        torch.randn(*batch, QUERIES, SIZE),
        torch.randn(*batch, KEYS, SIZE),
        torch.randn(*batch, KEYS, out),
    )


def masked(query, key, value, mask):
    return F.scaled_dot_product_attention(query, key, value, mask)


# ---- scaled_dot_product_attention ---------------------------------------------------------------


@pytest.mark.parametrize("batch", [(), (4,), (2, 4), (2, 3, 4)], ids=lambda batch: f"{batch}")
def test_attention_is_two_products_around_a_softmax(batch):
    graph = check_export(F.scaled_dot_product_attention, operands(*batch))
    assert ops(graph) == ["Mul", "Transpose", "MatMul", "Softmax", "MatMul"]


@pytest.mark.parametrize("kind", ["bool", "float"])
@pytest.mark.parametrize(
    "shape",
    [
        (QUERIES, KEYS),
        (1, KEYS),
        (QUERIES, 1),
        (BATCH, 1, QUERIES, KEYS),
        (BATCH, 1, 1, KEYS),
        (1, HEADS, QUERIES, KEYS),
        (BATCH, HEADS, QUERIES, KEYS),
    ],
    ids=lambda shape: f"{shape}",
)
def test_a_mask_broadcasts_to_the_scores(kind, shape):
    mask = torch.rand(shape) < 0.7 if kind == "bool" else torch.randn(shape)
    check_export(masked, (*operands(BATCH, HEADS), mask))


@pytest.mark.parametrize("kind", ["bool", "float"])
@pytest.mark.parametrize("batch", [(HEADS,), (BATCH, HEADS)], ids=lambda batch: f"{batch}")
def test_a_query_that_sees_no_key_gets_zeros(kind, batch):
    def mask(row: int) -> torch.Tensor:
        seen = torch.ones(QUERIES, KEYS, dtype=torch.bool)
        seen[row] = False
        seen[:, 3] = False
        return seen if kind == "bool" else torch.zeros(QUERIES, KEYS).masked_fill(~seen, -INF)

    args = operands(*batch)
    check_export(masked, (*args, mask(2)), (*args, mask(4)))
    assert not masked(*args, mask(2))[..., 2, :].any()


@pytest.mark.parametrize(("queries", "keys"), [(5, 7), (7, 5), (6, 6), (1, 4)])
def test_a_causal_query_sees_the_keys_up_to_its_place(queries, keys):
    def causal(query, key, value):
        return F.scaled_dot_product_attention(query, key, value, is_causal=True)

    key = torch.randn(BATCH, HEADS, keys, SIZE)
    graph = check_export(causal, (torch.randn(BATCH, HEADS, queries, SIZE), key, key))
    assert "LessOrEqual" in ops(graph)


@pytest.mark.parametrize("scale", [0.3, 0.0, -1.5])
def test_a_scale_may_be_given(scale):
    check_export(
        lambda *args: F.scaled_dot_product_attention(*args, scale=scale), operands(BATCH, HEADS)
    )


@pytest.mark.parametrize("causal", [False, True], ids=["all", "causal"])
@pytest.mark.parametrize(("of_keys", "of_values"), [(2, 2), (3, 3), (1, 1), (3, 2), (6, 6)])
def test_groups_of_queries_share_keys_and_values(of_keys, of_values, causal):
    def grouped(query, key, value):
        return F.scaled_dot_product_attention(query, key, value, is_causal=causal, enable_gqa=True)

    args = (
        torch.randn(BATCH, 6, QUERIES, SIZE),
        torch.randn(BATCH, of_keys, KEYS, SIZE),
        torch.randn(BATCH, of_values, KEYS, SIZE),
    )
    check_export(grouped, args)


@pytest.mark.parametrize(
    "shapes",
    [((1, 4), (2, 4), (2, 4)), ((2, 4), (2, 1), (2, 1)), ((2, 4), (2, 4), (1, 4))],
    ids=["query", "heads", "value"],
)
def test_batches_broadcast(shapes):
    query, key, value = shapes
    args = (
        torch.randn(*query, QUERIES, SIZE),
        torch.randn(*key, KEYS, SIZE),
        torch.randn(*value, KEYS, OUT),
    )
    check_export(F.scaled_dot_product_attention, args)


@pytest.mark.parametrize("queries, keys", [(QUERIES, 0), (0, KEYS)])
def test_nothing_to_see_and_nobody_to_look(queries, keys):
    args = (
        torch.randn(BATCH, HEADS, queries, SIZE),
        torch.randn(BATCH, HEADS, keys, SIZE),
        torch.randn(BATCH, HEADS, keys, OUT),
    )
    check_export(F.scaled_dot_product_attention, args)


def test_halves_and_doubles_are_within_their_own_rounding():
    def half(query, key, value):
        return F.scaled_dot_product_attention(query.half(), key.half(), value.half()).float()

    # PyTorch rounds the products' sums once, ONNX Runtime the weights as well.
    eps = torch.finfo(torch.float16).eps
    check_export(half, operands(BATCH, HEADS), rtol=2 * eps, atol=2 * eps)
    doubles = tuple(x.double() for x in operands(BATCH, HEADS))
    check_export(F.scaled_dot_product_attention, doubles, rtol=1e-12, atol=1e-12)


def test_dropout_is_a_node_and_only_where_it_was_asked_for():
    def dropped(query, key, value):
        return F.scaled_dot_product_attention(query, key, value, dropout_p=0.5)

    graph = to_graph(dropped, operands(BATCH, HEADS))
    assert ops(graph)[3:] == ["Softmax", "Dropout", "MatMul"]
    assert "Dropout" not in ops(to_graph(F.scaled_dot_product_attention, operands(BATCH, HEADS)))


@pytest.mark.parametrize(
    "backend",
    [SDPBackend.MATH, SDPBackend.FLASH_ATTENTION, [SDPBackend.MATH, SDPBackend.CUDNN_ATTENTION]],
    ids=str,
)
def test_the_kernel_that_the_program_picks_changes_nothing(backend):
    def picky(query, key, value):
        with sdpa_kernel(backend):
            return F.scaled_dot_product_attention(query, key, value)

    graph = check_export(picky, operands(BATCH, HEADS, out=SIZE))
    assert ops(graph) == ["Mul", "Transpose", "MatMul", "Softmax", "MatMul"]


@pytest.mark.parametrize("causal", [False, True], ids=["all", "causal"])
@pytest.mark.parametrize("with_mask", [False, True], ids=["no mask", "mask"])
def test_the_kernels_may_be_called_themselves(causal, with_mask):
    def flash(query, key, value, mask=None):
        return torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
            query, key, value, 0.0, causal, attn_mask=mask
        )

    def composed(query, key, value, mask=None):
        return torch.ops.aten._scaled_dot_product_attention_math(
            query, key, value, mask, is_causal=causal
        )

    if causal and with_mask:
        pytest.raises(RuntimeError, composed, *operands(BATCH, HEADS), torch.zeros(QUERIES, KEYS))
        return
    args = operands(BATCH, HEADS, out=SIZE)
    args = (*args, torch.randn(QUERIES, KEYS)) if with_mask else args
    check_export(flash, args)
    check_export(composed, args)


def test_a_causal_bias_is_a_mask():
    from torch.nn.attention.bias import causal_lower_right, causal_upper_left

    for bias in (causal_lower_right(QUERIES, KEYS), causal_upper_left(QUERIES, KEYS)):
        check_export(lambda *args, bias=bias: masked(*args, bias), operands(BATCH, HEADS))


def test_flex_attention_is_refused_with_the_line():
    from torch.nn.attention.flex_attention import flex_attention

    def flex(query):
        return flex_attention(query, query, query)

    with (
        warnings.catch_warnings(),
        pytest.raises(toffee.TraceError, match="^flex_attention, (.|\n)*return flex_attention"),
    ):
        warnings.simplefilter("ignore")  # PyTorch says to compile it
        to_graph(flex, torch.randn(1, 2, 16, 8))


# ---- nn.MultiheadAttention ----------------------------------------------------------------------

LAYERS: list[dict[str, Any]] = [
    {},
    {"batch_first": True},
    {"bias": False},
    {"add_zero_attn": True},
    {"add_bias_kv": True},
    {"kdim": 6, "vdim": 10},
    {"add_bias_kv": True, "add_zero_attn": True, "batch_first": True, "dropout": 0.1},
]
CALLS: list[dict[str, Any]] = [{}, {"need_weights": False}, {"average_attn_weights": False}]


def said(options: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in options.items()) or "plain"


def padding(*lengths: int, longest: int = KEYS) -> torch.Tensor:
    """True where a sequence is over."""
    return torch.arange(longest) >= torch.tensor(lengths)[:, None]


@pytest.mark.parametrize("call", CALLS, ids=said)
@pytest.mark.parametrize("options", LAYERS, ids=said)
def test_multihead_attention_means_what_it_computes(options, call):
    made = nn.MultiheadAttention(EMBED, 2, **options).eval()
    args = [
        torch.randn(QUERIES, 3, EMBED),
        torch.randn(KEYS, 3, options.get("kdim", EMBED)),
        torch.randn(KEYS, 3, options.get("vdim", EMBED)),
    ]
    if options.get("batch_first"):
        args = [x.transpose(0, 1).contiguous() for x in args]
    for parameter in made.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)  # biases begin as 0

    def with_masks(query, key, value, over, hidden):
        return made(query, key, value, key_padding_mask=over, attn_mask=hidden, **call)

    check_export(lambda *args: made(*args, **call), tuple(args))
    hidden = torch.ones(QUERIES, KEYS, dtype=torch.bool)
    check_export(
        with_masks,
        (*args, padding(7, 5, 3), torch.zeros_like(hidden)),
        (*args, padding(4, 7, 6), hidden.triu(3)),
    )


def test_masks_of_floats_are_added():
    made = nn.MultiheadAttention(EMBED, 2).eval()
    args = (torch.randn(QUERIES, 3, EMBED), *(torch.randn(KEYS, 3, EMBED) for _ in range(2)))

    def with_masks(query, key, value, over, added):
        return made(query, key, value, key_padding_mask=over, attn_mask=added)

    check_export(with_masks, (*args, torch.randn(3, KEYS), torch.randn(QUERIES, KEYS)))
    check_export(with_masks, (*args, torch.randn(3, KEYS), torch.randn(6, QUERIES, KEYS)))


@pytest.mark.parametrize("need_weights", [False, True])
def test_a_sequence_that_is_all_padding_is_as_pytorch_has_it(need_weights):
    made = nn.MultiheadAttention(EMBED, 2, batch_first=True).eval()

    def forward(x, over):
        return made(x, x, x, key_padding_mask=over, need_weights=need_weights)

    x = torch.randn(3, STEPS, EMBED)
    check_export(forward, (x, padding(0, 4, 3, longest=5)), (x, padding(5, 0, 1, longest=STEPS)))


def test_a_sample_without_a_batch_and_attention_to_itself():
    made = nn.MultiheadAttention(EMBED, 2).eval()
    check_export(
        lambda q, k, over: made(q, k, k, key_padding_mask=over),
        (torch.randn(QUERIES, EMBED), torch.randn(KEYS, EMBED), padding(5)[0]),
        (torch.randn(QUERIES, EMBED), torch.randn(KEYS, EMBED), padding(2)[0]),
    )
    check_export(lambda x: made(x, x, x), (torch.randn(STEPS, 3, EMBED),))


def test_a_causal_hint_is_taken():
    made = nn.MultiheadAttention(EMBED, 2).eval()
    mask = nn.Transformer.generate_square_subsequent_mask(STEPS)
    graph = check_export(
        lambda x: made(x, x, x, attn_mask=mask, is_causal=True, need_weights=False),
        (torch.randn(STEPS, 3, EMBED),),
    )
    assert "LessOrEqual" in ops(graph)


# ---- transformers -------------------------------------------------------------------------------

KINDS: list[dict[str, Any]] = [
    {},
    {"batch_first": True},
    {"norm_first": True},
    {"batch_first": True, "activation": "gelu", "bias": False},
]
every_kind = pytest.mark.parametrize("kind", KINDS, ids=said)


def batch(kind: dict[str, Any], steps: int) -> torch.Tensor:
    x = torch.randn(3, steps, EMBED)
    return x if kind.get("batch_first") else x.transpose(0, 1).contiguous()


def encoder(kind: dict[str, Any], **options: Any) -> nn.TransformerEncoder:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # which layers nested tensors are not for
        return nn.TransformerEncoder(
            nn.TransformerEncoderLayer(EMBED, 2, 16, **kind), 2, **options
        ).eval()


@every_kind
@pytest.mark.parametrize("nested", [False, True], ids=["padded", "nested"])
def test_an_encoder_of_two_layers_is_right(kind, nested):
    made = encoder(kind, enable_nested_tensor=nested)
    x = batch(kind, STEPS)
    graph = check_export(made, (x,))
    assert ops(graph).count("Softmax") == 2
    check_export(
        lambda x, over: made(x, src_key_padding_mask=over),
        (x, padding(5, 4, 3, longest=STEPS)),
        (x, padding(2, 5, 1, longest=STEPS)),
    )
    mask = nn.Transformer.generate_square_subsequent_mask(STEPS)
    check_export(lambda x: made(x, mask=mask, is_causal=True), (x,))
    check_export(lambda x, mask: made(x, mask=mask), (x, torch.randn(STEPS, STEPS)))


@every_kind
def test_a_decoder_of_two_layers_is_right(kind):
    made = nn.TransformerDecoder(nn.TransformerDecoderLayer(EMBED, 2, 16, **kind), 2).eval()
    x, memory = batch(kind, STEPS), batch(kind, KEYS)
    mask = nn.Transformer.generate_square_subsequent_mask(STEPS)
    check_export(made, (x, memory))
    check_export(
        lambda x, memory, over: made(
            x, memory, tgt_mask=mask, tgt_is_causal=True, memory_key_padding_mask=over
        ),
        (x, memory, padding(7, 6, 5)),
        (x, memory, padding(1, 7, 3)),
    )


@every_kind
@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
def test_a_whole_transformer_is_right(kind):
    made = nn.Transformer(EMBED, 2, 1, 1, 16, **kind).eval()
    source, target = batch(kind, KEYS), batch(kind, STEPS)

    def forward(source, target, mask, over):
        return made(source, target, tgt_mask=mask, src_key_padding_mask=over)

    mask = nn.Transformer.generate_square_subsequent_mask(STEPS)
    check_export(
        forward, (source, target, mask, padding(7, 6, 5)), (source, target, mask, padding(2, 7, 4))
    )
    check_export(
        lambda *args: made(*args[:2], tgt_mask=args[2], tgt_is_causal=True),
        (source, target, mask),
        (source * 2, target, mask),
    )


@pytest.mark.parametrize("traced", ["causal", "other"])
def test_a_mask_that_is_causal_in_one_run_may_be_another_in_the_next(traced):
    made = nn.TransformerDecoder(nn.TransformerDecoderLayer(EMBED, 2, 16), 2).eval()
    x, memory = batch({}, STEPS), batch({}, KEYS)
    args = [
        (x, memory, nn.Transformer.generate_square_subsequent_mask(STEPS)),
        (x, memory, torch.randn(STEPS, STEPS)),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error", toffee.TraceWarning)
        check_export(
            lambda x, memory, mask: made(x, memory, tgt_mask=mask),
            *(args if traced == "causal" else args[::-1]),
        )
    assert "_detect" in torch.nn.modules.transformer._detect_is_causal_mask.__name__


def test_whether_the_fast_path_is_on_makes_no_difference_to_the_graph():
    made = encoder({"batch_first": True})
    x, over = torch.randn(3, STEPS, EMBED), padding(5, 4, 3, longest=STEPS)

    def graph() -> list[str]:
        return ops(to_graph(lambda x, over: made(x, src_key_padding_mask=over), (x, over)))

    slow = graph()
    torch.backends.mha.set_fastpath_enabled(True)
    assert graph() == slow
    assert torch.backends.mha.get_fastpath_enabled()
