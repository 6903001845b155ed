#!/usr/bin/env python3
"""Every entry of PyTorch's operator database (OpInfo) through export, against eager PyTorch.

    tests/opinfo.py                        run all, print what became of them by dtype and reason
    tests/opinfo.py --only cummax --dtypes float32 -v
    tests/opinfo.py --check                fail if an entry does worse than in the baseline
    tests/opinfo.py --update-baseline      write tests/opinfo_baseline.json and docs/operators.md
    tests/opinfo.py --write-docs           write docs/operators.md from the baseline, without a run
    tests/opinfo.py --peer dynamo --samples 2   measure torch.onnx.export on the same samples

**What runs.** The first ``--samples`` samples (6) of each entry that takes the dtype on a CPU, as
PyTorch's own tests draw them, with a fixed seed. The tensors of a sample are inputs of the graph,
all other arguments are fixed in it. Each sample is exported, checked by toffee's and by ONNX's
checker, and run by ONNX Runtime with its optimizations off, ONNX Runtime with them on, and toffee's
PyTorch backend; where ONNX Runtime has no kernel for the dtype, by ``onnx.reference``; the outcome
says which of them could run it, and all that could must agree.

**What is compared.** Each with eager PyTorch, on other values of the same shapes and dtypes, and on
the traced ones. Other values are those of the same sample drawn with another seed; where that has
other shapes or numbers, the same values in another order, or three quarters of them.
``opinfo_cases.difference`` says what agrees: torch.testing's tolerances.

**What is counted.** The share that passes is over the *deterministic, dense, single-output-type*
entries. An entry is one of these unless each of its samples has one of these properties, which are
found by running it, not by name (but for ``empty`` and the like):

* not deterministic: its result changes with the seed of PyTorch's generator, or is uninitialised
  memory (``opinfo_cases.UNINITIALISED``);
* not dense: a tensor that goes in or comes out is sparse, nested or quantized;
* not of a single output type: the shape of the result depends on values, so that the graph has no
  output type (``nonzero``, ``unique``); or the result has a Python number, bool or None instead of
  a tensor (``item``, ``equal``); or an element type that ONNX has no name for (complex32).

Samples that eager PyTorch itself refuses are left out. Nothing else is: an operator that nobody
uses, or that only LAPACK computes, counts.

**Statuses** of an entry: *pass*, every sample that is in scope agrees, and there is one; *partly*,
some do; *refused*, export raises one of its documented errors; *warned*, the graph computes
something else and export said so with a TraceWarning; *error*, another exception, a checker's or a
runtime's; *mismatch*, it computes something else and nothing said so; *hang* and *crash*. The
baseline has every entry that neither passes nor is new, and may only shrink.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent))

import opinfo_cases as database  # noqa: E402
import opinfo_pool  # noqa: E402
import opinfo_report as report  # noqa: E402
import torch  # noqa: E402
from opinfo_pool import Task  # noqa: E402
from opinfo_run import STATUSES, Outcome, run_case, run_peer  # noqa: E402

N_SAMPLES = 6
SECONDS = 60.0
PEERS = {
    "toffee": "toffee",
    "dynamo": "torch.onnx.export(dynamo=True)",
    "script": "torch.onnx.export(dynamo=False)",
}
_WORST_FIRST = {status: -rank for rank, status in enumerate(STATUSES)}


def verdict(outcomes: list[Outcome]) -> tuple[str, str]:
    """Status and reason of an entry, from those of its samples."""
    counted = [x for x in outcomes if x.status != "out of scope"]
    if not counted:
        reasons = Counter(x.reason for x in outcomes)
        return "out of scope", reasons.most_common(1)[0][0] if reasons else "no samples"
    failed = [x for x in counted if x.status != "pass"]
    if not failed:
        return "pass", ""
    worst = min(failed, key=lambda x: _WORST_FIRST[x.status])
    if worst.status == "refused" and len(failed) < len(counted):
        return "partly", worst.reason
    return worst.status, worst.reason


def ours(quick: bool, name: str, dtype: str, n: int) -> list[Callable[[], Outcome]]:
    """What runs each sample of an entry, for the pool."""
    return [lambda make=make: run_case(name, make(), quick=quick)
            for make in database.samples(name, dtype, n)]  # fmt: skip


def theirs(dynamo: bool, name: str, dtype: str, n: int) -> list[Callable[[], Outcome]]:
    """The same for ``torch.onnx.export``."""
    return [lambda make=make: run_peer(name, make(), dynamo)
            for make in database.samples(name, dtype, n)]  # fmt: skip


# ---- the baseline --------------------------------------------------------------------------------


def baseline_of(tasks: list[Task], n_samples: int) -> dict[str, Any]:
    """What goes into tests/opinfo_baseline.json."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    means: dict[str, Counter[str]] = defaultdict(Counter)
    rest: dict[str, dict[str, str]] = defaultdict(dict)
    for task in tasks:
        status, reason = verdict(task.outcomes)
        counts[task.dtype][status] += 1
        if status == "pass":
            means[task.dtype].update({_weakest_means(task.outcomes): 1})
        else:
            rest[task.name][task.dtype] = f"{status}: {reason}"
    return {
        "torch": torch.__version__.split("+")[0],
        "samples": n_samples,
        "counts": {d: dict(sorted(counts[d].items())) for d in database.DTYPES if d in counts},
        "means": {d: dict(sorted(means[d].items())) for d in database.DTYPES if d in means},
        "entries": {name: rest[name] for name in sorted(rest)},
    }


