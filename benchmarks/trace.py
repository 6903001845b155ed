"""Microseconds an operator: the trace over a TorchDispatchMode that does nothing but call it."""

from __future__ import annotations

import argparse
import contextlib
import statistics
import time
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from toffee import _tracing


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


def microseconds(mode: Any, x: torch.Tensor, n: int) -> float:
    with torch.inference_mode(), mode:
        start = time.perf_counter()
        program(x, n)
        return (time.perf_counter() - start) / n * 1e6


def traced(n: int) -> float:
    journal = _tracing.Journal(strict=False)
    tracer = _tracing.Tracer()
    tracer.begin(
        journal.decompose, _tracing.place, journal.leak, _tracing.whole_storage, False, False
    )
    x = torch.randn(4)
    tracer.declare_input(x, "x")
    try:
        return microseconds(tracer, x, n)
    finally:
        tracer.abandon()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    x = torch.randn(4)
    traced(100)
    print(f"{'operators':>9} {'plain':>8} {'mode':>8} {'trace':>8} {'trace - mode':>13}   µs each")
    for n in (1_000, 10_000, 100_000):
        rows = [
            (
                microseconds(contextlib.nullcontext(), x, n),
                microseconds(CallOnly(), x, n),
                traced(n),
            )
            for _ in range(rounds)
        ]
        plain, mode, trace = (statistics.median(column) for column in zip(*rows, strict=True))
        over = statistics.median(row[2] - row[1] for row in rows)
        print(f"{n:>9} {plain:>8.2f} {mode:>8.2f} {trace:>8.2f} {over:>13.2f}")


if __name__ == "__main__":
    main()
