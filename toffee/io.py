"""Graphs from files and to files."""

from __future__ import annotations

import io as _io
import os
from typing import Any, BinaryIO

from . import _core, _progress
from ._core import Graph

__all__ = ["dumps", "format_of", "load", "loads", "save"]

#: File objects that use what they are given before write() returns, and keep none of it. Subclasses
#: may do otherwise, so they do not count.
_TRUSTED = (_io.BytesIO, _io.BufferedWriter, _io.BufferedRandom, _io.FileIO)


def _is_path(f: object) -> bool:
    return isinstance(f, (str, os.PathLike))


def format_of(f: object, format: str | None) -> str:
    """``"toffee"`` or ``"onnx"``: what FORMAT says, or else the ending of a path F.

    Parameters
    ----------
    f : path or file object
    format : {"toffee", "onnx"}, optional

    Raises
    ------
    ValueError
        ``format`` is neither.
    """
    if format is None:
        return "onnx" if _is_path(f) and _suffix(f) == ".onnx" else "toffee"
    if format not in ("toffee", "onnx"):
        raise ValueError(f"format must be 'toffee' or 'onnx', not {format!r}")
    return format


def _suffix(f: Any) -> str:
    return os.path.splitext(os.fsdecode(os.fspath(f)))[1].lower()


def check_external(f: object, format: str, external_data: bool) -> None:
    """Raise ValueError if ``external_data`` is asked for where no file of its own can be."""
    if external_data and (format != "onnx" or not _is_path(f)):
        where = "a path" if _is_path(f) else "a file object"
        raise ValueError(
            "external_data=True puts weights into a file of their own beside an ONNX file: that "
            f"needs a path and format='onnx', and this is {where} and format='{format}'"
        )


def load(f: str | os.PathLike[str] | BinaryIO) -> Graph:
    """Read a ToffeeIR or ONNX graph.

    Parameters
    ----------
    f : path or binary file object
        A path is mapped: the weights are read when they are used, and the file must not be
        changed in place while the graph lives (replacing it, as :func:`save` does, is fine). A
        file object is read from its position to its end and is left open.

    Returns
    -------
    Graph
        ``toffee.numpy_helper.to_array(graph.initializer[i])`` is a read-only, C-contiguous
        ``numpy.ndarray`` of shape ``dims`` that shares the mapping and keeps it alive.

    Raises
    ------
    toffee.FormatError
        Not a graph, or cut short. Says where; ``offset`` is the byte.
    toffee.UnsupportedOperatorError
        A file of 2017 with an operator that has no counterpart today.
    OSError, MemoryError

    Notes
    -----
    Takes time in proportion to the nodes, not to the weights. Checks bytes, not meaning: see
    :func:`toffee.checker.check_graph`. Nodes of 2017 files are upgraded to opset 20.
    Source: the field numbers in ``proto/``, after PyTorch and ONNX, August and September 2017.

    Examples
    --------
    >>> import toffee
    >>> relu = toffee.helper.make_node("Relu", ["x"], ["y"])
    >>> toffee.save(toffee.helper.make_graph([relu], "net", ["x"], ["y"]), "net.onnx")
    >>> graph = toffee.load("net.onnx")
    >>> [node.op_type for node in graph.node]
    ['Relu']
    """
    if _is_path(f):
        return _core.load(f)  # type: ignore[arg-type]
    read = getattr(f, "read", None)
    if read is None:
        raise TypeError(f"f is a {type(f).__name__}; it must be a path or a binary file object")
    data = read()
    if isinstance(data, str):
        raise TypeError("f is open in text mode; open it with mode 'rb'")
    return _core.loads(data)


def loads(data: bytes | bytearray | memoryview) -> Graph:
    """Read a graph from memory.

    Parameters
    ----------
    data : bytes-like
        Contiguous. It is not copied: tensors share it and the graph keeps it, so a ``bytearray``
        must not be written to while the graph lives.

    Returns
    -------
    Graph

    Raises
    ------
    toffee.FormatError, toffee.UnsupportedOperatorError, MemoryError
        As :func:`load`.
    TypeError
        ``data`` is not bytes-like.

    Examples
    --------
    >>> import toffee
    >>> toffee.loads(toffee.dumps(toffee.Graph(name="net"))).name
    'net'
    >>> toffee.loads(b"hello")
    Traceback (most recent call last):
    toffee.FormatError: at byte 0: not a ToffeeIR or ONNX graph: this is a text file
    """
    return _core.loads(data)


def _for_writing(graph: Graph, format: str, ir_version: int | None) -> Graph:
    """GRAPH, or a copy with the operators of 2017 for ir_version 1."""
    if ir_version is None or ir_version == _core.IR_VERSION:
        return graph
    if ir_version != 1:
        raise ValueError(f"ir_version must be 1 or {_core.IR_VERSION}, not {ir_version!r}")
    if format == "onnx":
        raise ValueError("ir_version=1 is the format of 2017: it has no ONNX envelope")
    return _core.downgrade(graph)


