"""Caffe2's two nets as a graph of operators of opset 20: the way back from ``emit``."""

from __future__ import annotations

import mmap
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from ... import _core, shape_inference
from ..._core import Graph
from ._emit import INIT_NET, PREDICT_NET

__all__ = ["load_nets", "read_nets"]


def _described(name: object, value: Any) -> tuple[str, int, tuple[int, ...]]:
    """NAME with the dtype and the dims that VALUE, a shape or an array, says."""
    from ... import helper

    if not isinstance(name, str):
        raise TypeError(f"inputs has a key that is no name: {name!r}")
    dtype, shape = 1, value
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        import numpy as np

        dtype, shape = helper.np_dtype_to_tensor_dtype(np.dtype(value.dtype)), value.shape
    try:
        dims = tuple(int(size) for size in shape)
    except (TypeError, ValueError):
        dims = (-1,)
    if any(not 0 <= size < 1 << 63 for size in dims):
        which = f"inputs[{name!r}]" if name else "an element of inputs"
        raise ValueError(
            f"{which} must be a shape such as (1, 3, 224, 224), or an array, not {value!r}"
        )
    return name, dtype, dims


def read_nets(
    init_net: bytes | bytearray | memoryview,
    predict_net: bytes | bytearray | memoryview,
    inputs: Mapping[str, Any] | Sequence[Any] | None = None,
) -> Graph:
    """Turn Caffe2's two nets into a graph. Needs no Caffe2.

    Parameters
    ----------
    init_net, predict_net : bytes-like
        Serialized ``caffe2.NetDef``. They are not copied: weights that lie in one piece are shared
        and the graph keeps the bytes.
    inputs : mapping of str to shape or array, or a sequence of these, optional
        Shape, or shape and dtype, of inputs of ``predict_net``: ``{"data": (1, 3, 224, 224)}``,
        which means float32, or an array whose ``shape`` and ``dtype`` count. A sequence has them in
        the order of the net's inputs. A blob named here is an input even if ``init_net`` makes it,
        as Caffe2's ``mobile_exporter`` has it. Without, inputs have no type, and operators that
        ask for sizes are refused.

    Returns
    -------
    Graph
        Of opset 20, with the fills of ``init_net`` as initializers, types inferred. Values have
        the names of the blobs; where a blob is written more than once, the last content has its
        name, and those before it the name with a number.

    Raises
    ------
    toffee.FormatError
        Not a NetDef, or a fill whose values do not have its shape.
    toffee.UnsupportedOperatorError
        Operators that have no counterpart (all are named), or one whose arguments have none: with
        its position and what to do.
    toffee.CheckError
        The operators do not fit together, or not to ``inputs``.
    ValueError
        ``inputs`` names a blob that nothing reads, or says no shape.

    Examples
    --------
    >>> from toffee import helper
    >>> import toffee.backend.c2 as backend
    >>> x = helper.make_tensor_value_info("x", 1, [2])
    >>> graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "net", [x], ["y"])
    >>> again = backend.read_nets(*backend.emit(graph), inputs={"x": (2,)})
    >>> [node.op_type for node in again.node]
    ['Relu']
    """
    if isinstance(inputs, Mapping) and "" in inputs:
        raise ValueError("inputs has an empty name; a list has the inputs in order")
    pairs = inputs.items() if isinstance(inputs, Mapping) else [("", x) for x in inputs or ()]
    listed = [_described(name, value) for name, value in pairs]
    graph = _core.caffe2_import(init_net, predict_net, listed)
    return shape_inference.infer_shapes(graph)


def _mapped(path: str | os.PathLike[str]) -> bytes | memoryview:
    """The bytes of a file, mapped: its weights are read when they are used."""
    with open(path, "rb") as file:
        if os.fstat(file.fileno()).st_size == 0:
            return b""
        try:
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        except (OSError, ValueError):  # a pipe, /proc
            return file.read()


def load_nets(
    init_net: str | os.PathLike[str],
    predict_net: str | os.PathLike[str] | None = None,
    inputs: Mapping[str, Any] | Sequence[Any] | None = None,
) -> Graph:
    """Read ``init_net.pb`` and ``predict_net.pb``: what :func:`write_nets` and Caffe2 wrote.

    Parameters
    ----------
    init_net : path
        The net that makes the weights, or a folder with both files.
    predict_net : path
        The net that computes; left out for a folder.
    inputs : mapping of str to shape or array, or a sequence of these, optional
        As for :func:`read_nets`, and so are what is returned and the errors.

    Raises
    ------
    OSError
        A file is missing or cannot be read.
    """
    if predict_net is None:
        folder = Path(cast("os.PathLike[str]", init_net))
        init_net, predict_net = folder / INIT_NET, folder / PREDICT_NET
    return read_nets(_mapped(init_net), _mapped(predict_net), inputs)
