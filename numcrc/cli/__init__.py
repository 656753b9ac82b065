"""Run the ``numcrc`` command.

Each subcommand is a module with ``run(arguments) -> exit status``, imported when it is called.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import gc
import os
import sys
from io import StringIO

from numcrc._version import __version__

TYPE_CHECKING = False  # not typing's: an interrupt during its import would miss main's handler
if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Sequence
    from typing import NoReturn

# The module and a summary of each command.
COMMANDS = {
    "sum": ("sums", "print the CRCs of files"),
    "check": ("check", "check files against lists of checksums"),
    "manifest": ("manifest", "list the objects of a store with their checksums"),
    "verify": ("verify", "check the objects of a store"),
    "report": ("report", "merge the reports of parts of a verification"),
    "scan": ("scan", "check the objects of a store by the checksums that they contain"),
    "list": ("listing", "list the algorithms"),
    "explore": ("explore", "describe, compare, identify and forge CRCs"),
    "info": ("info", "show what the CPU supports and which kernels are used"),
    "cache": ("cache", "list the compiled kernels that are kept, or remove them"),
    "warm": ("warm", "compile kernels into the cache"),
    "selftest": ("selftest", "test the kernels of every tier that this CPU runs"),
    "completion": ("completion", "print the completion script of a shell"),
}

# Exit statuses. An internal error must not look like a mismatch: it is EX_SOFTWARE of sysexits.h.
# The last two are what shells report for a command that SIGINT or SIGPIPE ended.
MISMATCH, USAGE, CANNOT_READ = 1, 2, 3
INTERNAL, INTERRUPTED, BROKEN_PIPE = 70, 130, 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line *argv*, by default that of the process; return its exit status."""
    try:
        status = _dispatch(list(sys.argv[1:] if argv is None else argv))
        _flush_output()
    except SystemExit as stop:  # argparse printed help or an error message
        return stop.code if isinstance(stop.code, int) else 0
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _discard_output()
        return BROKEN_PIPE
    except OSError as error:
        from numcrc.checkfiles.names import named_message

        print(f"numcrc: {named_message(error)}", file=sys.stderr)
        _discard_output()
        return CANNOT_READ
    except Exception as error:
        if invalid := _invalid_setting(error):
            print(f"numcrc: {invalid}", file=sys.stderr)
            return USAGE
        sys.excepthook(*sys.exc_info())
        return INTERNAL
    return status


def entry() -> NoReturn:
    """Run the command line of the process and end the process.

    It ends by ``os._exit``, since finalising the interpreter and LLVM takes longer than a checksum.
    """
    gc.set_threshold(100_000)  # collections during start-up take milliseconds and find nothing
    sys.stderr = sys.stderr or StringIO()  # None if it was closed before the start
    _wake_each_second()
    status = main()
    sys.stderr.flush()
    os._exit(status)


def _wake_each_second() -> None:
    """Interrupt what the main thread waits for, by a signal that does nothing.

    Python calls the handler of a signal after a call that waits, and not before it if the signal
    comes in between, or to another thread.
    """
    if hasattr(_signal, "setitimer"):  # Windows has none
        _signal.signal(_signal.SIGALRM, lambda *_: None)
        _signal.setitimer(_signal.ITIMER_REAL, 1, 1)


def _invalid_setting(error: Exception) -> str:
    """Return what is wrong if no kernel can be chosen because of a setting, else ""."""
    # Not an import, which takes long: a module that is not loaded has raised nothing.
    target = sys.modules.get("numcrc.jit.target")
    if target is None or not isinstance(error, target.TierError):
        return ""
    return f"{'' if isinstance(error, target.NumbaSettingError) else 'NUMCRC_TIER: '}{error}"


def _dispatch(arguments: list[str]) -> int:
    if not arguments or arguments[0] not in COMMANDS:
        return _top(arguments)
    name = f"numcrc.cli.{COMMANDS[arguments[0]][0]}"
    __import__(name)
    status: int = sys.modules[name].run(arguments[1:])
    return status


def _top(arguments: list[str]) -> int:
    """Handle a command line without a known command: print help, the version or an error."""
    if arguments == ["--version"]:  # argparse takes as long to import as Python to start
        print("numcrc", __version__)
        return 0

    build_parser().parse_args(arguments[:1])
    raise AssertionError("a known command is not dispatched here")


def build_parser() -> ArgumentParser:
    """Return the parser of ``numcrc`` without a command."""
    from argparse import ArgumentParser

    from numcrc.cli.arguments import Formatter

    width = max(map(len, COMMANDS))
    commands = "\n".join(f"  {name:{width}}  {text}" for name, (_, text) in COMMANDS.items())
    parser = ArgumentParser(
        prog="numcrc",
        usage="numcrc [-h] [--version] COMMAND ...",
        description=f"Compute and check CRCs of files and object stores.\n\ncommands:\n{commands}",
        epilog="'numcrc COMMAND --help' describes a command, with examples.",
        formatter_class=Formatter,
    )
    parser.add_argument("--version", action="version", version=f"numcrc {__version__}")
    parser.add_argument("command", metavar="COMMAND", choices=list(COMMANDS))
    return parser


def _flush_output() -> None:
    if sys.stdout:
        try:
            sys.stdout.flush()
        except OSError:
            from numcrc.checkfiles.names import naming

            with naming("standard output"):
                raise


def _discard_output() -> None:
    """Redirect standard output to the null device, so that a later flush succeeds."""
    if sys.stdout:
        from contextlib import suppress

        with suppress(OSError):  # there may be no descriptor left
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, sys.stdout.fileno())
            os.close(null)