def save(
    graph: Graph,
    f: str | os.PathLike[str] | BinaryIO,
    *,
    format: str | None = None,
    export_params: bool = True,
    ir_version: int | None = None,
    external_data: bool = False,
    progress: bool | _progress.Callback = True,
) -> None:
    """Write a graph.

    Parameters
    ----------
    graph : Graph
    f : path or binary file object
        A path is replaced in one step when everything is written: after an error, what was there
        before is still there. A file object is written from its position and left open.
    format : {"toffee", "onnx"}, optional
        By default ``"onnx"`` for a path that ends in ``.onnx``, else ``"toffee"``.
    export_params : bool
        Without them the initializers are left out; their inputs stay.
    ir_version : {1, 2}, optional
        1 writes the operators and the format of September 2017.
    external_data : bool
        ONNX, to a path: put weights of a kilobyte or more into a file of their own beside it,
        ``NAME.data``. A model over 2 GiB has one whatever is said here, as no ONNX file holds it.
    progress : bool or callable
        Show on stderr how much is written if that takes longer than a second. False: show nothing.
        A callable gets ``("writing", bytes, bytes in all)`` instead, up to ten times a second; what
        it raises ends the writing.

    Raises
    ------
    toffee.UnsupportedOperatorError
        ``ir_version=1`` and a node that 2017 could not say; names it.
    toffee.LimitError
        More than the format can hold: an ONNX model over 2 GiB to a file object, for instance
        (to a path, its weights go to ``NAME.data``).
    ValueError
        ``external_data`` with a file object or with the toffee format.
    OSError, MemoryError
    Exception
        What ``f.write`` and ``progress`` raise comes through as it is.
    KeyboardInterrupt
        Ctrl-C is heard while the bytes are written, and leaves a path as after an error.
    RuntimeError
        In another thread that edits ``graph`` meanwhile.

    Examples
    --------
    >>> import io, toffee
    >>> graph = toffee.Graph(name="net")
    >>> toffee.save(graph, "net.toffee")
    >>> toffee.save(graph, "net.onnx")
    >>> file = io.BytesIO()
    >>> toffee.save(graph, file, format="onnx")
    >>> file.getvalue() == toffee.dumps(graph, format="onnx")
    True
    """
    chosen = format_of(f, format)
    check_external(f, chosen, external_data)
    shown = _progress.of(progress)
    graph = _for_writing(graph, chosen, ir_version)
    write(graph, f, chosen, export_params, external_data, shown)


def write(
    graph: Graph,
    f: str | os.PathLike[str] | BinaryIO,
    chosen: str,
    export_params: bool,
    external_data: bool,
    shown: _progress.Progress,
) -> None:
    """:func:`save`, of arguments that are checked, as a stage of ``shown``."""
    with shown.stage("writing", "B"):
        _write(graph, f, chosen, export_params, external_data, shown)


def _write(
    graph: Graph,
    f: str | os.PathLike[str] | BinaryIO,
    chosen: str,
    export_params: bool,
    external_data: bool,
    shown: _progress.Progress,
) -> None:
    if _is_path(f):
        _core.save(
            graph,
            f,  # type: ignore[arg-type]
            format=chosen,
            with_initializers=export_params,
            external_data=external_data,
            progress=shown.listener,
            interval=shown.interval,
        )
        return
    write = getattr(f, "write", None)
    if write is None:
        raise TypeError(f"f is a {type(f).__name__}; it must be a path or a binary file object")
    if isinstance(f, _io.TextIOBase):
        raise TypeError("f is open in text mode; open it with mode 'wb'")
    _core.save_file(
        graph,
        write,
        format=chosen,
        with_initializers=export_params,
        raw=isinstance(f, _io.RawIOBase),
        trusted=type(f) in _TRUSTED,
        progress=shown.listener,
        interval=shown.interval,
    )


def dumps(
    graph: Graph,
    *,
    format: str | None = None,
    export_params: bool = True,
    ir_version: int | None = None,
) -> bytes:
    """The bytes that :func:`save` would write.

    Parameters
    ----------
    graph : Graph
    format : {"toffee", "onnx"}, optional
        By default ``"toffee"``.
    export_params : bool
        As for :func:`save`.
    ir_version : {1, 2}, optional
        As for :func:`save`.

    Returns
    -------
    bytes

    Raises
    ------
    toffee.UnsupportedOperatorError, toffee.LimitError, MemoryError, RuntimeError
        As :func:`save`.
    """
    chosen = format_of(None, format)
    return _core.dumps(
        _for_writing(graph, chosen, ir_version), format=chosen, with_initializers=export_params
    )
