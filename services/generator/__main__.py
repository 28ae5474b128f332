"""`python -m services.generator`: turns requests into words. Start as many as there is work for."""

from __future__ import annotations

import sys

from services.generator.service import generate_for_ever
from shared.runtime import run_service


def main() -> int:
    return run_service("generator", generate_for_ever)


if __name__ == "__main__":
    sys.exit(main())
