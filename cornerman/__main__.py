"""`python -m cornerman` is `cornerman`."""

import os
import sys
import warnings


def hide_library_warnings() -> None:
    """Keeps the warnings of libraries off the terminal, in this process and in those that it starts.

    Users cannot act on them, and the tests turn them into errors. `PYTHONWARNINGS=default` shows them.
    """
    if sys.warnoptions:
        return
    warnings.simplefilter("ignore")
    os.environ["PYTHONWARNINGS"] = "ignore"
    # transformers logs its warnings through a handler of its own.
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")


def main() -> None:
    """Runs the command line."""
    hide_library_warnings()
    # Libraries may warn while they are imported.
    from cornerman.cli import main as run

    run()


if __name__ == "__main__":
    main()
