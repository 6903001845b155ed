"""Special functions in basic operators: what ONNX, PyTorch's decompositions and its kernels lack.

Every function here takes a float64 tensor and is computed in it: exact enough for float32, and good
to eleven digits or so for float64 itself. Operators that ONNX Runtime has no kernel of for float64
(Acos, Cosh, Erf, Tan) are avoided. The polynomials are in :mod:`toffee._special_tables`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from . import _special_tables as tables

if TYPE_CHECKING:
    from torch import Tensor

_EULER = 0.57721566490153286
_INF = math.inf
_NAN = math.nan
#: B(2j) / (2j)!, of the Euler-Maclaurin formula.
_BERNOULLI = (
    *(1 / 12, -1 / 720, 1 / 30240, -1 / 1209600, 1 / 47900160),
    *(-691 / 1307674368000, 1 / 74724249600),
)
_SHIFT = 10


def _horner(coefficients: Sequence[float], t: Tensor) -> Tensor:
    """The polynomial with these coefficients, lowest first."""
    value = t * coefficients[-1] + coefficients[-2]
    for c in coefficients[-3::-1]:
        value = value * t + c
    return value


def _fit(table: tables.Fit, x: Tensor) -> Tensor:
    """The fitted function; outside of its interval what it is at the end."""
    middle, half = (table.high + table.low) / 2, (table.high - table.low) / 2
    return _horner(table.coefficients, (x.clamp(table.low, table.high) - middle) / half)


def _sign(x: Tensor) -> Tensor:
    """1 or -1; 1 of 0."""
    return torch.where(x < 0, -1.0, 1.0).to(x.dtype)


# ---- the gamma function --------------------------------------------------------------------------


def _lgamma_positive(x: Tensor) -> Tensor:
    """Stirling's series at x + 10, and back by recurrence."""
    product = x
    for i in range(1, _SHIFT):
        product = product * (x + i)
    y = x + _SHIFT
    z = 1 / (y * y)
    series = _horner((1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360), z) / y
    value = (y - 0.5) * y.log() - y + 0.5 * math.log(2 * math.pi) + series - product.log()
    far = (x - 0.5) * x.log() - x + 0.5 * math.log(2 * math.pi) + 1 / (12 * x)
    return torch.where(x > 1e8, torch.where(x == _INF, _INF, far), value)


def lgamma(x: Tensor) -> Tensor:
    mirrored = x < 0.5
    value = _lgamma_positive(torch.where(mirrored, 1 - x, x))
    part = x - x.floor()
    reflected = math.log(math.pi) - (part * math.pi).sin().abs().log() - value
    value = torch.where(mirrored, reflected, value)
    return torch.where((x == -_INF) | ((x <= 0) & (part == 0)), _INF, value)


def digamma(x: Tensor) -> Tensor:
    mirrored = x < 0.5
    y = torch.where(mirrored, 1 - x, x)
    value = torch.zeros_like(y)
    for i in range(_SHIFT):
        value = value - 1 / (y + i)
    y = y + _SHIFT
    z = 1 / (y * y)
    series = _horner((1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760), z) * z
    value = value + y.log() - 0.5 / y - series
    angle = (x - x.floor()) * math.pi
    value = torch.where(mirrored, value - math.pi * angle.cos() / angle.sin(), value)
    value = torch.where((x < 0) & (x == x.floor()), _NAN, value)
    return torch.where(x == 0, -_INF * torch.where(1 / x < 0, -1.0, 1.0).to(x.dtype), value)


def _zeta_positive(s: Tensor, q: Tensor) -> Tensor:
    """The sum of (q + k)^-s over k, q > 0: the first terms, then by Euler-Maclaurin."""
    value = q.pow(-s)
    for i in range(1, _SHIFT):
        value = value + (q + i).pow(-s)
    y = q + _SHIFT
    power = y.pow(-s)
    value = value + power * y / (s - 1) + power * 0.5
    factor = s * power / y
    for j, b in enumerate(_BERNOULLI):
        value = value + b * factor
        factor = factor * (s + 2 * j + 1) * (s + 2 * j + 2) / (y * y)
    return value


