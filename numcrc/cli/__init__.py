"""The ``numcrc`` command.

A command is a module with ``run(arguments) -> exit status``, imported only when it is called.
"""

from __future__ import annotations

import gc
import os
import sys
from importlib import import_module
from io import StringIO

TYPE_CHECKING = False  # as typing's, which takes long enough to be interrupted before main
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

# By name: the module, and what it does.
COMMANDS = {
    "sum": ("sums", "print the CRCs of files"),
    "check": ("check", "check files against lists of CRCs"),
    "manifest": ("manifest", "list the objects of a store with their checksums"),
    "verify": ("verify", "tell which objects of a store are good"),
    "list": ("listing", "list the algorithms"),
    "info": ("info", "tell what this machine's CPU allows and which kernels are used"),
}

# Exit statuses. An error of ours must not look like a mismatch, so it has sysexits' EX_SOFTWARE;
# the last two are a shell's for a command ended by SIGINT and by SIGPIPE.
MISMATCH, USAGE, CANNOT_READ = 1, 2, 3
INTERNAL, INTERRUPTED, BROKEN_PIPE = 70, 130, 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line *argv* (by default the process's own) and return its exit status."""
    try:
        status = _dispatch(list(sys.argv[1:] if argv is None else argv))
        if sys.stdout:
            sys.stdout.flush()
    except SystemExit as stop:  # argparse has printed help, or a complaint
        return stop.code if isinstance(stop.code, int) else 0
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _discard_output()
        return BROKEN_PIPE
    except OSError as error:
        _discard_output()
        print(f"numcrc: {error.strerror or error}", file=sys.stderr)
        return CANNOT_READ
    except Exception:
        sys.excepthook(*sys.exc_info())
        return INTERNAL
    return status


def entry() -> NoReturn:
    """Run the process's command line and end the process.

    At once: taking down the interpreter and LLVM in good order takes longer than a checksum.
    """
    gc.set_threshold(100_000)  # start-up makes no garbage worth the milliseconds of looking
    sys.stderr = sys.stderr or StringIO()  # None where it was closed before us
    status = main()
    sys.stderr.flush()
    os._exit(status)


def _dispatch(arguments: list[str]) -> int:
    if not arguments or arguments[0] not in COMMANDS:
        return _top(arguments)
    module, _ = COMMANDS[arguments[0]]
    status: int = import_module(f"numcrc.cli.{module}").run(arguments[1:])
    return status


def _top(arguments: list[str]) -> int:
    """Answer a command line without a command: help, version, or what is wrong."""
    from argparse import ArgumentParser, RawDescriptionHelpFormatter

    from numcrc._version import __version__

    width = max(map(len, COMMANDS))
    commands = "\n".join(f"  {name:{width}}  {text}" for name, (_, text) in COMMANDS.items())
    parser = ArgumentParser(
        prog="numcrc",
        usage="numcrc [-h] [--version] COMMAND ...",
        description=f"CRCs of files, as fast as this machine can.\n\ncommands:\n{commands}",
        epilog="'numcrc COMMAND --help' tells more.",
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"numcrc {__version__}")
    parser.add_argument("command", metavar="COMMAND", choices=list(COMMANDS))
    parser.parse_args(arguments[:1])
    raise AssertionError("a known command is not dispatched here")


def _discard_output() -> None:
    """Let the interpreter's last flush of standard output succeed, into nowhere."""
    if sys.stdout:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
