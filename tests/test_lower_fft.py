"""Fourier transforms against eager PyTorch, for lengths of every kind."""

from __future__ import annotations

import pytest
import torch
from exported import check_export, ops, to_graph
from torch import nn

import toffee

#: One, powers of two, small and prime, one matrix, and more than a matrix.
LENGTHS = [1, 2, 3, 5, 8, 12, 31, 64, 100, 128, 300, 400, 513, 1009]


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


# ---- models ------------------------------------------------------------------------------------


class FNet(nn.Module):
    """Attention replaced by the real part of a Fourier transform over tokens and features."""

    def __init__(self, width: int, layers: int = 2) -> None:
        super().__init__()
        self.first = nn.ModuleList([nn.LayerNorm(width) for _ in range(layers)])
        self.second = nn.ModuleList([nn.LayerNorm(width) for _ in range(layers)])
        self.feed = nn.ModuleList(
            [
                nn.Sequential(nn.Linear(width, 24), nn.GELU(), nn.Linear(24, width))
                for _ in range(layers)
            ]
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for first, feed, second in zip(self.first, self.feed, self.second, strict=True):
            x = first(x + torch.fft.fft2(x).real)
            x = second(x + feed(x))
        return x


@pytest.mark.parametrize("shape", [(2, 10, 12), (2, 16, 32)])
def test_fnet_is_right_for_any_lengths(shape):
    check_export(FNet(shape[-1]).eval(), (torch.randn(shape),), rtol=1e-4, atol=1e-5)


def test_a_spectrogram_and_its_inverse():
    window = torch.hann_window(16)

    def program(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        spectrum = torch.stft(x, 16, hop_length=4, window=window, return_complex=True)
        masked = spectrum * (spectrum.abs() > 0.5)
        return spectrum.abs(), torch.istft(masked, 16, hop_length=4, window=window)

    check_export(program, (torch.randn(2, 100),), rtol=1e-4, atol=1e-5)


def test_a_global_filter_keeps_its_complex_weight():
    class Filter(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randn(8, 5, 4, 2) * 0.1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            z = torch.fft.rfft2(x, dim=(1, 2), norm="ortho")
            z = z * torch.view_as_complex(self.weight)
            return torch.fft.irfft2(z, s=(8, 8), dim=(1, 2), norm="ortho")

    graph = check_export(Filter(), (torch.randn(2, 8, 8, 4),))
    assert "weight" in [tensor.name for tensor in graph.initializer]


# ---- lengths -----------------------------------------------------------------------------------


@pytest.mark.parametrize("n", LENGTHS)
def test_a_real_signal_of_any_length(n):
    check_export(torch.fft.rfft, (torch.randn(2, n),), rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("n", LENGTHS)
def test_a_complex_signal_of_any_length(n):
    z = torch.randn(2, n, dtype=torch.complex64)
    check_export(lambda z: (torch.fft.fft(z), torch.fft.ifft(z)), (z,), rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("n", LENGTHS)
def test_back_to_a_real_signal_of_any_length(n):
    z = torch.randn(2, n // 2 + 1, dtype=torch.complex64)
    check_export(lambda z: torch.fft.irfft(z, n=n), (z,), rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("n", [6, 8, 100, 257, 400])
def test_in_double_all_digits_are_there(n):
    z = torch.randn(2, n, dtype=torch.complex128)
    check_export(torch.fft.ifft, (z,), rtol=1e-12, atol=1e-12)
    check_export(torch.fft.rfft, (z.real.clone(),), rtol=1e-12, atol=1e-12)


def test_powers_of_two_are_onnx_s_operator_and_others_products():
    assert "DFT" in ops(to_graph(torch.fft.rfft, (torch.randn(2, 64),)))
    other = ops(to_graph(torch.fft.rfft, (torch.randn(2, 100),)))
    assert other == ["MatMul", "Reshape"]
    long = ops(to_graph(torch.fft.fft, (torch.randn(2, 1009),)))
    assert long.count("DFT") == 3
    assert "MatMul" not in long


def test_no_constant_is_larger_than_a_megabyte():
    for n in LENGTHS:
        graph = to_graph(lambda x: torch.fft.ifft(torch.fft.fft(x)), (torch.randn(1, n),))
        for tensor in graph.initializer:
            assert toffee.numpy_helper.to_array(tensor).nbytes <= 1 << 20


# ---- the calls ---------------------------------------------------------------------------------

CALLS = {
    "fft of one dimension": lambda x: torch.fft.fft(x[0, 0]),
    "norms": lambda x: tuple(torch.fft.fft(x, norm=n) for n in ("forward", "backward", "ortho")),
    "inverse norms": lambda x: tuple(torch.fft.irfft(x + 0j, norm=n) for n in ("forward", "ortho")),
    "cut and padded": lambda x: (torch.fft.fft(x, n=4), torch.fft.rfft(x, n=16)),
    "another dim": lambda x: (torch.fft.fft(x, dim=0), torch.fft.ifft(x, dim=-2)),
    "fft2": lambda x: (torch.fft.fft2(x), torch.fft.ifft2(x)),
    "fftn": lambda x: (torch.fft.fftn(x), torch.fft.ifftn(x, dim=(0, 2))),
    "rfft2": lambda x: torch.fft.irfft2(torch.fft.rfft2(x, norm="ortho"), s=x.shape[-2:]),
    "rfftn": lambda x: torch.fft.irfftn(torch.fft.rfftn(x) * 2j, s=x.shape),
    "hfft": lambda x: (torch.fft.hfft(x + 1j), torch.fft.ihfft(x)),
    "hfft2": lambda x: (torch.fft.hfft2(x + 1j), torch.fft.ihfftn(x)),
    "shifts": lambda x: (torch.fft.fftshift(torch.fft.fft(x)), torch.fft.ifftshift(x, dim=1)),
    "frequencies": lambda x: torch.fft.fft(x) * torch.fft.fftfreq(x.shape[-1]),
    "of whole numbers": lambda x: torch.fft.rfft((x * 10).round().to(torch.int64)),
    "of a view": lambda x: torch.fft.fft(x.transpose(0, 2)[:, 1:]),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_functions_of_torch_fft(name):
    check_export(CALLS[name], (torch.randn(2, 6, 10),), rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("onesided", [True, False])
@pytest.mark.parametrize("normalized", [True, False])
@pytest.mark.parametrize("center", [True, False])
def test_options_of_stft(onesided, normalized, center):
    check_export(
        lambda x: torch.stft(
            x,
            12,
            hop_length=5,
            window=torch.hann_window(12),
            center=center,
            normalized=normalized,
            onesided=onesided,
            return_complex=True,
        ),
        (torch.randn(2, 60),),
        rtol=1e-5,
        atol=2e-6,
    )


def test_a_result_is_written_to_out():
    def program(x: torch.Tensor) -> torch.Tensor:
        out = torch.zeros(2, 6, 10, dtype=torch.complex64)
        torch.fft.fft(x, out=out)
        return out * 2

    check_export(program, (torch.randn(2, 6, 10),), rtol=1e-5, atol=2e-6)