def zeta(s: Tensor, q: Tensor) -> Tensor:
    """Hurwitz's; for a negative q the finite sum that leads to a positive one is the difference of
    two with positive arguments, as its terms have integer powers."""
    s, q = s + torch.zeros_like(q), q + torch.zeros_like(s)
    m = torch.where(q > 0, 0.0, -q.ceil() + 1)  # q + m is in (0, 1]
    start = q + m
    rest = torch.where(q > 0, 1.0, 1 - start)
    rest = torch.where(rest <= 0, 1.0, rest)
    odd = s - 2 * (s / 2).floor() == 1
    finite = _zeta_positive(s, rest) - _zeta_positive(s, rest + m)
    value = _zeta_positive(s, torch.where(q > 0, q, start))
    value = torch.where(q > 0, value, value + torch.where(odd, -finite, finite))
    value = torch.where((q <= 0) & (s != s.floor()), _NAN, value)
    value = torch.where((q <= 0) & (q == q.floor()), _INF, value)
    value = torch.where(s == 1, _INF, value)
    return torch.where((s < 1) | s.isnan() | q.isnan(), _NAN, value)


def polygamma(n: int, x: Tensor) -> Tensor:
    if n == 0:
        return digamma(x)
    factorial = float(math.factorial(n))
    sign = 1.0 if n % 2 else -1.0
    if n > 1:
        return sign * factorial * zeta(torch.full_like(x, n + 1.0), x)
    mirrored = x < 0.5
    value = _zeta_positive(torch.full_like(x, 2.0), torch.where(mirrored, 1 - x, x))
    sine = ((x - x.floor()) * math.pi).sin()
    return torch.where(mirrored, (math.pi / sine).square() - value, value)


# ---- the error function --------------------------------------------------------------------------


def erfcx(x: Tensor) -> Tensor:
    y = x.abs()
    value = _fit(tables.ERFCX, (y - 4) / (y + 4)) / (1 + 2 * y)
    value = torch.where(y > 1e8, 1 / (math.sqrt(math.pi) * y), value)
    return torch.where(x < 0, 2 * (x * x).exp() - value, value)


def erfinv(x: Tensor) -> Tensor:
    w = -((1 - x) * (1 + x)).log()
    near = _fit(tables.ERFINV_NEAR, w)
    far = _fit(tables.ERFINV_FAR, w.clamp(min=0).sqrt())
    value = x * torch.where(w < 5, near, far)
    value = torch.where(x.abs() == 1, x * _INF, value)
    return torch.where((x.abs() > 1) | x.isnan(), _NAN, value)


def ndtri(p: Tensor) -> Tensor:
    tail = torch.minimum(p, 1 - p)
    z = (-2 * tail.log()).clamp(min=0).sqrt()
    far = torch.where(z < 7, _fit(tables.NDTRI_NEAR, z), _fit(tables.NDTRI_FAR, z))
    far = torch.where(p < 0.5, far, -far)
    value = torch.where(tail < 0.15, far, math.sqrt(2) * erfinv(2 * p - 1))
    value = torch.where(p == 0, -_INF, torch.where(p == 1, _INF, value))
    return torch.where((p < 0) | (p > 1) | p.isnan(), _NAN, value)


# ---- Bessel functions ----------------------------------------------------------------------------


def i0e(x: Tensor) -> Tensor:
    y = x.abs()
    far = _fit(tables.I0E_FAR, 8 / y.clamp(min=8)) / y.clamp(min=8).sqrt()
    return _keep_nan(x, torch.where(y <= 8, _fit(tables.I0E_NEAR, y), far))


