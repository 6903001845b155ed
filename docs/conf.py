"""How Sphinx builds this folder into a site: ``make docs`` (docs/contributing.md)."""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))
sys.path.insert(0, str(HERE.parent))

import torch  # noqa: E402, F401  makes the module torch.toffee known, which the pages document

import toffee  # noqa: E402

project = "toffee"
author = "the toffee authors"
copyright = "the toffee authors; BSD-3-Clause"  # noqa: A001  Sphinx's name for it
version = release = toffee.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "myst_nb",  # Markdown and notebooks
    "toffee_api",
    "toffee_tables",
]
source_suffix = {".rst": "restructuredtext", ".md": "myst-nb", ".ipynb": "myst-nb"}
exclude_patterns = ["_ext"]

html_theme = "furo"
html_title = f"toffee {release}"
html_static_path = ["_static"]
html_css_files = ["toffee.css"]
html_copy_source = False
smartquotes = False  # '' is Python's
pygments_style = "friendly"
pygments_dark_style = "monokai"

# ---- Markdown -----------------------------------------------------------------------------------

myst_heading_anchors = 3  # so that page.md#heading works as it does on GitHub

# Notebooks are committed without outputs, and tests execute them. `make docs NOTEBOOKS=1` executes
# them for the site as well, and an exception in one ends the build.
nb_execution_mode = "cache" if os.environ.get("TOFFEE_DOCS_NOTEBOOKS") else "off"
nb_execution_cache_path = str(HERE.parent / "build" / "docs-notebooks")
nb_execution_raise_on_error = True
nb_execution_timeout = 300

# ---- docstrings ---------------------------------------------------------------------------------

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_inherit_docstrings = False
napoleon_google_docstring = False
# "f : path or binary file object" is said to people; as a list its words are no references.
napoleon_use_param = False
napoleon_use_rtype = False
napoleon_use_ivar = True

# ---- references: each must lead somewhere -------------------------------------------------------

nitpicky = True
_TYPES = r"py:(class|obj|data|meth|func|attr|exc|mod)"
nitpick_ignore_regex = [
    # Others' names. intersphinx would know them, but has to fetch their lists at every build.
    (_TYPES, r"(collections|numpy|np|npt|onnx|os|types|typing|torch(?!\.toffee))\..*"),
    # Standard-library names as annotations say them.
    (_TYPES, r"(Any|BinaryIO|Buffer|Callable|Iterable|Iterator|Mapping|ModuleType|Sequence)"),
    # Names for type checkers only: what a run takes (Rep.run says it), and "the same as given".
    (_TYPES, r"(base\.)?Inputs|toffee\.lowering\._F|toffee\._symbols\.Sizes"),
    # Types of arguments whose docstrings say what they may be, as the source spells them.
    (_TYPES, r"_dims\.Dim|_progress\.Callback|_torch_onnx\.TorchOnnxKeywords"),
    # The fields of a parent's docstring, which Sphinx shows with the child.
    (_TYPES, r"input_names"),
]
