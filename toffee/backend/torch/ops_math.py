"""Elementwise arithmetic, comparisons, logic and bits."""

# What comes from attributes and arrays is Any.
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from . import values
from .registry import OPERATORS, Attributes, Operator, operator

_Tensor = torch.Tensor


# ---- operators that are one function of PyTorch ------------------------------------------------


def _plain(function: Callable[..., Any]) -> Callable[..., Any]:
    def run(a: Attributes, *inputs: Any) -> Any:
        return function(*inputs)

    functools.update_wrapper(run, function)
    return run


_PLAIN: dict[str, Callable[..., Any]] = {
    "Acos": torch.acos,
    "Acosh": torch.acosh,
    "And": torch.logical_and,
    "Asin": torch.asin,
    "Asinh": torch.asinh,
    "Atan": torch.atan,
    "Atanh": torch.atanh,
    "Ceil": torch.ceil,
    "Cos": torch.cos,
    "Cosh": torch.cosh,
    "Det": torch.linalg.det,
    "Erf": torch.erf,
    "Exp": torch.exp,
    "Floor": torch.floor,
    "IsNaN": torch.isnan,
    "Log": torch.log,
    "Not": torch.logical_not,
    "Or": torch.logical_or,
    "Reciprocal": torch.reciprocal,
    "Round": torch.round,
    "Sin": torch.sin,
    "Sinh": torch.sinh,
    "Sqrt": torch.sqrt,
    "Tan": torch.tan,
    "Xor": torch.logical_xor,
}
for _name, _function in _PLAIN.items():
    OPERATORS["", _name] = Operator(_plain(_function))


# ---- arithmetic --------------------------------------------------------------------------------


def _ring(function: Callable[[_Tensor, _Tensor], _Tensor]) -> Callable[..., _Tensor]:
    """FUNCTION for all dtypes: modulo 2**n it is the same for signed and unsigned integers."""

    def run(a: Attributes, x: _Tensor, y: _Tensor) -> _Tensor:
        if values.is_unsigned(x):
            return function(values.lift(x), values.lift(y)).to(x.dtype)
        return function(x, y)

    return run


def _ordered(
    function: Callable[[_Tensor, _Tensor], _Tensor], numpy_function: Callable[..., Any]
) -> Callable[..., _Tensor]:
    """FUNCTION for all dtypes, where the sign matters: of uint64 only NumPy knows it."""

    def run(a: Attributes, x: _Tensor, y: _Tensor) -> _Tensor:
        if not values.is_unsigned(x):
            return function(x, y)
        if x.dtype == torch.uint64:
            return values.via_numpy(numpy_function, x, y)
        result = function(values.lift(x), values.lift(y))
        return result if result.dtype == torch.bool else result.to(x.dtype)

    return run


_RING: dict[str, Callable[..., Any]] = {"Add": torch.add, "Sub": torch.sub, "Mul": torch.mul}
for _name, _function in _RING.items():
    OPERATORS["", _name] = Operator(_ring(_function))
for _name, _function, _numpy in (
    ("Less", torch.lt, np.less),
    ("LessOrEqual", torch.le, np.less_equal),
    ("Greater", torch.gt, np.greater),
    ("GreaterOrEqual", torch.ge, np.greater_equal),
):
    OPERATORS["", _name] = Operator(_ordered(_function, _numpy))


def _divide(x: _Tensor, y: _Tensor) -> _Tensor:
    if x.is_floating_point() or x.is_complex():
        return torch.div(x, y)
    return torch.div(x, y, rounding_mode="trunc")


OPERATORS["", "Div"] = Operator(_ordered(_divide, np.floor_divide))


@operator("Mod")
def mod(a: Attributes, x: _Tensor, y: _Tensor) -> _Tensor:
    function, numpy_function = (
        (torch.fmod, np.fmod) if a.get("fmod", 0) else (torch.remainder, np.remainder)
    )
    return _ordered(function, numpy_function)(a, x, y)


@operator("Pow")
def power(a: Attributes, x: _Tensor, y: _Tensor) -> _Tensor:
    if x.dtype == y.dtype and x.is_floating_point():
        return torch.pow(x, y)
    base, exponent = values.lift(x), values.lift(y)
    if not exponent.is_floating_point() and not base.is_floating_point():
        # negative exponents are an error to torch.pow, and 0 or +-1 by the rule of NumPy's floats
        if bool((exponent < 0).any()):
            exponent = exponent.to(torch.float64)
    elif not base.is_floating_point():
        base = base.to(torch.float64)
    return torch.pow(base, exponent).to(x.dtype)


@operator("Neg")
def negative(a: Attributes, x: _Tensor) -> _Tensor:
    return torch.neg(values.lift(x)).to(x.dtype) if values.is_unsigned(x) else torch.neg(x)


