"""Exit codes of services and commands, after sysexits.h."""

from typing import Final

EXIT_OK: Final = 0
EXIT_USAGE: Final = 64
EXIT_NO_INPUT: Final = 66
EXIT_NO_SERVER: Final = 69
EXIT_SOFTWARE: Final = 70
EXIT_CONFIG: Final = 78
