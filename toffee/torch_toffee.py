"""``torch.toffee``: run a PyTorch model once and write what it did as ToffeeIR or ONNX."""

from __future__ import annotations

import inspect
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO

import torch
from torch.utils import _pytree as pytree

from . import _core, _tracing
from . import io as toffee_io

__all__ = ["export"]

_running = threading.local()


def export(
    model: torch.nn.Module | Callable[..., Any],
    args: torch.Tensor | tuple[Any, ...],
    f: str | os.PathLike[str] | BinaryIO,
    export_params: bool = True,
    kwargs: dict[str, Any] | None = None,
    verbose: bool = False,
    *,
    format: str | None = None,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    strict: bool = False,
    training: bool = False,
    fallback: str | None = None,
) -> Any:
    """Run ``model(*args, **kwargs)`` once and write the graph of what it did to ``f``.

    Parameters
    ----------
    model : torch.nn.Module or callable
        What to export. It is put into evaluation mode (``training=True``: training mode) for the
        run; all its flags are put back.
    args : tuple or torch.Tensor
        Positional arguments of ``model``, any nesting of tuples, lists and dicts. Tensors become
        inputs of the graph with their shape and dtype; anything else is baked in. One tensor stands
        for a tuple of it.
    f : path or binary file object
        Where the graph goes. A path is replaced in one step when everything is written: after an
        error, what was there before is still there. A file object is written from its position.
    export_params : bool
        Write the parameters and buffers into the file. Without them they are inputs of the graph,
        in front of the arguments.
    kwargs : dict, optional
        Keyword arguments of ``model``, on the same terms as ``args``.
    verbose : bool
        Print the listing of the graph.
    format : {"toffee", "onnx"}, optional
        By default ``"onnx"`` for a path that ends in ``.onnx``, else ``"toffee"``.
    input_names : sequence of str, optional
        Names for the tensors among ``args`` and ``kwargs``, in order; fewer is fine. By default
        those of the parameters of ``forward``.
    output_names : sequence of str, optional
        Names for the tensors that the model returns, in order; fewer is fine. By default
        numbers.
    strict : bool
        Raise where a value that depends on an input leaves the trace (``if x.sum() > 0``),
        instead of warning.
    training : bool
        Export the model as it trains: dropout drops, batch normalization uses its batch.
    fallback : {"aten"}, optional
        Write operators that have no ONNX form as nodes of the domain ``org.pytorch.aten``
        instead of raising.

    Returns
    -------
    Whatever the model returned, as ordinary tensors.

    Raises
    ------
    toffee.UnsupportedOperatorError
        Lists every operator without a lowering, how often it is called, and from which lines.
    toffee.TraceError
        The run cannot be put into a graph; says why and where.
    TypeError, ValueError
        An argument of this function is of the wrong kind.
    OSError
        ``f`` cannot be written.
    Exception
        What the model itself raises comes through as it is.

    Warns
    -----
    toffee.TraceWarning
        Where a value that depends on an input leaves the trace.

    Notes
    -----
    Shapes are those of ``args``. The cost is that of the forward pass, a few microseconds for each
    operator, and writing the file; parameters are not copied in memory. Source of the interface:
    PyTorch's ``torch.toffee`` of August 2017.
    """
    arguments = _positional(args)
    keywords = _keywords(kwargs)
    _check_model(model)
    if fallback not in (None, "aten"):
        raise ValueError(f"fallback is {fallback!r}; it can be None or 'aten'")
    chosen = toffee_io.format_of(f, format)
    if getattr(_running, "export", False):
        raise _core.TraceError(
            "an export is running in this thread: export() inside a forward "
            "pass that is being exported has no meaning"
        )
    _running.export = True
    try:
        graph, output = _trace(
            model, arguments, keywords, input_names, output_names, strict, training, fallback
        )
    finally:
        _running.export = False
    if verbose:
        print(graph)
    toffee_io.save(graph, f, format=chosen, export_params=export_params)
    return pytree.tree_map(_ordinary, output)


