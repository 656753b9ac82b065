"""Compile a kernel in a process of its own, where Numba cannot be imported.

Numba needs memory that becomes executable, which systemd's MemoryDenyWriteExecute and SELinux
refuse. It tries to get some when it is imported, and raises; without that attempt, the first use of
``numba.njit`` would end the process. An image is made without such memory, so the attempt is left
out in a child, where nothing else uses Numba.
"""

from __future__ import annotations

import errno
import marshal
import os
import pickle
import subprocess
import sys

from numcrc.jit.linker import NoMachineCodeError
from numcrc.jit.plan import Plan
from numcrc.jit.target import Target
from numcrc.process import imported, in_thread

# Before the path is set, nothing is imported that is not built in.
_CHILD = """\
import marshal, sys
sys.path[:] = marshal.load(sys.stdin.buffer)
from numcrc.jit import apart
apart.main()
"""
_TRANSIENT = errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE


def is_needed() -> bool:
    """Return whether Numba cannot be imported; a failed import would leave half of it."""
    if "numba" in sys.modules:
        return False
    try:
        imported("llvmlite.binding").check_jit_execution()
    except OSError:
        return True
    return False


def compile_kernel(plan: Plan, target: Target) -> bytes:
    """Return what `numcrc.jit.compiler.compile_kernel` does.

    Raises
    ------
    NoMachineCodeError
        The child did not compile.
    OSError
        There cannot be another process or open file at the moment.
    """
    if getattr(sys, "frozen", False):  # sys.executable is the program, and would start again
        raise NoMachineCodeError("cannot compile kernels: the program is frozen")
    if not sys.executable:  # "" or None in some programs that embed Python
        raise NoMachineCodeError("cannot compile kernels: sys.executable is not set")
    marker = os.urandom(16)
    path = marshal.dumps([each for each in sys.path if isinstance(each, str)])
    flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    try:
        done = subprocess.run(
            [sys.executable, *flags, "-c", _CHILD],
            input=path + pickle.dumps((marker, plan, target)),
            capture_output=True,
            check=False,
            start_new_session=True,  # an interrupt at the terminal does not end it
        )
    except OSError as error:
        if error.errno in _TRANSIENT:
            raise
        raise NoMachineCodeError(f"cannot compile kernels: {error}") from error
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        reason = lines[-1] if lines else f"status {done.returncode}"
        raise NoMachineCodeError(f"cannot compile kernels: {reason}")
    _, _, made = done.stdout.partition(marker)  # the child's own start and end may print
    made, _, _ = made.partition(marker)
    if not made:
        raise NoMachineCodeError(f"cannot compile kernels: unexpected output {done.stdout[:32]!r}")
    return made


def main() -> None:
    """Compile the plan that standard input names."""
    imported("llvmlite.binding").check_jit_execution = lambda: None
    compiler = imported("numcrc.jit.compiler")
    marker, plan, target = pickle.load(sys.stdin.buffer)
    in_thread(plan, lambda: _write(marker, compiler.compile_kernel(plan, target)))


def _write(marker: bytes, made: bytes) -> None:
    sys.stdout.buffer.write(marker + made + marker)