@operator("Abs")
def absolute(a: Attributes, x: _Tensor) -> _Tensor:
    return x if x.dtype == torch.uint8 or values.is_unsigned(x) else torch.abs(x)


@operator("Sign")
def sign(a: Attributes, x: _Tensor) -> _Tensor:
    if values.is_unsigned(x):
        return (values.lift(x) != 0).to(x.dtype)
    return torch.where(torch.isnan(x), x, torch.sign(x)) if x.is_floating_point() else torch.sign(x)


@operator("IsInf")
def is_inf(a: Attributes, x: _Tensor) -> _Tensor:
    negative, positive = a.get("detect_negative", 1), a.get("detect_positive", 1)
    if x.dtype.itemsize == 1:  # float8
        x = x.to(torch.float32)
    if negative and positive:
        return torch.isinf(x)
    if negative:
        return torch.isneginf(x)
    return torch.isposinf(x) if positive else torch.zeros_like(x, dtype=torch.bool)


@operator("Equal", host=True)
def equal(a: Attributes, x: Any, y: Any) -> _Tensor:
    if not isinstance(x, torch.Tensor):
        return torch.from_numpy(np.asarray(x == y, dtype=bool))
    return torch.eq(values.lift(x), values.lift(y))


# ---- many operands -----------------------------------------------------------------------------


def _fold(function: Callable[..., _Tensor]) -> Callable[..., _Tensor]:
    def run(a: Attributes, *inputs: _Tensor) -> _Tensor:
        return functools.reduce(lambda x, y: function(a, x, y), inputs)

    return run


OPERATORS["", "Sum"] = Operator(_fold(_ring(torch.add)))
OPERATORS["", "Max"] = Operator(_fold(_ordered(torch.maximum, np.maximum)))
OPERATORS["", "Min"] = Operator(_fold(_ordered(torch.minimum, np.minimum)))


@operator("Mean")
def mean(a: Attributes, *inputs: _Tensor) -> _Tensor:
    return functools.reduce(torch.add, inputs) / len(inputs)


@operator("Clip")
def clip(
    a: Attributes, x: _Tensor, low: _Tensor | None = None, high: _Tensor | None = None
) -> _Tensor:
    if a.version < 11:
        return torch.clamp(x, a.get("min"), a.get("max")) if a else x
    # minimum of maximum, in this order: where low > high, the result is high
    if low is not None:
        x = _ordered(torch.maximum, np.maximum)(a, x, low)
    if high is not None:
        x = _ordered(torch.minimum, np.minimum)(a, x, high)
    return x


@operator("Where")
def where(a: Attributes, condition: _Tensor, x: Any, y: Any) -> Any:
    if not isinstance(x, torch.Tensor):
        return np.where(condition.cpu().numpy(), x, y)
    if values.is_unsigned(x):
        return torch.where(condition, values.lift(x), values.lift(y)).to(x.dtype)
    return torch.where(condition, x, y)


# ---- bits --------------------------------------------------------------------------------------


for _name, _function in {
    "BitwiseAnd": torch.bitwise_and,
    "BitwiseOr": torch.bitwise_or,
    "BitwiseXor": torch.bitwise_xor,
}.items():
    OPERATORS["", _name] = Operator(_ring(_function))


@operator("BitwiseNot")
def bitwise_not(a: Attributes, x: _Tensor) -> _Tensor:
    if values.is_unsigned(x):
        return torch.bitwise_not(values.lift(x)).to(x.dtype)
    return torch.bitwise_not(x)


@operator("BitShift")
def bit_shift(a: Attributes, x: _Tensor, y: _Tensor) -> _Tensor:
    left = a["direction"] == "LEFT"
    if x.dtype == torch.uint64 and not left:
        return values.via_numpy(np.right_shift, x, y)
    function = torch.bitwise_left_shift if left else torch.bitwise_right_shift
    return function(values.lift(x), values.lift(y)).to(x.dtype)


@operator("BitCast")
def bit_cast(a: Attributes, x: Any) -> Any:
    target = a["to"]
    if isinstance(x, torch.Tensor) and target in values.DTYPES:
        return x.view(values.DTYPES[target])
    raise NotImplementedError(f"BitCast to data_type {target}")


# ---- conversions -------------------------------------------------------------------------------

#: float8 dtype -> from which size on a number is too large for it, and whether at that size too
_FLOAT8: dict[torch.dtype, tuple[float, bool]] = {
    torch.float8_e4m3fn: (464.0, False),
    torch.float8_e4m3fnuz: (248.0, True),
    torch.float8_e5m2: (61440.0, True),
    torch.float8_e5m2fnuz: (61440.0, True),
}


