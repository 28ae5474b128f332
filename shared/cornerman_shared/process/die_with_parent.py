"""Becomes another program that is told to end (SIGTERM) when its parent does, also when the parent is killed.

Run as a script, `tether.py PARENT_PID PROGRAM ARG…`, with the standard library only, so that it costs some 15
ms. A hook between fork and exec would do the same, but is unsafe in a process that has threads. Where the
system has no such signal (anything but Linux) the program simply starts.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h


def die_with_parent(command: Sequence[str]) -> list[str]:
    """`command` as it must be started by this process, from its main thread, so that it ends with it.

    The signal comes when the *thread* that started it ends, hence the main thread.
    """
    if sys.platform != "linux":
        return list(command)
    return [sys.executable, "-I", "-S", str(Path(__file__).resolve()), str(os.getpid()), *command]


def main(argv: Sequence[str]) -> None:
    parent, program, *rest = argv
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != int(parent):
            sys.exit(0)  # the parent was gone before we could ask to be told
    os.execvp(program, [program, *rest])


if __name__ == "__main__":
    main(sys.argv[1:])
