"""Training and monitoring on what a feed has reported: the reports come from a journal or from the chain.

`oracle.detectors` knows neither: it is given the reports.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from oracle.chain.connect import connect
from oracle.chain.deploy import load_deployment
from oracle.chain.hub import Hub, RoundHeld
from oracle.config import Config, JournalConfig, TrainingConfig, TrainingDataConfig
from oracle.core.errors import DataError
from oracle.core.types import Outcome
from oracle.detectors.training.data import TrainingData, from_reports, read_file
from oracle.detectors.training.reports import Reports
from oracle.detectors.training.run import Progress, Trained, train
from oracle.feeds.journal import open_journal

__all__ = ["read_chain", "read_data", "train_configured"]


def train_configured(config: TrainingConfig, env: Mapping[str, str], progress: Progress = lambda step: None) -> Trained:
    """Train a detector as a configuration says, on its file or its journal.

    Args:
        config: What to train.
        env: The environment, which has a journal's password.
        progress: Called with each step before it begins.

    Raises:
        DataError: The data or the budget can't carry it.
        JournalError: The journal can't be read.
        ToolMissing: The `train` extra is not installed.
    """
    return train(config, [read_data(each, env) for each in config.data], progress)


def read_data(data: TrainingDataConfig, env: Mapping[str, str]) -> TrainingData:
    """Read the reports of a series, from its file or its journal.

    Args:
        data: Where they are.
        env: The environment, which has a journal's password.

    Raises:
        DataError: The file is wrong, or the journal has no report of the feed.
        JournalError: The journal can't be read.
        ToolMissing: It takes a package that is not installed.
    """
    return read_file(data) if data.journal is None else _read_journal(data, data.journal, env)


def _read_journal(data: TrainingDataConfig, config: JournalConfig, env: Mapping[str, str]) -> TrainingData:
    with open_journal(config, env, read_only=True) as journal:
        entries = journal.confirmed(data.feed)
        # As a peer, a feed has an answer in each report of those that name it, due or not.
        answers = journal.answers(data.feed or "")
    reports = [(entry.observed_at, entry.answer, entry.outcome is Outcome.HELD) for entry in entries]
    if data.reference and answers:
        reports = [(time, answer, False) for time, answer in answers]
    if not reports:
        raise DataError(f"{journal.name}: there is no accepted or held report of a feed {data.feed!r}")
    found = from_reports(reports, data, journal.name if config.path is None else config.path.name)
    times, told = zip(*answers, strict=True)
    return replace(found, told=Reports(data.measure, data.decimals, times, told, bad=data.bad))


async def read_chain(config: Config, data: TrainingDataConfig, last: int) -> TrainingData:
    """Read a feed's latest rounds from the chain, and what was held meanwhile.

    Args:
        config: Where the chain and the deployment are.
        data: The feed's name, kind, decimals and sigma.
        last: How many rounds, at most.

    Raises:
        ConfigError: There is no such feed.
    """
    deployment = load_deployment(config.chain.deployment)
    feed_id = deployment.feed(data.feed or "").feed_id
    async with connect(config.chain) as rpc:
        hub = Hub(rpc, deployment.hub)
        newest = (await hub.feed_state(feed_id)).round_id
        rounds = await hub.rounds(feed_id, max(1, newest - last + 1), newest)
        events = await hub.logs(deployment.block, await rpc.block_number())
    since = rounds[0].observed_at if rounds else 0
    reports = [(each.observed_at, each.answer, False) for each in rounds]
    reports += [
        (event.observed_at, event.answer, True)
        for event in events
        if isinstance(event, RoundHeld) and event.feed_id == feed_id and event.observed_at >= since
    ]
    return from_reports(reports, data, f"feed {data.feed}")
