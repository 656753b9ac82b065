"""What is made from the parsers of commands: completion in shells, and manual pages."""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
from pathlib import Path

import pytest
from cli_support import MARKS

from numcrc.cli.parsers import options, parsers

pytestmark = MARKS
DOCS = Path(__file__).parent.parent / "docs"
SHELLS = ("bash", "zsh", "fish")
# What follows "numcrc" on a command line, and the words that complete the last of it.
COMPLETIONS = [
    (["su"], {"sum"}),
    (["explore", ""], {"describe", "hd", "identify", "reverse", "forge"}),
    (["explore", "hd", "crc-16/k"], {"crc-16/kermit"}),
    (["explore", "forge", "--notation", ""], {"normal", "reversed", "koopman"}),
    (["sum", "--fo"], {"--format"}),
    (["sum", "-a", "crc-32/is"], {"crc-32/iscsi", "crc-32/iso-hdlc"}),
    (["check", "--ignore-m"], {"--ignore-missing"}),
    (["completion", "z"], {"zsh"}),
    (["info", "--"], {"--help", "--verbose", "--json"}),
]


def needs(program):
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"needs {program}")


@pytest.mark.parametrize("shell", [pytest.param(name, marks=needs(name)) for name in SHELLS])
def test_scripts_have_valid_syntax(run, shell):
    status, script, err = run("completion", shell)
    assert (status, err) == (0, "")
    subprocess.run([shell, "-n"], input=script.encode(), check=True)


@pytest.mark.parametrize("shell", SHELLS)
def test_scripts_have_every_option(run, shell):
    script = run("completion", shell)[1]
    for words, (parser, _) in parsers().items():
        assert words in script
        if shell == "zsh" and words in ("", "explore"):
            continue  # it completes the commands only
        for option in options(parser):
            for name in option.option_strings:
                assert (name if shell != "fish" else name.lstrip("-")) in script


@needs("bash")
@pytest.mark.parametrize(("words", "expected"), COMPLETIONS)
def test_bash(run, words, expected):
    script = run("completion", "bash")[1]
    script += 'COMP_WORDS=(numcrc "$@"); COMP_CWORD=$#; _numcrc; printf "%s\\n" "${COMPREPLY[@]}"'
    done = subprocess.run(["bash", "-c", script, "-", *words], stdout=-1, check=True)
    assert set(done.stdout.decode().split()) == expected


@needs("bash")
def test_bash_splits_words_at_equals_signs(run):
    test_bash(lambda *_: run("completion", "bash"), ["sum", "--format", "=", "b"], {"bsd"})
    test_bash(lambda *_: run("completion", "bash"), ["report", "merge", ""], set())


@needs("fish")
@pytest.mark.parametrize(("words", "expected"), COMPLETIONS)
def test_fish(run, words, expected):
    script = f"{run('completion', 'fish')[1]}\ncomplete -C '{' '.join(['numcrc', *words])}'"
    done = subprocess.run(["fish", "--no-config", "-c", script], stdout=-1, check=True)
    found = {line.split("\t")[0] for line in done.stdout.decode().splitlines()}
    assert found == expected


def test_an_unknown_shell(run):
    status, out, err = run("completion", "tcsh")
    assert (status, out) == (2, "")
    assert "bash" in err


@pytest.mark.skipif(not DOCS.exists(), reason="numcrc is installed without its sources")
def test_manual_pages_are_those_of_the_parsers():
    """Otherwise: python docs/man_pages.py."""
    pages = runpy.run_path(str(DOCS / "man_pages.py"))["pages"]()
    folder = DOCS / "man"
    assert sorted(pages) == sorted(os.listdir(folder))
    for name, text in pages.items():
        assert (folder / name).read_text("utf-8") == text


@needs("mandoc")
@pytest.mark.skipif(not DOCS.exists(), reason="numcrc is installed without its sources")
def test_manual_pages_are_valid():
    found = sorted((DOCS / "man").iterdir())
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", *found], stdout=-1, check=False)
    assert (done.returncode, done.stdout) == (0, b"")
