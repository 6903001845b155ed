"""``toffee.view``: a graph in netron, the viewer of model files, if it is installed."""

from __future__ import annotations

import os
from typing import Any

from . import io
from ._core import Graph

__all__ = ["view"]


def view(
    graph: Graph | str | os.PathLike[str],
    *,
    browse: bool = True,
    address: tuple[str, int] | int | None = None,
) -> Any:
    """Open GRAPH in netron, which serves a page from this process.

    Parameters
    ----------
    graph : Graph or path
        A path is loaded first. Netron is given the graph as ONNX, in memory.
    browse : bool
        Open the page in the browser.
    address : (host, port) or port, optional
        Where the page is served; by default netron takes a free port of this machine.

    Returns
    -------
    (str, int)
        Where it is served, until the process ends or ``netron.stop(address)``.

    Raises
    ------
    ImportError
        Netron is not installed.
    toffee.LimitError
        The graph takes over 2 GiB: save it and open the file with netron.
    OSError, toffee.FormatError
        The path cannot be loaded.
    """
    try:
        import netron  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError:
        raise ImportError(
            "toffee.view() shows the graph with netron, which is not installed: pip install "
            "netron, or toffee[view]"
        ) from None
    if not isinstance(graph, Graph):
        graph = io.load(graph)
    data = bytearray(io.dumps(graph, format="onnx"))
    # By the name netron tells the format; no such file is looked for when there are data.
    return netron.serve("graph.onnx", data, address=address, browse=browse)
