"""`python -m cornerman_generator`: answers requests with text. Any number of these processes share the work."""

from __future__ import annotations

import sys

from cornerman_generator.service import generate_loop
from cornerman_shared.process.runtime import run_service


def main() -> int:
    return run_service("generator", generate_loop)


if __name__ == "__main__":
    sys.exit(main())