# ---- arguments ---------------------------------------------------------------------------------


def _positional(args: Any) -> tuple[Any, ...]:
    if isinstance(args, torch.Tensor):
        return (args,)
    if isinstance(args, tuple):
        return args
    raise TypeError(
        f"args is a {type(args).__name__}; it must be a tuple of the model's arguments, or a tensor"
    )


def _keywords(kwargs: Any) -> dict[str, Any]:
    if kwargs is None:
        return {}
    if isinstance(kwargs, dict) and all(isinstance(key, str) for key in kwargs):
        return dict(kwargs)
    raise TypeError("kwargs must be a dict from the names of the model's arguments to their values")


def _check_model(model: Any) -> None:
    if not callable(model) or isinstance(model, type):
        kind = "a class" if isinstance(model, type) else f"a {type(model).__name__}"
        raise TypeError(f"model is {kind}; it must be a torch.nn.Module or another callable")
    if isinstance(model, torch.nn.Module):
        for name, tensor in _state(model):
            if isinstance(tensor, torch.nn.parameter.UninitializedTensorMixin):
                raise ValueError(
                    f"'{name}' has no shape yet: run the model once, so that its lazy modules know "
                    "their sizes, then export it"
                )


def _ordinary(leaf: Any) -> Any:
    """A tensor that autograd accepts: those made under inference mode are not."""
    return leaf.clone() if isinstance(leaf, torch.Tensor) and leaf.is_inference() else leaf


