"""`python -m cornerman_generator`: turns requests into words. Start as many as there is work for."""

from __future__ import annotations

import sys

from cornerman_shared.process.runtime import run_service

from cornerman_generator.service import generate_for_ever


def main() -> int:
    return run_service("generator", generate_for_ever)


if __name__ == "__main__":
    sys.exit(main())
