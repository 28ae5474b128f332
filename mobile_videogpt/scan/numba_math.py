"""Elementary functions that numba compiles to vector code.

numba's own `exp` and `log1p` are library calls, and a loop with a call stays scalar. These are plain float32 arithmetic
with a relative error near 1e-7, inlined into the kernels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

LOG2E = np.float32(1.4426950408889634)

_ZERO, _ONE = np.float32(0.0), np.float32(1.0)
# Adding 1.5 * 2**23 leaves the rounded integer in the low bits of a float32.
_ROUND = np.float32(12582912.0)
_LARGEST = np.float32(125.0)  # 2**-125 to 2**125 are normal numbers
# Taylor coefficients of 2**f for |f| <= 1/2; the error of degree 7 is below float32's resolution.
_P1, _P2, _P3, _P4, _P5, _P6, _P7 = (
    np.float32(c)
    for c in (
        0.6931471805599453,
        0.2402265069591007,
        0.05550410866482158,
        0.009618129107628477,
        0.0013333558146428441,
        0.0001540353039338161,
        1.525273380405984e-05,
    )
)


def compiled(function: Callable[..., Any], *, reassociate: bool = False) -> Callable[..., Any]:
    """Compiles a kernel that releases the GIL, is vectorised, and is cached on disk if numba finds a writable folder.

    Args:
        function: the kernel.
        reassociate: allows reordered sums, which vector code needs for a sum over channels. Not for a kernel with
            `exp2` in it: its rounding constant is folded away.
    """
    options = {
        "nogil": True,
        # numpy's rules for a division by zero: Python's add a branch to SiLU, which keeps its loop scalar.
        "error_model": "numpy",
        "fastmath": {"contract", "reassoc"} if reassociate else {"contract"},
    }
    try:
        kernel: Callable[..., Any] = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # a read-only installation without a home folder
        kernel = numba.njit(**options)(function)
    return kernel


def _log1p_ratio() -> list[np.float32]:
    """Coefficients of log1p(e) / e on [0, 1], interpolated at Chebyshev nodes."""
    nodes = (np.cos((np.arange(64) + 0.5) * np.pi / 64) + 1) / 2
    series = np.polynomial.Chebyshev.fit(nodes, np.log1p(nodes) / nodes, 10, domain=[0, 1])
    return [np.float32(c) for c in series.convert(kind=np.polynomial.Polynomial, domain=[-1, 1]).coef]


_Q0, _Q1, _Q2, _Q3, _Q4, _Q5, _Q6, _Q7, _Q8, _Q9, _Q10 = _log1p_ratio()


def _bitcast(source: Any, target: Any, bits: Any) -> Any:
    """A numba intrinsic that reads the bits of a `source` as a `target`."""

    def declare(_context: Any, _value: Any) -> Any:
        def emit(_target_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
            return builder.bitcast(args[0], bits)

        return target(source), emit

    return intrinsic(declare)


_as_int = _bitcast(types.float32, types.int32, ir.IntType(32))
_as_float = _bitcast(types.int32, types.float32, ir.FloatType())


def _exp2(v: Any) -> Any:
    v = min(max(v, -_LARGEST), _LARGEST)
    shifted = v + _ROUND
    f = v - (shifted - _ROUND)
    p = _P7 * f + _P6
    p = p * f + _P5
    p = p * f + _P4
    p = p * f + _P3
    p = p * f + _P2
    p = p * f + _P1
    p = p * f + _ONE
    return _as_float(_as_int(p) + (_as_int(shifted) << np.int32(23)))


# `contract` only: reassociation folds the rounding constant away. Callers must not allow it either.
exp2 = numba.njit(fastmath={"contract"}, inline="always")(_exp2)


def _sigmoid(x: Any) -> Any:
    return _ONE / (_ONE + exp2(-x * LOG2E))


sigmoid = numba.njit(fastmath={"contract"}, error_model="numpy", inline="always")(_sigmoid)


def _softplus(x: Any) -> Any:
    e = exp2(-abs(x) * LOG2E)
    q = _Q10 * e + _Q9
    q = q * e + _Q8
    q = q * e + _Q7
    q = q * e + _Q6
    q = q * e + _Q5
    q = q * e + _Q4
    q = q * e + _Q3
    q = q * e + _Q2
    q = q * e + _Q1
    q = q * e + _Q0
    return max(x, _ZERO) + e * q


softplus = numba.njit(fastmath={"contract"}, inline="always")(_softplus)
