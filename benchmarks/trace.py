"""Microseconds an operator: the trace over a TorchDispatchMode that does nothing but call it; and
what it adds that each node says its line and its module, in layers of a model."""

from __future__ import annotations

import argparse
import contextlib
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from toffee import _models, _tracing


class CallOnly(TorchDispatchMode):
    """The floor: the cheapest mode that PyTorch's users can write."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


def program(x: torch.Tensor, n: int) -> torch.Tensor:
    for _ in range(n // 4):
        y = torch.tanh(x)
        y = y + x
        y = y.view(2, 2)
        x = y.view(4)
    return x


class Layers(torch.nn.Module):
    """Three modules deep, one operator a layer: between it and the line that is looked for are
    PyTorch's own frames."""

    def __init__(self) -> None:
        super().__init__()
        layers = [torch.nn.Tanh(), torch.nn.ReLU(), torch.nn.Sigmoid(), torch.nn.Tanh()]
        self.layers = torch.nn.Sequential(*layers)

    def forward(self, x: torch.Tensor, n: int) -> torch.Tensor:
        for _ in range(n // 4):
            for layer in self.layers:
                x = layer(x)
        return x


def microseconds(mode: Any, x: torch.Tensor, n: int, run: Callable[..., Any] = program) -> float:
    with torch.inference_mode(), mode:
        start = time.perf_counter()
        run(x, n)
        return (time.perf_counter() - start) / n * 1e6


def traced(n: int, model: torch.nn.Module | None = None, located: bool = False) -> float:
    journal = _tracing.Journal(strict=False)
    tracer = _tracing.Tracer()
    tracer.begin(
        journal.decompose,
        journal.place,
        journal.leak,
        journal.lower,
        _tracing.whole_storage,
        False,
        False,
    )
    if located and model is not None:
        tracer.locate(_tracing.Sources(), _models.parts(model), _tracing.MODULE_CALL)
    x = torch.randn(4)
    tracer.declare_input(x, "x")
    try:
        return microseconds(tracer, x, n, model or program)
    finally:
        tracer.abandon()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    x = torch.randn(4)
    model = Layers()
    traced(100)
    print(
        f"{'operators':>9} {'plain':>8} {'mode':>8} {'trace':>8} {'trace - mode':>13}"
        f" {'origins':>8}   µs each"
    )
    for n in (1_000, 10_000, 100_000):
        rows = [
            (
                microseconds(contextlib.nullcontext(), x, n),
                microseconds(CallOnly(), x, n),
                traced(n),
                traced(n, model),
                traced(n, model, located=True),
            )
            for _ in range(rounds)
        ]
        plain, mode, trace, *_ = (statistics.median(column) for column in zip(*rows, strict=True))
        over = statistics.median(row[2] - row[1] for row in rows)
        origins = statistics.median(row[4] - row[3] for row in rows)
        print(f"{n:>9} {plain:>8.2f} {mode:>8.2f} {trace:>8.2f} {over:>13.2f} {origins:>8.2f}")


if __name__ == "__main__":
    main()
