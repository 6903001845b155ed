"""Is a graph well formed, and does each node obey its operator?"""

from __future__ import annotations

from . import _core
from ._core import Graph, Node

__all__ = ["check_graph", "check_node"]


def check_graph(graph: Graph) -> None:
    """Check structure and operators.

    Every value is made once and before it is used, subgraphs and functions included; every node
    calls a function of the graph or has a known operator (those of other domains than ``""`` are
    taken as they are) with the right number of inputs and outputs, the right attributes, and
    element types and shapes that agree where they are declared or can be inferred (see
    :func:`toffee.infer_shapes`). Of a graph that declares another opset than 20,
    operators that mean something else there are only looked up by name.

    Parameters
    ----------
    graph : Graph

    Raises
    ------
    toffee.CheckError
        The first fault: which node, what is wrong, what to do.

    Notes
    -----
    Takes time in proportion to the nodes; weights are not read. Source of the rules: ``onnx.defs``
    at opset 20.

    Examples
    --------
    >>> import toffee
    >>> relu = toffee.helper.make_node("Relu", ["x"], ["y"])
    >>> toffee.checker.check_graph(toffee.helper.make_graph([relu], "net", ["x"], ["y"]))
    >>> relu.op_type = "Rely"
    >>> toffee.checker.check_graph(toffee.helper.make_graph([relu], "net", ["x"], ["y"]))
    Traceback (most recent call last):
    toffee.CheckError: ...
    """
    _core.check_graph(graph)


def check_node(node: Node) -> None:
    """Check one node against its operator, without the graph around it.

    Parameters
    ----------
    node : Node
        Of ONNX's own domain at opset 20; one of another domain is taken as it is.

    Raises
    ------
    toffee.CheckError
        The first fault.
    """
    _core.check_node(node)
