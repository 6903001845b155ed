"""Graphs as Caffe2's two nets, without Caffe2: bytes, or the two files that its tools expect."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ... import _core, optimizer, shape_inference
from ..._core import Graph
from ...errors import BackendError, UnsupportedOperatorError
from ..base import Device, check_is_graph, input_specs, parse_device

__all__ = ["INIT_NET", "PREDICT_NET", "emit", "nets_of", "write_nets"]

#: What Caffe2's own tools call the two files.
INIT_NET = "init_net.pb"
PREDICT_NET = "predict_net.pb"


def is_exact(shape: tuple[int | str | None, ...] | None) -> bool:
    """Whether SHAPE is numbers alone."""
    return shape is not None and all(isinstance(size, int) for size in shape)


def with_sizes(graph: Graph, shapes: Mapping[str, tuple[int, ...]] | None = None) -> Graph:
    """GRAPH for inputs of SHAPES (of all that do not declare theirs), with constants where it
    computes with sizes: operators of Caffe2 have those as arguments."""
    graph = shape_inference.infer_shapes(graph, shapes)
    if any(node.op_type in ("Shape", "Size") and not node.domain for node in graph.node):
        return optimizer.optimize(graph, ["constants", "dead"], keep_parameters=True)
    return graph


def _open_sizes(graph: Graph) -> str:
    """For errors: what to do about sizes that the inputs of GRAPH leave open; empty if none are."""
    open_specs = [spec for spec in input_specs(graph) if spec.shape and not is_exact(spec.shape)]
    if not open_specs:
        return ""
    spec = open_specs[0]
    shape = spec.shape or ()
    axis, size = next((i, s) for i, s in enumerate(shape) if not isinstance(s, int))
    what = (
        f"'{size}', dimension {axis} of input '{spec.name}',"
        if size
        else (f"dimension {axis} of input '{spec.name}'")
    )
    sizes = ", ".join("N" if not isinstance(s, int) else str(s) for s in shape)
    sizes += "," if len(shape) == 1 else ""
    return (
        f". The graph leaves {what} open: toffee.infer_shapes(graph, {{'{spec.name}': ({sizes})}}) "
        "with a number for each N gives one whose sizes are fixed"
    )


def nets_of(
    graph: Graph, device: Device, prefer: str, weights: bool
) -> tuple[bytes, bytes, list[int]]:
    """The init net, the predict net, and for each operator of the latter its node's index.

    Without WEIGHTS the init net makes only what the operators need besides: initializers and the
    tensors of Constant nodes are external inputs of the predict net then, under their names.

    Raises
    ------
    toffee.BackendError
        A node that Caffe2 cannot compute: says which and why.
    """
    check_is_graph(graph)
    cuda = device.index if device.kind == "CUDA" else -1
    inferred = shape_inference.infer_shapes(graph)
    try:
        return _core.caffe2_emit(inferred, cuda=cuda, prefer=prefer, weights=weights)
    except UnsupportedOperatorError as error:
        raise BackendError(f"{error}{_open_sizes(inferred)}") from error


def emit(graph: Graph, device: str = "CPU", prefer: str = "caffe2") -> tuple[bytes, bytes]:
    """Turn a graph into Caffe2's nets. Needs no Caffe2.

    Parameters
    ----------
    graph : Graph
        Of operators of opset 20; those of 2017 files are rewritten to them when they are loaded.
    device : str
        ``"CPU"``, or ``"CUDA:N"``: then every operator, in both nets, is for that card.
    prefer : {"caffe2", "aten"}
        Where both can compute a node: Caffe2's own operator, or its operator ``ATen``, which calls
        PyTorch's function.

    Returns
    -------
    init_net : bytes
        A serialized ``caffe2.NetDef`` that makes the parameters, and what operators need besides.
    predict_net : bytes
        One that computes the outputs. Blobs have the names of the graph's values; its external
        inputs are the graph's inputs and what the init net made, its external outputs the graph's.

    Raises
    ------
    toffee.BackendError
        A node that Caffe2 cannot compute: says which and why, and where sizes are missing how to
        fix them. An unknown device.
    toffee.Error
        The parameters are too large for a protobuf message (2 GiB).
    ValueError
        Another ``prefer``.
    """
    check_is_graph(graph)
    if all(is_exact(spec.shape) for spec in input_specs(graph)):
        graph = with_sizes(graph)
    init, predict, _ = nets_of(graph, parse_device(device), prefer, weights=True)
    return init, predict


def write_nets(
    graph: Graph,
    folder: str | os.PathLike[str],
    device: str = "CPU",
    prefer: str = "caffe2",
) -> None:
    """Write ``init_net.pb`` and ``predict_net.pb`` into FOLDER, which is made if there is none.

    Both are in place or neither is: they are renamed at the end.

    Parameters
    ----------
    graph : Graph
    folder : path
    device, prefer : str
        As for :func:`emit`, and so are the errors.

    Raises
    ------
    OSError
        FOLDER cannot be written to.
    """
    nets = emit(graph, device, prefer)
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    halves = [place / f".{name}.{os.getpid()}" for name in (INIT_NET, PREDICT_NET)]
    try:
        for half, data in zip(halves, nets, strict=True):
            half.write_bytes(data)
        for half, name in zip(halves, (INIT_NET, PREDICT_NET), strict=True):
            half.replace(place / name)
    finally:
        for half in halves:
            half.unlink(missing_ok=True)
