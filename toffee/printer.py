"""Graphs as text, as PyTorch printed its traces in 2017."""

from __future__ import annotations

from . import shape_inference
from ._core import Graph, Node

__all__ = ["to_text"]


def to_text(part: Graph | Node, *, infer: bool = False) -> str:
    """The listing of a graph, or the one line of a node: the same as ``str(part)``.

    Parameters
    ----------
    part : Graph or Node
    infer : bool
        Show the types that :func:`toffee.infer_shapes` finds beside those that are declared. For
        graphs only.

    Raises
    ------
    toffee.CheckError
        With ``infer``: the graph is not sound.

    Examples
    --------
    >>> import toffee
    >>> print(toffee.printer.to_text(toffee.helper.make_node("Relu", ["x"], ["y"])))
    %y = Relu(%x)
    """
    if not isinstance(part, (Graph, Node)):
        raise TypeError(f"expected a toffee.Graph or a toffee.Node, not {type(part).__name__}")
    if infer and not isinstance(part, Graph):
        raise TypeError("types of one node cannot be inferred: pass the graph that it is in")
    return str(shape_inference.infer_shapes(part) if isinstance(part, Graph) and infer else part)
