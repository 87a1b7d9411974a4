"""Measure detectors for docs/detector-report.md: train on the first half of each series, evaluate on the second.

    python scripts/detector_report.py DATA [--out build/detector-report] [--docs docs]

DATA is a folder with the recordings that SERIES names; they are not part of the project. For each series, each kind of
detector is trained as `oracle detector train` does it, and evaluated as `oracle detector evaluate` does it. The output
folder keeps the first half and the configuration of the training. With --docs the figures in the report are replaced.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from oracle.config import load_training
from oracle.core.statistics import Rate, wilson
from oracle.detectors.evaluation import plots
from oracle.detectors.evaluation.comparison import compare
from oracle.detectors.evaluation.prepared import FeedOptions, prepare
from oracle.detectors.evaluation.recording import Recording, load_recording
from oracle.detectors.evaluation.report import write as write_report
from oracle.detectors.evaluation.results import Comparison, Evaluation
from oracle.detectors.evaluation.trials import standard
from oracle.detectors.evaluation.wording import duration, moment
from oracle.detectors.interface import Detector
from oracle.detectors.kinds.quadratic import QuadraticModel
from oracle.detectors.training.run import train, write

BEGIN, END = "<!-- figures: scripts/detector_report.py -->", "<!-- end of figures -->"

DETECTORS = ("cap", "arch", "arch+window", "mahalanobis", "autoencoder", "cross-source")
SHOWN = "arch+window"
"""The detector that the pictures show."""

BUDGET = 2
"""Objections per 10,000 windows of the first half. A false one can hold two reports, and the second half differs
from the first, so about 5 of 10,000 reports are held."""


@dataclass(frozen=True)
class ReportedSeries:
    """A recording and the feed that it is taken for.

    Attributes:
        other: Key of the series whose values are those of another asset.
        trained: True if it is long enough to train on.
    """

    key: str
    title: str
    file: str
    time: str
    values: tuple[str, ...]
    options: FeedOptions
    other: str
    trained: bool = True


_HOURLY = FeedOptions(heartbeat=3_600, confirmations=2)
_ROUNDS = replace(_HOURLY, decimals=0, confirm_delay=600)
SERIES = (
    ReportedSeries(
        "eth-venues",
        "ETH/USD, three venues, hourly",
        "eth_usd_multivenue_1h_2019-12_2023-01.csv",
        "unix",
        ("bitfinex_ethusd", "binance_ethusdt", "ftx_ethusd"),
        replace(_HOURLY, max_source_spread=Decimal(10_000)),
        "eurusd",
    ),
    ReportedSeries(
        "eurusd",
        "EUR/USD, one source, hourly",
        "oanda_eurusd_1h_2015_2018.csv",
        "unix",
        ("eurusd_mid",),
        _HOURLY,
        "eth-venues",
    ),
    ReportedSeries(
        "chainlink-btc",
        "BTC/USD, Chainlink's rounds",
        "chainlink_btc_usd_rounds_2023-04_2024-01.csv",
        "updated_at",
        ("answer",),
        _ROUNDS,
        "chainlink-eth",
    ),
    ReportedSeries(
        "chainlink-eth",
        "ETH/USD, Chainlink's rounds",
        "chainlink_eth_usd_rounds_2023-04_2024-01.csv",
        "updated_at",
        ("answer",),
        _ROUNDS,
        "chainlink-btc",
    ),
    ReportedSeries(
        "chainlink-usdc",
        "USDC/USD, Chainlink's rounds",
        "chainlink_usdc_usd_rounds_2022-11_2023-03.csv",
        "updated_at",
        ("answer",),
        replace(_ROUNDS, heartbeat=86_400),
        "chainlink-btc",
        trained=False,
    ),
)


HELD = 5
"""Reports held of 10,000, at most: the tables that compare detectors, not thresholds, scale all to this."""


@dataclass(frozen=True)
class Measured:
    """A series' figures: with the detectors as they were trained, and scaled with hindsight to HELD."""

    as_trained: Comparison
    scaled: Comparison


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=Path("build/detector-report"))
    parser.add_argument("--docs", type=Path, help="Folder of detector-report.md, whose figures are replaced.")
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", action="append", help="Key of a series; more than once.")
    parser.add_argument("--detector", action="append", choices=DETECTORS, help="Kind to train; more than once.")
    arguments = parser.parse_args()
    kinds = arguments.detector or DETECTORS
    recordings = {series.key: read(series, arguments.data) for series in SERIES}
    found: dict[str, Measured] = {}
    for series in SERIES:
        if arguments.only and series.key not in arguments.only:
            continue
        began = time.monotonic()
        found[series.key] = evaluate(series, recordings, arguments.out, kinds, arguments.count, arguments.seed)
        folder = arguments.out / series.key
        write_report(found[series.key].as_trained, folder)
        write_report(found[series.key].scaled, folder / "scaled")
        print(f"{series.key}: {time.monotonic() - began:.0f} s, {folder / 'report.html'}", flush=True)
    text = tables(found)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "tables.md").write_text(text, encoding="utf-8")
    if arguments.docs:
        page = arguments.docs / "detector-report.md"
        before, rest = page.read_text(encoding="utf-8").split(BEGIN)
        page.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{rest.split(END)[1]}", encoding="utf-8")
        for name, picture in pictures(found).items():
            (arguments.docs / f"detector-report-{name}.png").write_bytes(picture)