def i1e(x: Tensor) -> Tensor:
    y = x.abs()
    far = _fit(tables.I1E_FAR, 8 / y.clamp(min=8)) / y.clamp(min=8).sqrt()
    value = torch.where(y <= 8, _fit(tables.I1E_NEAR, y) * y, far)
    return _keep_nan(x, value * _sign(x))


def i0(x: Tensor) -> Tensor:
    return i0e(x) * x.abs().exp()


def i1(x: Tensor) -> Tensor:
    return i1e(x) * x.abs().exp()


def _keep_nan(x: Tensor, value: Tensor) -> Tensor:
    """VALUE, but NaN where X is: the ends of a fit would hide it."""
    return torch.where(x.isnan(), _NAN, value)


def _k(order: int, x: Tensor, scaled: bool) -> Tensor:
    near_x = x.clamp(max=2)
    half_log = (near_x / 2).log()
    if order == 0:
        near = _fit(tables.K0_NEAR, near_x * near_x) - half_log * i0(near_x)
        far = _fit(tables.K0E_FAR, 2 / x.clamp(min=2))
    else:
        near = _fit(tables.K1_NEAR, near_x * near_x) / near_x + half_log * i1(near_x)
        far = _fit(tables.K1E_FAR, 2 / x.clamp(min=2))
    far = far / x.clamp(min=2).sqrt()
    near, far = (near * near_x.exp(), far) if scaled else (near, far * (-x.clamp(min=2)).exp())
    value = torch.where(x <= 2, near, far)
    value = torch.where(x == 0, _INF, torch.where(x < 0, _NAN, value))
    return _keep_nan(x, value)


def k0(x: Tensor) -> Tensor:
    return _k(0, x, False)


def k1(x: Tensor) -> Tensor:
    return _k(1, x, False)


def k0e(x: Tensor) -> Tensor:
    return _k(0, x, True)


def k1e(x: Tensor) -> Tensor:
    return _k(1, x, True)


def _far(order: int, sine: bool, x: Tensor) -> Tensor:
    """J (or Y, with SINE) for x >= 8, by amplitude and phase."""
    y = x.clamp(min=8)
    t = (8 / y).square()
    p = _fit(tables.P0_FAR if order == 0 else tables.P1_FAR, t)
    q = _fit(tables.Q0_FAR if order == 0 else tables.Q1_FAR, t) / y
    angle = y - (2 * order + 1) * math.pi / 4
    c, s = angle.cos(), angle.sin()
    return (2 / (math.pi * y)).sqrt() * (p * s + q * c if sine else p * c - q * s)


def j0(x: Tensor) -> Tensor:
    y = x.abs()
    near = _fit(tables.J0_NEAR, y * y)
    return _keep_nan(x, torch.where(y < 8, near, _far(0, False, y)))


def j1(x: Tensor) -> Tensor:
    y = x.abs()
    near = _fit(tables.J1_NEAR, y * y) * y
    return _keep_nan(x, torch.where(y < 8, near, _far(1, False, y)) * _sign(x))


def _y(order: int, x: Tensor) -> Tensor:
    y = x.clamp(max=8)
    logarithm = y.log()
    if order == 0:
        near = _fit(tables.Y0_NEAR, y * y) + 2 / math.pi * logarithm * j0(y)
    else:
        near = _fit(tables.Y1_NEAR, y * y) * y + 2 / math.pi * (logarithm * j1(y) - 1 / y)
    value = torch.where(x < 8, near, _far(order, True, x))
    value = torch.where(x == 0, -_INF, torch.where(x < 0, _NAN, value))
    return _keep_nan(x, value)


def y0(x: Tensor) -> Tensor:
    return _y(0, x)


def y1(x: Tensor) -> Tensor:
    return _y(1, x)


def spherical_j0(x: Tensor) -> Tensor:
    y = torch.where(x.abs() < 0.5, 1.0, x)
    z = x * x
    near = _horner((1, -1 / 6, 1 / 120, -1 / 5040, 1 / 362880, -1 / 39916800), z)
    value = torch.where(x.abs() < 0.5, near, y.sin() / y)
    return torch.where(x.abs() == _INF, 0.0, value)


