"""The command `oracle`, also as `python -m oracle`. Ctrl-C ends it in one line while its modules are still loading."""

from __future__ import annotations

import os
import sys
from typing import NoReturn


def main() -> NoReturn:
    """Load the command line, run it, and exit."""
    try:
        # Imported here: it takes a good part of a second, in which an interrupt would be a traceback.
        from oracle.cli import main as command_line

        command_line()
    except KeyboardInterrupt:
        os.write(2, b"interrupted\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
