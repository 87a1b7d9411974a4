"""The demonstration's own model: trained in seconds on the years before the ones that it judges.

The indices are each other's peers, and have one sigma, so that what moves both in the same way moves both as far. Crude
oil and the VIX share the model: a feed without a peer never sees one.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from oracle.app.training import train_configured
from oracle.config import load_training
from oracle.core import encoding
from oracle.core.types import Kind
from oracle.demo.acts import SECOND_ACT
from oracle.demo.options import DECIMALS, HEARTBEAT, PEERS, DemoOptions
from oracle.detectors.interface import Detector
from oracle.detectors.training.reports import Reports, sigma_of
from oracle.detectors.training.run import write
from oracle.sources.interface import Reading
from oracle.sources.packaged.series import load_series

NAME = "demo"
SINCE, UNTIL = dt.date(2003, 1, 1), dt.date(2006, 12, 31)
"""The first and the last day that the model has seen: the four years before 2007."""

LEARNT = ("sp500", "nasdaq")
"""The series that the model learns from."""

KNOWN = {"wti": UNTIL, "vix": SECOND_ACT - dt.timedelta(days=1)}
"""The other feeds, of which only sigma is known: until which day."""


@dataclass(frozen=True)
class DemoModel:
    """A model that was trained for a demonstration.

    Attributes:
        detector: The model.
        path: Its file.
        sigmas: The sigma of each feed, in ppm: those of the years before.
        days: How many days it learnt from, of all series together.
    """

    detector: Detector
    path: Path
    sigmas: Mapping[str, int]
    days: int


def train(options: DemoOptions, folder: Path, progress: Callable[[str], None] = lambda step: None) -> DemoModel:
    """Train the demonstration's model as a user trains one: from a file that says how, which stays beside it.

    The salt follows from the seed, so that a run can be repeated. A real one is drawn, and nobody knows it.

    Args:
        options: The options of the demonstration.
        folder: A folder for data, training file and model.
        progress: Called with each step before it begins.

    Raises:
        ToolMissing: The extra `train` is not installed.
    """
    data = {name: load_series(name, SINCE, UNTIL) for name in LEARNT}
    sigma = math.isqrt(sum(_sigma(readings) ** 2 for readings in data.values()) // len(data))
    (folder / "data").mkdir(parents=True, exist_ok=True)
    for name, readings in data.items():
        rows = (f"{reading.observed_at},{reading.value}" for reading in readings)
        (folder / "data" / f"{name}.csv").write_text("\n".join(["time,value", *rows, ""]), encoding="utf-8")
    path = folder / "train.toml"
    path.write_text(training_file(options, sigma), encoding="utf-8")
    trained = train_configured(load_training(path), {}, progress)
    sigmas = dict.fromkeys(LEARNT, sigma)
    sigmas |= {name: _sigma(load_series(name, end=until)) for name, until in KNOWN.items()}
    files = write(trained, folder / "models")
    return DemoModel(trained.detector, files["model"], sigmas, sum(map(len, data.values())))


def training_file(options: DemoOptions, sigma: int) -> str:
    """Return the file that says how the model is trained.

    Args:
        options: The options of the demonstration.
        sigma: The sigma of all its series, in ppm.
    """
    tables = "".join(
        f"""[[data]]
name = "{name}"
file = "data/{name}.csv"
sigma = {sigma}
heartbeat = {HEARTBEAT}
peers = {json.dumps([peer for peer in PEERS[name] if peer in LEARNT])}

"""
        for name in LEARNT
    )
    salt = hashlib.sha256(f"oracle demo {options.seed}".encode()).hexdigest()[:32]
    return f"""# Written by `oracle demo`: {SINCE.year} to {UNTIL.year}, and nothing of what is replayed.
salt = "{salt}" # so that a run can be repeated; left out, it is drawn, and nobody knows it

{tables}[detector]
type = "peers"
name = "{NAME}"
peer_lie = 0.15 # what it shows are faults of sources: a liar among the peers may hold more than by default

[budget]
false_holds_per_10k = 10
"""


def _sigma(readings: Sequence[Reading]) -> int:
    reports = Reports(
        Kind.RELATIVE,
        DECIMALS,
        tuple(reading.observed_at for reading in readings),
        tuple(encoding.answer_from_decimal(reading.value, DECIMALS) for reading in readings),
    )
    return sigma_of(reports, len(reports), HEARTBEAT)
