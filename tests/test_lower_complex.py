"""Complex tensors: pairs of real numbers in the graph, with PyTorch's numbers."""

from __future__ import annotations

import io
import random

import numpy as np
import pytest
import torch
from exported import check_export, ops, run_onnxruntime, to_bytes, to_graph
from torch import nn

import toffee
from toffee.torch_toffee import export

DTYPES = [torch.complex64, torch.complex128]


def numbers(*shape: int, dtype: torch.dtype = torch.complex64, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


# ---- models ------------------------------------------------------------------------------------


class Rotary(nn.Module):
    """The rotary embedding of Llama's first code: a complex buffer times pairs of the head."""

    def __init__(self, head: int, length: int) -> None:
        super().__init__()
        frequencies = 1.0 / 10000 ** (torch.arange(0, head, 2) / head)
        angles = torch.outer(torch.arange(length), frequencies)
        self.register_buffer("freqs_cis", torch.polar(torch.ones_like(angles), angles))

    def forward(self, q: torch.Tensor, start: int = 2) -> torch.Tensor:
        q_ = torch.view_as_complex(q.float().reshape(*q.shape[:-1], -1, 2))
        freqs_cis = self.freqs_cis[start : start + q.shape[1]].view(1, q.shape[1], 1, q_.shape[-1])
        return torch.view_as_real(q_ * freqs_cis).flatten(3).type_as(q)


def test_a_rotary_embedding_with_a_complex_buffer_keeps_the_name_of_the_buffer():
    graph = check_export(Rotary(8, 16), (torch.randn(2, 5, 3, 8),))
    (stored,) = [t for t in graph.initializer if not t.name.startswith("constant")]
    assert stored.name == "freqs_cis"
    assert tuple(stored.dims) == (16, 4, 2)
    assert stored.data_type == toffee.Tensor.FLOAT


def test_the_buffer_in_the_file_is_the_parts_of_the_numbers_as_they_lie_in_memory():
    model = Rotary(8, 16)
    graph = to_graph(model, (torch.randn(2, 5, 3, 8),))
    (stored,) = [t for t in graph.initializer if t.name == "freqs_cis"]
    np.testing.assert_array_equal(
        toffee.numpy_helper.to_array(stored), torch.view_as_real(model.freqs_cis).numpy()
    )


def test_a_complex_product_costs_ten_nodes_and_a_product_with_a_real_one_two():
    z, w, x = numbers(2, 3), numbers(2, 3, seed=1), torch.randn(2, 3)
    products = ["Mul", "Mul", "Sub", "Mul", "Mul", "Add"]
    assert ops(to_graph(lambda z, w: z * w, (z, w))) == ["Split", "Split", *products, "Concat"]
    assert ops(to_graph(lambda z, x: z * x, (z, x))) == ["Unsqueeze", "Mul"]


def test_a_chain_of_products_stays_in_parts_between_them():
    z, w = numbers(2, 3), numbers(2, 3, seed=1)
    graph = check_export(lambda z, w: (z * w) * w + 1j, (z, w))
    assert ops(graph).count("Split") == 2
    assert ops(graph).count("Concat") == 1


def test_a_conjugated_buffer_is_written_conjugated():
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("w", numbers(3).conj())

        def forward(self, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return z * self.w, self.w.conj() + 0

    model = Model()
    assert model.w.is_conj()
    check_export(model, (numbers(2, 3),))


def test_without_parameters_in_the_file_they_are_real_inputs():
    model = Rotary(8, 16)
    x = torch.randn(2, 5, 3, 8)
    data = to_bytes(model, (x,), format="onnx", export_params=False)
    weights = torch.view_as_real(model.freqs_cis).numpy()
    (result,) = run_onnxruntime(data, [weights, x.numpy()], optimize=False)
    np.testing.assert_allclose(result, model(x).numpy(), rtol=1e-5, atol=1e-6)


# ---- inputs and outputs ------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_complex_inputs_and_outputs_are_real_with_a_last_axis_of_two(dtype):
    graph = check_export(lambda z: z, (numbers(2, 3, dtype=dtype),))
    real = toffee.Tensor.FLOAT if dtype == torch.complex64 else toffee.Tensor.DOUBLE
    for info in (graph.input_info[0], graph.output_info[0]):
        assert (info.dtype, tuple(info.shape)) == (real, (2, 3, 2))


@pytest.mark.parametrize("backend", ["onnxruntime", "torch"])
def test_backends_take_complex_arrays_for_pairs(backend):
    z = numbers(2, 3)
    graph = to_graph(lambda z: z * 2j, (z,))
    module = __import__(f"toffee.backend.{backend}", fromlist=["run"])
    for given in (z, z.numpy(), z.conj(), torch.view_as_real(z)):
        expected = torch.view_as_real(
            (given if given.dtype == torch.complex64 else z) * 2j  # type: ignore[operator]
            if isinstance(given, torch.Tensor)
            else z * 2j
        )
        (result,) = module.run(graph, given)
        np.testing.assert_allclose(np.asarray(result), expected.numpy(), rtol=1e-6)


def test_a_complex_array_of_another_shape_is_refused_with_both_shapes():
    graph = to_graph(lambda z: z * 2j, (numbers(2, 3),))
    with pytest.raises(toffee.BackendError, match=r"float32\[2, 3, 2\], but complex64\[3, 3\]"):
        toffee.backend.onnxruntime.run(graph, numbers(3, 3))


def test_verify_compares_complex_results(tmp_path):
    def model(z: torch.Tensor) -> torch.Tensor:
        return (z * z.conj()).exp()

    export(model, (numbers(2, 3),), tmp_path / "x.onnx", verify=True)
    export(model, (numbers(2, 3),), tmp_path / "y.onnx", verify="torch")


def test_verify_finds_a_baked_complex_number(tmp_path):
    def model(z: torch.Tensor) -> torch.Tensor:
        return z * complex(z.sum())

    with (
        pytest.warns(toffee.TraceWarning, match="takes a value"),
        pytest.raises(toffee.VerificationError, match="does not compute what the model does"),
    ):
        export(model, (numbers(2, 3),), tmp_path / "x.onnx", verify=True)


# ---- aliasing ----------------------------------------------------------------------------------


def test_a_write_through_view_as_real_is_seen_by_the_complex_tensor():
    def program(z: torch.Tensor) -> tuple[torch.Tensor, ...]:
        y = z * 2
        pairs = torch.view_as_real(y[1:])
        pairs[..., 0] += 10
        return y, pairs, y.abs()

    check_export(program, (numbers(3, 4),))


def test_a_write_through_view_as_complex_is_seen_by_the_real_tensor():
    def program(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        y = x + 1
        z = torch.view_as_complex(y[:, 2:])
        z.mul_(1j)
        return y, z, y.sum(1)

    check_export(program, (torch.randn(3, 4),))


def test_real_and_imag_can_be_written():
    def program(z: torch.Tensor) -> tuple[torch.Tensor, ...]:
        y = z.clone()
        y.real.mul_(3)
        y.imag[0] = 5
        y.real = y.imag
        return y, y.real, y.imag

    check_export(program, (numbers(3, 4),))


def test_a_conjugate_is_a_view_that_sees_writes_and_can_be_written():
    def program(z: torch.Tensor) -> tuple[torch.Tensor, ...]:
        y = z * 2
        c = y.conj()
        y[0] = 7 + 1j
        c[1] = 2 + 3j
        part = c.imag
        part.add_(1)
        return y, c, part, c.resolve_conj() * 1

    check_export(program, (numbers(3, 4),))


def test_a_complex_input_may_be_written():
    def program(z: torch.Tensor) -> torch.Tensor:
        view = z.t()
        z[0] = 1j
        return view * 2

    check_export(program, (numbers(3, 3),))


def test_a_view_of_the_same_bytes_as_real_numbers_is_a_view_of_pairs():
    def program(z: torch.Tensor) -> tuple[torch.Tensor, ...]:
        y = z + 1
        flat = y.view(torch.float32)
        flat[0] = 0
        return y, flat.view(torch.complex64) * 2

    check_export(program, (numbers(3, 4),))


def test_in_place_operators_write_back():
    def program(z: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        y = z.clone()
        y.add_(w).mul_(2j).sub_(1).div_(w)
        y[:1].sqrt_()
        y[1:].tanh_()
        y.conj_physical_()
        return y

    check_export(program, (numbers(3, 4), numbers(3, 4, seed=1)), rtol=1e-4)


def test_a_preallocated_complex_tensor_is_filled():
    def program(z: torch.Tensor) -> torch.Tensor:
        out = torch.zeros(2, 3, dtype=torch.complex64)
        out[0] = z
        out[1].copy_(z.abs())
        return out

    check_export(program, (numbers(3),))


def _can_be_complex(x: torch.Tensor) -> bool:
    if x.is_complex() or x.is_neg() or x.ndim == 0 or x.shape[-1] != 2 or x.stride(-1) != 1:
        return False
    return x.storage_offset() % 2 == 0 and all(s % 2 == 0 for s in x.stride()[:-1])


VIEWS = [
    lambda x: x.conj(),
    lambda x: x.real if x.is_complex() else x,
    lambda x: x.imag if x.is_complex() else x[..., :1],
    lambda x: torch.view_as_real(x) if x.is_complex() and not x.is_conj() else x,
    lambda x: torch.view_as_complex(x) if _can_be_complex(x) else x,
    lambda x: x[1:] if x.ndim and x.shape[0] > 1 else x,
    lambda x: x[..., ::2] if x.ndim else x,
    lambda x: x.transpose(0, -1) if x.ndim > 1 else x,
    lambda x: x.mH if x.ndim > 1 else x,
    lambda x: x.diagonal() if x.ndim == 2 else x.unsqueeze(0),
    lambda x: x.unbind(0)[-1] if x.ndim > 1 else x,
]
WRITES = [
    lambda x: x.mul_(2),
    lambda x: x.add_(1j if x.is_complex() else 3),
    lambda x: x[:1].fill_(5) if x.ndim else x.fill_(5),
    lambda x: x.copy_(x.clone().flip(0) if x.ndim else x * 3),
    lambda x: x.neg_(),
    lambda x: x.conj_physical_(),
]


@pytest.mark.parametrize("seed", range(60))
def test_random_views_and_writes_are_pytorchs(seed):
    def program(z: torch.Tensor) -> list[torch.Tensor]:
        dice = random.Random(seed)
        tensors = [z * 1 if dice.random() < 0.5 else z]
        results = []
        for _ in range(dice.randint(4, 10)):
            x, choice = dice.choice(tensors), dice.random()
            if choice < 0.55:
                tensors.append(dice.choice(VIEWS)(x))
            elif choice < 0.85:
                dice.choice(WRITES)(x)
            else:
                results.append(x * 2)
        return [x + 0 for x in tensors] + results + tensors[-1:]

    check_export(program, (numbers(3, 4, seed=seed),))


# ---- operators ---------------------------------------------------------------------------------

UNARY = {
    name: getattr(torch, name)
    for name in (
        *("abs", "angle", "conj", "conj_physical", "cos", "cosh", "exp", "exp2", "log", "log10"),
        *("log2", "neg", "positive", "real", "imag", "reciprocal", "rsqrt", "sgn", "sigmoid"),
        *("sin", "sinh", "sqrt", "square", "tan", "tanh", "isreal", "isfinite", "isinf", "isnan"),
        *("acos", "acosh", "asin", "asinh", "atan", "atanh", "expm1", "log1p", "prod"),
        *("view_as_real", "resolve_conj", "logical_not", "std", "var", "mean", "sum", "clone"),
    )
}


@pytest.mark.parametrize("name", UNARY)
def test_functions_of_one_complex_tensor(name):
    check_export(UNARY[name], (numbers(3, 4),), rtol=1e-4)


@pytest.mark.parametrize("name", ["abs", "conj", "exp", "reciprocal", "sgn", "sqrt", "var", "sum"])
def test_functions_of_one_complex_tensor_in_double(name):
    z = numbers(3, 4, dtype=torch.complex128)
    check_export(UNARY[name], (z,), rtol=1e-12, atol=1e-12)


BINARY = {
    "add": lambda z, w: z + w,
    "add with alpha": lambda z, w: torch.add(z, w, alpha=3),
    "add with a complex alpha": lambda z, w: torch.add(z, w, alpha=2 - 1j),
    "sub": lambda z, w: z - w,
    "rsub": lambda z, w: torch.rsub(z, w),
    "mul": lambda z, w: z * w,
    "div": lambda z, w: z / w,
    "pow": lambda z, w: z**w,
    "eq": lambda z, w: (z == w, z != w, z == z),
    "where": lambda z, w: torch.where(z.real > 0, z, w),
    "where with a number": lambda z, w: torch.where(z.real > 0, z, 2.0),
    "masked_fill": lambda z, w: z.masked_fill(w.real > 0, 1 - 2j),
    "stack": lambda z, w: torch.stack([z, w], -1),
    "cat": lambda z, w: torch.cat([z, w], -1),
    "cat with a real one": lambda z, w: torch.cat([z, w.real], 0),
    "logical_and": lambda z, w: torch.logical_and(z, w),
    "matmul": lambda z, w: z @ w.T,
    "matmul of batches": lambda z, w: z[:, None] @ w.expand(3, 3, 4).mT,
    "einsum": lambda z, w: torch.einsum("ij,kj->ik", z, w.conj()),
    "vdot": lambda z, w: torch.vdot(z[0], w[1]),
    "addmm": lambda z, w: torch.addmm(z[:, :3], z, w.mH, alpha=2),
    "linear": lambda z, w: torch.nn.functional.linear(z, w, w[:, 0]),
    "linalg.vecdot": torch.linalg.vecdot,
}


@pytest.mark.parametrize("name", BINARY)
def test_functions_of_two_complex_tensors(name):
    check_export(BINARY[name], (numbers(3, 4), numbers(3, 4, seed=1)), rtol=1e-4)


@pytest.mark.parametrize(
    "fn",
    [
        lambda z, x: z * x,
        lambda z, x: x * z,
        lambda z, x: z / x,
        lambda z, x: x / z,
        lambda z, x: x - z,
        lambda z, x: z + x.to(torch.int64),
        lambda z, x: x + 2j,
        lambda z, x: torch.complex(x, x[0]),
        lambda z, x: torch.polar(x.abs(), x),
        lambda z, x: x.to(torch.complex64) * z,
        lambda z, x: x**z,
    ],
)
def test_real_tensors_beside_complex_ones(fn):
    check_export(fn, (numbers(3, 4), torch.randn(3, 4).abs() + 0.5), rtol=1e-4)


MOVES = {
    "negative dims": lambda z: (z.transpose(-1, -2), z.flatten(-2), z.unsqueeze(-1)),
    "select": lambda z: (z.select(-1, 1), z[0, -1], z[..., 0]),
    "permute": lambda z: z.permute(2, 0, 1),
    "reshape": lambda z: z.reshape(4, -1),
    "slices": lambda z: z[:, ::2, 1:].contiguous(),
    "squeeze": lambda z: (z[:, :1].squeeze(), z[..., :1].squeeze(-1)),
    "expand and repeat": lambda z: (z[:, :1].expand(-1, 3, -1), z.repeat(2, 1, 2)),
    "flip and roll": lambda z: (z.flip(-1, 0), z.roll(1, -1), z.roll(2)),
    "split": lambda z: (*z.split(2, -1), *z.chunk(2, -2), *z.unbind(-1)),
    "index": lambda z: (z[torch.tensor([1, 0, 1])], z[..., torch.tensor([2, 0])]),
    "index by two": lambda z: z[torch.tensor([1, 0]), :, torch.tensor([2, 0])],
    "gather": lambda z: z.gather(-1, torch.tensor([2, 0, 1]).expand(2, 3, 3)),
    "index_select": lambda z: z.index_select(-1, torch.tensor([2, 0])),
    "pad": lambda z: (nn.functional.pad(z, (1, 2)), nn.functional.pad(z, (1, 0), value=2.0)),
    "tril and diagonal": lambda z: (z.tril(), z.triu(1), z.diagonal(0, 1, 2)),
    "unfold": lambda z: z.unfold(-1, 2, 1),
    "movedim": lambda z: (z.movedim(-1, 0), z.swapaxes(0, -1), z.mT, z.mH),
    "products": lambda z: (z.prod(1), z.prod(-1, keepdim=True), z.cumprod(-1), z[:0].prod(0)),
    "sums": lambda z: (z.sum(-1), z.sum(), z.mean((0, 2), keepdim=True), z.cumsum(-1)),
    "reduce to bool": lambda z: (z.any(-1), z.all()),
    "spread": lambda z: (z.var(-1), z.std((0, 1)), *torch.var_mean(z, 1)),
    "norms": lambda z: (z.norm(), torch.linalg.vector_norm(z, dim=-1), torch.linalg.norm(z[0])),
    "write by index": lambda z: torch.index_put(z, (torch.tensor([0, 1]),), z[0] * 2j),
    "index_add": lambda z: z.index_add(-1, torch.tensor([0, 0]), z[..., :2]),
    "kinds": lambda z: (z.to(torch.complex128), z.real.double() + z, z.bool()),
    "fills": lambda z: (torch.zeros_like(z), torch.full_like(z, 1 - 2j), z.new_ones(3) + z[0]),
}  # fmt: skip


@pytest.mark.parametrize("name", MOVES)
def test_operators_that_move_elements(name):
    check_export(MOVES[name], (numbers(2, 4, 3),))


def test_complex_tensors_without_dimensions_have_one_in_the_graph():
    def program(z: torch.Tensor) -> tuple[torch.Tensor, ...]:
        s = z.sum()
        return s, s * s, s.unsqueeze(0), s.reshape(1, 1), s.abs(), s.sum(), s.cumsum(0), s.mean(-1)

    graph = check_export(program, (numbers(4),))
    assert tuple(graph.output_info[0].shape) == (2,)
    first = torch.tensor([0])
    check_export(
        lambda s: (s.conj(), s.flatten(), s.expand(3), s.index_select(0, first)), (numbers(),)
    )


def test_empty_complex_tensors():
    check_export(lambda z: (z * z, z.sum(0), torch.cat([z, z[:0]]), z.abs()), (numbers(0, 3),))
    check_export(lambda z: torch.cat([torch.zeros(0, dtype=torch.complex64), z]), (numbers(2, 3),))


def test_large_and_small_parts_do_not_overflow_in_abs_and_division():
    z = torch.tensor([1e30 + 1e30j, 3e-30 - 4e-30j, 0j, 1e30 + 0j, complex("inf")])
    check_export(torch.abs, (z,), z.flip(0))
    w = torch.tensor([1e25 + 2e25j, 3e-25 - 4e-25j, 1 + 0j, 1e30 + 1j, 2 + 2j])
    check_export(lambda z: (1 + 1j) / z, (w,), w.flip(0))


def test_roots_and_angles_on_the_axes():
    z = torch.tensor([-4 + 0j, 4 + 0j, 4j, -4j, 0j, -1e-8 + 1j, 1 - 1e-8j])
    check_export(lambda z: (z.sqrt(), z.angle(), z.sgn(), z**2, z**0, z**0.5), (z,), z.flip(0))


def test_the_angle_of_real_numbers_is_zero_or_pi():
    x = torch.tensor([-2.0, 0.0, 3.0, float("nan")])
    check_export(torch.angle, (x,), x.flip(0))
    check_export(torch.angle, (torch.tensor([-2, 0, 3]),))


# ---- what is refused ---------------------------------------------------------------------------


def test_what_has_no_form_is_refused_by_name_and_line():
    with pytest.raises(toffee.UnsupportedOperatorError, match=r"linalg_eig .*\n.*test_lower_comp"):
        to_bytes(lambda z: torch.linalg.eigvals(z), (numbers(3, 3),))


def test_the_aten_fallback_does_not_write_operators_whose_tensors_would_be_pairs():
    for x in (numbers(3, 3), torch.randn(3, 3)):
        with pytest.raises(toffee.UnsupportedOperatorError, match="aten::linalg_eig"):
            to_bytes(lambda x: torch.linalg.eigvals(x), (x,), fallback="aten")


def test_a_registered_lowering_sees_pairs_and_returns_them():
    @toffee.register_lowering("aten::asin")
    def asin(g: toffee.GraphBuilder, self: toffee.TracedValue) -> toffee.TracedValue:
        assert self.shape == (3, 2)
        return g.op("Neg", self)

    try:
        z = numbers(3)
        data = to_bytes(lambda z: torch.asin(z) * 1, (z,), format="onnx")
    finally:
        toffee.unregister_lowering("aten::asin")
    (result,) = run_onnxruntime(data, [torch.view_as_real(z).numpy()], optimize=False)
    np.testing.assert_allclose(result, -torch.view_as_real(z).numpy(), rtol=1e-6)


def test_a_complex_tensor_with_the_most_dimensions_is_refused():
    z = numbers(1).reshape((1,) * 64)
    with pytest.raises(toffee.TraceError, match="64 dimensions"):
        export(lambda z: z * 2, (z,), io.BytesIO())
    x = torch.randn((1,) * 63)
    for fn in (
        lambda x: torch.complex(x, x).unsqueeze(0),
        lambda x: torch.stack([x * 1j]),
        lambda x: x.unsqueeze(0) * 1j,
        lambda x: torch.fft.fft(x.unsqueeze(0)),
    ):
        with pytest.raises(toffee.TraceError, match="64 dimensions"):
            export(fn, (x,), io.BytesIO())


def test_a_large_negated_constant_is_written_negated():
    constant = numbers(40, 40).conj().imag
    assert constant.is_neg()
    check_export(lambda x: (x + constant, x * constant[:2, :1]), (torch.randn(40, 40)[:1],))


def test_a_negated_buffer_is_written_negated_and_can_be_written():
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("w", numbers(3, 20).conj().imag)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            w = self.w + 0
            w[0] = x
            return w * self.w

    check_export(Model(), (torch.randn(20),))
