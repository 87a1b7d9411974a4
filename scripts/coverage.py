"""Check how much of contracts/src forge's tests reach, against limits: python -m scripts.coverage lcov.info --lines 98

Two kinds of code leave no trace when they are compiled through Yul, as they must be here, whether they run or not. They
are neither counted as reached nor as missed:

- inline assembly;
- the outcomes of a `require` in a line that did run.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

_ASSEMBLY = re.compile(r"\bassembly\b[^{;]*\{")


@dataclass(slots=True)
class Tally:
    """The places that were reached, and those that were not.

    Attributes:
        reached: How many places were reached.
        missed: The places that were not.
        traceless: How many places leave no trace, and were left out.
    """

    reached: int = 0
    missed: list[str] = field(default_factory=list)
    traceless: int = 0

    def add(self, reached: bool, place: str) -> None:
        """Count a place as reached or missed."""
        if reached:
            self.reached += 1
        else:
            self.missed.append(place)

    @property
    def percent(self) -> float:
        """The share that was reached; 100 if there is nothing to reach."""
        total = self.reached + len(self.missed)
        return 100 * self.reached / total if total else 100.0


def assembly_lines(source: str) -> set[int]:
    """Return the lines that inline assembly touches, counted from 1. Braces in its comments would confuse the count."""
    found: set[int] = set()
    for block in _ASSEMBLY.finditer(source):
        end, depth = block.end(), 1
        while depth and end < len(source):
            depth += {"{": 1, "}": -1}.get(source[end], 0)
            end += 1
        found |= set(range(source.count("\n", 0, block.end()) + 1, source.count("\n", 0, end) + 2))
    return found


def measure(tracefile: str, root: Path) -> tuple[Tally, Tally]:
    """Return the tallies of lines and of branches.

    Args:
        tracefile: The measurement, in LCOV's format, of paths below `root`.
        root: Where the sources are.

    Raises:
        OSError: A source can't be read.
        ValueError: The file is malformed, or measures nothing.
    """
    lines, branches = Tally(), Tally()
    for record in tracefile.split("end_of_record"):
        entries = [entry.split(":", 1) for entry in record.split() if ":" in entry]
        name = next((value for key, value in entries if key == "SF"), None)
        if name is None:
            continue
        source = (root / name).read_text(encoding="utf-8")
        text, assembly = source.splitlines(), assembly_lines(source)
        hits = {int(line): int(count) for line, count in (v.split(",")[:2] for k, v in entries if k == "DA")}
        for line, count in hits.items():
            if line in assembly:
                lines.traceless += 1
            else:
                lines.add(count > 0, f"{name}:{line}  {text[line - 1].strip()}")
        outcomes: dict[tuple[int, str], list[bool]] = {}
        for spot, block, _, taken in (v.split(",") for k, v in entries if k == "BRDA"):
            outcomes.setdefault((int(spot), block), []).append(taken not in ("0", "-"))
        for (at, _), taken_ones in outcomes.items():
            is_require = text[at - 1].lstrip().startswith("require(")
            if at in assembly or (is_require and not any(taken_ones) and hits.get(at)):
                branches.traceless += len(taken_ones)
                continue
            for number, is_taken in enumerate(taken_ones):
                branches.add(is_taken, f"{name}:{at}, outcome {number}  {text[at - 1].strip()}")
    if not lines.reached:
        raise ValueError("no line was reached")
    return lines, branches


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare the coverage with the limits; return the exit code: 1 if a limit is not met."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("tracefile", type=Path, help="forge's measurement, in LCOV's format")
    parser.add_argument("--root", type=Path, default=Path.cwd(), help="the folder that its paths start from")
    parser.add_argument("--lines", type=float, required=True, help="least percent of lines")
    parser.add_argument("--branches", type=float, required=True, help="least percent of branches")
    options = parser.parse_args(arguments)
    lines, branches = measure(options.tracefile.read_text(encoding="utf-8"), options.root)
    failed = False
    for name, tally, limit in (("lines", lines, options.lines), ("branches", branches, options.branches)):
        total = tally.reached + len(tally.missed)
        print(
            f"{name}: {tally.percent:.2f} % ({tally.reached} of {total}; {tally.traceless} leave no trace); "
            f"at least {limit:g} %"
        )
        for place in tally.missed:
            print(f"  not reached: {place}")
        failed = failed or tally.percent < limit
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
