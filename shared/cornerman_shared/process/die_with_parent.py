"""Starts a program that gets SIGTERM when its parent ends, also when the parent is killed.

Runs as a script, `die_with_parent.py PARENT_PID PROGRAM ARG…`, which sets the signal and then executes the program. It
uses only the standard library, so that it takes about 15 ms. A hook between fork and exec (`preexec_fn`) is unsafe in
a process with threads. The signal exists only on Linux; on other systems the program starts without it.
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
    """The command line that runs `command` and ends with this process. Start it from the main thread.

    The kernel sends the signal when the thread that started the child ends, not the process.
    """
    if sys.platform != "linux":
        return list(command)
    return [sys.executable, "-I", "-S", str(Path(__file__).resolve()), str(os.getpid()), *command]


def main(argv: Sequence[str]) -> None:
    parent, program, *rest = argv
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != int(parent):
            sys.exit(0)  # the parent ended before the signal was set
    os.execvp(program, [program, *rest])


if __name__ == "__main__":
    main(sys.argv[1:])
