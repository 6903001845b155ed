"""The main job, step by step: AlexNet from PyTorch to a checked ToffeeIR file, and run.

This is the script of 2017, with ONNX Runtime in Caffe2's place, and a clock beside each step.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
import torch.toffee
from seed_models import seed_model

import toffee


@contextmanager
def step(text: str) -> Iterator[None]:
    """Print what a step does and what it took."""
    start = time.perf_counter()
    yield
    print(f"{text:<58} {1e3 * (time.perf_counter() - start):9.2f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", help="keep the files in this folder")
    folder = parser.parse_args().out or tempfile.mkdtemp(prefix="toffee-")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "alexnet.proto")

    model, dummy_input = seed_model("alexnet")
    model(dummy_input)  # PyTorch sets itself up on the first call
    with step("forward pass, AlexNet, batch 10"), torch.inference_mode():
        model(dummy_input)
    with step("torch.toffee.export(model, dummy_input, 'alexnet.proto')"):
        torch_out = torch.toffee.export(model, dummy_input, path)
    print(f"  {os.path.getsize(path):,} bytes in {path}")

    with step("graph = toffee.load('alexnet.proto')"):
        graph = toffee.load(path)
    with step("toffee.checker.check_graph(graph)"):
        toffee.checker.check_graph(graph)
    with step("str(graph)"):
        listing = str(graph)
    print(listing)

    import onnxruntime

    onnx_path = os.path.join(folder, "alexnet.onnx")
    with step("toffee.save(graph, 'alexnet.onnx')"):
        toffee.save(graph, onnx_path)
    with step("onnxruntime.InferenceSession('alexnet.onnx')"):
        session = onnxruntime.InferenceSession(onnx_path, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    session.run(None, {name: dummy_input.numpy()})
    other_input = torch.randn(10, 3, 224, 224)
    with step("session.run on another input"):
        (result,) = session.run(None, {name: other_input.numpy()})
    with torch.inference_mode():
        expected = model(other_input).numpy()
    (traced,) = session.run(None, {name: dummy_input.numpy()})
    scale = float(np.abs(expected).max())
    difference = float(np.abs(result - expected).max()) / scale
    print(f"largest difference from PyTorch, other input:  {difference:.1e} of the output's scale")
    difference = max(
        difference, float(np.abs(traced - torch_out.numpy()).max()) / float(torch_out.abs().max())
    )
    if not difference < 1e-4:
        raise SystemExit(f"ONNX Runtime differs from PyTorch by {difference:.1e}")
    print("ONNX Runtime and PyTorch agree")


if __name__ == "__main__":
    main()
