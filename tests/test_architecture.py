"""The floors: imports run one way down, whatever their place in a module."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import numcrc
from numcrc.jit import engine

ROOT = Path(numcrc.__file__).parent
LONGEST = 600

# Bottom up. A module imports from lower lines only; a folder is all that is in it.
FLOORS = [
    "_version _resources crc.gf2 crc.model threads",
    "crc.catalogue crc.reference jit.matrices buffers files",
    "jit.constants",
    "jit.target jit.builtins.abi jit.cache jit.linker jit.emit.scalars",
    "jit.plan jit.emit.vectors jit.builtins.capi",
    "jit.choice jit.emit.lanes jit.emit.gfni jit.emit.crc32",
    "jit.kernels.words jit.builtins.single jit.builtins.records",
    "jit.kernels.remainder jit.kernels.table jit.kernels.zeros",
    "jit.kernels.fold jit.kernels.quad",
    "jit.kernels.crc32",
    "jit.builtins.algebra",
    "jit.compiler",
    "jit.engine",
    "compiled",
    "records.run",
    "hasher records.slices records.algebra",
    "records.batches",
    "algorithm",
    "registry",
    "_info",
    "numcrc",
    "checkfiles",
    "store.objects",
    "store.source store.merge store.digests store.report",
    "store.pairs store.selection store.retries store.sources",
    "store.composite store.manifests",
    "store.reader",
    "store.compare store.workers",
    "store.examine",
    "store.pipeline",
    "store.state store.progress store.runs",
    "store._verify store._manifest",
    "store",
    "cli integrations",
    "__main__",
]
# The only ones that import Numba; `numba_features` does in processes with Numba's settings.
NUMBA = {
    "jit.emit.scalars",
    "jit.emit.vectors",
    "jit.emit.lanes",
    "jit.emit.gfni",
    "jit.emit.crc32",
    "jit.builtins.capi",
}
NUMBA |= {"integrations.numba"}
NUMBA_LATE = {"jit.target": "numba_features"}
# What machine code does not depend on, among the modules that make it or stand beside it.
NOT_SOURCES = {"jit", "jit.kernels", "jit.target", "jit.choice", "jit.cache", "jit.engine"}
NOT_SOURCES |= {"crc.gf2", "crc.model", "_resources", "_version"}


def module_name(path: Path) -> str:
    """Return the dotted name below the package; the package itself is "numcrc"."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts) or "numcrc"


PATHS = {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in PATHS.items()}


class _Imports(ast.NodeVisitor):
    """Collects (function, imported name), but for what only type checkers see."""

    def __init__(self) -> None:
        self.function = ""
        self.found: set[tuple[str, str]] = set()

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        """Remember the innermost function."""
        outer, self.function = self.function, node.name
        self.generic_visit(node)
        self.function = outer

    def visit_If(self, node: ast.If) -> None:
        """Skip what TYPE_CHECKING guards."""
        if ast.unparse(node.test).rpartition(".")[2] == "TYPE_CHECKING":
            for other in node.orelse:
                self.visit(other)
        else:
            self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        """Take every module."""
        self.found |= {(self.function, alias.name) for alias in node.names}

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """Take every name, which may be a module."""
        assert not node.level, "imports are absolute"
        self.found |= {(self.function, f"{node.module}.{alias.name}") for alias in node.names}


def imports(name: str) -> set[tuple[str, str]]:
    """Return what module *name* imports, with the function that does."""
    visitor = _Imports()
    visitor.visit(TREES[name])
    return visitor.found


def own(imported: str) -> str | None:
    """Return the module of ours that *imported* names, or names something of."""
    package, _, rest = imported.partition(".")
    if package != "numcrc":
        return None
    if rest in PATHS:
        return rest
    outer = rest.rpartition(".")[0]
    return outer if outer in PATHS else "numcrc"


def dependencies(name: str) -> set[str]:
    """Return the modules of ours that *name* imports. Every module may know its version."""
    return {module for _, imported in imports(name) if (module := own(imported))} - {name}


def place(name: str) -> tuple[int, str]:
    """Return the number of the floor that *name* is on, and which of what is there holds it."""
    holder = name
    while holder:
        for number, modules in enumerate(FLOORS):
            if holder in modules.split():
                return number, holder
        holder = holder.rpartition(".")[0]
    raise LookupError(f"{name} is on no floor")


@pytest.mark.parametrize("name", sorted(PATHS.keys() - {"jit", "jit.kernels"}))
def test_imports_run_down(name):
    number, holder = place(name)
    for below in dependencies(name):
        number_below, holder_below = place(below)
        assert number_below < number or holder_below == holder, f"{name} imports {below}"


def test_every_floor_is_there():
    listed = {name for modules in FLOORS for name in modules.split()}
    assert listed <= PATHS.keys()
    assert len(listed) == sum(len(modules.split()) for modules in FLOORS)


def test_imports_form_no_circle():
    TopologicalSorter({name: dependencies(name) for name in PATHS}).prepare()


def test_packages_import_nothing_at_once():
    assert {imported for function, imported in imports("numcrc") if not function} == {
        "__future__.annotations",
        "numcrc._version.__version__",
    }
    for name in ("jit", "jit.kernels"):
        assert not imports(name)


def test_numba_has_few_importers():
    importers = {
        (name, function)
        for name in PATHS
        for function, imported in imports(name)
        if imported.partition(".")[0] == "numba"
    }
    assert importers <= {(name, "") for name in NUMBA} | set(NUMBA_LATE.items())


def test_nothing_below_the_engine_is_missing_from_cache_keys():
    """Every module of jit, and all that these import, however deep."""
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
