"""`python -m services.capture`: watches the sources that no other capture process has."""

import sys

from services.capture.service import serve
from shared.runtime import run_service

if __name__ == "__main__":
    sys.exit(run_service("capture", serve))
