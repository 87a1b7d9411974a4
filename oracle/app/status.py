"""`oracle status`: feeds and committees as the chain has them, and whether it would take their next reports.

It also tells the payer's balance, and what the journal has open.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from oracle.app.asked_readiness import ask_readiness
from oracle.app.daemon_pages import DaemonPages, SourceSaid, ask_daemon
from oracle.app.keys import address_of
from oracle.chain.connect import connect
from oracle.chain.deploy import load_deployment
from oracle.chain.hub import CHANGE_WINDOW, Committee, Hub, ShadowTally
from oracle.chain.obstacles import NOT_DEPLOYED
from oracle.chain.overview import FeedView, HoldProgress, look, proposed_reporters
from oracle.chain.reach import Reach, reach_of
from oracle.chain.rpc import Rpc
from oracle.chain.transport.interface import EndpointState
from oracle.config import Config
from oracle.core.errors import KeystoreError
from oracle.core.obstacles import Obstacle
from oracle.core.privacy import ModelPrivacy
from oracle.core.times import utc
from oracle.feeds.journal import open_journal

__all__ = ["CommitteeStatus", "FeedStatus", "OracleStatus", "age_of", "status"]


@dataclass(frozen=True)
class FeedStatus:
    """A feed, with answers and times as text for people.

    Attributes:
        status: As the hub has it: "EMPTY", "OK" or "HELD"; also if it is paused, stale or not deployed.
        committee: The name of its committee.
        peers: The names of the feeds that each of its reports lists, too.
        age_s: Seconds since the latest round was observed, by this machine's clock or the chain's, whichever is later;
            None if there is none. A chain that stands still does not keep an answer young.
        count: How many reporters answered in the latest round; None if there is none.
        spread: How far apart their answers were, in thousandths of sigma; None if there is no round.
        held: The held answer, and how far it is from becoming the new level; None if nothing is held.
        open: How many observations have not ended.
        sources: What each source said at the latest look, as the daemon has it; empty if it does not answer.
        shadow: How far the comparison of a proposed model has come; empty if no proposal demands one.
    """

    name: str
    status: str
    committee: str
    peers: Sequence[str]
    round_id: int
    answer: str
    observed_at: str
    age_s: int | None
    count: int | None
    spread: int | None
    held: HoldProgress | None
    open: int
    sources: Sequence[SourceSaid] = ()
    shadow: str = ""


@dataclass(frozen=True)
class CommitteeStatus:
    """A committee, and how this machine's reporter key stands to it. Times are text for people.

    Attributes:
        number: Its number on the hub.
        epoch: How many sets of reporters it has had.
        quorum: How many of them must have an answer for a feed.
        proposed: The proposed reporters with their quorum, and when they can be activated; empty if none are.
        active_from: From when on they can be activated; empty if none are proposed.
        active_until: Until when.
        problem: Why this machine can't report for it; empty if it can.
        later: Why it can't any more once the proposed reporters are active; empty if it can, or none are proposed.
    """

    name: str
    number: int
    epoch: int
    quorum: int
    reporters: Sequence[str]
    proposed: str
    active_from: str
    active_until: str
    problem: str
    later: str


@dataclass(frozen=True)
class OracleStatus:
    """An oracle, with amounts and times as text for people.

    Attributes:
        head: Number of the chain's latest block.
        head_at: Time of that block.
        payer: Address of the account that pays.
        balance: Its balance, in ether.
        reports_left: Submissions that the balance pays for at the present price; None if gas costs more than it may.
        committees: The committees that the deployment has.
        journal: Numbers of observations by how they ended; those that have not ended are counted as `open`.
        is_dry: True if `reports_left` is below `[web] min_reports`.
        endpoints: The RPC endpoints, in order of preference.
        leader: Machine and process of the daemon that writes to the journal; empty if none does.
        model: The configured model: its file, or "the packaged one".
        privacy: What its circuits hide, what their proofs publish, and why.
        ready: True if the chain would take the next report of each configured feed.
        obstacles: Why it would not.
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
    committees: Sequence[CommitteeStatus]
    feeds: Sequence[FeedStatus]
    is_dry: bool
    endpoints: Sequence[EndpointState]
    leader: str
    model: str
    privacy: ModelPrivacy
    ready: bool = True
    obstacles: Sequence[Obstacle] = ()
    daemon: bool | None = None


