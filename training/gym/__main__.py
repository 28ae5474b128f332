"""`python -m training.gym`."""

import sys

from training.gym.cli import main

sys.exit(main())