def convert(x: Any, number: int, saturate: bool = True, round_mode: str = "up") -> Any:
    """X as elements of data_type NUMBER, on the terms of Cast."""
    if number == values.STRING:
        return _to_strings(x)
    if not isinstance(x, torch.Tensor):
        x = _from_host(x, number)
    if number in values.NARROW:
        return _to_narrow(x, number, saturate, round_mode)
    dtype = values.DTYPES[number]
    if x.dtype == dtype:
        return x
    if dtype in _FLOAT8:
        return _to_float8(x, dtype, saturate)
    if x.dtype in _FLOAT8 and not dtype.is_floating_point:
        x = x.to(torch.float32)
    if dtype == torch.bool:
        return values.lift(x) != 0
    if x.is_floating_point() and not dtype.is_floating_point and not dtype.is_complex:
        return x.to(torch.int64).to(dtype)  # wraps, and never undefined for narrow targets
    return x.to(dtype)


def _from_host(x: np.ndarray, number: int) -> _Tensor:
    if x.dtype == object:
        if number in values.DTYPES and not values.DTYPES[number].is_floating_point:
            integers = [int(text) for text in x.ravel().tolist()]
            return torch.tensor(integers, dtype=torch.int64).reshape(x.shape)
        return torch.from_numpy(x.astype(np.float64))
    return torch.from_numpy(np.array(x, dtype=np.float32))


def _to_strings(x: Any) -> np.ndarray:
    array = values.to_numpy(x)
    if array.dtype == object:
        return array
    if array.dtype.kind not in "fiub":
        array = array.astype(np.float32)
    texts = [_float_text(item) if array.dtype.kind == "f" else str(item) for item in array.ravel()]
    return np.array(texts, dtype=object).reshape(array.shape)


def _float_text(number: Any) -> str:
    if np.isnan(number):
        return "NaN"
    if np.isinf(number):
        return "INF" if number > 0 else "-INF"
    return np.format_float_positional(number, trim="0") if number == number else "NaN"


def _to_float8(x: _Tensor, dtype: torch.dtype, saturate: bool) -> _Tensor:
    x = x.to(torch.float32)
    limit = torch.finfo(dtype).max
    fitting = x.clamp(-limit, limit)  # keeps NaN
    if saturate:
        return fitting.to(dtype)
    edge, at_edge = _FLOAT8[dtype]
    size = torch.abs(x)
    beyond = size >= edge if at_edge else size > edge
    result = fitting.to(dtype).to(torch.float32)
    endless = dtype == torch.float8_e5m2  # the one with an infinity
    over = torch.copysign(torch.full_like(x, math.inf), x) if endless else x * math.nan
    return torch.where(beyond, over, result).to(dtype)


def _to_narrow(x: _Tensor, number: int, saturate: bool, round_mode: str) -> np.ndarray:
    try:
        import ml_dtypes
    except ImportError:
        raise ImportError(
            f"NumPy has no {values.NARROW[number]} of its own: pip install ml_dtypes, or "
            "toffee[dtypes]"
        ) from None
    dtype = getattr(ml_dtypes, values.NARROW[number])
    if number == 23:
        array = x.to(torch.float32).cpu().numpy()
        return np.clip(array, -6.0, 6.0).astype(dtype)
    if number == 24:
        return _to_e8m0(x.to(torch.float32).cpu().numpy(), dtype, saturate, round_mode)
    # what does not fit loses its high bits, as with the wider integers
    bits = 2 if number > 24 else 4
    whole = values.lift(x).to(torch.int64) if not x.is_floating_point() else x.to(torch.int64)
    whole = whole & (2**bits - 1)
    if dtype in (ml_dtypes.int4, ml_dtypes.int2):
        whole = whole - ((whole >> (bits - 1)) << bits)
    return whole.cpu().numpy().astype(np.int8).astype(dtype)


def _to_e8m0(x: np.ndarray, dtype: Any, saturate: bool, round_mode: str) -> np.ndarray:
    """The power of two for X, as the byte of its exponent."""
    bits = x.astype(np.float32).view(np.uint32)
    exponent = ((bits >> 23) & 0xFF).astype(np.int32)
    mantissa = bits & 0x7FFFFF
    special = exponent == 0xFF
    if round_mode == "up":
        exponent = exponent + (mantissa > 0)
    elif round_mode == "nearest":
        exponent = exponent + ((mantissa > 0x400000) | ((mantissa == 0x400000) & (exponent > 0)))
    exponent = np.minimum(exponent, 0xFE if saturate else 0xFF)
    return np.where(special, 0xFF, exponent).astype(np.uint8).view(dtype)


@operator("Cast", host=True)
def cast(a: Attributes, x: Any) -> Any:
    return convert(x, a["to"], bool(a.get("saturate", 1)), a.get("round_mode", "up"))


@operator("CastLike", host=True)
def cast_like(a: Attributes, x: Any, like: Any) -> Any:
    number = values.data_type_of(like)
    return convert(x, number, bool(a.get("saturate", 1)), a.get("round_mode", "up"))
