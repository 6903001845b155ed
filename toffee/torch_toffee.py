"""``torch.toffee``: run a PyTorch model once and write what it did as ToffeeIR or ONNX."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

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

from . import (
    _core,
    _dims,
    _models,
    _places,
    _progress,
    _size_runs,
    _sizes,
    _structure,
    _symbols,
    _torch_onnx,
    _tracing,
    _verify,
    lowering,
    optimizer,
)
from . import io as toffee_io
from ._places import Place

if TYPE_CHECKING:
    from typing_extensions import Unpack

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
    verbose: bool | None = False,
    *,
    format: str | None = None,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    strict: bool = False,
    training: bool | torch.onnx.TrainingMode = False,
    fallback: str | None = None,
    verify: bool | str | ModuleType = False,
    source_lines: bool = True,
    module_names: bool = True,
    optimize: bool | Iterable[str] = False,
    dynamic_dims: str | _dims.Dim | Mapping[str, Any] | None = None,
    examples: Sequence[tuple[Any, ...]] = (),
    progress: bool | _progress.Callback = True,
    **torch_onnx: Unpack[_torch_onnx.TorchOnnxKeywords],
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
        Export the model as it trains: dropout drops, batch normalization uses its batch. The
        ``TrainingMode`` of torch.onnx is understood.
    fallback : {"aten"}, optional
        Write operators that have no ONNX form as nodes of the domain ``org.pytorch.aten``
        instead of raising.
    verify : bool, str or module
        Before anything is written, run the graph and compare what it computes with what the model
        does: on the traced inputs, and on others of the same shapes and dtypes, for which the model
        runs once more; with ``dynamic_dims`` also at sizes that were not traced. True: with ONNX
        Runtime; a name (``"torch"``) or a module: with that backend. The differences go to the
        logger ``"toffee"``, at level INFO; what is allowed is in docs/backends.md.
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
    dynamic_dims : str, toffee.Dim or dict, optional
        Dimensions of the inputs that may have any size: ``{"x": {0: "batch", 2: "height"}}``, by
        the names of the inputs; ``{"ids": ("batch", "length")}`` is the same by position. A symbol
        in two places means equal sizes; ``"batch"`` alone is the first dimension of every input.
        In place of a symbol, a :class:`toffee.Dim` says which sizes it may be. The model runs
        several times, at different sizes, where only the first run computes what is expensive.
    examples : sequence of tuple, optional
        With ``dynamic_dims``: other ``args`` to run the model with, at least three, where growing
        or cutting the given ones by repeating their slices would not do.
    progress : bool or callable
        Show on stderr how far the export is if it takes longer than a second: a bar in a terminal
        or a notebook (with tqdm installed; else text), plain lines elsewhere. False: show nothing.
        A callable gets ``(stage, done, total)`` instead when a stage begins, when it ends, and up
        to ten times a second between; what it raises ends the export. Stages are ``"tracing"`` (in
        operators; the total is 0, not known), ``"optimizing"``, ``"verifying"`` (in runs) and
        ``"writing"`` (in bytes).
    **torch_onnx
        Keywords of ``torch.onnx.export`` (``opset_version``, ``dynamo``, ``external_data``,
        ``do_constant_folding``, …) with values that mean the same here; see
        ``docs/migrating_from_torch_onnx.md``.

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
    toffee.DynamicShapeError
        With ``dynamic_dims``: no one graph does what the model does at all sizes; says at which
        line, and for which sizes.
    TypeError, ValueError
        An argument of this function is of the wrong kind, or what a registered lowering returned.
        ValueError also for a value of one of torch.onnx's keywords that means nothing here; says
        what to do instead.
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
        What the model itself and ``progress`` raise comes through as it is.

    Warns
    -----
    toffee.TraceWarning
        Where a value that depends on an input leaves the trace, or random numbers are drawn that
        the graph cannot draw again: once for each operator and line.

    Notes
    -----
    Shapes are those of ``args``, but for ``dynamic_dims``. The cost is that of the forward pass, a
    few microseconds for each operator, and writing the file; parameters are not copied in memory.
    Source of the interface: PyTorch's ``torch.toffee`` of August 2017.

    Examples
    --------
    >>> import torch, toffee
    >>> import torch.toffee
    >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.ReLU())
    >>> y = torch.toffee.export(model, torch.zeros(1, 2, 3), "net.onnx")
    >>> y.shape
    torch.Size([1, 6])
    >>> print(toffee.load("net.onnx"))
    graph(%input : Float(1, 2, 3)) {
      %1 : Float(1, 6) = Flatten[axis=1](%input)
      %2 : Float(1, 6) = Relu(%1)
      return (%2)
    }
    """
    call = _Call(_positional(args), _keywords(kwargs), input_names, output_names)
    _models.check(model)
    asked = _torch_onnx.understand(
        torch_onnx,
        export.__kwdefaults__ or (),
        f=f,
        training=training,
        fallback=fallback,
        optimize=optimize,
    )
    dims = _dims.chosen(dynamic_dims, **asked.dynamic)
    chosen = toffee_io.format_of(f, format)
    toffee_io.check_external(f, chosen, asked.external_data)
    model = _models.unwrap(model)
    check = (
        _verify.Verification(verify, model, call.args, call.kwargs, asked.training)
        if verify
        else None
    )
    lowering.find_entry_points()
    shown = _progress.of(progress)
    with _one_at_a_time():
        # At other sizes lines are known in any case: errors name them.
        sources = _tracing.Sources() if source_lines or dims is not None else None
        how = _How(strict, asked.training, asked.fallback, sources, module_names, shown)
        with shown.stage("tracing", "op"):
            others: _verify.Others = {}
            if dims is None:
                graph, output = _trace(model, call, how)
            else:
                graph, output, others = _trace_sizes(model, call, how, dims, examples)
                if not source_lines:
                    _forget_lines(graph)
        if asked.passes:
            with shown.stage("optimizing"):
                graph = optimizer.optimize(graph, asked.passes, keep_parameters=not export_params)
        if check is not None:
            with shown.stage("verifying", "run"):
                check.run(graph, output, others, shown)
    if verbose:
        print(graph)
    toffee_io.write(graph, f, chosen, export_params, asked.external_data, shown)
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