# ---- Chebyshev polynomials -----------------------------------------------------------------------


def _angle(x: Tensor) -> Tensor:
    """acos(x) in float64, for which ONNX Runtime has no kernel: that of float32, made better by one
    step of Newton's. X is in (-1, 1)."""
    rough = x.to(torch.float32).clamp(-0.9999999, 0.9999999).acos().to(torch.float64)
    for _ in range(2):
        rough = rough + (rough.cos() - x) / rough.sin()
    return rough


def _chebyshev(kind: str, x: Tensor, n: Tensor) -> Tensor:
    """T, U, V or W of order n: trigonometric inside of (-1, 1), hyperbolic outside."""
    n = n.trunc()
    x, n = x + torch.zeros_like(n), n + torch.zeros_like(x)
    y = x.abs()
    inside = y < 1
    angle = _angle(torch.where(inside, x, 0.5))
    outer = torch.where(y > 1, y, 2.0)
    growth = (outer + (outer * outer - 1).sqrt()).log()  # acosh
    even = n - 2 * (n / 2).floor() == 0
    alternating = torch.where((x < 0) & ~even, -1.0, 1.0).to(x.dtype)

    def cosh(z: Tensor) -> Tensor:
        return (z.exp() + (-z).exp()) / 2

    def sinh(z: Tensor) -> Tensor:
        return (z.exp() - (-z).exp()) / 2

    middle = n + 0.5
    if kind == "t":
        value = torch.where(inside, (n * angle).cos(), cosh(n * growth) * alternating)
        edge = alternating
    elif kind == "u":
        far = sinh((n + 1) * growth) / sinh(growth) * alternating
        value = torch.where(inside, ((n + 1) * angle).sin() / angle.sin(), far)
        edge = (n + 1) * alternating
    else:
        # V(x) = cosh((n + 1/2) g) / cosh(g / 2) for x > 1, and with sinh for x < -1; W the other
        # way round.
        by_cosh = cosh(middle * growth) / cosh(growth / 2)
        by_sinh = sinh(middle * growth) / sinh(growth / 2)
        positive, negative = (by_cosh, by_sinh) if kind == "v" else (by_sinh, by_cosh)
        far = torch.where(x > 0, positive, negative * alternating)
        if kind == "v":
            near = (middle * angle).cos() / (angle / 2).cos()
            edge = torch.where(x > 0, 1.0, (2 * n + 1) * alternating)
        else:
            near = (middle * angle).sin() / (angle / 2).sin()
            edge = torch.where(x > 0, 2 * n + 1, alternating)
        value = torch.where(inside, near, far)
    value = torch.where(y == 1, edge, value)
    value = torch.where(n < 0, 0.0, torch.where(n == 0, 1.0, value))
    return torch.where(x.isnan() & (n > 0), _NAN, value)


def chebyshev_t(x: Tensor, n: Tensor) -> Tensor:
    return _chebyshev("t", x, n)


def chebyshev_u(x: Tensor, n: Tensor) -> Tensor:
    return _chebyshev("u", x, n)


def chebyshev_v(x: Tensor, n: Tensor) -> Tensor:
    return _chebyshev("v", x, n)


def chebyshev_w(x: Tensor, n: Tensor) -> Tensor:
    return _chebyshev("w", x, n)


def shifted_chebyshev_t(x: Tensor, n: Tensor) -> Tensor:
    return _chebyshev("t", 2 * x - 1, n)


def shifted_chebyshev_u(x: Tensor, n: Tensor) -> Tensor:
    return _chebyshev("u", 2 * x - 1, n)


def shifted_chebyshev_v(x: Tensor, n: Tensor) -> Tensor:
    return _chebyshev("v", 2 * x - 1, n)


def shifted_chebyshev_w(x: Tensor, n: Tensor) -> Tensor:
    return _chebyshev("w", 2 * x - 1, n)
