"""Export the models of torchvision, timm and transformers at any size, and compare with PyTorch.

    python tests/models/dynamic.py --library recurrent --check
    python tests/models/dynamic.py --library transformers --models bert gpt2
    python tests/models/dynamic.py --write    # all; dynamic_baseline.json, docs/dynamic_models.md
    python tests/models/dynamic.py --write --part 1/2    # half of it, beside --part 2/2

As run.py, with open dimensions: see dynamic_cases.py. --check compares with the baseline: its
failures may only get fewer.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

import dynamic_page  # noqa: E402
import zoo  # noqa: E402

#: As dynamic_cases.LIBRARIES, which imports torch.
LIBRARIES = ("transformers", "torchvision", "timm", "recurrent")


#: What the processes that write hold meanwhile.
LOCK = Path(tempfile.gettempdir()) / "toffee-zoo.lock"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--library", nargs="+", choices=LIBRARIES, default=list(LIBRARIES))
    parser.add_argument("--models", nargs="+", help="only those with one of these in their name")
    parser.add_argument(
        "--failures", action="store_true", help="only those that the baseline has not as passed"
    )
    parser.add_argument("--new", action="store_true", help="only those that the baseline lacks")
    parser.add_argument(
        "--part", default="1/1", help="K/N: every Nth model from the Kth; N processes can --write"
    )
    parser.add_argument("--check", action="store_true", help="fail where the baseline is better")
    parser.add_argument("--write", action="store_true", help="write the baseline and the page")
    parser.add_argument("--seconds", type=float, default=600, help="limit for one model")
    parser.add_argument("--gigabytes", type=float, default=14, help="limit for one model")
    parser.add_argument("--verbose", action="store_true", help="whole errors")
    options = parser.parse_args()
    zoo.offline()
    import dynamic_cases

    part, parts = map(int, options.part.split("/"))
    baseline = dynamic_page.read_baseline()
    complaints = []
    for library in options.library:
        known = baseline.setdefault(library, {})
        rows = dynamic_cases.load(library)
        if options.write:
            _save(library, lambda known, rows=rows: {n: known[n] for n in known if n in rows})
        for name, row_of in list(rows.items())[part - 1 :: parts]:
            if options.models and not any(part in name for part in options.models):
                continue
            if options.failures and known.get(name, {}).get("status") == "passed":
                continue
            if options.new and name in known:
                continue
            start = time.perf_counter()
            row = zoo.run_case(row_of, options.seconds, options.gigabytes, "dynamic_check")
            _print(library, name, row, time.perf_counter() - start, options.verbose)
            complaint = zoo.worse(row, known.get(name))
            if complaint:
                complaints.append(f"{library} {name}: {complaint}")
            if options.write:
                kept = {name: dynamic_page.kept(row)}
                _save(library, lambda known, kept=kept: {**known, **kept})
    if options.check:
        print("\n".join(complaints) or "as in the baseline")
        return int(bool(complaints))
    return 0


def _save(library: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """CHANGE the rows of LIBRARY in the baseline, and write the page. Others may do the same."""
    with open(LOCK, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        baseline = dynamic_page.read_baseline()
        baseline[library] = change(baseline.get(library, {}))
        ordered = {
            name: dict(sorted(baseline[name].items())) for name in LIBRARIES if name in baseline
        }
        dynamic_page.BASELINE.write_text(json.dumps(ordered, indent=1) + "\n")
        dynamic_page.write_page(ordered)


def _print(library: str, name: str, row: dict[str, Any], seconds: float, verbose: bool) -> None:
    keys = ("symbols", "min", "static_nodes", "nodes", "static_s", "export_s", "error")
    figures = "".join(f" {key}={row[key]}" for key in keys if row.get(key))
    print(f"{library:<12} {name:<40} {row['status']:<9} {seconds:6.1f} s{figures}", flush=True)
    if "reason" in row:
        print(f"    {row.get('kind', '')}: {row['reason']}", flush=True)
        if verbose:
            print(row.get("message", ""), flush=True)


if __name__ == "__main__":
    sys.exit(main())