def _default_name(head: Sequence[str], path: _structure.Path) -> str:
    """What an argument is called by itself: after the parameter of forward and its place there."""
    return ".".join((head[int(path[1])] if path[0] == "0" else path[1], *path[2:]))


def _named_tensors(
    model: _models.Model, call: _Call, taken: set[str]
) -> list[tuple[str, torch.Tensor]]:
    """The tensors among the arguments, in order, and what they are called. TAKEN: names that are
    given already; these are added."""
    head = _models.argument_names(model, len(call.args))
    leaves = _structure.leaves((call.args, call.kwargs))
    tensors = [(path, leaf) for path, leaf in leaves if isinstance(leaf, torch.Tensor)]
    found = []
    for given, (path, tensor) in zip(
        _chosen_names(call.input_names, len(tensors), "input"), tensors, strict=True
    ):
        if given is not None and given in taken:
            raise ValueError(f"input_names has '{given}', which is the name of a parameter")
        found.append((_free(given or _default_name(head, path), taken), tensor))
    return found


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
    names = iter([name for name, _ in _named_tensors(model, call, taken)])
    seen = {id(tensor) for tensor in state.values()}
    baked: dict[str, Any] = {}

    def declare(path: _structure.Path, leaf: Any) -> Any:
        if not isinstance(leaf, torch.Tensor):
            default = _default_name(head, path)
            baked[default] = leaf
            for name in _structure.hidden_tensors(leaf):
                journal.hidden_input(f"{default}.{name}", leaf, _models.definition(model))
            return leaf
        name = next(names)
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


def _unsupported(rows: list[tuple[str, Place]], hole: str) -> _core.UnsupportedOperatorError:
    """One error for all operators that are missing."""
    counts = Counter(operator for operator, _ in rows) or Counter([hole])
    lines = []
    first: list[Place] = []
    rest: list[Place] = []
    for operator, count in counts.most_common():
        lines.append(f"  {operator} ({count} call{'s' if count > 1 else ''})")
        found = dict.fromkeys(
            place._replace(operator=operator) for name, place in rows if name == operator
        )
        lines += [f"    {text}" for text in list(dict.fromkeys(map(str, found)))[:5]]
        first += list(found)[:1]
        rest += list(found)[1:]
    plural = "operators have" if len(counts) > 1 else "operator has"
    error = _core.UnsupportedOperatorError(
        f"{len(counts)} {plural} no form in ONNX opset 20 here:\n"
        + "\n".join(lines)
        + "\nWhat to do: fallback='aten' keeps them as nodes of PyTorch's own operators; or write "
        "these lines with other operators; or say what an operator means, with ONNX's operators or "
        "one of a domain of your own (docs/register_lowering.md):\n"
        + _example(counts.most_common(1)[0][0])
    )
    return _places.attach(error, first + rest)


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
        users = _places.of_traceback(error.__traceback__)[-1:]
        raise _places.attach(
            _core.TraceError(
                f"{found[1]}, like other operators that take functions, has no form in a graph "
                f"here: write it with ordinary ones\n  {''.join(map(str, users))}"
            ),
            [place._replace(operator=found[1]) for place in users],
        ) from error


