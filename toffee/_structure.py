"""Containers: walk nested arguments and results, name what is in them, and put them together again.

PyTorch's own pytree says what a container is (tuples, lists, dicts, named tuples, and all classes
that are registered with it). On top of that, dataclasses, mappings and subclasses of list and tuple
that nobody has registered are taken apart as well: a tensor inside them would become a constant.
Of other objects, such as the caches of transformers, only the tensors in their attributes are seen.
"""

from __future__ import annotations

import collections
import copy
import dataclasses
import functools
import json
import logging
import operator
import types
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any, NamedTuple

import torch
from torch.utils import _pytree as pytree

_log = logging.getLogger("toffee")

#: One step for each container around a leaf: an index, a key, or the name of a field.
Path = tuple[str, ...]

#: Deeper than this, an object counts as a leaf: a dataclass may hold itself.
_MAX_DEPTH = 64

#: What a model refers to need not be a part of it: a trainer, with all that this holds.
_MOST_CONTAINERS = 10_000

#: Longest text of one baked argument in the graph.
_MAX_TEXT = 200


class _Parts(NamedTuple):
    steps: list[str]
    children: list[Any]
    assemble: Callable[[list[Any]], Any]


def transform(tree: Any, visit: Callable[[Path, Any], Any], path: Path = ()) -> Any:
    """Replace every leaf by ``visit(path, leaf)``, in order.

    Returns
    -------
    TREE itself where no leaf was replaced by another object, so that a function that changes the
    containers it is given changes the caller's; else copies of the containers on the way.
    """
    parts = _take_apart(tree) if len(path) < _MAX_DEPTH else None
    if parts is None:
        return visit(path, tree)
    children = [
        transform(child, visit, (*path, step))
        for step, child in zip(parts.steps, parts.children, strict=True)
    ]
    if all(new is old for new, old in zip(children, parts.children, strict=True)):
        return tree
    return parts.assemble(children)


def leaves(tree: Any) -> list[tuple[Path, Any]]:
    """Every leaf of TREE with its path, in order. None is a leaf."""
    found: list[tuple[Path, Any]] = []

    def visit(path: Path, leaf: Any) -> Any:
        found.append((path, leaf))
        return leaf

    transform(tree, visit)
    return found


def _take_apart(tree: Any) -> _Parts | None:
    """The children of a container; None for a leaf."""
    if tree is None or isinstance(tree, (torch.Tensor, torch.nn.Module, torch.Size, type)):
        return None
    if isinstance(tree, (str, bytes, int, float, complex)):
        return None
    if type(tree) in pytree.SUPPORTED_NODES or pytree.is_namedtuple_instance(tree):
        return _registered(tree)
    if dataclasses.is_dataclass(tree):
        return _dataclass(tree)
    if isinstance(tree, MutableMapping):
        return _mapping(tree)
    if isinstance(tree, list):
        return _list(tree)
    if isinstance(tree, tuple):
        kind = type(tree)
        return _Parts(
            [str(i) for i in range(len(tree))],
            list(tree),
            lambda children: tuple.__new__(kind, children),
        )
    return _object(tree)


def _registered(tree: Any) -> _Parts:
    def is_child(node: Any) -> bool:
        return node is not tree

    children, spec = pytree.tree_flatten(tree, is_leaf=is_child)
    return _Parts(
        _steps(tree, len(children), is_child),
        children,
        lambda new: pytree.tree_unflatten(new, spec),
    )


def _steps(tree: Any, n: int, is_child: Callable[[Any], bool]) -> list[str]:
    """A step for each child of a registered container. Not every class says the names of its
    parts; those of a mapping are its keys."""
    try:
        keyed, _ = pytree.tree_flatten_with_path(tree, is_leaf=is_child)
        return [_key_text(path[0]) for path, _ in keyed]
    except ValueError:
        if isinstance(tree, Mapping) and len(tree) == n:
            return [str(key) for key in tree]
        return [str(i) for i in range(n)]


def _key_text(key: Any) -> str:
    for attribute in ("idx", "key", "name"):
        if hasattr(key, attribute):
            return str(getattr(key, attribute))
    return str(key)


