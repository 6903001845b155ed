"""Which dimensions of the inputs may have any size: what the caller says, in its several spellings.

``dynamic_dims`` is ours; ``dynamic_axes`` is torch.onnx's, ``dynamic_shapes`` torch.export's. All
become a :class:`Request`: symbols, and the places that they stand in.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

__all__ = ["Dim"]


@dataclass(frozen=True)
class Dim:
    """A size that is open: a symbol, and which sizes it may be.

    Parameters
    ----------
    name : str
        What the size is called in the graph: an identifier, such as ``"batch"``.
    min : int
        The smallest size, at least 0. With 0 or 1 the model is also run at 1, where some models
        do something else.
    max : int, optional
        The largest size. The model is run there too, without computing what is expensive, so that
        what begins at some size (``x[:, :512]``, ``min(n, 512)``) is seen up to there.
    multiple_of : int
        What divides the size.

    Raises
    ------
    ValueError
        The name is no identifier, or no two sizes are left.
    """

    name: str
    min: int = 1
    max: int | None = None
    multiple_of: int = 1

    def __post_init__(self) -> None:
        if not self.name.isidentifier():
            raise ValueError(f"Dim('{self.name}'): the name must be an identifier, as 'batch' is")
        if self.min < 0 or self.multiple_of < 1:
            raise ValueError(f"{self}: min is at least 0, and multiple_of at least 1")
        if self.max is not None and self.max // self.multiple_of <= self._least_multiple():
            raise ValueError(f"{self}: there are no two sizes that it can be")

    def _least_multiple(self) -> int:
        return -(-self.min // self.multiple_of)

    def allows(self, size: int) -> bool:
        """Whether SIZE is one that it may be."""
        return (
            size >= self.min
            and (self.max is None or size <= self.max)
            and size % self.multiple_of == 0
        )

    def __str__(self) -> str:
        rest = f", min={self.min}" if self.min != 1 else ""
        rest += f", max={self.max}" if self.max is not None else ""
        rest += f", multiple_of={self.multiple_of}" if self.multiple_of != 1 else ""
        return f"Dim('{self.name}'{rest})"


class Place(NamedTuple):
    """Axis ``axis`` of input number ``input``."""

    input: int
    axis: int


class Input(NamedTuple):
    """A tensor among the arguments: its name in the graph, its shape in the traced run, and where
    it is in ``(args, kwargs)``, as :func:`toffee._structure.leaves` has it."""

    name: str
    shape: tuple[int, ...]
    path: tuple[str, ...] = ()


class Chosen(NamedTuple):
    """What the caller said, and in whose spelling: ``dynamic_dims``, ``dynamic_axes`` or
    ``dynamic_shapes``."""

    spelling: str
    said: Any


def chosen(dynamic_dims: Any, dynamic_axes: Any, dynamic_shapes: Any) -> Chosen | None:
    """The one spelling that was used, or None.

    Raises
    ------
    ValueError
        There are two.
    """
    said = {
        "dynamic_dims": dynamic_dims,
        "dynamic_axes": dynamic_axes or None,
        "dynamic_shapes": dynamic_shapes or None,
    }
    found = [Chosen(name, value) for name, value in said.items() if value is not None]
    if len(found) > 1:
        names = " and ".join(one.spelling for one in found)
        raise ValueError(f"{names} say the same in two spellings: give one")
    return found[0] if found else None


@dataclass(frozen=True)
class Request:
    """The open dimensions: each symbol, where it stands, and its size in the traced run."""

    dims: tuple[Dim, ...]
    places: tuple[tuple[Place, ...], ...]  # of each of dims
    sizes: tuple[int, ...]  # of each of dims

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(dim.name for dim in self.dims)

    def to_json(self) -> str:
        """``{"batch": {"min": 1, "max": null, "multiple_of": 1}}``, for the file."""
        rows = {
            dim.name: {"min": dim.min, "max": dim.max, "multiple_of": dim.multiple_of}
            for dim in self.dims
        }
        return json.dumps(rows, ensure_ascii=False)

    def describe(self, sizes: Sequence[int]) -> str:
        """``batch=2, length=8``, for messages."""
        pairs = zip(self.names, sizes, strict=True)
        return ", ".join(f"{name}={size}" for name, size in pairs)


#: What one axis may be given as: a symbol by name, a Dim, one of torch.export's, or None (fixed).
Size = Any


def request(
    dims: Chosen, inputs: Sequence[Input], heads: Sequence[str] = (), outputs: Sequence[str] = ()
) -> Request:
    """What DIMS asks for.

    Parameters
    ----------
    dims : Chosen
        In ours: a symbol for the first dimension of every input; or for each input, by name, a
        mapping from axes to symbols or a sequence with one (or None) an axis.
    inputs, heads, outputs
        The inputs in order, the names of the positional arguments, and names of outputs: what is
        said of those is passed over, since their sizes follow.

    Raises
    ------
    TypeError, ValueError
        It does not fit the inputs; says which name or axis.
    """
    said = dims.said
    if dims.spelling == "dynamic_axes":
        said = _from_dynamic_axes(said)
    elif dims.spelling == "dynamic_shapes":
        said = _from_dynamic_shapes(said, inputs, heads)
    if isinstance(said, (str, Dim)):
        places = [(i, 0, said) for i, tensor in enumerate(inputs) if tensor.shape]
        if not places:
            raise ValueError("dynamic_dims: no input has a first dimension")
    elif isinstance(said, Mapping):
        places = _places(dims.spelling, said, inputs, outputs)
    else:
        raise TypeError(
            f"dynamic_dims is a {type(said).__name__}; it must be a symbol for the first "
            "dimension of every input, or a dict such as {'x': {0: 'batch'}}"
        )
    return _gather(dims.spelling, places, inputs)


def _places(
    spelling: str, axes: Mapping[str, Any], inputs: Sequence[Input], outputs: Sequence[str]
) -> list[tuple[int, int, Size]]:
    numbers = {tensor.name: i for i, tensor in enumerate(inputs)}
    found: list[tuple[int, int, Size]] = []
    for name, said in axes.items():
        if name not in numbers:
            if name in outputs:
                continue
            known = ", ".join(f"'{tensor.name}'" for tensor in inputs)
            raise ValueError(f"{spelling} has '{name}', which is no input; there are {known}")
        rank = len(inputs[numbers[name]].shape)
        for axis, size in _axes(spelling, name, said):
            if not -rank <= axis < rank:
                raise ValueError(f"{spelling}: '{name}' has no axis {axis}: it has {rank}")
            found.append((numbers[name], axis % rank, size))
    return found


def _axes(spelling: str, name: str, said: Any) -> list[tuple[int, Size]]:
    """The axes of one input that are open, and what is said of each."""
    if said is None:
        return []
    if isinstance(said, Mapping):
        pairs = list(said.items())
    elif isinstance(said, (list, tuple)):
        pairs = list(enumerate(said))
    else:
        raise TypeError(
            f"{spelling}['{name}'] is a {type(said).__name__}; it must be a dict from axes to "
            "symbols, or a sequence with a symbol or None for each axis"
        )
    for axis, size in pairs:
        if not isinstance(axis, int) or isinstance(axis, bool):
            raise TypeError(f"{spelling}['{name}'] has {axis!r} for an axis; axes are ints")
        if size is not None and not isinstance(size, (str, Dim, _Own)):
            raise TypeError(
                f"{spelling}['{name}'][{axis}] is a {type(size).__name__}; it must be a symbol "
                "such as 'batch', a toffee.Dim, or None"
            )
    return [(axis, size) for axis, size in pairs if size is not None]


class _Own(NamedTuple):
    """An open size without a name: one of its own, or with EQUAL that of all such that are as large
    in the traced run."""

    equal: bool


def _gather(
    spelling: str, places: Sequence[tuple[int, int, Size]], inputs: Sequence[Input]
) -> Request:
    """Places with the same symbol together, checked against each other."""
    dims: dict[str, Dim] = {}
    stands: dict[str, list[Place]] = {}
    for number, axis, said in places:
        size = inputs[number].shape[axis]
        if isinstance(said, _Own):
            said = f"size_{size}" if said.equal else f"{_word(inputs[number].name)}_{axis}"
        dim = Dim(said) if isinstance(said, str) else said
        known = dims.setdefault(dim.name, dim)
        if known != dim and isinstance(said, Dim):
            if known != Dim(dim.name):
                raise ValueError(f"{spelling} has both {known} and {dim}")
            dims[dim.name] = dim
        place = Place(number, axis)
        if place not in stands.setdefault(dim.name, []):
            stands[dim.name].append(place)
    if not dims:
        raise ValueError(f"{spelling} names no dimension: leave it out to export fixed sizes")
    for name, same in stands.items():
        _check_sizes(dims[name], same, inputs)
    return Request(
        dims=tuple(dims.values()),
        places=tuple(tuple(stands[name]) for name in dims),
        sizes=tuple(inputs[stands[name][0].input].shape[stands[name][0].axis] for name in dims),
    )


def _word(name: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in name)


def _check_sizes(dim: Dim, places: Sequence[Place], inputs: Sequence[Input]) -> None:
    """That the traced run has one size at all PLACES, and one that DIM allows."""
    first = places[0]
    for place in places:
        size = inputs[place.input].shape[place.axis]
        if size != inputs[first.input].shape[first.axis]:
            raise ValueError(
                f"'{dim.name}' stands for equal sizes, but axis {first.axis} of "
                f"'{inputs[first.input].name}' is {inputs[first.input].shape[first.axis]} and axis "
                f"{place.axis} of '{inputs[place.input].name}' is {size}"
            )
        if not dim.allows(size):
            raise ValueError(
                f"axis {place.axis} of '{inputs[place.input].name}' is {size}, which {dim} does "
                "not allow"
            )


# ---- other spellings -----------------------------------------------------------------------------


def _from_dynamic_axes(axes: Any) -> dict[str, Any]:
    """torch.onnx's ``dynamic_axes`` as ``dynamic_dims``: lists of axes get names as there."""
    if not isinstance(axes, Mapping):
        raise TypeError(
            f"dynamic_axes is a {type(axes).__name__}; it must be a dict such as "
            "{'x': {0: 'batch'}} or {'x': [0]}"
        )
    made: dict[str, Any] = {}
    for name, said in axes.items():
        if isinstance(said, (list, tuple)):
            said = {axis: f"{_word(name)}_dynamic_axes_{i}" for i, axis in enumerate(said, 1)}
        made[name] = said
    return made


