"""What flows between nodes: torch tensors, and NumPy arrays where PyTorch has no such dtype.

Strings and the 2- and 4-bit types are NumPy arrays (object arrays of ``str``, the dtypes of
``ml_dtypes``). A sequence is a list of values, an absent optional is None.
"""

# What comes from attributes and arrays is Any.
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

__all__ = [
    "DTYPES",
    "NARROW",
    "STRING",
    "constant_on",
    "data_type_of",
    "from_numpy",
    "is_unsigned",
    "lift",
    "numbers",
    "to_device",
    "to_numpy",
    "unpack",
    "via_numpy",
]

#: data_type of the format -> dtype of PyTorch
DTYPES: dict[int, torch.dtype] = {
    1: torch.float32,
    2: torch.uint8,
    3: torch.int8,
    4: torch.uint16,
    5: torch.int16,
    6: torch.int32,
    7: torch.int64,
    9: torch.bool,
    10: torch.float16,
    11: torch.float64,
    12: torch.uint32,
    13: torch.uint64,
    14: torch.complex64,
    15: torch.complex128,
    16: torch.bfloat16,
    17: torch.float8_e4m3fn,
    18: torch.float8_e4m3fnuz,
    19: torch.float8_e5m2,
    20: torch.float8_e5m2fnuz,
}
STRING = 8
#: data_type -> name in ml_dtypes, for what stays in NumPy arrays
NARROW: dict[int, str] = {
    21: "uint4",
    22: "int4",
    23: "float4_e2m1fn",
    24: "float8_e8m0fnu",
    25: "uint2",
    26: "int2",
}
_NUMBERS = {dtype: number for number, dtype in DTYPES.items()}
_NARROW_NUMBERS = {name: number for number, name in NARROW.items()}
#: Dtypes of ml_dtypes that PyTorch has too, with an integer of their size
_BITS = {
    "bfloat16": (np.uint16, torch.bfloat16),
    "float8_e4m3fn": (np.uint8, torch.float8_e4m3fn),
    "float8_e4m3fnuz": (np.uint8, torch.float8_e4m3fnuz),
    "float8_e5m2": (np.uint8, torch.float8_e5m2),
    "float8_e5m2fnuz": (np.uint8, torch.float8_e5m2fnuz),
}
_BITS_OF = {dtype: (name, bits) for name, (bits, dtype) in _BITS.items()}
#: Dtypes that PyTorch takes from NumPy as they are
_DIRECT = frozenset(map(np.dtype, ["f4", "f8", "f2", "i8", "i4", "i2", "i1", "u1", "?"]))
_WIDE_UNSIGNED = {torch.uint16, torch.uint32, torch.uint64}


def from_numpy(array: Any, shares: bool = False) -> Any:
    """A value of an array (a list: a sequence). Shares memory where PyTorch has the dtype and the
    array is writable; also where it is not, if the caller, who promises that nobody writes to the
    tensor, SHARES it."""
    if array is None or isinstance(array, torch.Tensor):
        return array
    if isinstance(array, (list, tuple)):
        return [from_numpy(item, shares) for item in array]
    array = np.asarray(array)
    if array.dtype in _DIRECT:
        return _wrap(array, shares)
    if array.dtype.kind in "OSU":
        return array.astype(object)
    name = array.dtype.name
    if name in _NARROW_NUMBERS:
        return array
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if name in _BITS:
        bits, dtype = _BITS[name]
        return (
            _wrap(array.view(bits) if array.ndim else array.reshape(1).view(bits), shares)
            .view(dtype)
            .reshape(array.shape)
        )
    return _wrap(array, shares)


def _wrap(array: np.ndarray, shares: bool) -> torch.Tensor:
    if any(stride < 0 for stride in array.strides) or not (shares or array.flags.writeable):
        array = array.copy()
    if array.flags.writeable:
        return torch.from_numpy(array)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that it is not writable
        return torch.from_numpy(array)


