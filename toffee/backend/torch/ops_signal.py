"""Fourier transforms and windows."""

# What comes from attributes and arrays is Any.
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import math

import torch

from . import values
from .registry import Attributes, operator

_Tensor = torch.Tensor


def _as_complex(x: _Tensor) -> _Tensor:
    """X, whose last axis is (real) or (real, imaginary), without that axis."""
    x = x.to(torch.float32) if x.dtype.itemsize < 4 else x
    real = x[..., 0]
    return torch.complex(real, x[..., 1] if x.shape[-1] == 2 else torch.zeros_like(real))


@operator("DFT")
def dft(
    a: Attributes, x: _Tensor, length: _Tensor | None = None, axis: _Tensor | None = None
) -> _Tensor:
    at = a.get("axis", 1) if a.version < 20 else -2 if axis is None else int(axis.item())
    at = at % x.dim()
    n = None if length is None else int(a.host(length)[0])
    source = _as_complex(x)
    inverse, onesided = a.get("inverse", 0), a.get("onesided", 0)
    if inverse and onesided:
        count = n if n is not None else 2 * (source.shape[at] - 1)
        return torch.fft.irfft(source, count, at).unsqueeze(-1).to(x.dtype)
    result = (torch.fft.ifft if inverse else torch.fft.fft)(source, n, at)
    if onesided:
        result = result.narrow(at, 0, result.shape[at] // 2 + 1)
    return torch.view_as_real(result).to(x.dtype)


@operator("STFT")
def stft(
    a: Attributes,
    signal: _Tensor,
    step: _Tensor,
    window: _Tensor | None = None,
    frame_length: _Tensor | None = None,
) -> _Tensor:
    hop = int(step.item())
    if frame_length is not None:
        n = int(frame_length.item())
    else:
        n = window.shape[0] if window is not None else signal.shape[1]
    source = _as_complex(signal if signal.dim() == 3 else signal.unsqueeze(-1))
    frames = source.unfold(1, n, hop)
    if window is not None:
        frames = frames * window
    result = torch.fft.fft(frames, dim=-1)
    if a.get("onesided", 1):
        result = result[..., : n // 2 + 1]
    return torch.view_as_real(result).to(signal.dtype)


def _window(a: Attributes, size: _Tensor, weights: list[float]) -> _Tensor:
    """A sum of cosines of multiples of one turn."""
    n = int(a.host(size)[0])
    period = n if a.get("periodic", 1) else max(1, n - 1)
    turn = torch.arange(n, device=size.device, dtype=torch.float64) * (2 * math.pi / period)
    total = sum(weight * torch.cos(k * turn) for k, weight in enumerate(weights))
    return total.to(values.DTYPES[a.get("output_datatype", 1)])  # type: ignore[union-attr]


@operator("HannWindow")
def hann_window(a: Attributes, size: _Tensor) -> _Tensor:
    return _window(a, size, [0.5, -0.5])


@operator("HammingWindow")
def hamming_window(a: Attributes, size: _Tensor) -> _Tensor:
    return _window(a, size, [25 / 46, -21 / 46])


@operator("BlackmanWindow")
def blackman_window(a: Attributes, size: _Tensor) -> _Tensor:
    return _window(a, size, [0.42, -0.5, 0.08])


@operator("MelWeightMatrix")
def mel_weight_matrix(
    a: Attributes,
    bins: _Tensor,
    dft_length: _Tensor,
    sample_rate: _Tensor,
    low_hz: _Tensor,
    high_hz: _Tensor,
) -> _Tensor:
    n_bins, length, rate = int(bins), int(dft_length), float(sample_rate)
    low, high = (2595 * math.log10(1 + float(hz) / 700) for hz in (low_hz, high_hz))
    mels = torch.arange(n_bins + 2, dtype=torch.float64) * ((high - low) / (n_bins + 2)) + low
    points = torch.floor((length + 1) * (700 * (10 ** (mels / 2595) - 1)) / rate)
    left, middle, right = points[:-2], points[1:-1], points[2:]
    place = torch.arange(length // 2 + 1, dtype=torch.float64).reshape(-1, 1)
    rising = torch.where(
        middle > left, (place - left) / (middle - left), (place == middle).to(torch.float64)
    )
    falling = (right - place) / (right - middle)
    up = (place >= left) & (place <= middle)
    down = (place > middle) & (place < right)
    weights = torch.where(up, rising, torch.where(down, falling, torch.zeros_like(rising)))
    return weights.to(bins.device, values.DTYPES[a.get("output_datatype", 1)])
