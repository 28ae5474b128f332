"""A missing runtime says what to do."""

from __future__ import annotations

import importlib
import platform
import sys

import pytest

from cornerman_pose.errors import RuntimeMissingError
from cornerman_pose.nets import litert


def broken(error: ImportError) -> object:
    def load(name: str) -> object:
        raise error

    return load


def test_missing_runtime_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    error = ModuleNotFoundError("No module named 'ai_edge_litert'", name="ai_edge_litert")
    monkeypatch.setattr(importlib, "import_module", broken(error))
    with pytest.raises(RuntimeMissingError, match="pip install ai-edge-litert"):
        litert()


def test_broken_runtime_names_the_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib, "import_module", broken(ImportError("libfoo.so: no such file")))
    with pytest.raises(RuntimeMissingError, match=r"libfoo\.so"):
        litert()


def test_intel_mac_has_no_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    error = ModuleNotFoundError("No module named 'ai_edge_litert'", name="ai_edge_litert")
    monkeypatch.setattr(importlib, "import_module", broken(error))
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    with pytest.raises(RuntimeMissingError, match="no wheels for macOS on Intel"):
        litert()