def read(series: ReportedSeries, data: Path) -> Recording:
    """Return the whole recording."""
    return load_recording(data / series.file, series.time, series.values, keep_last=True, name=series.key)


def evaluate(
    series: ReportedSeries, recordings: dict[str, Recording], out: Path, kinds: Sequence[str], count: int, seed: int
) -> Measured:
    """Train on the first half, if it is long enough, and evaluate on the second."""
    others = recordings[series.other].venues.values()
    other = tuple(value for value in next(iter(others)) if value is not None)
    recording = replace(recordings[series.key], others=(other,))
    options = series.options
    detectors: list[Detector] = []
    if series.trained:
        for kind in kinds:
            if kind == "cross-source" and len(series.values) == 1:
                continue
            detector, card = trained(series, recording, kind, out / series.key)
            options = replace(options, sigma=card["data"]["sigma"], heartbeat=card["data"]["heartbeat"])
            detectors.append(detector)
    detectors.append(QuadraticModel.default())
    prepared = prepare(recording, options, "second-half" if series.trained else "all")
    progress = lambda step: print(f"  {step}", flush=True)  # noqa: E731
    as_trained = compare(detectors, prepared, standard(), count=count, seed=seed, progress=progress)
    sized = [fault for fault in standard() if fault.group in ("spike", "pair", "drift")]
    scaled = compare(detectors, prepared, sized, count=count, seed=seed, curve=False, scale_to=HELD, progress=progress)
    return Measured(as_trained, scaled)


