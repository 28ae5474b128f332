"""`python -m services.encoder`: turns chunks of frames into features. Start as many as there is work for."""

from __future__ import annotations

import sys

from services.encoder.service import encode_for_ever
from shared.runtime import run_service


def main() -> int:
    return run_service("encoder", encode_for_ever)


if __name__ == "__main__":
    sys.exit(main())
