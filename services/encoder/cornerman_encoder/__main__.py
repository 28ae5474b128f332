"""`python -m cornerman_encoder`: encodes chunks. Start any number of processes."""

from __future__ import annotations

import sys

from cornerman_encoder.service import encode_loop
from cornerman_shared.process.runtime import run_service


def main() -> int:
    return run_service("encoder", encode_loop)


if __name__ == "__main__":
    sys.exit(main())
