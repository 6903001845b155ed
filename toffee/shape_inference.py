"""Element types and shapes of all values of a graph."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

from . import _core
from ._core import Graph, ValueInfo

__all__ = ["infer_shapes"]

Shape = tuple["int | str | None", ...]


def infer_shapes(graph: Graph, inputs: Mapping[str, Sequence[int]] | None = None) -> Graph:
    """A copy of a graph in which every value has its type, as far as it can be known.

    Types follow from those of the graph's inputs and initializers, node by node, subgraphs
    included. Small tensors of whole numbers are followed element by element, so that what
    ``Shape``, ``Gather``, ``Concat`` and arithmetic compute is known to ``Reshape``, ``Expand``,
    ``Slice`` and the like. Symbols such as ``"batch"`` are kept where an axis keeps its size.

    Parameters
    ----------
    graph : Graph
        Sound for :func:`toffee.checker.check_graph`; it is not changed. It may declare some types,
        or none but its inputs'. Tensor bytes are shared with the copy.
    inputs : mapping of str to sequence of int, optional
        Sizes of inputs, by name: ``{"x": (8, 3, 224, 224)}``. A symbol that an input declares is
        replaced by its number wherever the graph declares it.

    Returns
    -------
    Graph
        ``value_info`` lists every value between the nodes of which something is known; ``dtype``
        and ``shape`` of each are what was declared, made more exact where less was known. Sequences
        and optionals have no type in ToffeeIR.

    Raises
    ------
    toffee.CheckError
        A node is wrong, or its declared output is not what it makes: names the node and both types.
    ValueError
        ``inputs`` names no input, or gives one that declares another rank or size, or gives a
        symbol two sizes.

    Notes
    -----
    Takes time in proportion to the nodes; large tensors are not read.

    Examples
    --------
    >>> from toffee import Tensor, helper, infer_shapes
    >>> x = helper.make_tensor_value_info("x", Tensor.FLOAT, ["batch", 3])
    >>> y = helper.make_tensor_value_info("y", Tensor.FLOAT, None)
    >>> net = helper.make_graph([helper.make_node("Flatten", ["x"], ["y"])], "net", [x], [y])
    >>> infer_shapes(net).output_info[0].shape
    ('batch', 3)
    >>> infer_shapes(net, {"x": (8, 3)}).output_info[0].shape
    (8, 3)
    """
    if not isinstance(graph, Graph):
        raise TypeError(f"expected a toffee.Graph, not {type(graph).__name__}")
    inferred = copy.copy(graph)
    if inputs:
        _set_inputs(inferred, inputs)
    _core.infer_shapes(inferred)
    return inferred


def _set_inputs(graph: Graph, inputs: Mapping[str, Sequence[int]]) -> None:
    """Declare the sizes INPUTS, and the numbers that follow for symbols, in GRAPH."""
    infos = {info.name: info for info in graph.input_info}
    sizes: dict[str, int] = {}
    for name, given in inputs.items():
        if name not in infos:
            known = ", ".join(sorted(infos)) or "none with a type"
            raise ValueError(f"the graph has no input {name!r}; it has {known}")
        shape = tuple(int(size) for size in given)
        declared = infos[name].shape
        if any(size < 0 for size in shape):
            raise ValueError(f"input {name!r} is given the shape {shape}: sizes are 0 or more")
        if declared is not None and not _agree(declared, shape):
            raise ValueError(f"input {name!r} is given the shape {shape}, but declares {declared}")
        for symbol, size in zip(declared or (), shape, strict=False):
            if isinstance(symbol, str) and sizes.setdefault(symbol, size) != size:
                raise ValueError(
                    f"input {name!r} is given the shape {shape}, which makes {symbol!r} {size}; "
                    f"another input makes it {sizes[symbol]}"
                )
        infos[name].shape = shape
    for info in (*graph.input_info, *graph.value_info, *graph.output_info):
        _replace_symbols(info, sizes)


def _agree(declared: Shape, shape: tuple[int, ...]) -> bool:
    return len(declared) == len(shape) and all(
        not isinstance(size, int) or size == given
        for size, given in zip(declared, shape, strict=True)
    )


def _replace_symbols(info: ValueInfo, sizes: Mapping[str, int]) -> None:
    shape = info.shape
    if shape is not None and any(size in sizes for size in shape):
        info.shape = tuple(
            sizes.get(size, size) if isinstance(size, str) else size for size in shape
        )
