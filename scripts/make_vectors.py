"""Write `tests/vectors/features.json`: the table that the Python and the Solidity tests share.

    python scripts/make_vectors.py            # write it
    python scripts/make_vectors.py --check    # exit 1 if it would change

Columns are parallel arrays of decimal strings, which forge's JSON cheat codes read best.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

from oracle.core.encoding import (
    FIELD_MODULUS,
    INT128_MAX,
    SCORE_RATIO_MAX,
    gap,
    is_score_unit,
    move,
    score_ratio,
    spread,
    to_field,
)
from oracle.core.types import Kind

TARGET = Path(__file__).resolve().parents[1] / "tests" / "vectors" / "features.json"


def _moves(rng: random.Random) -> list[tuple[int, ...]]:
    edges = [
        (Kind.RELATIVE, 10_000, 100_00000000, 100_00000000),
        (Kind.RELATIVE, 10_000, 101_00000000, 100_00000000),
        (Kind.RELATIVE, 10_000, 100_00000000, 101_00000000),
        (Kind.RELATIVE, 10_000, 1000_00000000, 100_00000000),
        (Kind.RELATIVE, 10_000, 10_00000000, 100_00000000),
        (Kind.RELATIVE, 10_000, 0, 100_00000000),
        (Kind.RELATIVE, 10_000, -1, 100_00000000),
        (Kind.RELATIVE, 1, INT128_MAX, 1),
        (Kind.RELATIVE, 1, 1, INT128_MAX),
        (Kind.RELATIVE, 2**64 - 1, INT128_MAX, 1),
        (Kind.RELATIVE, 10_000, -INT128_MAX - 1, INT128_MAX),
        (Kind.RELATIVE, 7, 999_999, 1_000_000),
        (Kind.RELATIVE, 60_000, 1_000_001, 1_000_000),
        (Kind.RELATIVE, 60_000, 999_999, 1_000_000),
        (Kind.ABSOLUTE, 3, -7, 0),
        (Kind.ABSOLUTE, 3, 7, 0),
        (Kind.ABSOLUTE, 2001, -1, 1),
        (Kind.ABSOLUTE, 2001, 1, -1),
        (Kind.ABSOLUTE, 1, INT128_MAX, -INT128_MAX - 1),
        (Kind.ABSOLUTE, 1, -INT128_MAX - 1, INT128_MAX),
        (Kind.ABSOLUTE, 2**64 - 1, INT128_MAX, 0),
    ]
    rows: list[tuple[int, ...]] = [(int(kind), sigma, p, q, move(kind, sigma, p, q)) for kind, sigma, p, q in edges]
    for _ in range(120):
        kind = rng.choice(list(Kind))
        sigma = rng.randint(1, 10 ** rng.randint(1, 9))
        q = rng.randint(1, 10 ** rng.randint(1, 30))
        p = q + rng.randint(-q, q) // 10 ** rng.randint(0, 8)
        if kind is Kind.ABSOLUTE and rng.random() < 0.5:
            p, q = -p, -q
        rows.append((int(kind), sigma, p, q, move(kind, sigma, p, q)))
    return rows


def _gaps(rng: random.Random) -> list[tuple[int, ...]]:
    rows = [
        (1, 0, 3600),
        (3600, 0, 3600),
        (3601, 0, 3600),
        (7199, 0, 3600),
        (2**32 - 1, 0, 1),
        (118_000, 0, 3600),
    ]
    for _ in range(40):
        last = rng.randint(0, 2**31)
        rows.append(
            (
                last + rng.randint(1, 10 ** rng.randint(1, 8)),
                last,
                rng.randint(1, 100_000),
            )
        )
    return [(observed, last, heartbeat, gap(observed, last, heartbeat)) for observed, last, heartbeat in rows]


def _ratios(rng: random.Random) -> list[tuple[int, ...]]:
    rows = [
        (0, 1),
        (1, 1),
        (-1, 1),
        (-1999, 1000),
        (INT128_MAX, 1),
        (-INT128_MAX, 1),
        (INT128_MAX, 2**128 - 1),
        (SCORE_RATIO_MAX, 1_000),
        (SCORE_RATIO_MAX + 1, 1_000),
        (-SCORE_RATIO_MAX - 1, 1_000),
        (-SCORE_RATIO_MAX - 2, 1_000),
    ]
    for _ in range(40):
        unit = rng.randint(1, 2 ** rng.randint(1, 90))
        # Ratios on either side of the bound at which they saturate, 8,389 units.
        rows.append((rng.randint(-10_000 * unit, 10_000 * unit) // 10 ** rng.randint(0, 4), unit))
    return [(score, unit, score_ratio([score], unit)) for score, unit in rows]


def _units(rng: random.Random) -> list[tuple[int, ...]]:
    units = [0, 1, 2**40 - 1, 2**40, 2**40 + 1, 2**41 - 1, 2**41 - 2, 2**127, 2**128 - 1, (2**40 - 1) << 88]
    units += [rng.getrandbits(rng.randint(30, 50)) << rng.randint(0, 78) for _ in range(30)]
    return [(unit, int(is_score_unit(unit))) for unit in units]


def _fields(rng: random.Random) -> list[tuple[int, ...]]:
    values = [0, 1, -1, 32_767, -32_767, INT128_MAX, -INT128_MAX]
    values += [rng.randint(-INT128_MAX, INT128_MAX) for _ in range(20)]
    return [(value, to_field(value)) for value in values]


def _spreads(rng: random.Random) -> list[tuple[int, ...]]:
    rows = [
        (Kind.RELATIVE, 10_000, 100, 100),
        (Kind.RELATIVE, 10_000, -5, -5),
        (Kind.RELATIVE, 10_000, 0, 100),
        (Kind.RELATIVE, 10_000, -100, 100),
        (Kind.RELATIVE, 10_000, 1, INT128_MAX),
        (Kind.RELATIVE, 10_000, 100_00000000, 100_00000001),
        (Kind.RELATIVE, 10_000, 100_00000000, 132_76700000),
        (Kind.RELATIVE, 10_000, 100_00000000, 132_76600000),
        (Kind.ABSOLUTE, 3, -7, 7),
        (Kind.ABSOLUTE, 3, 0, 0),
        (Kind.ABSOLUTE, 1, -INT128_MAX - 1, INT128_MAX),
        (Kind.ABSOLUTE, 2**64 - 1, -1, 0),
    ]
    for _ in range(60):
        kind = rng.choice(list(Kind))
        lowest = rng.randint(1, 10 ** rng.randint(1, 30)) * (-1 if kind is Kind.ABSOLUTE and rng.random() < 0.5 else 1)
        highest = lowest + abs(lowest) // 10 ** rng.randint(0, 6)
        rows.append((kind, rng.randint(1, 10 ** rng.randint(1, 9)), lowest, highest))
    return [(int(kind), sigma, p, q, spread(kind, sigma, p, q)) for kind, sigma, p, q in rows]


def render() -> str:
    """Return the file's text."""
    rng = random.Random(20081015)

    def columns(names: str, rows: list[tuple[int, ...]]) -> dict[str, list[str]]:
        return {name: [str(row[i]) for row in rows] for i, name in enumerate(names.split())}

    table = {
        "fieldModulus": str(FIELD_MODULUS),
        "move": columns("kind sigma answer reference move", _moves(rng)),
        "gap": columns("observedAt lastObservedAt heartbeat gap", _gaps(rng)),
        "scoreRatio": columns("score unit ratio", _ratios(rng)),
        "scoreUnit": columns("unit fits", _units(rng)),
        "toField": columns("value element", _fields(rng)),
        "spread": columns("kind sigma lowest highest spread", _spreads(rng)),
    }
    return json.dumps(table, indent=1) + "\n"


def main(arguments: list[str]) -> int:
    """Write or check the table; returns the exit code."""
    text = render()
    if "--check" in arguments:
        return 0 if TARGET.exists() and TARGET.read_text() == text else 1
    TARGET.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
