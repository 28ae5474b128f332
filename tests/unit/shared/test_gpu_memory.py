"""GPU memory of a process."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from cornerman_shared.process.gpu_memory import gpu_memory


def cuda(initialised: bool = True) -> Any:
    return SimpleNamespace(
        is_initialized=lambda: initialised,
        device_count=lambda: 2,
        memory_allocated=lambda device: 100 + device,
        memory_reserved=lambda device: 200 + device,
        max_memory_allocated=lambda device: 300 + device,
    )


def test_devices_are_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda()))
    assert gpu_memory() == {"gpu_allocated_bytes": 201.0, "gpu_reserved_bytes": 401.0, "gpu_peak_bytes": 601.0}


@pytest.mark.parametrize("torch", [None, SimpleNamespace(), SimpleNamespace(cuda=cuda(initialised=False))], ids=str)
def test_unused_gpu_has_no_figures(monkeypatch: pytest.MonkeyPatch, torch: Any) -> None:
    monkeypatch.setitem(sys.modules, "torch", torch)
    assert gpu_memory() == {}
