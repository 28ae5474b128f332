"""`python -m cornerman_decider`: decides when to speak, for the sources of every shard whose lease it gets."""

from __future__ import annotations

import sys

from cornerman_decider.service import decide_loop
from cornerman_shared.process.runtime import run_service


def main() -> int:
    return run_service("decider", decide_loop)


if __name__ == "__main__":
    sys.exit(main())
