"""``torch.toffee``: run a PyTorch model once and write what it did as ToffeeIR or ONNX."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import ModuleType
from typing import Any, BinaryIO, NamedTuple

try:
    import torch
except ModuleNotFoundError as _error:
    if _error.name != "torch":
        raise
    raise ModuleNotFoundError(
        "torch.toffee needs PyTorch 2.10 or newer, which is not installed: pip install torch, or "
        "toffee[torch]",
        name="torch",
    ) from None

from . import _core, _models, _structure, _tracing, _verify, lowering, optimizer
from . import io as toffee_io

__all__ = ["export"]

_log = logging.getLogger("toffee")
_running = threading.local()

#: The entry of metadata_props that says which Python values the graph was made with.
BAKED_ARGUMENTS = "baked_arguments"


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
    verify: bool | str | ModuleType = False,
    source_lines: bool = True,
    module_names: bool = True,
    optimize: bool | Iterable[str] = False,
) -> Any:
    """Run ``model(*args, **kwargs)`` once and write the graph of what it did to ``f``.

    Parameters
    ----------
    model : torch.nn.Module or callable
        What to export: a module, or anything else that can be called. Bound methods of modules,
        ``functools.partial``, compiled and data-parallel modules keep the parameters of the module
        behind them under their names. That module is put into evaluation mode (``training=True``:
        training mode) for the run; all its flags are put back. Modules that a plain function
        uses are run as they are, and their parameters have no names.
    args : tuple or torch.Tensor
        Positional arguments of ``model``, any nesting of tuples, lists, dicts, named tuples,
        dataclasses, and classes registered with ``torch.utils._pytree``. Tensors become inputs of
        the graph with their shape and dtype; anything else is fixed in the graph as it is: the
        graph's ``metadata_props`` lists it under ``baked_arguments``, and the logger ``toffee``
        says it (INFO). One tensor stands for a tuple of it.
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
    verify : bool, str or module
        Before anything is written, run the graph and compare what it computes with what the model
        does: on the traced inputs, and on others of the same shapes and dtypes, for which the model
        runs once more. True: with ONNX Runtime; a name (``"torch"``) or a module: with that
        backend. The differences go to the logger ``"toffee"``, at level INFO; what is allowed is in
        :mod:`toffee._verify`.
    source_lines : bool
        Write into the ``doc_string`` of each node which line of your code called its operator:
        ``my_model.py:12``. Files are called as they are imported; PyTorch's own count only where no
        other is involved.
    module_names : bool
        Give each node a name that begins with the module that called its operator:
        ``features.0/Conv``, and ``features.0/Conv_1`` for the next of these there. Outside of the
        model's modules it is ``Conv``.
    optimize : bool or iterable of str
        Clean the graph up before it is verified and written, with all passes or with those of these
        names: see :func:`toffee.optimize`. By default the graph says what the model did, node by
        node; runtimes do the same and more when they load it.

    Returns
    -------
    Whatever the model returned, as ordinary tensors.

    Raises
    ------
    toffee.UnsupportedOperatorError
        Lists every operator without a lowering, how often it is called, and from which lines.
    toffee.TraceError
        The run cannot be put into a graph; says why and where. If a registered lowering raised,
        that is the ``__cause__``.
    TypeError, ValueError
        An argument of this function is of the wrong kind, or what a registered lowering returned.
    toffee.CheckError
        With ``optimize``: the graph is not valid, because a registered lowering made it so.
    toffee.VerificationError
        With ``verify``: the graph computes something else than the model, or the model draws random
        numbers. Nothing was written.
    toffee.BackendError
        With ``verify``: the backend is not installed, or cannot run the graph.
    OSError
        ``f`` cannot be written.
    Exception
        What the model itself raises comes through as it is.

    Warns
    -----
    toffee.TraceWarning
        Where a value that depends on an input leaves the trace, or random numbers are drawn that
        the graph cannot draw again: once for each operator and line.

    Notes
    -----
    Shapes are those of ``args``. The cost is that of the forward pass, a few microseconds for each
    operator, and writing the file; parameters are not copied in memory. Source of the interface:
    PyTorch's ``torch.toffee`` of August 2017.
    """
    call = _Call(_positional(args), _keywords(kwargs), input_names, output_names)
    _models.check(model)
    if fallback not in (None, "aten"):
        raise ValueError(f"fallback is {fallback!r}; it can be None or 'aten'")
    chosen = toffee_io.format_of(f, format)
    model = _models.unwrap(model)
    check = (
        _verify.Verification(verify, model, call.args, call.kwargs, training) if verify else None
    )
    passes = optimizer.chosen(optimize)
    lowering.find_entry_points()
    with _one_at_a_time():
        graph, output = _trace(model, call, strict, training, fallback, source_lines, module_names)
        if passes:
            graph = optimizer.optimize(graph, passes, keep_parameters=not export_params)
        if check is not None:
            check.run(graph, output)
    if verbose:
        print(graph)
    toffee_io.save(graph, f, format=chosen, export_params=export_params)
    return _structure.transform(output, _ordinary)


class _Call(NamedTuple):
    """What the model is called with, and the names that the caller chose."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    input_names: Sequence[str] | None
    output_names: Sequence[str] | None


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Refuses an export inside an export of the same thread."""
    if getattr(_running, "export", False):
        raise _core.TraceError(
            "an export is running in this thread: export() inside a forward "
            "pass that is being exported has no meaning"
        )
    _running.export = True
    try:
        yield
    finally:
        _running.export = False


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


def _ordinary(path: _structure.Path, leaf: Any) -> Any:
    """A tensor that autograd accepts: those made under inference mode are not."""
    return leaf.clone() if isinstance(leaf, torch.Tensor) and leaf.is_inference() else leaf


# ---- names -------------------------------------------------------------------------------------


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
    journal: _tracing.Journal,
    model: _models.Model,
    call: _Call,
    state: dict[str, torch.Tensor],
    taken: set[str],
) -> tuple[_Call, dict[str, Any]]:
    """Bind the tensors among the arguments.

    Returns
    -------
    The call to make, with the same objects, but that a tensor given twice, or that is a parameter
    too, has an alias of its own; and the arguments that are no tensors, by name.
    """
    head = _models.argument_names(model, len(call.args))
    leaves = _structure.leaves((call.args, call.kwargs))
    tensors = [leaf for _, leaf in leaves if isinstance(leaf, torch.Tensor)]
    chosen = iter(_chosen_names(call.input_names, len(tensors), "input"))
    seen = {id(tensor) for tensor in state.values()}
    baked: dict[str, Any] = {}

    def declare(path: _structure.Path, leaf: Any) -> Any:
        first = head[int(path[1])] if path[0] == "0" else path[1]
        default = ".".join((first, *path[2:]))
        if not isinstance(leaf, torch.Tensor):
            baked[default] = leaf
            for name in _structure.hidden_tensors(leaf):
                journal.hidden_input(f"{default}.{name}", leaf, _models.definition(model))
            return leaf
        given = next(chosen)
        if given is not None and given in taken:
            raise ValueError(f"input_names has '{given}', which is the name of a parameter")
        name = _free(given or default, taken)
        tensor = _structure.without_subclass(leaf.detach() if id(leaf) in seen else leaf)
        seen.add(id(leaf))
        tracer.declare_input(tensor, name)
        return tensor

    args, kwargs = _structure.transform((call.args, call.kwargs), declare)
    return call._replace(args=args, kwargs=kwargs), baked


def _say_baked(graph: _core.Graph, baked: dict[str, Any]) -> None:
    """Write into GRAPH, and log, which Python values it was made with."""
    if baked:
        text = _structure.baked_text(baked)
        graph.metadata_props.add(key=BAKED_ARGUMENTS, value=text)
        _log.info("these arguments are no tensors, and fixed in the graph: %s", text)


def _output_tensors(output: Any) -> list[torch.Tensor]:
    tensors = []
    for path, leaf in _structure.leaves(output):
        if isinstance(leaf, torch.Tensor):
            tensors.append(leaf)
        elif leaf is not None:
            where = f" at {''.join(f'[{_step(step)}]' for step in path)}" if path else ""
            raise _core.TraceError(
                f"the model returned a {type(leaf).__name__}{where}, which is no tensor: a graph "
                "computes tensors; wrap the model in a function that returns only those"
            )
    if not tensors:
        raise _core.TraceError("the model returned no tensor: there is nothing to compute")
    return tensors


def _step(step: str) -> str:
    return step if step.isdigit() else repr(step)


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
        "these lines with other operators; or say what an operator means, with ONNX's operators or "
        "one of a domain of your own (docs/register_lowering.md):\n"
        + _example(counts.most_common(1)[0][0])
    )


def _example(operator: str) -> str:
    """Two lines that register a lowering of OPERATOR ("mylib::op.Tensor")."""
    domain, _, rest = operator.partition("::")
    name, _, overloaded = rest.partition(".")
    try:
        func = getattr(getattr(getattr(torch.ops, domain), name), overloaded or "default")
        arguments = [argument for argument in func._schema.arguments if not argument.is_out]
    except AttributeError:  # the operator is gone again
        arguments = []
    parameters, inputs = ["g"], [f'"{domain}::{name}"']
    for argument in arguments:
        if argument.kwarg_only and "*" not in parameters:
            parameters.append("*")
        parameters.append(argument.name)
        kind = str(argument.type)
        if "Tensor" in kind:
            inputs.append(("*" if "List" in kind else "") + argument.name)
    inputs += [
        f"{argument.name}={argument.name}"
        for argument in arguments
        if "Tensor" not in str(argument.type)
    ]
    return (
        f'  @toffee.register_lowering("{operator}")\n'
        f"  def {name}({', '.join(parameters)}): return g.op({', '.join(inputs)})"
    )


def _run(model: _models.Model, call: _Call) -> Any:
    """Call MODEL. Where PyTorch cannot run an operator that takes functions under a trace, its
    error, which talks to those who write modes, is said to the user."""
    try:
        return model(*call.args, **call.kwargs)
    except NotImplementedError as error:
        found = re.search(r"HigherOrderOperator (\w+)", str(error))
        if found is None:
            raise
        raise _core.TraceError(
            f"{found[1]}, like other operators that take functions, has no form in a graph here: "
            f"write it with ordinary ones\n  {_tracing.place_of(error)}"
        ) from error


def _trace(
    model: _models.Model,
    call: _Call,
    strict: bool,
    training: bool,
    fallback: str | None,
    source_lines: bool,
    module_names: bool,
) -> tuple[_core.Graph, Any]:
    """Run MODEL and return the finished graph, and the model's output as it came."""
    module = _models.module_of(model)
    state = _models.known_state(module)
    parts = _models.parts(module)
    journal = _tracing.Journal(strict)
    tracer = _tracing.Tracer()  # type: ignore[no-untyped-call]
    tracer.begin(
        journal.decompose,
        _tracing.place,
        journal.leak,
        journal.lower,
        _tracing.whole_storage,
        training,
        fallback == "aten",
    )
    tracer.locate(
        _tracing.Sources() if source_lines else None,
        parts if module_names else None,
        _tracing.MODULE_CALL,
    )
    try:
        taken: set[str] = set()
        for name, tensor in state.items():
            tracer.declare_parameter(tensor, name)
            taken.add(name)
        call, baked = _declare_inputs(tracer, journal, model, call, state, taken)
        with (
            _models.ordinary_state(module, state.values()),
            _models.mode_of(module, training, parts),
            journal.dice(_models.definition(model)),
            _tracing.recording(tracer),
        ):
            output = _run(model, call)
        if journal.leaks:
            raise _core.TraceError(journal.leaks[0])
        tensors = _output_tensors(output)
        names = _chosen_names(call.output_names, len(tensors), "output")
        for chosen in names:
            if chosen is not None and chosen in taken:
                raise ValueError(f"output_names has '{chosen}', which is an input or a parameter")
        graph = tracer.finish(tensors, names)
        if isinstance(graph, str):
            raise _unsupported(tracer.unsupported, graph)
        _say_baked(graph, baked)
        return graph, output
    finally:
        tracer.abandon()
