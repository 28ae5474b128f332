"""`python -m cornerman_capture`: captures the sources that no other capture process holds."""

import sys

from cornerman_capture.service import serve
from cornerman_shared.process.runtime import run_service

if __name__ == "__main__":
    sys.exit(run_service("capture", serve))
