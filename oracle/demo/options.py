"""The options of `oracle demo`, and the configuration that follows from them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from oracle.chain.local import toolchain
from oracle.chain.local.anvil import Anvil
from oracle.core.gate import HoldPolicy
from oracle.sources.packaged.series import SERIES

DECIMALS = 8
HEARTBEAT = 86_400
BLOCK_DELAY = 2
"""Seconds of recorded time from an observation to the first block that can take it."""

PEERS: Mapping[str, tuple[str, ...]] = {"sp500": ("nasdaq",), "nasdaq": ("sp500",)}
"""The feeds that are judged beside another one."""

POLICY = HoldPolicy(confirmations=2, confirm_delay=HEARTBEAT, tolerance=3_000)
"""When a hold of a feed ends."""

TOGETHER = 4
"""Feeds that one proof can judge. At most three are due on one day, and all of them are signed as one report."""


@dataclass(frozen=True)
class DemoOptions:
    """Options of `oracle demo`.

    Attributes:
        ticks: Observations of each feed; of the VIX at most SECOND_ACT_TICKS.
        seed: Seed of the injected faults.
        start: First recorded day of the first act, ISO.
        public_model: Publish the model: its weights are in the verifying key, and proofs publish scores.
        workers: Number of proving processes; None: one per core.
        explore: Let the chain run on at the end, and serve the explorer for it until somebody interrupts.
        out: Folder for the summary, the plot and the daemon's files.
    """

    ticks: int = 85
    seed: int = 2008
    start: str = "2008-07-01"
    public_model: bool = False
    workers: int | None = None
    explore: bool = False
    out: Path = Path("build/demo")


def configuration(options: DemoOptions, chain: Anvil, model: Path, sigmas: Mapping[str, int]) -> str:
    """Return the demonstration's configuration file: one like a user's, which is kept beside the results.

    Args:
        options: The options.
        chain: The chain.
        model: The model's file.
        sigmas: The sigma of each feed, in ppm.
    """
    public = 'visibility = "public"\n' if options.public_model else ""
    workers = "" if options.workers is None else f"workers = {options.workers}\n"
    head = f"""# Written by `oracle demo`.
[chain]
rpc_url = "{chain.rpc_url}"
chain_id = {chain.chain_id}
deployment = "deployment.json"

[keys]
reporter = {{ anvil_account = 1 }}
submitter = {{ anvil_account = 0 }}

[prover]
artifacts = "{toolchain.build_dir() / "artifacts"}"
model = "{model.resolve()}"
{public}srs = "insecure-local"
batch_sizes = [{TOGETHER}]
{workers}
[journal]
path = "journal.db"

[deploy]
change_delay = 0
"""
    feeds = (
        f"""
[[feeds]]
name = "{name}"
description = "{SERIES[name].title}"
kind = "relative"
decimals = {DECIMALS}
sigma = {sigmas[name]}
heartbeat = {HEARTBEAT}
deviation_ppm = 1
confirmations = {POLICY.confirmations}
confirm_delay = {POLICY.confirm_delay}
tolerance = {POLICY.tolerance}
peers = {json.dumps([SERIES[peer].title for peer in PEERS.get(name, ())])}
min_sources = 1
sources = [{{ type = "packaged", series = "{name}", speed = "max" }}]
"""
        for name in SERIES
    )
    return head + "".join(feeds)
