"""Recurrent networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F  # noqa: N812 -- its usual name

from .registry import Attributes, operator

_Tensor = torch.Tensor
_Function = Callable[[_Tensor], _Tensor]

#: name -> the function of (x, alpha, beta), default alpha, default beta
_ACTIVATIONS: dict[str, tuple[Callable[[_Tensor, float, float], _Tensor], float, float]] = {
    "Affine": (lambda x, alpha, beta: alpha * x + beta, 1.0, 0.0),
    "Elu": (lambda x, alpha, beta: F.elu(x, alpha), 1.0, 0.0),
    "HardSigmoid": (lambda x, alpha, beta: torch.clamp(alpha * x + beta, 0, 1), 0.2, 0.5),
    "LeakyRelu": (lambda x, alpha, beta: F.leaky_relu(x, alpha), 0.01, 0.0),
    "Relu": (lambda x, alpha, beta: torch.relu(x), 0.0, 0.0),
    "ScaledTanh": (lambda x, alpha, beta: alpha * torch.tanh(beta * x), 1.0, 1.0),
    "Sigmoid": (lambda x, alpha, beta: torch.sigmoid(x), 0.0, 0.0),
    "Softplus": (lambda x, alpha, beta: F.softplus(x), 0.0, 0.0),
    "Softsign": (lambda x, alpha, beta: F.softsign(x), 0.0, 0.0),
    "Tanh": (lambda x, alpha, beta: torch.tanh(x), 0.0, 0.0),
    "ThresholdedRelu": (lambda x, alpha, beta: F.threshold(x, alpha, 0.0), 1.0, 0.0),
}
_BY_LOWER = {name.lower(): row for name, row in _ACTIVATIONS.items()}
#: Which take an alpha, and which also a beta, from the lists of the node
_TAKES_ALPHA = {"affine", "elu", "hardsigmoid", "leakyrelu", "scaledtanh", "thresholdedrelu"}
_TAKES_BETA = {"affine", "hardsigmoid", "scaledtanh"}


def _bound(function: Callable[..., _Tensor], alpha: float, beta: float) -> _Function:
    return lambda x: function(x, alpha, beta)


def _activations(a: Attributes, defaults: list[str], directions: int) -> list[list[_Function]]:
    """For each direction, the functions in the order of the operator's description."""
    names = a.get("activations") or defaults * directions
    alphas, betas = iter(a.get("activation_alpha", ())), iter(a.get("activation_beta", ()))
    functions: list[_Function] = []
    for name in names:
        lower = name.lower()
        if lower not in _BY_LOWER:
            raise NotImplementedError(f"activation {name!r}")
        function, alpha, beta = _BY_LOWER[lower]
        alpha = next(alphas, alpha) if lower in _TAKES_ALPHA else alpha
        beta = next(betas, beta) if lower in _TAKES_BETA else beta
        functions.append(_bound(function, alpha, beta))
    each = len(defaults)
    return [functions[i * each : (i + 1) * each] for i in range(directions)]


def _run(
    a: Attributes,
    x: _Tensor,
    lengths: _Tensor | None,
    states: list[_Tensor],
    step: Callable[[int, _Tensor, list[_Tensor]], list[_Tensor]],
    directions: int,
) -> tuple[_Tensor, ...]:
    """Run STEP(direction, x_t, states) over time. STATES: [directions, batch, hidden] each. Returns
    all hidden states [time, directions, batch, hidden] and the last of each state."""
    time = x.shape[0]
    outputs, last = [], []
    for direction in range(directions):
        backward = direction == 1 or a.get("direction", "forward") == "reverse"
        current = [state[direction] for state in states]
        hidden: list[Any] = [None] * time
        for t in reversed(range(time)) if backward else range(time):
            new = step(direction, x[t], current)
            if lengths is None:
                current, hidden[t] = new, new[0]
                continue
            alive = (t < lengths).unsqueeze(-1)
            current = [torch.where(alive, now, old) for now, old in zip(new, current, strict=True)]
            hidden[t] = torch.where(alive, new[0], torch.zeros_like(new[0]))
        outputs.append(torch.stack(hidden) if time else x.new_zeros((0, *current[0].shape)))
        last.append(current)
    finals = [torch.stack([state[i] for state in last]) for i in range(len(states))]
    return torch.stack(outputs, 1), *finals


def _prepare(
    a: Attributes, x: _Tensor, r: _Tensor, initial: list[_Tensor | None]
) -> tuple[_Tensor, list[_Tensor]]:
    """X with time in front, and the states to begin with."""
    batch_first = bool(a.get("layout", 0))
    x = x.transpose(0, 1) if batch_first else x
    shape = (r.shape[0], x.shape[1], r.shape[2])
    states = []
    for state in initial:
        if state is None:
            state = x.new_zeros(shape)
        elif batch_first:
            state = state.transpose(0, 1)
        states.append(state)
    return x, states


