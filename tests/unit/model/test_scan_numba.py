"""The scan's numba kernels."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mobile_videogpt.scan import numba_math


def test_kernel_compiles_without_disk_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    njit = numba_math.numba.njit

    def without_a_folder(*, cache: bool = False, **options: object) -> Callable[..., object]:
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return njit(**options)

    monkeypatch.setattr(numba_math.numba, "njit", without_a_folder)
    assert numba_math.compiled(lambda x: x + 1.0)(2.0) == 3.0