def _dataclass(tree: Any) -> _Parts:
    names = [field.name for field in dataclasses.fields(tree) if hasattr(tree, field.name)]

    def assemble(children: list[Any]) -> Any:
        new = copy.copy(tree)
        for name, child in zip(names, children, strict=True):
            try:
                setattr(new, name, child)
            except dataclasses.FrozenInstanceError:
                object.__setattr__(new, name, child)
        return new

    return _Parts(names, [getattr(tree, name) for name in names], assemble)


def _mapping(tree: MutableMapping[Any, Any]) -> _Parts:
    keys = list(tree)

    def assemble(children: list[Any]) -> Any:
        new = copy.copy(tree)
        for key, child in zip(keys, children, strict=True):
            new[key] = child
        return new

    return _Parts([str(key) for key in keys], [tree[key] for key in keys], assemble)


def _list(tree: list[Any]) -> _Parts:
    def assemble(children: list[Any]) -> Any:
        new = copy.copy(tree)
        new[:] = children
        return new

    return _Parts([str(i) for i in range(len(tree))], list(tree), assemble)


# ---- objects that only their own class knows -----------------------------------------------------

#: Most values are of one of these types, and a look at the type is quick.
_HOLDERS = frozenset((list, dict, set, tuple, collections.OrderedDict))
_PLAINEST = frozenset((type(None), bool, int, float, str, torch.Tensor, torch.nn.Parameter))
#: What is in no container, or in one that is looked at elsewhere.
_PLAIN = (bool, int, float, str, torch.Tensor, torch.nn.Module, type, types.FunctionType)

#: Objects whose attributes are not for others to replace, or are no part of a value.
_CLOSED = (
    torch.nn.Module,
    type,
    types.FunctionType,
    types.MethodType,
    types.ModuleType,
    functools.partial,
)


def _object(tree: Any) -> _Parts | None:
    """The tensors in the attributes of TREE, and in lists, dicts and objects there, as children
    with dotted names; None if there are none. All else in the object stays as it is."""
    found = list(_inner_tensors(tree, (), set()))
    if not found:
        return None
    return _Parts(
        [".".join(path) for path, _ in found],
        [tensor for _, tensor in found],
        lambda children: _with_tensors(
            tree, {path: new for (path, _), new in zip(found, children, strict=True)}, (), {}
        ),
    )


def _inner(tree: Any) -> dict[Any, Any]:
    """What is one step inside of TREE, by attribute, key or index."""
    if isinstance(tree, (list, tuple)):
        return dict(enumerate(tree))
    if isinstance(tree, dict):
        return tree
    if isinstance(tree, _CLOSED):
        return {}
    return getattr(tree, "__dict__", {})


def _inner_tensors(tree: Any, path: Path, inside: set[int]) -> Iterator[tuple[Path, torch.Tensor]]:
    """The tensors in TREE with their paths. INSIDE: the objects around it, by id, for those that
    hold themselves."""
    if isinstance(tree, torch.Tensor):
        yield path, tree
    elif id(tree) not in inside and len(path) < _MAX_DEPTH:
        for step, part in _inner(tree).items():
            yield from _inner_tensors(part, (*path, str(step)), inside | {id(tree)})


def _with_tensors(tree: Any, new: dict[Path, Any], path: Path, copies: dict[int, Any]) -> Any:
    """TREE with the tensors at the paths of NEW replaced: copies of what is on the way. COPIES: by
    the id of an object around TREE its copy, for those that hold themselves."""
    if path in new:
        return new[path]
    if id(tree) in copies:
        return copies[id(tree)]
    parts = {
        step: part
        for step, part in _inner(tree).items()
        if any(other[: len(path) + 1] == (*path, str(step)) for other in new)
        or id(part) in copies
        or part is tree
    }
    if not parts:
        return tree
    copied = list(tree) if isinstance(tree, tuple) else copy.copy(tree)
    copies = {**copies, id(tree): copied}
    holder = copied if isinstance(copied, (list, dict)) else vars(copied)
    for step, part in parts.items():
        holder[step] = _with_tensors(part, new, (*path, str(step)), copies)
    if isinstance(tree, tuple):
        return type(tree)(*copied) if hasattr(tree, "_fields") else type(tree)(copied)
    return copied


