"""Warnings of libraries stay off the terminal of a command and of the processes that it starts."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

WARN = "import warnings; warnings.warn('an old name', FutureWarning)"
COMMAND = f"""
import subprocess, sys
from cornerman.__main__ import hide_library_warnings
hide_library_warnings()
{WARN}
subprocess.run([sys.executable, "-c", {WARN!r}], check=True)
"""
LOGGED = """
from cornerman.__main__ import hide_library_warnings
hide_library_warnings()
from transformers.utils import logging
logging.get_logger("transformers.models").warning("an old name")
"""


def stderr_of(code: str, environment: dict[str, str]) -> str:
    """What a process prints that runs `code` without this one's warning filters."""
    unset = {"PYTHONWARNINGS", "TRANSFORMERS_VERBOSITY"}
    own = {name: value for name, value in os.environ.items() if name not in unset} | environment
    return subprocess.run([sys.executable, "-c", code], env=own, capture_output=True, text=True, check=True).stderr


def test_warning_is_hidden_in_child_too() -> None:
    assert stderr_of(COMMAND, {}) == ""


def test_python_warnings_variable_shows_them() -> None:
    assert stderr_of(COMMAND, {"PYTHONWARNINGS": "default"}).count("FutureWarning: an old name") == 2


@pytest.mark.parametrize(("level", "shown"), [({}, False), ({"TRANSFORMERS_VERBOSITY": "warning"}, True)])
def test_transformers_log_is_hidden(level: dict[str, str], shown: bool) -> None:
    assert ("an old name" in stderr_of(LOGGED, level)) is shown
