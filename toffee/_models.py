"""What is this model? Its module, its parameters, the names of its arguments, and its flags.

A model is anything that can be called. Where a module is behind it (a bound method, a partial, a
compiled or data-parallel wrapper), that module's parameters get their names and its flags are set.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch

Model = torch.nn.Module | Callable[..., Any]

#: What nn.Module itself keeps in the __dict__ of a module.
_MACHINERY = frozenset(vars(torch.nn.Module()))


def unwrap(model: Model) -> Model:
    """MODEL without the wrappers that say how to run it, not what it computes: torch.compile,
    DataParallel and DistributedDataParallel, also under functools.partial. A wrapper with hooks of
    its own stays, since they may change the result."""
    if isinstance(model, functools.partial):
        return functools.partial(unwrap(model.func), *model.args, **model.keywords)
    has_hooks = isinstance(model, torch.nn.Module) and (
        model._forward_hooks or model._forward_pre_hooks
    )
    inner = None if has_hooks else _wrapped(model)
    return model if inner is None else unwrap(inner)


def _wrapped(model: Model) -> Any:
    """What MODEL is a wrapper of, or None."""
    if not isinstance(model, torch.nn.Module):
        return getattr(model, "_torchdynamo_orig_callable", None)
    if isinstance(model, (torch.nn.DataParallel, torch.nn.parallel.DistributedDataParallel)):
        return model.module
    return getattr(model, "_orig_mod", None)  # torch._dynamo's OptimizedModule


def module_of(model: Model) -> torch.nn.Module | None:
    """The module whose parameters MODEL uses: itself, or the one that a partial or a bound method
    belongs to. None for other functions."""
    if isinstance(model, functools.partial):
        return module_of(model.func)
    if isinstance(model, torch.nn.Module):
        return model
    owner = getattr(model, "__self__", None)
    return owner if isinstance(owner, torch.nn.Module) else None


def check(model: Any) -> None:
    """Raise TypeError for what is no model."""
    if not callable(model) or isinstance(model, type):
        kind = "a class" if isinstance(model, type) else f"a {type(model).__name__}"
        raise TypeError(f"model is {kind}; it must be a torch.nn.Module or another callable")


def parts(
    module: torch.nn.Module | None, remove_duplicate: bool = True
) -> list[tuple[str, torch.nn.Module]]:
    """MODULE and all modules in it under their paths; its own is empty. ``named_modules`` as a
    list, in the same order: PyTorch's generators hand each module up through every level."""
    found: list[tuple[str, torch.nn.Module]] = []
    seen: set[int] = set()

    def walk(path: str, part: torch.nn.Module) -> None:
        if remove_duplicate:
            if id(part) in seen:
                return
            seen.add(id(part))
        found.append((path, part))
        if part._modules:  # most have none
            dot = f"{path}." if path else ""
            for name, child in part._modules.items():
                if child is not None:
                    walk(dot + name, child)

    if module is not None:
        walk("", module)
    return found


def state(module: torch.nn.Module | None) -> Iterator[tuple[str, torch.Tensor]]:
    """Parameters and buffers, also tied and non-persistent ones, in the order of state_dict."""
    for prefix, part in parts(module, remove_duplicate=False):
        dot = f"{prefix}." if prefix else ""
        tensors: list[tuple[str, torch.Tensor | None]]
        if isinstance(part, torch.jit.ScriptModule):  # its tensors are not Python's attributes
            tensors = [
                *part.named_parameters(recurse=False, remove_duplicate=False),
                *part.named_buffers(recurse=False, remove_duplicate=False),
            ]
        else:
            tensors = [*part._parameters.items(), *part._buffers.items()]
        for name, tensor in tensors:
            if tensor is not None:
                yield dot + name, tensor


def known_state(module: torch.nn.Module | None) -> dict[str, torch.Tensor]:
    """The same by name. ValueError if the module does not know its shapes."""
    found = dict(state(module))
    for name, tensor in found.items():
        if torch.nn.parameter.is_lazy(tensor):
            raise ValueError(
                f"'{name}' has no shape yet: run the model once, so that its lazy modules know "
                "their sizes, then export it"
            )
    return found


# ---- the signature -------------------------------------------------------------------------------


def argument_names(model: Model, n_positional: int) -> list[str]:
    """A name for each positional argument: the one in forward's signature, if it can be seen."""
    names, rest = _signature(model)
    if rest is not None:
        names += [f"{rest}.{i}" for i in range(n_positional - len(names))]
    names += [f"input.{i}" for i in range(len(names), n_positional)]
    return names[:n_positional]