def _from_dynamic_shapes(
    shapes: Any, inputs: Sequence[Input], heads: Sequence[str]
) -> dict[str, Any]:
    """torch.export's ``dynamic_shapes`` as ``dynamic_dims``: for each argument of the model, by
    name or in order, what is said of it: for a tensor a mapping from axes to dimensions, a sequence
    of them, or None; nested as the argument is."""
    made: dict[str, Any] = {}
    _check_arguments(shapes, inputs, heads)
    for tensor in inputs:
        kind, step, *deeper = tensor.path
        if isinstance(shapes, Mapping):
            said = _child(shapes, heads[int(step)] if kind == "0" else step)
        else:
            said = _child(shapes, step) if kind == "0" else None
        for part in deeper:
            said = _child(said, part)
        if isinstance(said, Mapping):
            made[tensor.name] = {axis: _foreign(size, tensor.name) for axis, size in said.items()}
        elif isinstance(said, (list, tuple)):
            made[tensor.name] = [_foreign(size, tensor.name) for size in said]
        elif said is not None:
            made[tensor.name] = said  # refused by request(), with the name
    return made


def _check_arguments(shapes: Any, inputs: Sequence[Input], heads: Sequence[str]) -> None:
    """That SHAPES speaks of arguments that there are."""
    if isinstance(shapes, Mapping):
        known = [*heads, *dict.fromkeys(t.path[1] for t in inputs if t.path[0] == "1")]
        for name, said in shapes.items():
            if name not in known and said is not None:
                names = ", ".join(f"'{each}'" for each in known)
                raise ValueError(
                    f"dynamic_shapes has '{name}', which is no argument; there are {names}"
                )
    elif isinstance(shapes, (list, tuple)) and len(shapes) > len(heads):
        raise ValueError(
            f"dynamic_shapes has {len(shapes)} entries, and there are {len(heads)} positional "
            "arguments: a dict names those that are given by keyword"
        )


