"""Test that imports, including those inside functions, only go down the layers of the package."""

from __future__ import annotations

import ast
import re
from collections import Counter
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import numcrc
from numcrc.jit import engine

ROOT = Path(numcrc.__file__).parent
LONGEST = 700

# From the bottom up, as in docs/architecture.md. A module imports from its own row and from the
# rows above it.
LAYERS = [
    "_version _light process exchange buffers threads",
    "crc",
    "jit",
    "compiled",
    "records",
    "algorithm hasher files registry checksums _info _description numcrc",
    "checkfiles",
    "store",
    "dask xarray zarr explore integrations",
    "cli __main__",
]
# The layers inside jit.
JIT_LAYERS = [
    "",
    "jit.emit",
    "jit.kernels",
    "jit.builtins",
    "jit.compiler jit.apart jit.interpreted jit.proof jit.engine",
]
# An algorithm makes hashers and its description, which refer to it.
CIRCLES = {("hasher", "algorithm"), ("_description", "algorithm")}
# Modules that import Numba.
NUMBA = {"jit.emit.parts", "jit.emit.scalars", "jit.emit.vectors", "jit.emit.lanes"}
NUMBA |= {"jit.emit.gfni", "jit.emit.crc32", "jit.builtins.capi", "integrations.numba"}
# Modules on which machine code does not depend, among jit and all that it imports.
NOT_SOURCES = {"jit", "jit.emit", "jit.kernels", "jit.builtins"}
NOT_SOURCES |= {
    "jit.target",
    "jit.tiers",
    "jit.choice",
    "jit.cache",
    "jit.folder",
    "jit.native",
    "jit.locks",
    "jit.engine",
}
NOT_SOURCES |= {
    "jit.proof",
    "jit.apart",
    "jit.interpreted",
    "jit.cpuid",
    "jit.perfmap",
    "jit.detect",
    "crc",
    "crc.gf2",
    "crc.model",
    "crc.reference",
    "_light",
    "_version",
    "process",
    "exchange",
    "buffers",
}


