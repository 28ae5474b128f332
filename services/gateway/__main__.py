"""`python -m services.gateway`: the web face as a process."""

from __future__ import annotations

import sys

from services.gateway.service import main
from shared.runtime import run_service

if __name__ == "__main__":
    sys.exit(run_service("gateway", main))
