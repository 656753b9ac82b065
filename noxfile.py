"""Run the tests and the checks, each in an environment of its own; ``nox --list`` names them."""

import re
import shutil
from itertools import chain
from pathlib import Path
from zipfile import ZipFile

import nox

PROJECT = nox.project.load_toml("pyproject.toml")["project"]
LARGEST_NOTEBOOK = 400_000  # bytes
PYTHONS = nox.project.python_versions({"project": PROJECT})

# What a wheel may contain, and the tests that its build runs.
CONTENTS = r"numcrc/[\w/]+\.(py|txt|json|typed)$|numcrc-[^/]+(\.dist-info|\.data/data/share/man)/"
QUICK = ("catalogue", "factors", "gf2", "light", "model", "release")

nox.options.sessions = ["lint", "types", "tests"]


def lowest(session: nox.Session) -> str:
    """Return pip's option for the lower bounds in pyproject.toml, and no higher version."""
    every = chain(PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
    bounded = [requirement for requirement in every if ">=" in requirement.partition(";")[0]]
    file = Path(session.create_tmp(), "lowest.txt")
    pinned = (re.sub(r"\[.*?\]", "", each).replace(">=", "==", 1) for each in bounded)
    file.write_text("\n".join(pinned))  # constraints have no extras
    return f"--constraint={file}"


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the tests, or those named, with the newest packages."""
    session.install("-e", ".[test]")
    session.run("python", "-m", "pytest", *session.posargs)


@nox.session(python=PYTHONS[0])
def oldest(session: nox.Session) -> None:
    """Run the tests, or those named, with the oldest packages that pyproject.toml allows."""
    session.install("-e", ".[test]", lowest(session))
    session.run("python", "-m", "pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check the style of the code."""
    session.install("ruff")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types, with the newest NumPy."""
    session.install("mypy", "-e", ".[store]")
    session.run("mypy")


@nox.session(python=PYTHONS[0])
def types_oldest(session: nox.Session) -> None:
    """Check the types, with the oldest NumPy."""
    session.install("mypy", "-e", ".[store]", lowest(session))
    session.run("mypy")


@nox.session
def matrix(session: nox.Session) -> None:
    """Run the kernels on CPUs that QEMU emulates, or on those named."""
    session.install("-e", ".")
    session.run("python", "-m", "tests.matrix", *session.posargs)


@nox.session
def notebooks(session: nox.Session) -> None:
    """Run the notebooks, and compare each with its text; ``-- --overwrite`` stores new outputs."""
    session.install("-e", ".[bench,notebooks]")
    found = sorted(Path("notebooks").glob("*.ipynb"))
    session.run("python", "-m", "pytest", "-q", "--nbmake", *session.posargs, *map(str, found))
    for path in found:
        stored = path.read_bytes()
        if b'"output_type"' not in stored or len(stored) > LARGEST_NOTEBOOK:
            session.error(f"{path} has no outputs, or more than {LARGEST_NOTEBOOK} bytes")
        convert = ("jupytext", "--to", "py:percent", "--output", "-", str(path))
        text = session.run(*convert, silent=True, stderr=None)
        if text != path.with_suffix(".py").read_text("utf-8"):
            session.error(f"{path} differs from its text")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation into docs/_build/html, and check the links in it."""
    session.install("-e", ".[docs]")
    options = ("-b", "html", "-j", "2", "-n", "-W", "--keep-going", "-q")
    session.run("python", "-m", "sphinx", *options, "docs", "docs/_build/html", *session.posargs)
    session.run("python", "tests/links.py", "docs/_build/html")


@nox.session
def benchmarks(session: nox.Session) -> None:
    """Run each benchmark for a moment."""
    session.install("-e", ".[bench]")
    session.chdir("asv_bench")
    session.run("asv", "machine", "--yes")
    session.run("asv", "run", "--quick", "--show-stderr", "--python=same", *session.posargs)


@nox.session
def package(session: nox.Session) -> None:
    """Build the source distribution and the wheel into dist/, and test the one with the other."""
    session.install("-e", ".[package,test]")
    shutil.rmtree("dist", ignore_errors=True)
    session.run("validate-pyproject", "pyproject.toml")
    session.run("python", "-m", "build", "--no-isolation")
    (sdist,), (wheel,) = Path("dist").glob("*.tar.gz"), Path("dist").glob("*.whl")
    session.run("twine", "check", "--strict", str(sdist), str(wheel))
    session.run("check-wheel-contents", "--toplevel", "numcrc", str(wheel))
    if others := [name for name in ZipFile(wheel).namelist() if not re.match(CONTENTS, name)]:
        session.error(f"files in the wheel that should not be there: {others}")
    # The tests and documents of the source distribution, with the wheel and not its sources.
    folder = Path(session.create_tmp(), "package").absolute()
    shutil.rmtree(folder, ignore_errors=True)
    shutil.unpack_archive(sdist, folder)
    (source,) = folder.iterdir()
    shutil.rmtree(source / "numcrc")
    options = ("--quiet", "--no-deps", "--no-index", "--target", str(folder / "installed"))
    session.run("python", "-m", "pip", "install", *options, str(wheel))
    session.chdir(source)
    environment = {"PYTHONPATH": str(folder / "installed")}
    quick = [f"tests/test_{name}.py" for name in QUICK]
    session.run("python", "-m", "pytest", "-q", *quick, env=environment)
    session.run(
        "python", "-m", "pytest", "-q", "--collect-only", "tests", env=environment, silent=True
    )
