"""`python -m cornerman_gateway`: the web face as a process."""

from __future__ import annotations

import sys

from cornerman_gateway.service import main
from cornerman_shared.process.runtime import run_service

if __name__ == "__main__":
    sys.exit(run_service("gateway", main))