def _state(model: torch.nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Parameters and buffers, also tied and non-persistent ones, in the order of state_dict."""
    for prefix, module in model.named_modules(remove_duplicate=False):
        dot = f"{prefix}." if prefix else ""
        for name, parameter in module.named_parameters(recurse=False, remove_duplicate=False):
            yield dot + name, parameter
        for name, buffer in module.named_buffers(recurse=False, remove_duplicate=False):
            yield dot + name, buffer


# ---- names -------------------------------------------------------------------------------------


def _key_text(key: Any) -> str:
    """One step into nested arguments: ``.0`` for an item, ``.name`` for a key or field."""
    for attribute in ("idx", "key", "name"):
        if hasattr(key, attribute):
            return f".{getattr(key, attribute)}"
    return f".{key}"


def _argument_names(model: Callable[..., Any], n_positional: int) -> list[str]:
    """A name for each positional argument: the one in forward's signature, if it can be seen."""
    function = model.forward if isinstance(model, torch.nn.Module) else model
    names: list[str] = []
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # builtins have none
        parameters = ()  # type: ignore[assignment]
    for parameter in parameters:
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            names.append(parameter.name)
        elif parameter.kind is parameter.VAR_POSITIONAL:
            rest = n_positional - len(names)
            names += [f"{parameter.name}.{i}" for i in range(rest)]
    names += [f"input.{i}" for i in range(len(names), n_positional)]
    return names[:n_positional]


def _free(name: str, taken: set[str]) -> str:
    """NAME, or NAME.1, NAME.2, … if it is taken."""
    candidate, number = name, 0
    while candidate in taken:
        number += 1
        candidate = f"{name}.{number}"
    taken.add(candidate)
    return candidate


def _chosen_names(given: Sequence[str] | None, n: int, what: str) -> list[str | None]:
    """GIVEN, filled up with None to length N."""
    if given is None:
        return [None] * n
    if isinstance(given, str):
        raise TypeError(f"{what}_names is one string; it must be a sequence of them")
    if len(given) > n:
        raise ValueError(f"{what}_names has {len(given)} names, and there are {n} {what} tensors")
    if len(set(given)) != len(given):
        raise ValueError(f"{what}_names has a name twice: {list(given)}")
    return [*given, *[None] * (n - len(given))]


# ---- the run -----------------------------------------------------------------------------------


def _declare_inputs(
    tracer: _tracing.Tracer,
    model: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    input_names: Sequence[str] | None,
    taken: set[str],
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Bind the tensors among the arguments. Returns the arguments to call the model with: they are
    the same objects, but that a tensor given twice has an alias of its own the second time."""
    names = _argument_names(model, len(args))
    leaves, spec = pytree.tree_flatten_with_path((args, kwargs))
    tensors = [i for i, (_, leaf) in enumerate(leaves) if isinstance(leaf, torch.Tensor)]
    chosen = _chosen_names(input_names, len(tensors), "input")
    values = [leaf for _, leaf in leaves]
    seen: set[int] = set()
    for i, name in zip(tensors, chosen, strict=True):
        (_, first, *rest), tensor = leaves[i]
        if name is None:
            head = names[first.idx] if leaves[i][0][0].idx == 0 else str(first.key)
            name = _free(head + "".join(map(_key_text, rest)), taken)
        elif name in taken:
            raise ValueError(f"input_names has '{name}', which is the name of a parameter")
        else:
            taken.add(name)
        if id(tensor) in seen:
            values[i] = tensor = tensor.detach()
        seen.add(id(tensor))
        tracer.declare_input(tensor, name)
    return pytree.tree_unflatten(values, spec)


def _output_tensors(output: Any) -> list[torch.Tensor]:
    tensors = []
    for path, leaf in pytree.tree_flatten_with_path(output)[0]:
        if isinstance(leaf, torch.Tensor):
            tensors.append(leaf)
        elif leaf is not None:
            where = f" at {pytree.keystr(path)}" if path else ""
            raise _core.TraceError(
                f"the model returned a {type(leaf).__name__}{where}, which is no tensor: a graph "
                "computes tensors; wrap the model in a function that returns only those"
            )
    if not tensors:
        raise _core.TraceError("the model returned no tensor: there is nothing to compute")
    return tensors


def _unsupported(rows: list[tuple[str, str]], hole: str) -> _core.UnsupportedOperatorError:
    """One error for all operators that are missing."""
    counts = Counter(operator for operator, _ in rows) or Counter([hole])
    lines = []
    for operator, count in counts.most_common():
        lines.append(f"  {operator} ({count} call{'s' if count > 1 else ''})")
        places = dict.fromkeys(where for name, where in rows if name == operator)
        lines += [f"    {where}" for where in list(places)[:5]]
    plural = "operators have" if len(counts) > 1 else "operator has"
    return _core.UnsupportedOperatorError(
        f"{len(counts)} {plural} no form in ONNX opset 20 here:\n"
        + "\n".join(lines)
        + "\nWhat to do: fallback='aten' keeps them as nodes of PyTorch's own operators; or write "
        "these lines with other operators"
    )


def _trace(
    model: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    input_names: Sequence[str] | None,
    output_names: Sequence[str] | None,
    strict: bool,
    training: bool,
    fallback: str | None,
) -> tuple[_core.Graph, Any]:
    journal = _tracing.Journal(strict)
    tracer = _tracing.Tracer()
    tracer.begin(
        journal.decompose,
        _tracing.place,
        journal.leak,
        _tracing.whole_storage,
        training,
        fallback == "aten",
    )
    try:
        taken: set[str] = set()
        if isinstance(model, torch.nn.Module):
            for name, tensor in _state(model):
                tracer.declare_parameter(tensor, name)
                taken.add(name)
        args, kwargs = _declare_inputs(tracer, model, args, kwargs, input_names, taken)
        with _tracing.mode_of(model, training), _tracing.recording(tracer):
            output = model(*args, **kwargs)
        if journal.leaks:
            raise _core.TraceError(journal.leaks[0])
        tensors = _output_tensors(output)
        names = _chosen_names(output_names, len(tensors), "output")
        for name in names:
            if name is not None and name in taken:
                raise ValueError(f"output_names has '{name}', which is an input or a parameter")
        graph = tracer.finish(tensors, names)
        if isinstance(graph, str):
            raise _unsupported(tracer.unsupported, graph)
        return graph, output
    finally:
        tracer.abandon()
