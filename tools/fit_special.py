#!/usr/bin/env python3
"""Print the polynomials of toffee/_special.py: Chebyshev interpolation of SciPy's functions.

Each is a smooth part of a function on an interval that is mapped to [-1, 1]; the coefficients of
its powers, lowest first, are cut off where the rest is less than 1e-14 of the largest value.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
from numpy.polynomial import chebyshev
from scipy import special

EULER = 0.5772156649015329


def erfinv_of_w(w: np.ndarray) -> np.ndarray:
    """erfinv(x) / x by w = -log(1 - x * x)."""
    x = np.sqrt(-np.expm1(-w))
    near = special.erfinv(np.minimum(x, 0.99))
    tail = -special.ndtri(np.exp(-w) / (1 + x) / 2) / np.sqrt(2)  # 1 - x without its rounding
    return np.where(x < 0.99, near, tail) / np.where(x == 0, 1, x)


def ndtri_of_z(z: np.ndarray) -> np.ndarray:
    """ndtri(p) by z = sqrt(-2 log(p))."""
    return special.ndtri(np.exp(-z * z / 2))


def y_rest(order: int, x: np.ndarray) -> np.ndarray:
    """What of Y0 or Y1 is left without its logarithm and its pole."""
    if order == 0:
        return special.y0(x) - 2 / np.pi * np.log(x) * special.j0(x)
    return (special.y1(x) - 2 / np.pi * (np.log(x) * special.j1(x) - 1 / x)) / x


def k_rest(order: int, x: np.ndarray) -> np.ndarray:
    """The same of K0 and K1."""
    if order == 0:
        return special.k0(x) + np.log(x / 2) * special.i0(x)
    return (special.k1(x) - np.log(x / 2) * special.i1(x)) * x


def amplitude(order: int, cosine: bool, x: np.ndarray) -> np.ndarray:
    """P and Q x of J = sqrt(2 / pi x) (P cos c - Q sin c), Y = sqrt(2 / pi x) (P sin c + Q cos c),
    where c is x - pi / 4 (order 0) or x - 3 pi / 4."""
    j, y = (special.j0(x), special.y0(x)) if order == 0 else (special.j1(x), special.y1(x))
    angle = x - (2 * order + 1) * np.pi / 4
    size = np.sqrt(np.pi * x / 2)
    if cosine:
        return size * (j * np.cos(angle) + y * np.sin(angle))
    return size * (y * np.cos(angle) - j * np.sin(angle)) * x


def over(function: Callable[[np.ndarray], np.ndarray], square: bool = False) -> Callable:
    """FUNCTION by 8 / x, or by its square, for x from 8 to where nothing changes any more."""

    def of(t: np.ndarray) -> np.ndarray:
        t = np.maximum(t, 1e-6)
        return function(8 / (np.sqrt(t) if square else t))

    return of


def root(function: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """FUNCTION by the square of its argument."""
    return lambda t: function(np.sqrt(np.maximum(t, 1e-10)))


FITS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], float, float]] = {
    "I0E_NEAR": (special.i0e, 0, 8),
    "I0E_FAR": (over(lambda x: special.i0e(x) * np.sqrt(x)), 0, 1),
    "I1E_NEAR": (lambda x: special.i1e(np.maximum(x, 1e-9)) / np.maximum(x, 1e-9), 0, 8),
    "I1E_FAR": (over(lambda x: special.i1e(x) * np.sqrt(x)), 0, 1),
    "K0_NEAR": (root(lambda x: k_rest(0, x)), 0, 4),
    "K0E_FAR": (lambda t: special.k0e(2 / np.maximum(t, 1e-6)) * np.sqrt(2 / np.maximum(t, 1e-6)),
                0, 1),
    "K1_NEAR": (root(lambda x: k_rest(1, x)), 0, 4),
    "K1E_FAR": (lambda t: special.k1e(2 / np.maximum(t, 1e-6)) * np.sqrt(2 / np.maximum(t, 1e-6)),
                0, 1),
    "J0_NEAR": (root(special.j0), 0, 64),
    "J1_NEAR": (root(lambda x: special.j1(x) / x), 0, 64),
    "Y0_NEAR": (root(lambda x: y_rest(0, x)), 0, 64),
    "Y1_NEAR": (root(lambda x: y_rest(1, x)), 0, 64),
    "P0_FAR": (over(lambda x: amplitude(0, True, np.minimum(x, 1e3)), True), 0, 1),
    "Q0_FAR": (over(lambda x: amplitude(0, False, np.minimum(x, 1e3)), True), 0, 1),
    "P1_FAR": (over(lambda x: amplitude(1, True, np.minimum(x, 1e3)), True), 0, 1),
    "Q1_FAR": (over(lambda x: amplitude(1, False, np.minimum(x, 1e3)), True), 0, 1),
    "ERFCX": (lambda t: (lambda x: (1 + 2 * x) * special.erfcx(x))(4 * (1 + t) / (1 - t + 1e-300)),
              -1, 1 - 1e-12),
    "ERFINV_NEAR": (erfinv_of_w, 0, 5),
    "ERFINV_FAR": (lambda r: erfinv_of_w(r * r), 5**0.5, 5.9),
    "NDTRI_NEAR": (ndtri_of_z, 1.9, 7),
    "NDTRI_FAR": (ndtri_of_z, 7, 37.5),
}  # fmt: skip


def powers(function: Callable[[np.ndarray], np.ndarray], low: float, high: float) -> np.ndarray:
    """Coefficients by the powers of t, where t in [-1, 1] stands for [low, high]."""
    middle, half = (high + low) / 2, (high - low) / 2
    fitted = chebyshev.chebinterpolate(lambda t: function(middle + half * t), 48)
    small = np.abs(fitted) < 1e-13 * np.abs(fitted).max()
    keep = len(fitted) - int(np.argmin(small[::-1]))
    return chebyshev.cheb2poly(fitted[: max(keep, 1)])


def main() -> int:
    for name, (function, low, high) in FITS.items():
        found = powers(function, low, high)
        t = np.linspace(-1, 1, 4001)[9:-9]  # the functions above are not themselves at the ends
        value = function((high + low) / 2 + (high - low) / 2 * t)
        error = np.abs(np.polynomial.polynomial.polyval(t, found) - value).max()
        print(f"# {len(found)} terms, error {error / np.abs(value).max():.1e}", file=sys.stderr)
        print(f"{name} = Fit(\n    {low!r},\n    {high!r},\n    (")
        for number in found:
            print(f"        {float(number)!r},")
        print("    ),\n)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
