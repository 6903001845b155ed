"""Operators of the namespace ``rl`` for the tests of lowerings in Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from exported import to_graph

import toffee

LIBRARY = torch.library.Library("rl", "FRAGMENT")


def define(schema, *tags, key="CompositeExplicitAutograd"):
    LIBRARY.define(schema, tags=tags)
    return torch.library.impl(LIBRARY, schema.split("(")[0], key)


@define("scale(Tensor x, float k, Tensor? bias=None) -> Tensor")
def _scale(x, k, bias=None):
    return x * k if bias is None else x * k + bias


@define("scale_(Tensor(a!) x, float k) -> Tensor(a!)")
def _scale_(x, k):
    return x.mul_(k)


@define("scale.out(Tensor x, float k, *, Tensor(a!) out) -> Tensor(a!)")
def _scale_out(x, k, *, out):
    return torch.mul(x, k, out=out)


@define("swap(Tensor x, Tensor y) -> (Tensor, Tensor)")
def _swap(x, y):
    return y.clone(), x.clone()


@define("chop(Tensor x, int[] sizes) -> Tensor[]")
def _chop(x, sizes):
    return [part.clone() for part in x.split(sizes)]


@define("glue(Tensor[] xs, int dim=0) -> Tensor")
def _glue(xs, dim=0):
    return torch.cat(xs, dim)


@define("first(Tensor?[] xs) -> Tensor")
def _first(xs):
    return next(x for x in xs if x is not None).clone()


@define("table(int n) -> Tensor")
def _table(n):
    return torch.arange(n) ** 2


@define("noise(int n) -> Tensor", torch.Tag.nondeterministic_seeded)
def _noise(n):
    return torch.randn(n)


@define("accumulate(Tensor(a!) total, Tensor x) -> ()")
def _accumulate(total, x):
    total.add_(x)


@define("count(Tensor x) -> (Tensor, int)")
def _count(x):
    return x.exp(), x.numel()


@define("options(Tensor x, *, str mode='a', ScalarType? dtype=None, float[] w=[1.5, 2]) -> Tensor")
def _options(x, *, mode="a", dtype=None, w=(1.5, 2)):
    return (x * sum(w)).to(dtype or x.dtype)


@define("turn(Tensor z, complex by) -> Tensor")
def _turn(z, by):
    return z * by


@define("half_square(Tensor x) -> Tensor", key="CompositeImplicitAutograd")
def _half_square(x):
    return x * x / 2


@define("double_(Tensor(a!) x) -> Tensor(a!)", key="CompositeImplicitAutograd")
def _double_(x):
    return x.mul_(2).add_(0.5)


@define("shout(Tensor x) -> Tensor")
def _shout(x):
    return x.exp()


@define("shout.twice(Tensor x, int n) -> Tensor")
def _shout_twice(x, n):
    return x.exp() * n


@torch.library.custom_op("rl::by_numpy", mutates_args=())
def by_numpy(x: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(np.sort(x.numpy(), axis=-1))


@torch.library.custom_op("rl::clamp_into", mutates_args=("out",))
def clamp_into(x: torch.Tensor, out: torch.Tensor) -> None:
    out.copy_(x.clamp(min=0))


RL = torch.ops.rl
X = torch.randn(2, 3)


def exported(fn: Callable[..., Any] = lambda x: RL.shout(x), args: Any = X) -> toffee.Graph:
    return to_graph(fn, args)
