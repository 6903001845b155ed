"""From a file to a module: toffee's to_module beside a state_dict of safetensors, as ratios.

Both are timed in turn, round by round, in one process; what counts is the median of the rounds'
ratios. ``load`` is the file to a module that can run (toffee), or to a state_dict (safetensors),
which is less. ``module`` builds the model from its code too, without memory, and hands it the
tensors. ``module and run`` adds the first forward pass of one image, since both read the weights
when they are used.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from export import seconds

MODELS = ("resnet50", "vgg16")


def tasks(name: str, folder: Path) -> dict[str, tuple[Callable[[], Any], Callable[[], Any]]]:
    """For each task, what toffee does and what safetensors does."""
    import safetensors.torch
    import torch
    from seed_models import import_torchvision, seed_model

    import toffee
    from toffee.backend.torch import to_module
    from toffee.torch_toffee import export

    model, x = seed_model(name)
    model, x = model.eval(), x[:1]
    build = getattr(import_torchvision().models, name)
    ours, theirs = folder / "model.toffee", folder / "model.safetensors"
    export(model, x, ours)
    safetensors.torch.save_file(model.state_dict(), theirs)

    def load() -> Any:
        return to_module(toffee.load(ours))

    def load_theirs() -> Any:
        return safetensors.torch.load_file(theirs)

    def module_theirs() -> Any:
        with torch.device("meta"):
            made = build(weights=None)
        made.load_state_dict(load_theirs(), assign=True)
        return made.eval()

    def run() -> Any:
        with torch.inference_mode():
            return load()(x)

    def run_theirs() -> Any:
        with torch.inference_mode():
            return module_theirs()(x)

    torch.testing.assert_close(run(), run_theirs())
    return {
        "load": (load, load_theirs),
        "module": (load, module_theirs),
        "module and run": (run, run_theirs),
    }


def measure(name: str, rounds: int) -> list[dict[str, Any]]:
    """A row for each task of the model called NAME."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for task, (ours, theirs) in tasks(name, Path(folder)).items():
            pairs = [(seconds(ours), seconds(theirs)) for _ in range(rounds)]
            rows.append(
                {
                    "model": name,
                    "task": task,
                    "toffee_ms": 1e3 * statistics.median(a for a, _ in pairs),
                    "safetensors_ms": 1e3 * statistics.median(b for _, b in pairs),
                    "ratio": statistics.median(a / b for a, b in pairs),
                }
            )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path, help="also write the rows there")
    arguments = parser.parse_args()
    rows = [row for name in arguments.models for row in measure(name, arguments.rounds)]
    print(f"{'model':12} {'task':14} {'toffee ms':>10} {'safetensors ms':>15} {'ratio':>7}")
    for row in rows:
        print(
            f"{row['model']:12} {row['task']:14} {row['toffee_ms']:10.2f} "
            f"{row['safetensors_ms']:15.2f} {row['ratio']:7.2f}"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
