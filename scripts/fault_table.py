"""Write the table of faults into docs/reliability.md, from the cases themselves: `python -m scripts.fault_table`."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from oracle.chain.local import toolchain
from tests.chaos.faults import table


def with_table(text: str) -> str:
    """Return the document with the table of the cases between its marks."""
    return re.sub(
        r"(<!-- faults -->\n).*?(<!-- /faults -->)", lambda found: f"{found[1]}{table()}\n{found[2]}", text, flags=re.S
    )


def main() -> int:
    """Write the table; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m scripts.fault_table", description=(__doc__ or "").split(":")[0])
    parser.parse_args()
    path: Path = toolchain.project_root() / "docs" / "reliability.md"
    before = path.read_text(encoding="utf-8")
    after = with_table(before)
    path.write_text(after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
