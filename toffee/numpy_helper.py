"""Tensors to and from NumPy arrays, with the names that ONNX users know."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ._core import Tensor

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["from_array", "to_array"]


def to_array(tensor: Tensor, base_dir: str | os.PathLike[str] = "") -> np.ndarray:
    """The values of a tensor.

    Parameters
    ----------
    tensor : Tensor
    base_dir : path
        Taken for ONNX's sake and not used: external data was found when the file was read.

    Returns
    -------
    numpy.ndarray
        Shape ``dims``, C-contiguous, read-only: it shares the memory of the graph (or the mapped
        file) and keeps it alive. Copy it to change it. bfloat16, float8 and smaller ones have the
        dtypes of the package ``ml_dtypes``, and elements smaller than a byte are a copy; strings
        come as an object array of ``str``.

    Raises
    ------
    ImportError
        bfloat16, float8 or smaller without ``ml_dtypes``. Its bytes are in ``tensor.raw_data`` all
        the same.
    """
    if not isinstance(tensor, Tensor):
        raise TypeError(f"expected a toffee.Tensor, not {type(tensor).__name__}")
    return tensor.numpy()


def from_array(arr: npt.ArrayLike, name: str | None = None) -> Tensor:
    """A tensor with a copy of an array.

    Parameters
    ----------
    arr : array_like
        Bool, integer, float, complex, a dtype of ``ml_dtypes`` down to two bits, or strings. Any
        memory order, byte order and strides.
    name : str, optional

    Returns
    -------
    Tensor
        Row-major, little-endian; belongs to no graph.

    Raises
    ------
    TypeError
        The format has no such element type (``float128``, dates, structures).

    Examples
    --------
    >>> import toffee
    >>> tensor = toffee.numpy_helper.from_array([[1, 2], [3, 4]], "weight")
    >>> list(tensor.dims), tensor.data_type == toffee.Tensor.INT64
    ([2, 2], True)
    >>> toffee.numpy_helper.to_array(tensor)
    array([[1, 2],
           [3, 4]])
    """
    return Tensor.from_numpy(arr, name or "")
