"""How long a command waits for a role that is down."""

import pytest

from cornerman.local.patience import Patience
from cornerman_shared.errors import FatalError

DOWN = {"encoder": "encoder was killed by SIGSEGV, again and again"}


def test_role_down_too_long_ends_command() -> None:
    patience = Patience(120.0)
    for now_s in range(120):
        patience.check(float(now_s), DOWN, progress=7)
    with pytest.raises(FatalError, match=r"encoder has been down for 120 s .* killed by SIGSEGV"):
        patience.check(120.0, DOWN, progress=7)


def test_progress_extends_patience() -> None:
    patience = Patience(120.0)
    for now_s in range(1000):
        patience.check(float(now_s), DOWN, progress=now_s // 100)


def test_recovered_role_starts_over() -> None:
    patience = Patience(120.0)
    for now_s in range(1000):
        patience.check(float(now_s), DOWN if now_s % 100 else {}, progress=0)
