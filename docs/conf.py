"""Configure Sphinx, which builds the documentation: ``nox -s docs``.

Nothing is fetched during the build. The reader's browser loads MathJax from its CDN, on the pages
that have formulas.
"""

import shutil
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
sys.path[:0] = [str(HERE / "_ext"), str(ROOT)]

import numcrc  # noqa: E402

project = "numcrc"
author = "The numcrc developers"
copyright = author  # noqa: A001
version = release = numcrc.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "myst_nb",
    "sphinx_copybutton",
    "sphinx_design",
    "commands",
]
exclude_patterns = ["_build", "**.ipynb_checkpoints"]
templates_path = ["_templates"]
default_role = "py:obj"
nitpicky = True
# Base classes in other packages, of which no inventory is fetched.
nitpick_ignore_regex = [(r"py:class", r"(collections|enum|numcodecs|typing|zarr)\..*")]

html_theme = "pydata_sphinx_theme"
html_title = "numcrc"
html_static_path = ["_static"]
html_css_files = ["numcrc.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {"text": "numcrc"},
    "header_links_before_dropdown": 5,
    "icon_links": [
        {
            "name": "GitHub",
            "url": "https://github.com/numcrc/numcrc",
            "icon": "fa-brands fa-github",
        }
    ],
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
}
html_sidebars = {"index": []}

autosummary_generate = True
autosummary_filename_map = {"numcrc.store.Manifest": "numcrc.store.Manifest-class"}
autodoc_typehints = "none"  # the docstrings have the types
numpydoc_show_class_members = False

myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # the notebooks are committed with their outputs
copybutton_exclude = ".linenos, .gp, .go"
suppress_warnings = []


def _copy_notebooks() -> None:
    """Copy the notebooks to where Sphinx finds them; git ignores the copies."""
    copies = HERE / "notebooks"
    copies.mkdir(exist_ok=True)
    found = {path.name: path for path in (ROOT / "notebooks").glob("*.ipynb")}
    for copy in copies.iterdir():
        if copy.name not in found:
            copy.unlink()
    for name, path in found.items():
        copy = copies / name
        if not copy.exists() or copy.read_bytes() != path.read_bytes():
            shutil.copyfile(path, copy)


_copy_notebooks()
