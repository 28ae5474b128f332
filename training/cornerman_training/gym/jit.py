"""One typed door to numba, so that the rest of the gym stays checkable by mypy."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba

P = ParamSpec("P")
R = TypeVar("R")


def jit(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a numeric function to machine code on first call, cached on disk, without the interpreter lock."""
    return cast("Callable[P, R]", numba.njit(cache=True, fastmath=True, nogil=True)(function))
