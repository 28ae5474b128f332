"""Keeps NumPy's matrix library on one thread.

Its products are small here. Its other threads would wait for the next one by turning, which doubled the processor time
of the encoder of people and slowed whatever else wanted those cores.
"""

from __future__ import annotations

import os
from typing import Final

VARIABLE: Final = "OPENBLAS_NUM_THREADS"
"""Where it is set, that number of threads stays."""

_NUMPYS: Final = "libscipy_openblas"
"""How NumPy's wheels call their own; torch's has another name, and threads that are worth it."""


def one_numpy_thread() -> None:
    """In this process, from now on; NumPy must be imported. Without effect where NumPy is built with something else."""
    if VARIABLE in os.environ:
        return
    from threadpoolctl import ThreadpoolController

    ThreadpoolController().select(prefix=_NUMPYS).limit(limits=1)
