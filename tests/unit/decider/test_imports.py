"""Imports of a process: cores stay pure, and services without a model start without torch."""

from __future__ import annotations

import subprocess
import sys

import pytest


def loaded_by(code: str, *names: str) -> list[str]:
    check = f"{code}\nimport sys\nprint(*[name for name in {names!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize("service", ["capture", "decider", "encoder", "generator", "gateway"])
def test_core_loads_no_redis_or_torch(service: str) -> None:
    assert loaded_by(f"import cornerman_{service}.core", "redis", "torch", "transformers") == []


@pytest.mark.parametrize(
    "code",
    [
        "from cornerman_decider.service import decide_loop\n"
        "from cornerman_decider.strategies.factory import Strategies\n"
        "from cornerman_shared.settings.tree import Settings\n"
        "from cornerman_shared.settings.source import SpeakSettings\n"
        "for name in ('interval', 'rules', 'scene'): Strategies(Settings()).make(SpeakSettings(strategy=name), 'p')",
        "from cornerman_encoder.service import make_encoder\n"
        "from cornerman_shared.settings.tree import EncoderSettings\n"
        "make_encoder(EncoderSettings())",
        "from cornerman_generator.service import generate_loop\n"
        "from cornerman_generator.backends import make_generator\n"
        "from cornerman_shared.settings.tree import GeneratorSettings\n"
        "make_generator(GeneratorSettings())",
        "from cornerman_capture.service import serve",
        "from cornerman_gateway.service import main",
        "from cornerman.cli import build_app; build_app([], completes=True)",
    ],
    ids=["decider", "encoder", "generator", "capture", "gateway", "command-line"],
)
def test_service_without_model_loads_no_torch(code: str) -> None:
    assert loaded_by(code, "torch", "transformers", "PIL") == []


def test_help_loads_no_numpy_and_no_redis() -> None:
    code = "import contextlib, io\nfrom cornerman.cli import invoke\n"
    code += "with contextlib.redirect_stdout(io.StringIO()): invoke(['--help'])"
    assert loaded_by(code, "numpy", "redis", "pydantic", "structlog", "av") == []
