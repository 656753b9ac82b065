"""Configure Sphinx, which builds the documentation: ``nox -s docs``.

Nothing is fetched during the build. The reader's browser loads MathJax from its CDN, on the pages
that have formulas.
"""

import json
import shutil
import sys
import types
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
exclude_patterns = ["_build", "man", "**.ipynb_checkpoints", "notebooks/list.md"]
templates_path = ["_templates"]
default_role = "py:obj"
nitpicky = True
# Base classes in other packages, of which no inventory is fetched.
nitpick_ignore_regex = [(r"py:class", r"(collections|enum|numcodecs|typing|zarr)\..*")]

LEAVES = ("architecture", "changelog", "development", "formats", "performance", "security")
"""Pages without others below them."""
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
html_sidebars = {page: [] for page in (*LEAVES, "index")}

autosummary_generate = True
# Names that differ in case only are one file on some systems.
autosummary_filename_map = {"numcrc.store.Manifest": "numcrc.store.Manifest-class"}
autodoc_typehints = "none"  # the docstrings have the types
numpydoc_show_class_members = False

myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # the notebooks are committed with their outputs
nb_render_markdown_format = "myst"
copybutton_exclude = ".linenos, .gp, .go"


NOTEBOOKS = ("error_detection", "identify_a_crc", "design_a_crc", "forging", "arrays")
NOTEBOOKS += ("verify_a_bucket", "how_a_crc_folds", "throughput")
"""The notebooks in the order in which they are listed; others follow."""


def _copy_notebooks() -> None:
    """Copy the notebooks to where Sphinx finds them, and list them; git ignores the copies."""
    copies = HERE / "notebooks"
    copies.mkdir(exist_ok=True)
    found = {path.name: path for path in (ROOT / "notebooks").glob("*.ipynb")}
    for copy in copies.glob("*.ipynb"):
        if copy.name not in found:
            copy.unlink()
    for name, path in found.items():
        copy = copies / name
        if not copy.exists() or copy.read_bytes() != path.read_bytes():
            shutil.copyfile(path, copy)
    first = [name for name in NOTEBOOKS if f"{name}.ipynb" in found]
    names = [*first, *sorted({path.stem for path in found.values()} - set(first))]
    entries = "".join(_entry(copies / f"{name}.ipynb") for name in names)
    lines = "\n".join(f"notebooks/{name}" for name in names)
    text = f"{entries}```{{toctree}}\n:hidden:\n\n{lines}\n```\n"
    listed = copies / "list.md"
    if not listed.exists() or listed.read_text("utf-8") != text:
        listed.write_text(text, "utf-8")


def _entry(path: Path) -> str:
    """Return the title of a notebook and its first paragraph, as Markdown."""
    cell = "".join(json.loads(path.read_text("utf-8"))["cells"][0]["source"])
    title, paragraph = cell.strip().split("\n\n")[:2]
    return f"[{title.lstrip('# ')}](notebooks/{path.name})\n: {' '.join(paragraph.split())}\n\n"


INTERNAL = {
    "Algorithm": "from_compiled",
    "declared": "aliases check init model name poly refin refout residue width xorout",
    "Report": "add count set_unmarked",
    "Progress": "add begin counted counting expect finish read read_whole",
    "Selection": "identity within",
}
"""Methods for numcrc's own modules, and attributes that the docstring of their class describes."""


def _skip_internal(app, what, name, member, skip, options):
    function = member.fget if isinstance(member, property) else member
    owner = getattr(function, "__qualname__", "").partition(".")[0]
    if type(member).__name__ == "_Sentinel":  # declared, and without a value in the class
        owner = "declared"
    return True if name in INTERNAL.get(owner, "").split() else skip


def _describe_union(app, what, name, union, options, lines):
    """Name the members of a union, in place of the docstring that Python gives every union."""
    if isinstance(union, types.UnionType):
        lines[:] = [" or ".join(f"`{member.__name__}`" for member in union.__args__) + ".", ""]


def _without_field_numbers(app, what, name, field, options, lines):
    """Remove the docstring that Python gives the fields of named tuples."""
    if any(line.startswith("Alias for field number") for line in lines):
        lines.clear()


def _without_signature(app, what, name, cls, options, signature, returned):
    """Show no signature of protocols, which are not called."""
    return ("", None) if getattr(cls, "_is_protocol", False) else None


def setup(app):
    """Connect the functions above to Sphinx."""
    app.connect("autodoc-skip-member", _skip_internal)
    app.connect("autodoc-process-docstring", _describe_union)
    app.connect("autodoc-process-docstring", _without_field_numbers)
    app.connect("autodoc-process-signature", _without_signature)


_copy_notebooks()
