"""A typed wrapper of numba's compiler, so that mypy checks the gym."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba

P = ParamSpec("P")
R = TypeVar("R")


def jit(function: Callable[P, R]) -> Callable[P, R]:
    """Compiles a numeric function on its first call, cached on disk; it runs without the GIL."""
    return cast("Callable[P, R]", numba.njit(cache=True, fastmath=True, nogil=True)(function))
