"""``python -m toffee``: the command line, which lives in :mod:`toffee.cli`."""

from __future__ import annotations

import sys

from .cli.main import main

if __name__ == "__main__":
    sys.exit(main())