def _weakest_means(outcomes: list[Outcome]) -> str:
    """By which kind of runtime the samples of a passing entry were compared, all of them."""
    means = [x.means for x in outcomes if x.status == "pass"]
    for runtime in ("ONNX Runtime", "onnx.reference"):
        if all(runtime in text for text in means):
            return runtime
    return "mixed" if any("onnx" in x.lower() for x in means) else "toffee.backend.torch only"


def changes(tasks: list[Task], baseline: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Entries that do worse than BASELINE says, and those that do better."""
    worse, better = [], []
    for task in tasks:
        status, reason = verdict(task.outcomes)
        old = baseline["entries"].get(task.name, {}).get(task.dtype, "pass: ")
        old_status = old.split(":")[0]
        line = f"{task.name} {task.dtype}: {status} ({reason}), it was: {old}"
        rank, old_rank = STATUSES.index(status), STATUSES.index(old_status)
        if rank > old_rank or (status == "out of scope") != (old_status == "out of scope"):
            worse.append(line)
        elif rank < old_rank:
            better.append(line)
    return worse, better


def peer_row(tasks: list[Task]) -> dict[str, int]:
    """How many entries an exporter gets right, gets wrong in some sample, or refuses in part."""
    row = dict.fromkeys(("right", "wrong", "refused"), 0)
    for task in tasks:
        statuses = {x.status for x in task.outcomes} - {"out of scope"}
        if statuses:
            wrong = statuses & {"mismatch", "warned"}
            row["wrong" if wrong else "right" if statuses == {"pass"} else "refused"] += 1
    return row


# ---- the command ---------------------------------------------------------------------------------


def _print_table(tasks: list[Task], verbose: bool) -> None:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    reasons: dict[tuple[str, str], set[str]] = defaultdict(set)
    for task in tasks:
        status, reason = verdict(task.outcomes)
        counts[task.dtype][status] += 1
        if status != "pass":
            reasons[status, reason].add(task.name)
        if verbose:
            for i, outcome in enumerate(task.outcomes):
                detail = outcome.detail.replace("\n", "\n      ")
                print(f"{task.name} {task.dtype} [{i}] {outcome.status}: {outcome.reason}"
                      f"{outcome.means}\n      {detail}".rstrip())  # fmt: skip
    for (status, reason), names in sorted(reasons.items(), key=lambda x: (x[0][0], -len(x[1]))):
        print(f"{len(names):4} {status}: {reason}: {', '.join(sorted(names)[:6])}")
    for dtype, counter in counts.items():
        counted = counter.total() - counter["out of scope"]
        text = ", ".join(f"{counter[s]} {s}" for s in STATUSES if counter[s])
        print(f"{dtype}: {counter.total()} entries: {text}; "
              f"{100 * counter['pass'] / max(counted, 1):.1f} % of {counted} pass")  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=N_SAMPLES, help="of each entry")
    parser.add_argument("--dtypes", nargs="+", default=list(database.DTYPES), metavar="DTYPE")
    parser.add_argument("--only", nargs="+", default=None, metavar="ENTRY")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="time for one sample")
    parser.add_argument("--quick", action="store_true", help="one run of ONNX Runtime only")
    parser.add_argument("--check", action="store_true", help="compare with the baseline")
    parser.add_argument("--update-baseline", action="store_true")
    parser.add_argument("--write-docs", action="store_true", help="from the baseline, no run")
    parser.add_argument("--peer", choices=list(PEERS), help="run this exporter, in float32")
    parser.add_argument("--results", type=Path, help="write every sample's outcome as JSON")
    parser.add_argument("-v", "--verbose", action="store_true", help="print every sample")
    options = parser.parse_args()
    if options.write_docs:
        report.write()
        return 0
    if options.peer is not None:
        options.dtypes = ["float32"]
    tasks = [
        Task(name, dtype, options.samples)
        for dtype in options.dtypes
        for name in database.entry_names(dtype)
        if options.only is None or name in options.only
    ]
    runner: opinfo_pool.Runner = partial(ours, options.quick)
    if options.peer in ("dynamo", "script"):
        runner = partial(theirs, options.peer == "dynamo")
    began = time.monotonic()
    done = list(opinfo_pool.run(runner, tasks, options.jobs, options.seconds))
    done.sort(key=lambda task: (database.DTYPES.index(task.dtype), task.name))
    _print_table(done, options.verbose)
    print(f"{time.monotonic() - began:.0f} s")
    if options.results is not None:
        rows = [[t.name, t.dtype, [vars(x) for x in t.outcomes]] for t in done]
        options.results.write_text(json.dumps(rows, indent=0))
    if options.peer is not None:
        row = peer_row(done)
        print(row)
        if options.update_baseline:
            baseline = report.load_baseline()
            peer = {**baseline.get("peer", {}), PEERS[options.peer]: row}
            peer["samples"] = options.samples
            report.save_baseline({**baseline, "peer": peer})
            report.write()
        return 0
    if options.update_baseline:
        if options.only is not None or options.quick or options.dtypes != list(database.DTYPES):
            parser.error("--update-baseline wants a run of everything")
        peer = report.load_baseline().get("peer") if report.BASELINE.exists() else None
        report.save_baseline(baseline_of(done, options.samples) | ({"peer": peer} if peer else {}))
        report.write()
    if not options.check:
        return 0
    worse, better = changes(done, report.load_baseline())
    for line in better:
        print(f"better: {line}")
    for line in worse:
        print(f"WORSE: {line}")
    if better:
        print(f"the baseline can shrink by {len(better)}: tests/opinfo.py --update-baseline")
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
