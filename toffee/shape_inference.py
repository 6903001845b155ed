"""Element types and shapes of all values of a graph."""

from __future__ import annotations

import copy
import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from . import _core
from ._core import Graph, ValueInfo
from ._symbols import Misfit, Sizes, limits_of

__all__ = ["infer_shapes"]

Shape = tuple["int | str | None", ...]

#: Of inference, each with the sizes that the one before found. One is nearly always enough.
_MOST_ROUNDS = 3


def infer_shapes(graph: Graph, inputs: Mapping[str, Sequence[int] | Any] | None = None) -> Graph:
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
        Sizes of inputs, by name: ``{"x": (8, 3, 224, 224)}``; anything with a ``shape``, as an
        array has, will do. The symbols that these inputs declare have their numbers wherever the
        graph declares them then, in other inputs and in expressions such as ``2*length + 1`` too.

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
        ``inputs`` names no input, or gives one another rank or size than it declares, or a symbol
        two sizes or one that the graph does not allow: names input, dimension and sizes.

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
    if not inputs:
        _core.infer_shapes(inferred)
        return inferred
    sizes = Sizes(limits_of(graph))
    _set_inputs(inferred, inputs, sizes)
    infos = list(_every_info(inferred))
    for _ in range(_MOST_ROUNDS):
        open_dims = _replace_symbols(infos, sizes)
        _core.infer_shapes(inferred)
        if not _found_more(open_dims, sizes):
            break
    return inferred


def _set_inputs(graph: Graph, inputs: Mapping[str, Any], sizes: Sizes) -> None:
    """Declare the shapes INPUTS in GRAPH, and put what follows for its symbols into SIZES."""
    infos = {info.name: info for info in graph.input_info}
    for name, given in inputs.items():
        if name not in infos:
            known = ", ".join(f"'{name}'" for name in sorted(infos)) or "none with a type"
            raise ValueError(f"the graph has no input '{name}'; it has {known}")
        shape = _shape_of(name, given)
        declared = infos[name].shape
        try:
            sizes.take(name, declared, shape)
        except Misfit as misfit:
            raise _does_not_fit(name, shape, declared, misfit) from None
        infos[name].shape = shape
    try:
        sizes.settle()
    except Misfit as misfit:
        raise ValueError(f"the shapes of the inputs do not fit together: {misfit}") from None
    for name, info in infos.items():
        _check_sizes(name, info.shape, sizes)


def _shape_of(name: str, given: Any) -> tuple[int, ...]:
    """GIVEN, or the shape that it has, as numbers."""
    shape = getattr(given, "shape", given)
    try:
        found = tuple(operator.index(size) for size in shape)
    except TypeError:
        raise TypeError(
            f"input '{name}' is given {given!r}; a shape is a tuple of numbers, such as (8, 3)"
        ) from None
    if any(size < 0 for size in found):
        raise ValueError(f"input '{name}' is given the shape {found}: sizes are 0 or more")
    return found


def _does_not_fit(
    name: str, shape: tuple[int, ...], declared: Shape | None, misfit: Misfit
) -> ValueError:
    text = ", ".join("?" if size is None else str(size) for size in declared or ())
    return ValueError(f"input '{name}' declares [{text}] and is given {shape}: {misfit}")


def _check_sizes(name: str, shape: Shape | None, sizes: Sizes) -> None:
    """Raise ValueError where SIZES make a dimension of input NAME less than nothing."""
    for axis, size in enumerate(shape or ()):
        number = sizes.value(size) if isinstance(size, str) and size else None
        if number is not None and number < 0:
            raise ValueError(
                f"dimension {axis} of input '{name}' is '{size}', which is {number} for these sizes"
            )


def _every_info(graph: Graph) -> Iterator[ValueInfo]:
    """What GRAPH and the graphs in its nodes declare."""
    yield from (*graph.input_info, *graph.value_info, *graph.output_info)
    for node in graph.node:
        for attribute in node.attribute:
            for inner in [attribute.g] if attribute.g is not None else attribute.graphs:
                yield from _every_info(inner)


def _replace_symbols(infos: Iterable[ValueInfo], sizes: Sizes) -> list[tuple[ValueInfo, Shape]]:
    """Declare numbers where SIZES knows them. What still has texts, and the shape that it has."""
    open_dims = []
    for info in infos:
        shape = info.shape
        if shape is None or not any(isinstance(size, str) for size in shape):
            continue
        known = sizes.shape(shape)
        if known != shape:
            info.shape = known
        if any(isinstance(size, str) for size in known):
            open_dims.append((info, known))
    return open_dims


def _found_more(open_dims: Iterable[tuple[ValueInfo, Shape]], sizes: Sizes) -> bool:
    """Whether inference found numbers for symbols of OPEN_DIMS; puts them into SIZES. The sizes of
    expressions too, which may stand where nothing can be inferred."""
    before = len(sizes)
    for info, shape in open_dims:
        for text, size in zip(shape, info.shape or (), strict=False):
            if isinstance(text, str) and text and isinstance(size, int):
                sizes.setdefault(text, size)
    return len(sizes) > before
