"""Graphs as Caffe2's two nets, without Caffe2: bytes, or the two files that its tools expect."""

from __future__ import annotations

import os
from pathlib import Path

from ... import _core, shape_inference
from ..._core import Graph
from ...errors import BackendError, UnsupportedOperatorError
from ..base import Device, check_is_graph, parse_device

__all__ = ["INIT_NET", "PREDICT_NET", "emit", "nets_of", "write_nets"]

#: What Caffe2's own tools call the two files.
INIT_NET = "init_net.pb"
PREDICT_NET = "predict_net.pb"


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
        raise BackendError(str(error)) from error


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
        A node that Caffe2 cannot compute: says which and why. An unknown device.
    toffee.Error
        The parameters are too large for a protobuf message (2 GiB).
    ValueError
        Another ``prefer``.
    """
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
