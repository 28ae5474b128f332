"""`python -m cornerman_training.gym`."""

import sys

from cornerman_training.gym.cli import main

sys.exit(main())
