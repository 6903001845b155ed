"""Export the models of torchvision, timm and transformers at any size, and compare with PyTorch.

    python tests/models/dynamic.py --library recurrent --check
    python tests/models/dynamic.py --library transformers --models bert gpt2
    python tests/models/dynamic.py --write    # all; dynamic_baseline.json, docs/dynamic_models.md

As run.py, with open dimensions: see dynamic_cases.py. --check compares with the baseline: its
failures may only get fewer.
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

import dynamic_page  # noqa: E402
import zoo  # noqa: E402

#: As dynamic_cases.LIBRARIES, which imports torch.
LIBRARIES = ("transformers", "torchvision", "timm", "recurrent")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--library", nargs="+", choices=LIBRARIES, default=list(LIBRARIES))
    parser.add_argument("--models", nargs="+", help="only those with one of these in their name")
    parser.add_argument(
        "--failures", action="store_true", help="only those that the baseline has not as passed"
    )
    parser.add_argument("--new", action="store_true", help="only those that the baseline lacks")
    parser.add_argument("--check", action="store_true", help="fail where the baseline is better")
    parser.add_argument("--write", action="store_true", help="write the baseline and the page")
    parser.add_argument("--seconds", type=float, default=600, help="limit for one model")
    parser.add_argument("--gigabytes", type=float, default=14, help="limit for one model")
    parser.add_argument("--verbose", action="store_true", help="whole errors")
    options = parser.parse_args()
    zoo.offline()
    import dynamic_cases

    baseline = dynamic_page.read_baseline()
    complaints = []
    for library in options.library:
        known = baseline.setdefault(library, {})
        rows = dynamic_cases.load(library)
        if options.write:
            baseline[library] = known = {n: row for n, row in known.items() if n in rows}
        for name, row_of in rows.items():
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
                known[name] = dynamic_page.kept(row)
                _save({name: baseline[name] for name in LIBRARIES if name in baseline})
    if options.check:
        print("\n".join(complaints) or "as in the baseline")
        return int(bool(complaints))
    return 0


def _save(baseline: dict[str, dict[str, Any]]) -> None:
    ordered = {library: dict(sorted(rows.items())) for library, rows in baseline.items()}
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
