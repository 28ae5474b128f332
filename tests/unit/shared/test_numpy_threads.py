"""NumPy's own threads, in a process of its own each time."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

CODE = """
import json
import numpy
from threadpoolctl import ThreadpoolController
from cornerman_shared.process.numpy_threads import one_numpy_thread
def threads():
    return [one["num_threads"] for one in ThreadpoolController().select(prefix="libscipy_openblas").info()]
before = threads()
one_numpy_thread()
print(json.dumps([before, threads()]))
"""


def run(code: str, **variables: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    environment |= {"PYTHONPATH": os.pathsep.join(sys.path), **variables}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_numpy_computes_in_one_thread() -> None:
    """The library is there only in NumPy's wheels; elsewhere both lists are empty."""
    before, after = json.loads(run(CODE))
    assert after == [1] * len(before)


def test_what_the_user_chose_stays() -> None:
    before, after = json.loads(run(CODE, OPENBLAS_NUM_THREADS="2"))
    assert before == after


def test_torch_keeps_its_threads() -> None:
    pytest.importorskip("torch")
    kept = f"import torch\nfirst = torch.get_num_threads()\n{CODE}\nprint(first == torch.get_num_threads())"
    assert run(kept).endswith("True")