async def status(
    config: Config, env: Mapping[str, str] | None = None, daemon: DaemonPages | None = None
) -> OracleStatus:
    """Read feeds and balance from the chain, open observations from the journal, and sources from the daemon.

    Args:
        config: The configuration.
        env: The environment, for passwords; None: that of the process.
        daemon: The daemon's pages; None: it is asked.
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
            readiness = await ask_readiness(config, environment, rpc)
            pages = await ask_daemon(config) if daemon is None else daemon
            reporter, keyless = await _reporter(config, rpc, environment)
            committees = [
                _committee_status(config, name, await hub.committee(each.number), reporter, keyless, head.timestamp)
                for name, each in deployment.committees.items()
            ]
            states = await hub.feed_states([feed.feed_id for feed in deployment.feeds.values()])
            feeds = [
                _feed_status(
                    await look(hub, deployment, name, state, head.timestamp),
                    status=state.status.name,
                    open_observations=journal.counts(name)["open"] if journal is not None else 0,
                    sources=pages.sources.get(name, ()),
                    shadow=_shadow(await hub.shadow(state.feed_id), config),
                )
                for name, state in zip(deployment.feeds, states, strict=True)
            ]
            feeds += [
                _not_deployed(each.name, each.committee) for each in config.feeds if each.name not in deployment.feeds
            ]
            left = readiness.reports_left
            return OracleStatus(
                chain_id=deployment.chain_id,
                hub=deployment.hub,
                head=head.number,
                head_at=utc(head.timestamp),
                payer=payer,
                balance=f"{Decimal(balance).scaleb(-18).normalize():f}",
                reports_left=left,
                journal=journal.counts() if journal is not None else {},
                committees=committees,
                feeds=feeds,
                model=config.prover.named_model,
                privacy=config.prover.privacy,
                ready=not readiness.obstacles,
                obstacles=readiness.obstacles,
                daemon=None if config.web.address is None else not pages.problem,
                is_dry=left is not None and left < config.web.min_reports,
                endpoints=await rpc.endpoints(),
                leader=journal.leader().holder if journal is not None else "",
            )


def _not_deployed(name: str, committee: str) -> FeedStatus:
    return FeedStatus(
        name=name,
        status=NOT_DEPLOYED,
        committee=committee,
        peers=(),
        round_id=0,
        answer="",
        observed_at="",
        age_s=None,
        count=None,
        spread=None,
        held=None,
        open=0,
    )


def age_of(observed_at: int, chain_now: int, now: float) -> int:
    """Return the seconds since an observation, by the later of the chain's clock and this machine's; 0 at least."""
    return max(0, int(max(chain_now, now)) - observed_at)


def _feed_status(
    found: FeedView,
    *,
    status: str,
    open_observations: int,
    sources: Sequence[SourceSaid],
    shadow: str,
) -> FeedStatus:
    last = found.last
    return FeedStatus(
        name=found.name,
        status=status + "".join(f" ({each})" for each in ("paused", "stale") if getattr(found, each)),
        committee=found.committee,
        peers=found.peers,
        round_id=last.round_id if last else 0,
        answer=last.answer if last else "",
        observed_at=utc(last.observed_at) if last else "",
        age_s=age_of(last.observed_at, found.now, time.time()) if last else None,
        count=last.count if last else None,
        spread=last.spread if last else None,
        held=found.held,
        open=open_observations,
        sources=sources,
        shadow=shadow,
    )


def _committee_status(
    config: Config, name: str, committee: Committee, reporter: str | None, keyless: str, now: int
) -> CommitteeStatus:
    members = config.members_of(name)
    reach = Reach(keyless, "") if reporter is None else reach_of(committee, [reporter], now, members)
    since = committee.active_from
    return CommitteeStatus(
        name=name,
        number=committee.number,
        epoch=committee.epoch,
        quorum=committee.quorum,
        reporters=committee.reporters,
        proposed=proposed_reporters(committee, now),
        active_from=utc(since) if since is not None else "",
        active_until=utc(since + CHANGE_WINDOW) if since is not None else "",
        problem=reach.problem,
        later=reach.later,
    )


async def _reporter(config: Config, rpc: Rpc, env: Mapping[str, str]) -> tuple[str | None, str]:
    """Return the address of the reporter's key; None, and why: the key need not be where one only looks."""
    try:
        return await address_of(config.keys.reporter, rpc, env), ""
    except KeystoreError as error:
        return None, f"the reporter key is not here: {error}"


def _shadow(tally: ShadowTally | None, config: Config) -> str:
    if tally is None or not tally.min_compared:
        return ""
    nobody = "" if config.keys.shadow is not None else "; without [keys] shadow, the daemon makes no shadow reports"
    return (
        f"model {tally.model_number}: {tally.compared} of {tally.min_compared} reports compared, "
        f"{tally.disagreements} verdicts differ, {tally.max_disagreements} may{nobody}"
    )
