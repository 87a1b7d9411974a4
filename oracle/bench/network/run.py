"""Measures the parts of the report about networks, and writes them to one file: parts that are not asked for stay."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oracle.bench.machine import machine, versions
from oracle.bench.network.collusion import collusion
from oracle.bench.network.gas import measure_gas
from oracle.bench.network.loopback import measure_loopback
from oracle.bench.network.reporter import measure_reporter
from oracle.bench.network.rounds import RoundsCase, measure_rounds
from oracle.bench.network.scale import measure_scale
from oracle.bench.network.sizes import SIZES, NetworkSize
from oracle.bench.network.soak import soak
from oracle.chain.local import toolchain
from oracle.core.documents import parse_json
from oracle.core.errors import Fatal

__all__ = ["FEEDS", "PARTS", "MeasureOptions", "measure"]

FEEDS = (1, 8, 32)
"""The feeds of a report."""


@dataclass(frozen=True)
class MeasureOptions:
    """The choices of whoever measures.

    Attributes:
        sizes: The networks.
        feeds: The numbers of feeds in a report.
        rounds: Rounds of a network; those of a large one are fewer.
        soak: Rounds of the long run.
        seed: The seed of all delays, prices, kills and faults.
        echo: Takes lines for people.
    """

    sizes: Sequence[NetworkSize] = SIZES
    feeds: Sequence[int] = FEEDS
    rounds: int = 16
    soak: int = 2_000
    seed: int = 1
    echo: Callable[[str], None] = print

    def rounds_of(self, size: NetworkSize) -> int:
        """Return the rounds to measure of a network: of a large one, half as many or fewer, as its turns are longer."""
        return max(6, self.rounds * 8 // max(8, size.members))


async def measure(
    parts: Sequence[str], options: MeasureOptions, out: Path, command: Callable[[str], str]
) -> dict[str, Any]:
    """Measure some parts of the report, and write each to the file once it is there.

    Args:
        parts: Names of `PARTS`.
        options: See there.
        out: The report's file. Its other parts stay as they are.
        command: Returns the command that measures a part again, for the report.

    Raises:
        Fatal: The file is something else than such a report, or a part can't be measured.
    """
    report = _read(out)
    for part in parts:
        options.echo(f"network: {part}")
        about, began = machine(), time.monotonic()
        figures = await PARTS[part](options)
        report[part] = figures | {
            "measured": {
                "at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
                "machine": about,
                "versions": versions(),
                "command": command(part),
                "seconds": round(time.monotonic() - began, 1),
            }
        }
        _write(report, out)
    return report


def _write(report: Mapping[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def _read(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        found = parse_json(path.read_bytes())
    except ValueError as error:
        raise Fatal(f"{path} is no report: {error}; move it away, or name another file with --out") from error
    if not isinstance(found, dict):
        raise Fatal(f"{path} is no report; move it away, or name another file with --out")
    return found


async def _collusion(options: MeasureOptions) -> dict[str, Any]:
    return collusion(options.seed)


async def _gas(options: MeasureOptions) -> dict[str, Any]:
    return {"cases": await measure_gas(options.sizes, options.feeds, options.echo)}


async def _rounds(options: MeasureOptions) -> dict[str, Any]:
    cases = []
    for size in options.sizes:
        for feeds in options.feeds:
            with _folder() as folder:
                case = RoundsCase(size, feeds)
                cases.append(
                    await measure_rounds(
                        case, options.rounds_of(size), options.seed, folder, _artifacts(), options.echo
                    )
                )
    return {"cases": cases}


async def _loopback(options: MeasureOptions) -> dict[str, Any]:
    with _folder() as folder:
        return await measure_loopback(2 * options.rounds, options.seed, folder, _artifacts(), options.echo)


async def _reporter(options: MeasureOptions) -> dict[str, Any]:
    cases = []
    for feeds in options.feeds:
        with _folder() as folder:
            cases.append(await measure_reporter(feeds, options.seed, folder, _artifacts(), options.echo))
    return {"cases": cases}


async def _scale(options: MeasureOptions) -> dict[str, Any]:
    with _folder() as folder:
        return await measure_scale(folder, options.echo)


async def _soak(options: MeasureOptions) -> dict[str, Any]:
    with _folder() as folder:
        return await soak(options.soak, options.seed, folder, _artifacts(), options.echo)


def _artifacts() -> Path:
    return toolchain.build_dir() / "artifacts"


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="oracle-network-") as name:
        folder = Path(name) / "network"
        folder.mkdir()
        yield folder


PARTS: Mapping[str, Callable[[MeasureOptions], Awaitable[dict[str, Any]]]] = {
    "collusion": _collusion,
    "gas": _gas,
    "loopback": _loopback,
    "reporter": _reporter,
    "rounds": _rounds,
    "scale": _scale,
    "soak": _soak,
}
"""The parts of the report by name, each with what measures it."""
