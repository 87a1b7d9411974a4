"""Lines that a deployment reports while it goes on."""

from __future__ import annotations

import re
from collections.abc import Callable

_ON_THE_WAY = re.compile(r": (sending|sent|signed 0x[0-9a-f]+|mined in block \d+)$")


def finished_steps(show: Callable[[str], None]) -> Callable[[str], None]:
    """Return a function that takes a deployment's lines and shows those about finished or special steps.

    Lines that say how far a transaction is are left out.
    """

    def progress(line: str) -> None:
        if not _ON_THE_WAY.search(line):
            show(line.removesuffix(": done"))

    return progress
