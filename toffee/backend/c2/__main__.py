"""``python -m toffee.backend.c2``: install Caffe2's runtime, tell how it is, remove it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from ...errors import Error
from . import _install
from ._fetch import Say


def _say(args: argparse.Namespace) -> Say:
    return _install.say_nothing if args.quiet else _install.say_line


def _run_install(args: argparse.Namespace) -> int:
    _install.install(
        _install.RECIPE, wheel=args.wheel, protobuf=args.protobuf, progress=not args.quiet
    )
    return 0


def _run_status(args: argparse.Namespace) -> int:
    found = _install.status(_install.RECIPE)
    if args.json:
        print(json.dumps(found.asdict()))
        return 0 if found.ok else 1
    print(f"folder     {found.folder}")
    print(f"version    {f'Caffe2 of PyTorch {found.version}' if found.installed else '-'}")
    print(f"size       {found.bytes:,} bytes")
    print(f"runner     {found.runner or '-'}")
    print(f"operators  {found.operators or '-'}")
    print(f"status     {'works' if found.ok else '; '.join(found.faults)}")
    if not found.ok:
        print(f"to do      {_install.install_command()}")
    return 0 if found.ok else 1


def _run_uninstall(args: argparse.Namespace) -> int:
    say = _say(args)
    if not _install.uninstall(_install.RECIPE, say=say):
        say(f"nothing is installed in {_install.RECIPE.folder}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m toffee.backend.c2",
        description="Caffe2's runtime: four libraries of an old PyTorch wheel, and a small program "
        f"of ours that runs them. It lives in {_install.RECIPE.folder} (set TOFFEE_CACHE for "
        "elsewhere).",
        epilog="exit codes: 0 done, 1 it cannot be done (status: the runtime cannot be used), "
        "2 wrong arguments",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    wheel, protobuf = _install.RECIPE.wheel, _install.RECIPE.protobuf
    install = commands.add_parser("install", help="download what is missing, build and try it")
    for package in (wheel, protobuf):
        install.add_argument(
            package.argument,
            type=Path,
            metavar="FILE",
            help=f"a copy of {package.requirement} (sha256 {package.sha256[:16]}...) instead of "
            "a download",
        )
    install.add_argument("--quiet", action="store_true", help="say nothing but errors")
    install.set_defaults(run=_run_install)

    status = commands.add_parser("status", help="what is installed, and whether it works")
    status.add_argument("--json", action="store_true", help="as one JSON object")
    status.set_defaults(run=_run_status)

    uninstall = commands.add_parser("uninstall", help="remove it all")
    uninstall.add_argument("--quiet", action="store_true", help="say nothing but errors")
    uninstall.set_defaults(run=_run_uninstall)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv`` (by default the process's own). Returns the exit code."""
    args = _parser().parse_args(argv)
    try:
        code: int = args.run(args)
    except Error as error:
        print(f"toffee: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("toffee: interrupted; nothing was installed", file=sys.stderr)
        return 130
    return code


if __name__ == "__main__":
    sys.exit(main())
