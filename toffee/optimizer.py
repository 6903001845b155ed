"""Graph clean-up: the same results from fewer nodes."""

from __future__ import annotations

from collections.abc import Iterable

from . import _core
from ._core import Graph

__all__ = ["optimize", "passes"]


def passes() -> tuple[str, ...]:
    """Names of all passes, in the order in which they run. ``docs/optimize.md`` describes them."""
    return tuple(name for name, _ in _core.passes())


def optimize(
    graph: Graph, passes: Iterable[str] | None = None, *, keep_parameters: bool = False
) -> Graph:
    """Clean a graph up.

    The result computes the same, to the last bit, from the same inputs: inputs and outputs keep
    their names, order, shapes and dtypes, and weights keep their names and bytes.

    Parameters
    ----------
    graph : Graph
        Is not changed. Only operators of the default domain at opset 13 or later are touched;
        functions are left alone. More is found where types are known: a graph from a file may
        declare few, and then what :func:`toffee.infer_shapes` finds out is used.
    passes : iterable of str, optional
        Which passes run, of those that :func:`toffee.passes` lists; all by default. The order given
        does not matter.
    keep_parameters : bool
        Compute nothing from parameters, not even from buffers of whole numbers: for a graph whose
        parameters are given at run time.

    Returns
    -------
    Graph
        A copy; bytes of tensors are shared with ``graph``. It is the same as its own optimization.

    Raises
    ------
    ValueError
        There is no pass of that name.
    toffee.CheckError
        ``graph`` is not valid (see :func:`toffee.checker.check_graph`).

    Notes
    -----
    A file never grows by more than 1 % (or 1 KiB). Takes time in proportion to the nodes; weights
    are not read.

    Examples
    --------
    >>> import toffee
    >>> nodes = [
    ...     toffee.helper.make_node("Transpose", ["x"], ["1"], perm=[1, 0]),
    ...     toffee.helper.make_node("Transpose", ["1"], ["2"], perm=[1, 0]),
    ...     toffee.helper.make_node("Relu", ["2"], ["y"]),
    ... ]
    >>> x = toffee.helper.make_tensor_value_info("x", toffee.Tensor.FLOAT, [2, 3])
    >>> graph = toffee.helper.make_graph(nodes, "net", [x], ["y"])
    >>> [node.op_type for node in toffee.optimize(graph).node]
    ['Relu']
    """
    return _core.optimize(graph, chosen(True if passes is None else passes), keep_parameters)


def chosen(passes: bool | Iterable[str]) -> tuple[str, ...]:
    """Names of the passes that ``passes`` stands for. ValueError for a name that there is not."""
    if passes is False:
        return ()
    known = tuple(name for name, _ in _core.passes())
    if passes is True:
        return known
    if isinstance(passes, str):
        raise TypeError(f"the string {passes!r} is no list of passes; write [{passes!r}]")
    names = tuple(passes)
    for name in names:
        if name not in known:
            raise ValueError(f"there is no pass named {name!r}; these are: {', '.join(known)}")
    return names
