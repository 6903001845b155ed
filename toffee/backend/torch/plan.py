"""A graph made ready to run: names become places in a list, attributes Python values, once."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import torch

from ..._core import Attribute, Function, Graph, Node, Tensor
from ...errors import BackendError
from . import aten, definitions, values
from .registry import Attributes, Operator, find

__all__ = ["Plan", "prepare_graph", "tensor_value"]

#: A place that is always None: what is left out
_ABSENT = 0


def tensor_value(tensor: Tensor | None) -> Any:
    """The value of a tensor of a graph, copied."""
    assert tensor is not None
    if tensor.data_type in values.NARROW:
        return values.unpack(tensor.raw_data, tensor.data_type, list(tensor.dims))
    return values.from_numpy(tensor.numpy())


class Scope:
    """What a node with graphs among its attributes, or without inputs, needs from the run."""

    __slots__ = ("bodies", "device")

    def __init__(self, device: torch.device, bodies: dict[str, Callable[..., list[Any]]]) -> None:
        self.device: torch.device = device
        self.bodies: dict[str, Callable[..., list[Any]]] = bodies


class _Step(NamedTuple):
    """One node. What comes from outside a body is an input of the node that has the body."""

    function: Callable[..., Any]
    attributes: Attributes
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    many: bool
    host: bool  # its outputs may have to be moved to where the run is
    done: tuple[int, ...]  # places that no later step reads
    bodies: tuple[tuple[str, Plan, tuple[int, ...]], ...] | None  # None: not scoped
    what: str  # for messages


class Plan:
    """The steps of a graph or of the body of a node.

    Attributes
    ----------
    n_inputs : int
        How many values :meth:`run` takes for the inputs; those that it captures come after.
    outputs : list of str
        Names, for messages.
    """

    def __init__(
        self,
        n_places: int,
        inputs: list[int],
        captured: list[int],
        outputs: list[int],
        constants: dict[int, Any],
        steps: list[_Step],
    ) -> None:
        self.inputs = inputs
        self.captured = captured
        self._places = [*inputs, *captured]
        self._outputs = outputs
        self._steps = steps
        self._n_places = n_places
        self._constants = constants
        self._templates: dict[torch.device, list[Any]] = {}

    def _template(self, device: torch.device) -> list[Any]:
        """All places, with the constants on DEVICE filled in."""
        template = self._templates.get(device)
        if template is None:
            template = [None] * self._n_places
            with torch.inference_mode(False):  # autograd refuses tensors made under it
                for place, value in self._constants.items():
                    template[place] = values.constant_on(value, device)
            self._templates[device] = template
        return template

    def constants(self, device: torch.device) -> list[Any]:
        """The constants of the graph and of the bodies in it."""
        inside = [plan for step in self._steps for _, plan, _ in step.bodies or ()]
        found = [value for value in self._template(device) if value is not None]
        return found + [value for plan in inside for value in plan.constants(device)]

    def run(self, given: Iterable[Any], device: torch.device) -> list[Any]:
        """The outputs for the inputs and then the captured values of GIVEN."""
        env = self._template(device).copy()
        for place, value in zip(self._places, given, strict=True):
            env[place] = value
        for function, attributes, inputs, outputs, many, host, done, bodies, what in self._steps:
            arguments = [env[place] for place in inputs]
            try:
                if bodies is None:
                    result = function(attributes, *arguments)
                else:
                    scope = Scope(device, {key: _body(p, at, env, device) for key, p, at in bodies})
                    result = function(attributes, scope, *arguments)
            except BackendError:
                raise
            except Exception as error:
                raise BackendError(
                    f"{what} failed on ({', '.join(map(_described, arguments))}): "
                    f"{type(error).__name__}: {error}"
                ) from error
            if host and device.type != "cpu":
                result = values.to_device(list(result) if many else result, device)
            if many:
                for place, value in zip(outputs, result, strict=False):
                    env[place] = value
                env[_ABSENT] = None
            else:
                env[outputs[0]] = result
            for place in done:
                env[place] = None
        return [env[place] for place in self._outputs]


def _body(
    plan: Plan, places: tuple[int, ...], env: list[Any], device: torch.device
) -> Callable[..., list[Any]]:
    captured = [env[place] for place in places]
    return lambda *inputs: plan.run([*inputs, *captured], device)


def _described(value: Any) -> str:
    if isinstance(value, list):
        return f"a sequence of {len(value)}"
    if value is None:
        return "none"
    return f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)}"


# ---- attributes --------------------------------------------------------------------------------


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _sparse(tensor: Any) -> Any:
    """A sparse tensor as a dense value."""
    data = tensor_value(tensor.values)
    index = tensor_value(tensor.indices)
    dims = list(tensor.dims)
    dense = torch.zeros(dims, dtype=data.dtype)
    if index.dim() == 1:
        return dense.reshape(-1).index_put((index,), data).reshape(dims)
    return dense.index_put(tuple(index.unbind(1)), data)


_CONVERT: dict[int, Callable[[Attribute], Any]] = {
    Attribute.STRING: lambda attribute: _text(attribute.s),
    Attribute.STRINGS: lambda attribute: [_text(item) for item in attribute.strings],
    Attribute.TENSOR: lambda attribute: tensor_value(attribute.t),
    Attribute.TENSORS: lambda attribute: [tensor_value(item) for item in attribute.tensors],
    Attribute.INTS: lambda attribute: list(attribute.ints),
    Attribute.FLOATS: lambda attribute: list(attribute.floats),
}


def _converted(node: Node, given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Graph]]:
    """The attributes of NODE, those that stand for attributes of a function by what it was GIVEN;
    and the graphs among them."""
    plain: dict[str, Any] = {}
    graphs: dict[str, Graph] = {}
    for attribute in node.attribute:
        name, kind = attribute.name, attribute.type
        reference = attribute.ref_attr_name
        if reference:
            if reference in given:
                plain[name] = given[reference]
        elif kind == Attribute.GRAPH:
            assert attribute.g is not None
            graphs[name] = attribute.g
        elif kind == Attribute.SPARSE_TENSOR:
            plain[name] = _sparse(attribute.sparse_tensor)
        elif kind in (Attribute.TYPE_PROTO, Attribute.TYPE_PROTOS):  # of an empty optional
            continue
        else:
            convert = _CONVERT.get(kind)
            plain[name] = attribute.value() if convert is None else convert(attribute)
    return plain, graphs


# ---- preparing ---------------------------------------------------------------------------------


_FunctionKey: TypeAlias = tuple[str, str, str]


class _Functions:
    """The functions that the model brings along."""

    def __init__(self, graph: Graph) -> None:
        self._bodies: dict[_FunctionKey, Function] = {
            (_domain(function.domain), function.name, function.overload): function
            for function in graph.function
        }
        self._open: list[_FunctionKey] = []

    def find(self, node: Node) -> Function | None:
        return self._bodies.get((_domain(node.domain), node.op_type, node.overload))

    @contextlib.contextmanager
    def inside(self, node: Node, what: str) -> Iterator[None]:
        """While the body of the function that NODE calls is being prepared."""
        key = (_domain(node.domain), node.op_type, node.overload)
        if key in self._open:
            raise BackendError(f"{what} calls the function that it is in: that has no end")
        self._open.append(key)
        try:
            yield
        finally:
            self._open.pop()


def _domain(domain: str) -> str:
    return "" if domain == "ai.onnx" else domain


def _opsets(graph: Graph | Function, outer: Mapping[str, int] | None = None) -> dict[str, int]:
    found = {_domain(entry.domain): entry.version for entry in graph.opset_import}
    return found or dict(outer or {"": 20})


class _Builder:
    """Prepares one graph; ``outer`` prepares the one around it."""

    def __init__(
        self,
        functions: _Functions,
        opsets: Mapping[str, int],
        outer: _Builder | None = None,
        given: Mapping[str, Any] | None = None,
    ) -> None:
        self.functions, self.opsets, self.outer = functions, opsets, outer
        self.given = given or {}
        self.n_places = 1
        self.places: dict[str, int] = {}
        self.constants: dict[int, Any] = {}
        self.captured: list[tuple[int, int]] = []  # outside, inside
        self.steps: list[_Step] = []

    def new(self, name: str) -> int:
        place = self.n_places
        self.n_places += 1
        self.places[name] = place
        return place

    def lookup(self, name: str) -> int | None:
        """The place of a value; one from outside becomes a captured one."""
        place = self.places.get(name)
        if place is None and self.outer is not None:
            outside = self.outer.lookup(name)
            if outside is not None:
                place = self.new(name)
                self.captured.append((outside, place))
        return place

    def use(self, name: str, what: str) -> int:
        if not name:
            return _ABSENT
        place = self.lookup(name)
        if place is None:
            raise BackendError(
                f"{what} uses '{name}', which is no input, no parameter and no output of a node "
                "before it"
            )
        return place

    # -- one graph

    def build(
        self, graph: Graph | Function, inputs: Sequence[str], outputs: Sequence[str], what: str
    ) -> Plan:
        given = [self.new(name) for name in inputs]
        if isinstance(graph, Graph):  # a function has none
            for tensor in graph.initializer:
                if tensor.name not in self.places:
                    self.constants[self.new(tensor.name)] = tensor_value(tensor)
        for i, node in enumerate(graph.node):
            self.add(node, f"node {i} ({_title(node)})")
        results = [self.use(name, f"the output of {what}") for name in outputs]
        inside = [place for _, place in self.captured]
        keep = {*results, *self.constants, _ABSENT}
        return Plan(
            self.n_places, given, inside, results, self.constants, _released(self.steps, keep)
        )

    def add(self, node: Node, what: str) -> None:
        plain, graphs = _converted(node, self.given)
        domain = _domain(node.domain)
        inputs = [self.use(name, what) for name in node.input]
        while inputs and inputs[-1] == _ABSENT:
            inputs.pop()
        names = list(node.output)
        while names and not names[-1]:
            names.pop()
        version = self.opsets.get(domain, 1)
        attributes = Attributes(plain, version, len(names))
        if domain == "" and node.op_type == "Constant":
            found = find("", "Constant")
            assert found is not None
            self.constants[self.new(names[0])] = found.function(attributes)
            return
        bodies = [(key, *self.body(graph, f"{key} of {what}")) for key, graph in graphs.items()]
        function = self.functions.find(node)
        if function is not None:
            inputs += [_ABSENT] * (len(function.input) - len(inputs))
            bodies.append(("call", self.call(function, node, attributes, what), ()))
            operator = Operator(_call, many=True, scoped=True)
        else:
            operator = _operator(node, domain, version, what)
            if domain == "" and version < 7 and plain.get("broadcast") and "axis" in plain:
                operator = operator._replace(function=_aligned(operator.function, plain["axis"]))
        places = tuple(_ABSENT if not name else self.new(name) for name in names)
        self.steps.append(
            _Step(
                operator.function,
                attributes,
                tuple(inputs),
                places,
                operator.many,
                operator.host,
                (),
                tuple(bodies) if operator.scoped else None,
                what,
            )
        )

    def body(self, graph: Graph, what: str) -> tuple[Plan, tuple[int, ...]]:
        inner = _Builder(self.functions, self.opsets, self, self.given)
        names = [info.name for info in graph.input_info] or list(graph.input)
        stored = {tensor.name for tensor in graph.initializer}
        plan = inner.build(graph, [n for n in names if n not in stored], list(graph.output), what)
        return plan, tuple(outside for outside, _ in inner.captured)

    def call(self, function: Function, node: Node, attributes: Attributes, what: str) -> Plan:
        given: dict[str, Any] = {}
        for attribute in function.attribute_proto:
            plain, _ = _converted(Node(op_type="_", attribute=[attribute]), {})
            given.update(plain)
        given.update(attributes)
        with self.functions.inside(node, what):
            builder = _Builder(self.functions, _opsets(function, self.opsets), None, given)
            return builder.build(
                function, list(function.input), list(function.output), f"{what}, a function"
            )


def _call(a: Attributes, scope: Scope, *inputs: Any) -> list[Any]:
    """A function of the model; inputs that a call leaves out are absent in the body."""
    return scope.bodies["call"](*inputs)


def _aligned(function: Callable[..., Any], axis: int) -> Callable[..., Any]:
    """FUNCTION by the rules before opset 7: the second operand begins at AXIS of the first."""

    def run(a: Attributes, x: torch.Tensor, y: torch.Tensor) -> Any:
        missing = x.dim() - axis % x.dim() - y.dim()
        return function(a, x, y.reshape([*y.shape, *[1] * missing]))

    return run


def _title(node: Node) -> str:
    domain = f"{node.domain}::" if node.domain else ""
    return f"{domain}{node.op_type} '{node.name}'" if node.name else f"{domain}{node.op_type}"


def _operator(node: Node, domain: str, version: int, what: str) -> Operator:
    if domain == aten.DOMAIN:
        return aten.resolve(node.op_type, what)
    found = find(domain, node.op_type) or definitions.resolve(node, domain, version)
    if found is None and domain:
        found = aten.find_custom(domain, node.op_type, what)
    if found is None:
        shown = f"the domain '{domain}'" if domain else "ONNX's own domain"
        raise BackendError(
            f"{what}: the PyTorch backend does not know the operator '{node.op_type}' of {shown}, "
            f"opset {version}; give it a body (a function in the model), or a PyTorch operator of "
            "this name (torch.library), or run the graph with toffee.backend.onnxruntime"
        )
    return found


def _released(steps: list[_Step], keep: set[int]) -> list[_Step]:
    """STEPS, each with the places that it is the last to use."""
    seen = set(keep)
    result = []
    for step in reversed(steps):
        captured = [place for _, _, places in step.bodies or () for place in places]
        used = dict.fromkeys([*step.inputs, *captured, *step.outputs])
        done = tuple(place for place in used if place not in seen)
        seen.update(done)
        result.append(step._replace(done=done))
    result.reverse()
    return result


def prepare_graph(
    graph: Graph, inputs: Sequence[str], outputs: Sequence[str] | None = None
) -> Plan:
    """A plan of GRAPH that takes the values called INPUTS; initializers that are not among them are
    constants of the plan. OUTPUTS are by default those of the graph; "" stands for None.

    Raises
    ------
    toffee.BackendError
        An operator that nobody knows, or a value that nothing computes: names the node.
    """
    return _Builder(_Functions(graph), _opsets(graph)).build(
        graph, inputs, list(graph.output if outputs is None else outputs), "the graph"
    )
