"""Graphs as text, as PyTorch printed its traces in 2017."""

from __future__ import annotations

from ._core import Graph, Node

__all__ = ["to_text"]


def to_text(part: Graph | Node) -> str:
    """The listing of a graph, or the one line of a node: the same as ``str(part)``.

    Examples
    --------
    >>> import toffee.helper
    >>> print(to_text(toffee.helper.make_node("Relu", ["x"], ["y"])))
    %y = Relu(%x)
    """
    if not isinstance(part, (Graph, Node)):
        raise TypeError(f"expected a toffee.Graph or a toffee.Node, not {type(part).__name__}")
    return str(part)
