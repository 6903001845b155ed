"""Export the models of torchvision, timm and transformers, and compare them with PyTorch.

    python tests/models/run.py --library timm --check
    python tests/models/run.py --library transformers --models bert gpt2
    python tests/models/run.py --write          # all; writes baseline.json and docs/models.md

Weights are random and seeded; nothing is fetched. Each model runs in a process of its own, under a
limit of memory and time. --check compares with baseline.json: its failures may only get fewer.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

import zoo  # noqa: E402
import zoo_page  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--library", nargs="+", choices=zoo.LIBRARIES, default=list(zoo.LIBRARIES))
    parser.add_argument("--models", nargs="+", help="only those with one of these in their name")
    parser.add_argument(
        "--failures", action="store_true", help="only those that the baseline lists"
    )
    parser.add_argument("--check", action="store_true", help="fail where the baseline is better")
    parser.add_argument(
        "--write", action="store_true", help="write the baseline and docs/models.md"
    )
    parser.add_argument("--seconds", type=float, default=300, help="limit for one model")
    parser.add_argument("--gigabytes", type=float, default=12, help="limit for one model")
    parser.add_argument("--out", type=Path, help="whole rows as JSON lines")
    parser.add_argument("--verbose", action="store_true", help="whole errors")
    options = parser.parse_args()
    baseline = zoo.read_baseline()
    complaints = []
    out = options.out.open("a") if options.out else None
    for library in options.library:
        known = baseline.setdefault(library, {})
        cases = zoo.load_cases(library)
        if options.write and not options.models and not options.failures:
            baseline[library] = known = {n: row for n, row in known.items() if n in cases}
        for name, case in cases.items():
            if options.models and not any(part in name for part in options.models):
                continue
            if options.failures and known.get(name, {}).get("status") == "passed":
                continue
            start = time.perf_counter()
            row = zoo.run_case(case, options.seconds, options.gigabytes)
            _print(library, name, row, time.perf_counter() - start, options.verbose)
            if out:
                out.write(json.dumps({"library": library, "name": name, **row}) + "\n")
                out.flush()
            complaint = zoo.worse(row, known.get(name))
            if complaint:
                complaints.append(f"{library} {name}: {complaint}")
            if options.write:
                known[name] = zoo.kept(row)
                _save(baseline)
    if options.check:
        print("\n".join(complaints) or "as in the baseline")
        return int(bool(complaints))
    return 0


def _save(baseline: dict[str, dict[str, Any]]) -> None:
    ordered = {
        library: dict(sorted(baseline[library].items()))
        for library in zoo.LIBRARIES
        if library in baseline
    }
    zoo.BASELINE.write_text(json.dumps(ordered, indent=1) + "\n")
    zoo_page.write_page(ordered)


def _print(library: str, name: str, row: dict[str, Any], seconds: float, verbose: bool) -> None:
    figures = "".join(
        f" {key}={row[key]}" for key in ("nodes", "forward_s", "export_s", "error") if key in row
    )
    print(f"{library:<12} {name:<40} {row['status']:<9} {seconds:6.1f} s{figures}", flush=True)
    if "reason" in row:
        print(f"    {row.get('kind', '')}: {row['reason']}", flush=True)
        if verbose:
            print(row.get("message", ""), flush=True)
    for text in row.get("warnings", ()):
        print("    warned: " + text.replace("\n", "\n    "), flush=True)


if __name__ == "__main__":
    sys.exit(main())