def _finish(a: Attributes, outputs: tuple[_Tensor, ...]) -> tuple[_Tensor, ...]:
    if not a.get("layout", 0):
        return outputs
    hidden, *finals = outputs
    return hidden.permute(2, 0, 1, 3), *(state.transpose(0, 1) for state in finals)


def _clipper(a: Attributes) -> _Function:
    clip = a.get("clip")
    return (lambda x: x) if clip is None else (lambda x: torch.clamp(x, -clip, clip))


@operator("RNN", many=True)
def rnn(
    a: Attributes,
    x: _Tensor,
    w: _Tensor,
    r: _Tensor,
    b: _Tensor | None = None,
    lengths: _Tensor | None = None,
    initial: _Tensor | None = None,
) -> tuple[_Tensor, ...]:
    directions, n, _ = r.shape
    functions = _activations(a, ["Tanh"], directions)
    clip = _clipper(a)
    x, states = _prepare(a, x, r, [initial])

    def step(d: int, x_t: _Tensor, state: list[_Tensor]) -> list[_Tensor]:
        total = F.linear(x_t, w[d], None if b is None else b[d, :n] + b[d, n:])
        return [functions[d][0](clip(total + F.linear(state[0], r[d])))]

    return _finish(a, _run(a, x, lengths, states, step, directions))


@operator("GRU", many=True)
def gru(
    a: Attributes,
    x: _Tensor,
    w: _Tensor,
    r: _Tensor,
    b: _Tensor | None = None,
    lengths: _Tensor | None = None,
    initial: _Tensor | None = None,
) -> tuple[_Tensor, ...]:
    directions, _, n = r.shape
    functions = _activations(a, ["Sigmoid", "Tanh"], directions)
    clip = _clipper(a)
    reset_after = bool(a.get("linear_before_reset", 0))
    x, states = _prepare(a, x, r, [initial])

    def step(d: int, x_t: _Tensor, state: list[_Tensor]) -> list[_Tensor]:
        (h,) = state
        sigmoid, tanh = functions[d]
        from_x = F.linear(x_t, w[d], None if b is None else b[d, : 3 * n])
        bias = None if b is None else b[d, 3 * n :]
        from_h = F.linear(h, r[d, : 2 * n], None if bias is None else bias[: 2 * n])
        update, reset = sigmoid(clip(from_x[:, : 2 * n] + from_h)).chunk(2, -1)
        tail = None if bias is None else bias[2 * n :]
        if reset_after:
            inner = reset * F.linear(h, r[d, 2 * n :], tail)
        else:
            inner = F.linear(reset * h, r[d, 2 * n :], tail)
        new = tanh(clip(from_x[:, 2 * n :] + inner))
        return [(1 - update) * new + update * h]

    return _finish(a, _run(a, x, lengths, states, step, directions))


@operator("LSTM", many=True)
def lstm(
    a: Attributes,
    x: _Tensor,
    w: _Tensor,
    r: _Tensor,
    b: _Tensor | None = None,
    lengths: _Tensor | None = None,
    initial_h: _Tensor | None = None,
    initial_c: _Tensor | None = None,
    peephole: _Tensor | None = None,
) -> tuple[_Tensor, ...]:
    directions, _, n = r.shape
    functions = _activations(a, ["Sigmoid", "Tanh", "Tanh"], directions)
    clip = _clipper(a)
    coupled = bool(a.get("input_forget", 0))
    x, states = _prepare(a, x, r, [initial_h, initial_c])

    def step(d: int, x_t: _Tensor, state: list[_Tensor]) -> list[_Tensor]:
        h, c = state
        sigmoid, tanh_c, tanh_h = functions[d]
        bias = None if b is None else b[d, : 4 * n] + b[d, 4 * n :]
        total = F.linear(x_t, w[d], bias) + F.linear(h, r[d])
        i, o, f, g = total.chunk(4, -1)
        if peephole is not None:
            p_i, _, p_f = peephole[d].chunk(3)
            i, f = i + p_i * c, f + p_f * c
        i = sigmoid(clip(i))
        f = 1 - i if coupled else sigmoid(clip(f))
        c = f * c + i * tanh_c(clip(g))
        if peephole is not None:
            o = o + peephole[d].chunk(3)[1] * c
        return [sigmoid(clip(o)) * tanh_h(c), c]

    return _finish(a, _run(a, x, lengths, states, step, directions))
