"""`oracle status`: the feeds as the chain has them, the payer's balance, and what the journal has open."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import aiohttp

from oracle.app.keys import address_of
from oracle.chain.connect import connect
from oracle.chain.deploy import DeployedFeed, load_deployment
from oracle.chain.hub import Hub, ShadowTally
from oracle.chain.transport.interface import EndpointState
from oracle.chain.tx.fees import fees_now
from oracle.config import Config
from oracle.core import encoding, http
from oracle.core.types import FeedState
from oracle.feeds.journal import Journal, open_journal

__all__ = ["FeedStatus", "OracleStatus", "status"]

_MAX_BYTES = 16 << 20


@dataclass(frozen=True)
class FeedStatus:
    """A feed, with answers and times as text for people.

    Attributes:
        age_s: Seconds since the latest round was observed, by the chain's clock; None if there is none.
        held: The held answer; empty if there is none.
        open: How many observations have not ended.
        sources: What each source said at the latest look, as the daemon has it; empty if it does not answer.
        shadow: How far the comparison of a proposed model has come; empty if no proposal demands one.
    """

    name: str
    status: str
    round_id: int
    answer: str
    observed_at: str
    age_s: int | None
    held: str
    open: int
    sources: Sequence[Mapping[str, Any]] = ()
    shadow: str = ""


@dataclass(frozen=True)
class OracleStatus:
    """An oracle, with amounts and times as text for people.

    Attributes:
        head: Number of the chain's latest block.
        head_at: Time of that block.
        payer: Address of the account that pays.
        balance: Its balance, in ether.
        reports_left: Submissions that the balance pays for at the present price; None if the journal has no submission
            to tell what one costs.
        journal: Numbers of observations by how they ended; those that have not ended are counted as `open`.
        is_dry: True if `reports_left` is below `[web] min_reports`.
        endpoints: The RPC endpoints, in order of preference.
        leader: Machine and process of the daemon that writes to the journal; empty if none does.
        daemon: True if the daemon answers at the address of [web]; None: no address is configured.
    """

    chain_id: int
    hub: str
    head: int
    head_at: str
    payer: str
    balance: str
    reports_left: int | None
    journal: Mapping[str, int]
    feeds: Sequence[FeedStatus]
    is_dry: bool
    endpoints: Sequence[EndpointState]
    leader: str
    daemon: bool | None = None


async def status(config: Config, env: Mapping[str, str] | None = None) -> OracleStatus:
    """Read feeds and balance from the chain, open observations from the journal, and sources from the daemon.

    Args:
        config: The configuration.
        env: The environment, for passwords; None: that of the process.
    """
    environment = os.environ if env is None else env
    deployment = load_deployment(config.chain.deployment)
    begun = config.journal.path is None or config.journal.path.exists()
    journal = open_journal(config.journal, environment, read_only=True) if begun else None
    with contextlib.ExitStack() as stack:
        if journal is not None:
            stack.enter_context(journal)
        async with connect(config.chain) as rpc:
            hub = Hub(rpc, deployment.hub)
            head = await rpc.block()
            payer = await address_of(config.keys.submitter, rpc, environment)
            balance = await rpc.balance(payer)
            gas = [entry.gas_used for entry in journal.rows(limit=20) if entry.gas_used] if journal is not None else []
            price = max(1, (await fees_now(rpc)).max_fee)
            looks = await _looks(config)
            feeds = [
                _feed_status(
                    name,
                    feed,
                    await hub.feed_state(feed.feed_id),
                    now=head.timestamp,
                    journal=journal,
                    sources=(looks or {}).get(name, {}).get("sources", ()),
                    shadow=_shadow(await hub.shadow(feed.feed_id), config),
                )
                for name, feed in deployment.feeds.items()
            ]
            left = balance // (price * max(gas)) if gas else None
            return OracleStatus(
                chain_id=deployment.chain_id,
                hub=deployment.hub,
                head=head.number,
                head_at=_moment(head.timestamp),
                payer=payer,
                balance=f"{Decimal(balance).scaleb(-18).normalize():f}",
                reports_left=left,
                journal=journal.counts() if journal is not None else {},
                feeds=feeds,
                daemon=None if config.web.address is None else looks is not None,
                is_dry=left is not None and left < config.web.min_reports,
                endpoints=await rpc.endpoints(),
                leader=journal.leader().holder if journal is not None else "",
            )


def _feed_status(
    name: str,
    feed: DeployedFeed,
    state: FeedState,
    *,
    now: int,
    journal: Journal | None,
    sources: Sequence[Mapping[str, Any]],
    shadow: str,
) -> FeedStatus:
    paused = " (paused)" if state.paused else ""
    answer = encoding.decimal_from_answer(state.answer, feed.decimals)
    held = f"{encoding.decimal_from_answer(state.held.answer, feed.decimals):f}" if state.held else ""
    return FeedStatus(
        name=name,
        status=state.status.name + paused,
        round_id=state.round_id,
        answer=f"{answer:f}" if state.round_id else "",
        observed_at=_moment(state.observed_at),
        age_s=max(0, now - state.observed_at) if state.round_id else None,
        held=held,
        open=journal.counts(name)["open"] if journal is not None else 0,
        sources=sources,
        shadow=shadow,
    )


def _shadow(tally: ShadowTally | None, config: Config) -> str:
    if tally is None or not tally.min_compared:
        return ""
    nobody = "" if config.keys.shadow is not None else "; without [keys] shadow, the daemon makes no shadow reports"
    return (
        f"model {tally.model_number}: {tally.compared} of {tally.min_compared} reports compared, "
        f"{tally.disagreements} verdicts differ{nobody}"
    )


async def _looks(config: Config) -> Mapping[str, Any] | None:
    """Ask the running daemon what its sources said; None: it has no address, or does not answer."""
    if config.web.address is None:
        return None
    host, port = config.web.address
    host = f"[{host}]" if ":" in host else {"0.0.0.0": "127.0.0.1"}.get(host, host)
    try:
        answer = await http.ask("GET", f"http://{host}:{port}/sources", timeout_s=2.0, max_body=_MAX_BYTES)
        found = json.loads(answer.body)
    except (aiohttp.ClientError, OSError, http.BodyTooLarge, ValueError):
        return None
    return found if answer.status == 200 and isinstance(found, dict) else None


def _moment(seconds: int) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat(timespec="seconds") if seconds else ""
