"""`python -m cornerman_generator`: turns requests into words. Start as many as there is work for."""

from __future__ import annotations

import sys

from cornerman_generator.service import generate_loop
from cornerman_shared.process.runtime import run_service


def main() -> int:
    return run_service("generator", generate_loop)


if __name__ == "__main__":
    sys.exit(main())