def _signature(model: Model) -> tuple[list[str], str | None]:
    """The names of the positional parameters, and that of ``*args`` or None."""
    function = _callee(model)
    schema = getattr(function, "schema", None)  # of what torch.jit made; its signature is *args
    if schema is not None:
        return [argument.name for argument in schema.arguments if argument.name != "self"], None
    names: list[str] = []
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # builtins have none
        return names, None
    for parameter in parameters:
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            names.append(parameter.name)
        elif parameter.kind is parameter.VAR_POSITIONAL:
            return names, parameter.name
    return names, None


def _callee(model: Model) -> Callable[..., Any]:
    """The function whose signature is MODEL's."""
    if isinstance(model, functools.partial):
        return functools.partial(_callee(model.func), *model.args, **model.keywords)
    inner = _wrapped(model)
    if inner is not None:
        return _callee(inner)
    return model.forward if isinstance(model, torch.nn.Module) else model


def definition(model: Model) -> tuple[str, int]:
    """File and line where MODEL's code begins, for warnings about the run as a whole."""
    function: Any = _callee(model)
    while isinstance(function, functools.partial):
        function = function.func
    code = getattr(inspect.unwrap(function), "__code__", None)
    return (code.co_filename, code.co_firstlineno) if code is not None else (repr(function), 0)


# ---- before and after the run --------------------------------------------------------------------


@contextlib.contextmanager
def mode_of(
    module: torch.nn.Module | None,
    training: bool,
    found: list[tuple[str, torch.nn.Module]] | None = None,
) -> Iterator[None]:
    """Put MODULE into training or evaluation mode; every flag is put back afterwards. FOUND is its
    parts, where they are at hand."""
    if module is None or not hasattr(module, "training"):  # torch.jit.freeze leaves none
        yield
        return
    flags = [(part, part.training) for _, part in found or parts(module)]
    if all(flag == training for _, flag in flags):
        yield
        return
    try:
        try:
            module.train(training)
        except NotImplementedError:  # torch.export's: they stay in the mode they were captured in
            for part, _ in flags:
                part.training = training
        yield
    finally:
        for part, flag in flags:
            part.training = flag


@contextlib.contextmanager
def ordinary_state(
    module: torch.nn.Module | None, tensors: Iterable[torch.Tensor]
) -> Iterator[None]:
    """Afterwards, tensors that the run left on MODULE (caches) are ones that autograd accepts.

    The run is under inference mode, and what it makes cannot be trained with. Such tensors in
    attributes and buffers, and in lists, dicts and tuples there, are replaced by copies. A module
    that was itself made under inference mode (TENSORS, its parameters and buffers, say so) stays as
    it is.
    """
    made_so = any(tensor.is_inference() for tensor in tensors)
    try:
        yield
    finally:
        made_so = made_so or torch.is_inference_mode_enabled()  # the caller's
        copies: _Copies = {}
        for _, part in parts(module) if not made_so else ():
            if isinstance(part, torch.jit.ScriptModule):  # its attributes are not Python's
                continue
            attributes = vars(part)
            for name in attributes.keys() - _MACHINERY:
                if isinstance(attributes[name], _HOLDERS):
                    attributes[name] = _without_inference(attributes[name], copies, 0)
            if any(b is not None and b.is_inference() for b in part._buffers.values()):
                _without_inference(part._buffers, copies, 0)


#: What may be or hold a tensor.
_HOLDERS = (torch.Tensor, dict, list, tuple)

#: By the id of a tensor: the tensor, so that the id stays its own, and its copy.
_Copies = dict[int, tuple[torch.Tensor, torch.Tensor]]


def _without_inference(value: Any, copies: _Copies, depth: int) -> Any:
    """VALUE with ordinary tensors, changed in place where it can be. A tensor in two places stays
    one tensor: COPIES has it."""
    if isinstance(value, torch.Tensor):
        if not value.is_inference() or isinstance(value, torch.nn.Parameter):
            return value
        if id(value) not in copies:
            copies[id(value)] = (value, value.clone())
        return copies[id(value)][1]
    if depth >= 4 or not isinstance(value, (dict, list, tuple)):
        return value
    items = value.values() if isinstance(value, dict) else value
    if not any(isinstance(item, _HOLDERS) for item in items):
        return value  # numbers, mostly: kernel sizes and the like
    pairs = list(value.items() if isinstance(value, dict) else enumerate(value))
    new = [(key, _without_inference(item, copies, depth + 1)) for key, item in pairs]
    changed = [pair for pair, (_, item) in zip(new, pairs, strict=True) if pair[1] is not item]
    if isinstance(value, tuple) and changed:
        items = [item for _, item in new]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    elif not isinstance(value, tuple):
        for key, item in changed:
            value[key] = item
    return value