def module_name(path: Path) -> str:
    """Return the dotted name below the package; the package itself is "numcrc"."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts) or "numcrc"


PATHS = {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}
DOCS = ROOT.parent / "docs"


class _Imports(ast.NodeVisitor):
    """Collect (function, imported name), with and without imports for type checkers.

    The argument of `numcrc.process.imported` is imported too; ``late`` has the other imports
    inside functions.
    """

    def __init__(self) -> None:
        self.function = ""
        self.typing = False
        self.found: set[tuple[str, str]] = set()
        self.at_run_time: set[tuple[str, str]] = set()
        self.late: set[tuple[str, str]] = set()

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        """Remember the innermost function."""
        outer, self.function = self.function, node.name
        self.generic_visit(node)
        self.function = outer

    def visit_If(self, node: ast.If) -> None:
        """Mark imports that TYPE_CHECKING guards."""
        outer = self.typing
        self.typing |= ast.unparse(node.test).rpartition(".")[2] == "TYPE_CHECKING"
        self.generic_visit(node)
        self.typing = outer

    def visit_Import(self, node: ast.Import) -> None:
        """Collect every module."""
        self._take({alias.name for alias in node.names})

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """Collect every name, which may be a module."""
        assert not node.level, "imports are absolute"
        self._take({f"{node.module}.{alias.name}" for alias in node.names})

    def visit_Call(self, node: ast.Call) -> None:
        """Collect a module that a thread of its own imports."""
        self.generic_visit(node)
        if ast.unparse(node.func) == "imported" and isinstance(node.args[0], ast.Constant):
            found = {(self.function, node.args[0].value)}
            self.found |= found
            self.at_run_time |= found

    def _take(self, names: set[str]) -> None:
        found = {(self.function, name) for name in names}
        self.found |= found
        if not self.typing:
            self.at_run_time |= found
            self.late |= {one for one in found if self.function}


@cache
def visited(name: str) -> _Imports:
    """Return the imports of module *name*."""
    visitor = _Imports()
    visitor.visit(ast.parse(PATHS[name].read_text(encoding="utf-8")))
    return visitor


def imports(name: str, *, typing: bool = False) -> set[tuple[str, str]]:
    """Return the names that module *name* imports, each with the function that imports it."""
    return visited(name).found if typing else visited(name).at_run_time


def own(imported: str) -> str | None:
    """Return the module of numcrc that *imported* names or is in; None for other packages."""
    package, _, rest = imported.partition(".")
    if package != "numcrc":
        return None
    if rest in PATHS:
        return rest
    outer = rest.rpartition(".")[0]
    return outer if outer in PATHS else "numcrc"


def dependencies(name: str, *, typing: bool = False) -> set[str]:
    """Return the modules of numcrc that *name* imports."""
    found = {own(imported) for _, imported in imports(name, typing=typing)}
    return {module for module in found if module} - {name}


def layer(name: str, layers: list[str]) -> int:
    """Return the number of the row that has *name* or a folder around it."""
    holder = name
    while holder:
        for number, modules in enumerate(layers):
            if holder in modules.split():
                return number
        holder = holder.rpartition(".")[0]
    return 0 if layers is JIT_LAYERS else pytest.fail(f"{name} is in no layer")


@pytest.mark.parametrize("name", sorted(PATHS))
def test_imports_run_down(name):
    for below in dependencies(name, typing=name != "numcrc"):
        if below == "numcrc":  # the public names, which `algorithm` and others define
            below = "algorithm"
        assert layer(below, LAYERS) <= layer(name, LAYERS), f"{name} imports {below}"
        if below.startswith("jit.") and name.startswith("jit."):
            assert layer(below, JIT_LAYERS) <= layer(name, JIT_LAYERS), f"{name} imports {below}"


def test_every_layer_is_there():
    listed = [name for modules in LAYERS + JIT_LAYERS for name in modules.split()]
    assert set(listed) <= PATHS.keys()
    assert len(listed) == len(set(listed))


@pytest.mark.skipif(not DOCS.exists(), reason="the documentation is not here")
def test_the_documentation_shows_the_layers():
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    table = text.partition("| layer | contents |\n|---|---|\n")[2]
    rows = [line.split("|")[1] for line in table.partition("\n\n")[0].splitlines()]
    shown = [sorted(name.strip("/") for name in re.findall("`([^`]+)`", row)) for row in rows]
    unnamed = {"numcrc", "__main__"}  # the package itself, and ``python -m numcrc``
    assert shown == [sorted(set(modules.split()) - unnamed) for modules in LAYERS]


def test_imports_form_no_circle():
    graph = {name: dependencies(name, typing=True) - {"numcrc", "store"} for name in PATHS}
    for one, other in CIRCLES:
        graph[one].remove(other)
    TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("name", sorted(PATHS))
def test_functions_import_by_threads(name):
    """In all that a program calls; a command ends when it is interrupted."""
    if layer(name, LAYERS) <= layer("registry", LAYERS):
        late = visited(name).late
        # The thread that compiles.
        assert late <= {("_compile", "numcrc.jit.compiler.compile_kernel")}


def test_the_docstring_of_jit_names_all_that_is_in_it():
    modules = {name.split(".")[1] for name in PATHS if name.startswith("jit.")}
    words = set(
        re.findall(r"``([a-z0-9]+)", ast.get_docstring(ast.parse(PATHS["jit"].read_text())))
    )
    assert words >= modules


@pytest.mark.skipif(not DOCS.exists(), reason="the documentation is not here")
def test_the_documentation_names_every_variable():
    text = (DOCS / "reference/settings.md").read_text(encoding="utf-8")
    variables = {
        name for path in PATHS.values() for name in re.findall("NUMCRC_[A-Z_]+", path.read_text())
    }
    assert len(variables) > 4
    assert {name for name in variables if f"| `{name}` |" not in text} == set()


def test_the_root_is_small():
    modules = [name for name in PATHS if "." not in name and PATHS[name].parent == ROOT]
    assert len(modules) <= 17


def test_names_are_few():
    names = Counter(path.stem for path in PATHS.values() if path.stem != "__init__")
    assert names.most_common(1)[0][1] <= 2


def test_packages_import_nothing_at_once():
    assert {imported for function, imported in imports("numcrc") if not function} == {
        "__future__.annotations",
        "numcrc._version.__version__",
        "numcrc.process.imported",
    }
    for name in ("crc", "jit", "jit.emit", "jit.kernels", "jit.builtins", "records"):
        assert not imports(name)


def test_numba_has_few_importers():
    importers = {
        (name, function)
        for name in PATHS
        for function, imported in imports(name)
        if imported.partition(".")[0] == "numba"
    }
    assert importers <= {(name, "") for name in NUMBA}


def test_nothing_below_the_engine_is_missing_from_cache_keys():
    """The sources are the modules of jit and all that they import, directly or not."""
    needed: set[str] = set()
    waiting = {name for name in PATHS if name.startswith("jit")}
    while waiting:
        needed |= waiting
        waiting = {below for name in waiting for below in dependencies(name)} - needed
    sources = {source.removesuffix(".py").replace("/", ".") for source in engine._SOURCES}
    assert sources == needed - NOT_SOURCES
    assert len(sources) == len(engine._SOURCES)


@pytest.mark.parametrize("name", PATHS)
def test_files_are_short(name):
    assert len(PATHS[name].read_text(encoding="utf-8").splitlines()) <= LONGEST