class _How(NamedTuple):
    """What the caller wants of the trace."""

    strict: bool
    training: bool
    fallback: str | None
    sources: _tracing.Sources | None
    module_names: bool
    progress: _progress.Progress


def _trace_sizes(
    model: _models.Model,
    call: _Call,
    how: _How,
    dims: _dims.Chosen,
    examples: Sequence[tuple[Any, ...]],
) -> tuple[_core.Graph, Any, _verify.Others]:
    """The same for any size of the dimensions that DIMS names, and inputs to try it with."""
    taken = set(_models.known_state(_models.module_of(model)))
    leaves = _structure.leaves((call.args, call.kwargs))
    paths = [path for path, leaf in leaves if isinstance(leaf, torch.Tensor)]
    inputs = [
        _dims.Input(name, tuple(leaf.shape), path)
        for path, (name, leaf) in zip(paths, _named_tensors(model, call, taken), strict=True)
    ]
    heads = _models.argument_names(model, len(call.args))
    request = _dims.request(dims, inputs, heads, call.output_names or ())

    def tracer(args: tuple[Any, ...], kwargs: dict[str, Any], run: _size_runs.Run) -> None:
        run.graph, run.output = _trace(model, call._replace(args=args, kwargs=kwargs), how, run)

    assert how.sources is not None
    graph, output, untraced = _sizes.trace(
        model, call.args, call.kwargs, request, tracer, how.sources.place, examples
    )
    graph.metadata_props.add(key=_symbols.DYNAMIC_DIMS, value=request.to_json())
    others = {
        f"inputs of other sizes ({request.describe(sizes)})": functools.partial(
            _size_runs.resized, request, sizes
        )
        for sizes in untraced
    }
    return graph, output, others


def _forget_lines(graph: _core.Graph) -> None:
    for node in graph.node:
        node.doc_string = ""


def _trace(
    model: _models.Model, call: _Call, how: _How, run: _size_runs.Run | None = None
) -> tuple[_core.Graph, Any]:
    """Run MODEL and return the finished graph, and the model's output as it came. RUN: it is one
    of several at different sizes."""
    module = _models.module_of(model)
    state = _models.known_state(module)
    parts = _models.parts(module)
    journal = _tracing.Journal(how.strict, parts, run is not None and not run.is_first)
    tracer = _tracing.Tracer()  # type: ignore[no-untyped-call]
    tracer.begin(
        journal.decompose,
        journal.place,
        journal.leak,
        journal.lower,
        _tracing.whole_storage,
        how.training,
        how.fallback == "aten",
    )
    if run is not None:
        tracer.keep_journal(run.sources, run.skip, run.is_any)
    tracer.locate(
        how.sources,
        parts if how.module_names else None,
        _tracing.MODULE_CALL,
    )
    if how.progress.listener is not None:
        tracer.report(how.progress.listener, how.progress.interval)
    try:
        taken: set[str] = set()
        for name, tensor in state.items():
            tracer.declare_parameter(tensor, name)
            taken.add(name)
        call, baked = _declare_inputs(tracer, journal, model, call, state, taken)
        with (
            # After a further run all is put back.
            _models.ordinary_state(module, state.values())
            if run is None or run.is_first
            else contextlib.nullcontext(),
            _models.mode_of(module, how.training, parts),
            journal.dice(_models.definition(model)),
            _tracing.recording(tracer, run is not None),
        ):
            try:
                output = _run(model, call)
            except _core.Error as error:
                journal.locate(error)
                raise
        if run is not None:
            run.journal = tracer.journal
            run.reads_values = journal.reads_values
        how.progress.step(tracer.operators)
        journal.refuse()
        tensors = _output_tensors(output)
        names = _chosen_names(call.output_names, len(tensors), "output")
        for chosen in names:
            if chosen is not None and chosen in taken:
                raise ValueError(f"output_names has '{chosen}', which is an input or a parameter")
        try:
            graph = tracer.finish(tensors, names)
        except _core.Error as error:  # of a write that is recorded when it is read
            line = str(error).partition(": ")[0]
            place = how.sources.place(line) if how.sources is not None else None
            raise _places.attach(error, [place] if place is not None else []) from None
        if isinstance(graph, str):
            raise _unsupported(tracer.unsupported, graph)
        _say_baked(graph, baked)
        return graph, output
    finally:
        tracer.abandon()
