"""`python -m services.decider`: decides when to speak, for every source of the shards it can get hold of."""

from __future__ import annotations

import sys

from services.decider.service import decide_for_ever
from shared.runtime import run_service


def main() -> int:
    return run_service("decider", decide_for_ever)


if __name__ == "__main__":
    sys.exit(main())