def as_they_are(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], Any]:
    """The arguments as they are now, for a further run of a function that may fill or empty what it
    is given: containers and objects are copied, tensors and modules are the same.

    An argument that cannot be copied is the same, too: a lock, a file, a generator.
    """
    return tuple(map(_as_it_is, args)), {name: _as_it_is(value) for name, value in kwargs.items()}


def _as_it_is(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float, str, torch.Tensor, torch.nn.Module)):
        return value
    shared = dict(_shared(value, set()))
    try:
        return copy.deepcopy(value, shared)
    except Exception as error:  # its own; nothing is said of what copying raises
        _log.info("an argument cannot be copied, and is given to each run as it is: %s", error)
        return value


def _shared(tree: Any, seen: set[int]) -> Iterator[tuple[int, Any]]:
    """The tensors and modules in TREE, by id."""
    if isinstance(tree, (torch.Tensor, torch.nn.Module)):
        yield id(tree), tree
    elif id(tree) not in seen:
        seen.add(id(tree))
        for part in _inner(tree).values():
            yield from _shared(part, seen)


def containers(tree: Any) -> list[Any]:
    """The lists, dicts and sets in TREE, each once, with those that objects have their attributes
    in; the first _MOST_CONTAINERS of them, the outer ones first."""
    found: dict[int, Any] = {}
    seen: dict[int, Any] = {}
    level = [tree]
    while level and len(found) < _MOST_CONTAINERS:
        inner = {id(part): part for outer in level for part in _inner(outer).values()}
        level = []
        for key in inner.keys() - seen.keys():
            part = held = inner[key]
            kind = type(part)
            if kind in _PLAINEST:
                continue
            if kind not in _HOLDERS:
                if isinstance(part, _PLAIN):
                    continue
                if not isinstance(part, (list, dict, set, tuple)):
                    held = getattr(part, "__dict__", None)
            if isinstance(held, (list, dict, set)):
                found[id(held)] = held
            if held:
                level.append(part)
        seen |= inner
    return list(found.values())


def holds_the_same(container: Any, held: Any) -> bool:
    """Whether CONTAINER has the very objects of HELD, in the same order."""
    if len(container) != len(held):
        return False
    if not held:
        return True
    if isinstance(container, dict) and not all(
        map(operator.is_, container.values(), held.values())
    ):
        return False
    return all(map(operator.is_, container, held))


# ---- what is no tensor ---------------------------------------------------------------------------


def without_subclass(tensor: torch.Tensor) -> torch.Tensor:
    """A plain tensor over the memory of TENSOR, if that is of a subclass which adds no operators of
    its own: each result of those is made anew as the subclass, and the trace loses sight of it."""
    kinds = (type(tensor), torch.Tensor)
    own, plain = (getattr(kind.__torch_function__, "__func__", None) for kind in kinds)
    if type(tensor) is torch.Tensor or own is not plain:
        return tensor
    return tensor.as_subclass(torch.Tensor)


def hidden_tensors(leaf: Any) -> list[str]:
    """Names of the attributes of LEAF, a function or the like, that are tensors."""
    if isinstance(leaf, (torch.nn.Module, type)):
        return []
    attributes = getattr(leaf, "__dict__", {})
    return [name for name, value in attributes.items() if isinstance(value, torch.Tensor)]


def baked_text(values: dict[str, Any]) -> str:
    """VALUES (name to Python value) as JSON, the same in every run: what JSON does not have is
    there as a string, an object of another class by the name of its class."""
    return json.dumps({name: _plain(value) for name, value in values.items()})


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if abs(value) < float("inf") else str(value)
    if isinstance(value, str):
        return value if len(value) <= _MAX_TEXT else value[:_MAX_TEXT] + "…"
    if isinstance(value, (complex, torch.dtype, torch.device, torch.Size)):
        return str(value)
    name = getattr(value, "__qualname__", None) or type(value).__qualname__
    return f"<{name}>"
