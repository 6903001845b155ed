"""Run the script of 2017 as it stands, then compare what Caffe2 gave with what PyTorch gives.

The script itself is script_2017.py beside this file. It needs torchvision and Caffe2's runtime:
``python -m toffee.backend.c2 install``.
"""

from __future__ import annotations

import os
import runpy
import tempfile
from pathlib import Path

import numpy as np
import torch
from seed_models import import_torchvision

SCRIPT = Path(__file__).with_name("script_2017.py")


def main() -> None:
    import_torchvision()  # what `import torchvision` in the script then finds
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory(prefix="toffee-") as folder:
        os.chdir(folder)  # the script writes alexnet.proto where it is
        ran = runpy.run_path(str(SCRIPT))
        os.chdir(SCRIPT.parent)

    model = ran["model"].eval()  # the export ran it so, and put it back
    backend, prepared = ran["backend"], ran["caffe2_proto"]
    x = np.random.default_rng(0).random((10, 3, 224, 224), dtype=np.float32)
    with torch.inference_mode():
        expected = model(torch.from_numpy(x)).numpy()
    (result,) = backend.run(prepared, x)
    difference = float(np.abs(result - expected).max() / np.abs(expected).max())
    print(f"largest difference from PyTorch, other input: {difference:.1e} of the output's scale")
    if not difference < 1e-4:
        raise SystemExit("Caffe2 and PyTorch do not agree")
    print("Caffe2 and PyTorch agree")


if __name__ == "__main__":
    main()