def to_numpy(value: Any) -> Any:
    """The array (for a sequence: the list of arrays) of a value; copied from other devices."""
    if isinstance(value, (list, tuple)):
        return [to_numpy(item) for item in value]
    if not isinstance(value, torch.Tensor):
        return value
    value = value.detach().cpu().resolve_conj().resolve_neg()
    if value.dtype in _BITS_OF:
        try:
            import ml_dtypes
        except ImportError:
            raise ImportError(
                f"NumPy has no {value.dtype} of its own: pip install ml_dtypes, or toffee[dtypes]"
            ) from None
        name, bits = _BITS_OF[value.dtype]
        # contiguous() would keep a stride of 0 over one element, with which no view can be taken.
        dense = value.clone(memory_format=torch.contiguous_format)
        view = dense.view(torch.uint8).numpy() if value.ndim else None
        if view is None:
            return to_numpy(value.reshape(1)).reshape(())
        return view.view(bits).view(getattr(ml_dtypes, name)).reshape(tuple(value.shape))
    return value.numpy()


def unpack(data: Any, number: int, dims: list[int]) -> np.ndarray:
    """The array of the 2- or 4-bit elements in DATA, the first in the lowest bits of a byte."""
    try:
        import ml_dtypes
    except ImportError:
        raise ImportError(
            f"NumPy has no {NARROW[number]} of its own: pip install ml_dtypes, or toffee[dtypes]"
        ) from (None)
    dtype = np.dtype(getattr(ml_dtypes, NARROW[number]))
    raw = np.frombuffer(data, dtype=np.uint8)
    bits = {24: 8, 25: 2, 26: 2}.get(number, 4)
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    codes = ((raw[:, np.newaxis] >> shifts) & (2**bits - 1)).reshape(-1)[: math.prod(dims)]
    if number in (22, 26):
        codes = codes.astype(np.int8) - ((codes >> (bits - 1)) << bits).astype(np.int8)
        return codes.astype(dtype).reshape(dims)
    if number in (21, 25):
        return codes.astype(dtype).reshape(dims)
    return codes.view(dtype).reshape(dims)


def to_device(value: Any, device: torch.device) -> Any:
    """VALUE on DEVICE; what is no tensor stays where it is."""
    if isinstance(value, torch.Tensor):
        return value.to(device)
    if isinstance(value, list):
        return [to_device(item, device) for item in value]
    return value


def constant_on(value: Any, device: torch.device) -> Any:
    """VALUE, a constant, on DEVICE. It remembers where it comes from, so that reading a shape from
    it does not wait for the device."""
    moved = to_device(value, device)
    if moved is not value and isinstance(moved, torch.Tensor):
        moved.toffee_host = value  # type: ignore[attr-defined]
    return moved


def numbers(tensor: torch.Tensor) -> list[Any]:
    """The elements of TENSOR as Python numbers, flat."""
    source: torch.Tensor = getattr(tensor, "toffee_host", tensor)
    return source.reshape(-1).tolist()


def data_type_of(value: Any) -> int:
    """The ``data_type`` of a value."""
    if isinstance(value, torch.Tensor):
        return _NUMBERS[value.dtype]
    return _NARROW_NUMBERS.get(value.dtype.name, STRING)


def is_unsigned(tensor: torch.Tensor) -> bool:
    """Whether PyTorch has the dtype but hardly an operator for it."""
    return tensor.dtype in _WIDE_UNSIGNED


def lift(tensor: torch.Tensor) -> torch.Tensor:
    """TENSOR in a dtype that PyTorch computes with: int64 for the wide unsigned ones. uint64 keeps
    its bits, so what comes out is right for arithmetic modulo 2**64 and not for comparisons."""
    return tensor.to(torch.int64) if tensor.dtype in _WIDE_UNSIGNED else tensor


def via_numpy(function: Callable[..., Any], *tensors: torch.Tensor) -> torch.Tensor:
    """FUNCTION of NumPy arrays, for the few dtypes that PyTorch cannot do it for."""
    result = np.asarray(function(*(to_numpy(tensor) for tensor in tensors)))
    return from_numpy(result).to(tensors[0].device)