def _child(said: Any, step: str) -> Any:
    if said is None:
        return None
    if isinstance(said, Mapping):
        return next((value for key, value in said.items() if str(key) == step), None)
    if isinstance(said, (list, tuple)) and step.isdigit():
        return said[int(step)] if int(step) < len(said) else None
    raise ValueError(f"dynamic_shapes does not follow the arguments: there is nothing for '{step}'")


def _foreign(size: Any, name: str) -> Size:
    """One dimension of torch.export as one of ours. By their names: torch is not imported here."""
    kind = type(size).__name__
    if size is None or isinstance(size, (str, Dim)):
        return size
    if isinstance(size, int):  # "static, and this large"
        return None
    if kind == "_DimHint":
        hint = size.type.name
        return {"STATIC": None, "AUTO": _Own(True), "DYNAMIC": _Own(False)}.get(hint)
    if kind == "_DerivedDim":
        raise ValueError(
            f"dynamic_shapes of '{name}' has {size.__name__}: a size that is computed from another "
            "one cannot be declared; declare both as dimensions of their own, or feed one input"
        )
    if hasattr(size, "__name__") and hasattr(size, "min") and hasattr(size, "max"):
        # torch.export's upper end, if none was given, is a symbol or a very large number.
        most = size.max if isinstance(size.max, int) and size.max < 2**31 else None
        least = size.min if isinstance(size.min, int) else 0
        return Dim(size.__name__, min=max(1, least), max=most)
    raise TypeError(f"dynamic_shapes of '{name}' has a {kind}, which is no dimension")