def trained(series: ReportedSeries, recording: Recording, kind: str, folder: Path) -> tuple[Detector, dict[str, Any]]:
    """Train a detector of a type on the first half, with a configuration that is kept."""
    folder.mkdir(parents=True, exist_ok=True)
    half = folder / "first-half.csv"
    with half.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["time", *series.values])
        for row in range(len(recording) // 2):
            said = [values[row] for values in recording.venues.values()]
            # A value needs two venues, or the only one.
            if sum(value is not None for value in said) >= min(2, len(said)):
                writer.writerow([recording.times[row], *("" if value is None else f"{value:f}" for value in said)])
    name = kind.replace("+", "-")
    config = folder / f"{name}.toml"
    config.write_text(
        f"""seed = 1

[data]
file = "first-half.csv"
value_columns = {json.dumps(list(series.values))}
decimals = {series.options.decimals}
heartbeat = {series.options.heartbeat}
max_gap = 1000

[detector]
type = "{kind}"
name = "{name}"

[split]
train = 0.7
validation = 0.25

[budget]
false_holds_per_10k = {BUDGET}
""",
        encoding="utf-8",
    )
    made = train(load_training(config))
    write(made, folder / "models")
    return made.detector, dict(made.card)


# --- the figures ------------------------------------------------------------------------------------------------------


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [" | ".join(header), " | ".join("---" if index == 0 else "---:" for index in range(len(header)))]
    return "\n".join(f"| {line} |" for line in [*lines, *(" | ".join(row) for row in rows)])


def percent(rate: Rate) -> str:
    return "–" if rate.share is None else f"{rate.share * 100:.0f}"


def tables(found: dict[str, Measured]) -> str:
    """Return all figures of the report, as Markdown."""
    titles = {series.key: series.title for series in SERIES}
    parts = []
    for key, measured in found.items():
        comparison = measured.as_trained
        feed, recording = comparison.prepared.feed, comparison.prepared.recording
        parts.append(
            f"## {titles[key]}\n\n`{key}`: the last {comparison.prepared.evaluated:,} of {len(recording):,} reports, "
            f"{moment(recording.times[comparison.prepared.begin])[:10]} to "
            f"{moment(recording.times[-1])[:10]}; sigma {feed.sigma:,} ppm, at most {feed.policy.max_repeats} "
            f"repeats, {feed.policy.confirmations} confirmations over {feed.policy.confirm_delay:,} s."
        )
        parts.append(clean_table(comparison))
        parts.append(fault_table(comparison, COLUMNS))
        parts.append(
            f"The same, with all limits scaled with hindsight so that at most {HELD} of 10,000 reports are held:"
        )
        parts.append(fault_table(measured.scaled, SIZED))
    return "\n\n".join(parts) + "\n"


def clean_table(comparison: Comparison) -> str:
    rows = []
    for evaluation in comparison.all:
        shocks = evaluation.shocks
        worst = max(shocks, key=lambda shock: (shock.held, shock.held_s))
        rate, flips = evaluation.false_holds, evaluation.flips
        rows.append(
            [
                "– its cap" if evaluation.matched else f"**{evaluation.name}**",
                f"{(rate.share or 0) * 10_000:.1f}",
                f"{rate.low * 10_000:.1f}–{rate.high * 10_000:.1f}",
                f"{sum(shock.held > 0 for shock in shocks)} of {len(shocks)}",
                f"{worst.held} ({duration(worst.held_s)})" if worst.held else "0",
                f"{evaluation.longest} ({duration(evaluation.longest_s)})" if evaluation.longest else "0",
                "" if flips is None else f"{flips.hits} of {flips.of:,}",
            ]
        )
    header = [
        "",
        "false holds per 10,000",
        "95 % interval",
        "largest moves held",
        "longest of these holds, rounds",
        "longest hold, rounds",
        "flips",
    ]
    return table(header, rows)


COLUMNS = (
    ("gross", ("decimal_shift", "zero", "negative", "wrong_asset")),
    *((f"spike {size} %", (f"spike_{size}",)) for size in (1, 2, 3, 5, 10, 20)),
    ("spike pairs", ("spike_pair_2", "spike_pair_5", "spike_pair_10")),
    ("stuck", ("stuck", "repeated")),
    ("delayed", ("delayed",)),
    *((f"drift {speed} %", (f"drift_{speed}",)) for speed in ("0.1", "0.2", "0.5", "1", "2")),
    ("lying source", ("source_lies_1", "source_lies_5", "source_lies_50", "source_shift", "source_zero")),
)


SIZED = tuple(column for column in COLUMNS if column[1][0].startswith(("spike", "drift")))


def fault_table(comparison: Comparison, columns: Sequence[tuple[str, Sequence[str]]]) -> str:
    """Return recall in percent: bold where a detector is above its cap beyond both intervals, struck where below."""
    rows = []
    for evaluation in comparison.all:
        row = ["– its cap" if evaluation.matched else f"**{evaluation.name}**"]
        for _, kinds in columns:
            rate = pooled(evaluation, kinds)
            text = percent(rate)
            if not evaluation.matched and rate.of:
                cap = pooled(comparison.cap_of(evaluation), kinds)
                text = f"**{text}**" if rate.low > cap.high else f"~~{text}~~" if rate.high < cap.low else text
            row.append(text)
        crash = evaluation.fault("flash_crash")
        if crash is not None:
            row.append(f"{crash.held:.1f} (at most {crash.held_max})")
        rows.append(row)
    last = ["flash crash, rounds held"] if len(rows[0]) > len(columns) + 1 else []
    return table(["% held", *(name for name, _ in columns), *last], rows)


def pooled(evaluation: Evaluation, kinds: Sequence[str]) -> Rate:
    rates = [fault.recall for fault in evaluation.faults if fault.kind in kinds]
    return wilson(sum(rate.hits for rate in rates), sum(rate.of for rate in rates))


def pictures(found: dict[str, Measured]) -> dict[str, bytes]:
    """Draw the detector SHOWN beside its cap for each series, and the holds of the first series."""
    drawn: dict[str, bytes] = {}
    titles = {series.key: series.title for series in SERIES}
    keys = [series.key for series in SERIES if series.trained and series.key in found]
    scaled = {titles[key]: only(found[key].scaled) for key in keys}
    chosen = {titles[key]: only(found[key].as_trained) for key in keys}
    drawn["recall"] = plots.panels(scaled, plots.SPIKES)
    drawn["drift"] = plots.panels(scaled, plots.DRIFTS)
    drawn["curve"] = plots.curves(chosen)
    drawn["series"] = plots.draw(found[keys[0]].as_trained)["series"]
    return drawn


def only(comparison: Comparison) -> Comparison:
    """Return the comparison with the detector SHOWN alone."""
    name = SHOWN.replace("+", "-")
    shown = [evaluation for evaluation in comparison.evaluations if evaluation.name == name]
    # All caps have one curve, which the first of them carries.
    curve = comparison.caps[0].curve
    caps = [replace(comparison.cap_of(evaluation), curve=curve) for evaluation in shown]
    return replace(comparison, evaluations=tuple(shown), caps=tuple(caps))


if __name__ == "__main__":
    main()
