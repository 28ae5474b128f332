"""Entry point of `python -m mobile_videogpt`."""

import sys

from mobile_videogpt.cli import main

if __name__ == "__main__":
    sys.exit(main())
