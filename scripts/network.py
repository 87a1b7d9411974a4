"""Measure a network of reporters, and write `build/network.json`: `make network`.

python -m scripts.network                               # all parts but the long run
python -m scripts.network --only loopback --rounds 60   # one part; the others stay as they are in the report
python -m scripts.network --soak 2000                   # the long run only
python -m scripts.network --tables docs                 # write the report's tables into the documents, measure nothing
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from oracle.bench.network.run import FEEDS, PARTS, MeasureOptions, measure
from oracle.bench.network.sizes import SIZES
from oracle.bench.network.tables import TABLES
from oracle.chain.local import toolchain
from oracle.core.errors import OracleError
from scripts.bench_tables import TablesError, fill

DOCUMENTS = ("network.md", "performance.md", "reliability.md")
MARKER = "network"
SOAK = "soak"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, or write tables; return the exit code."""
    given = _parser().parse_args(arguments)
    out = given.out or toolchain.build_dir() / "network.json"
    try:
        if given.tables is not None:
            write_tables(out, given.tables)
            return 0
        parts = given.only or [SOAK] if given.soak else given.only or [part for part in PARTS if part != SOAK]
        options = MeasureOptions(
            sizes=[size for size in SIZES if size.members in given.members],
            feeds=given.feeds,
            rounds=given.rounds,
            soak=given.soak or MeasureOptions.soak,
            seed=given.seed,
            echo=lambda line: print(line, file=sys.stderr, flush=True),
        )
        report = asyncio.run(measure(parts, options, out, partial(_command, given)))
    except (OracleError, TablesError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    for part in parts:
        if part in TABLES:
            print(TABLES[part](report), end="\n\n")
    found = report.get(SOAK, {}) if SOAK in parts else {}
    return 1 if found.get("lost") or found.get("double") or found.get("outside") else 0


def write_tables(report: Path, docs: Path) -> None:
    """Write the tables whose parts were measured into the documents that have their markers.

    Raises:
        TablesError: A marker is wrong.
    """
    found = json.loads(report.read_text(encoding="utf-8"))
    measured = [name for name in TABLES if name in found]
    for name in DOCUMENTS if measured else ():
        path = docs / name
        text = fill(path.read_text(encoding="utf-8"), found, name, measured, tables=TABLES, marker=MARKER)
        path.write_text(text, encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m scripts.network", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=[], metavar="PART", help=f"of {', '.join(PARTS)}")
    sizes = [size.members for size in SIZES]
    parser.add_argument("--members", nargs="+", type=int, choices=sizes, default=sizes, metavar="N", help="networks")
    parser.add_argument("--feeds", nargs="+", type=int, choices=FEEDS, default=list(FEEDS), metavar="N")
    rounds = MeasureOptions.rounds
    parser.add_argument("--rounds", type=int, default=rounds, help="rounds of a network; of a large one, fewer")
    parser.add_argument("--soak", type=int, default=0, metavar="ROUNDS", help="the long run, with so many rounds")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="the report (default: build/network.json)")
    parser.add_argument("--tables", type=Path, metavar="DOCS", help="write the report's tables into this folder")
    return parser


def _command(given: argparse.Namespace, part: str) -> str:
    """Return the command that measures a part again, as `make` takes it."""
    words = [f"--soak {given.soak or MeasureOptions.soak}" if part == SOAK else f"--only {part}"]
    for name in ("members", "feeds", "rounds", "seed"):
        value, usual = getattr(given, name), _parser().get_default(name)
        if value != usual:
            words.append(f"--{name} " + (" ".join(map(str, value)) if isinstance(value, list) else str(value)))
    return f'make network ARGS="{" ".join(words)}"'


if __name__ == "__main__":
    sys.exit(main())
