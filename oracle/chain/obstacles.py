"""The obstacles of a node's next reports: why the chain would not take them, judged from facts. Pure.

`oracle.chain.readiness` reads the facts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from oracle.chain.deploy.terms import PLAIN, AdapterTerms
from oracle.chain.hub import CHANGE_WINDOW, Committee, HubFeedConfig, HubModel
from oracle.chain.reach import joins, out_of_reach
from oracle.chain.transport.answers import Block, Market
from oracle.chain.tx.fees import GWEI, FeePolicy
from oracle.config import too_few
from oracle.core.errors import FeesTooHigh
from oracle.core.formats import to_hex
from oracle.core.money import REPORT_GAS, ether
from oracle.core.obstacles import Obstacle, ObstacleKind
from oracle.core.types import FeedState, Kind

__all__ = ["NOT_DEPLOYED", "OTHER_ADDRESS", "HubFacts", "NodeFacts", "ReportedFeed", "obstacles_of"]

NOT_DEPLOYED = "not deployed: run `oracle deploy`"
"""The status of a configured feed that the hub does not have."""

OTHER_ADDRESS = "check the RPC URL and the deployment file, or run `oracle deploy`"
_KEYS = "name it in [keys] reporter; docs/operations.md, Keys, has the ways"
_COMMITTEE = (
    "name the right key in [keys] reporter, or let the admin propose it: `oracle committee propose-reporters`; "
    "see docs/operations.md, Recipe: rotate a key"
)
_FAULTY = "propose more reporters and a higher quorum, or lower [network] faulty in the files of all members"
_CLOCK = "set it by NTP (chrony, systemd-timesyncd)"

SHARED_CLOCK_S = 5
"""Seconds that a report may be ahead of this machine's clock: another reporter's clock is never quite the same."""


@dataclass(frozen=True, slots=True)
class ReportedFeed:
    """A configured feed of this node.

    Attributes:
        name: Its name in the configuration.
        feed_id: Its id; None if the deployment file does not have it.
        committee: The name of its committee.
        fixed: The configured settings that an answer depends on and that the hub has fixed: `HubFeedConfig`'s names.
        adapters: The configured adapters with their addresses in the deployment file; None where it has none.
        is_recorded: True if its observations have the times of a recording: then no clock is compared.
    """

    name: str
    feed_id: bytes | None
    committee: str
    fixed: Mapping[str, str | int] = field(default_factory=dict)
    adapters: Mapping[AdapterTerms, str | None] = field(default_factory=dict)
    is_recorded: bool = False


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """The facts about a node that decide whether the chain would take its reports.

    Attributes:
        feeds: The configured feeds.
        names: The names of all deployed feeds, by id.
        reporter: The address of the reporter key; None if it is not here.
        keyless: Why the reporter key is not here; empty if it is.
        members: The addresses of those who sign with it in a network, by the committee's name.
        faulty: How many of them may lie at once, by the committee's name.
        silent: Why members of the network give no answer now, by their addresses.
        unprovable: Returns why reports of a model can't be proven here, by the hub's number of it; empty if they can.
            None: this node proves nothing.
        payer: The address of the account that pays; None: this node sends nothing.
        fees: The limits of what may be paid.
        gas: The gas limit of the next report.
        artifacts: The hash of each deployed model's artifact by the hub's number of it, 32 bytes.
    """

    feeds: Sequence[ReportedFeed]
    names: Mapping[bytes, str] = field(default_factory=dict)
    reporter: str | None = None
    keyless: str = ""
    members: Mapping[str, Sequence[str]] = field(default_factory=dict)
    faulty: Mapping[str, int] = field(default_factory=dict)
    silent: Mapping[str, str] = field(default_factory=dict)
    unprovable: Callable[[int], str] | None = None
    payer: str | None = None
    fees: FeePolicy = field(default_factory=FeePolicy)
    gas: int = REPORT_GAS
    artifacts: Mapping[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HubFacts:
    """The hub's answers about a node's feeds at one moment, and the chain's about its payer.

    Attributes:
        head: The latest block.
        next_at: The time of the next block, as far as the node tells, unix seconds.
        states: The states of the feeds that the hub has, by id.
        terms: Their terms, and those of their peers; an id that the hub does not have is missing.
        committees: Their committees, by number.
        linked: The adapter that the hub links to each feed; None if there is none.
        coded: Addresses of adapters that have code.
        unpaused_from: From when on each paused feed can be unpaused; None if nobody has proposed it.
        models: The models that are active, by number.
        market: The price of gas; None if this node pays nothing.
        balance: The payer's balance in wei; None likewise.
    """

    head: Block
    next_at: int
    states: Mapping[bytes, FeedState]
    terms: Mapping[bytes, HubFeedConfig]
    committees: Mapping[int, Committee]
    linked: Mapping[bytes, str | None] = field(default_factory=dict)
    coded: frozenset[str] = frozenset()
    unpaused_from: Mapping[bytes, int | None] = field(default_factory=dict)
    models: Mapping[int, HubModel] = field(default_factory=dict)
    market: Market | None = None
    balance: int | None = None


def obstacles_of(node: NodeFacts, chain: HubFacts, now: float) -> tuple[Obstacle, ...]:
    """Return the obstacles of a node's next reports: those of all feeds first, then by feed.

    Args:
        node: The node.
        chain: What the chain says.
        now: Unix seconds, by the clock that observations get their times from.
    """
    return (*_of_all(node, chain), *(each for feed in node.feeds for each in _of_feed(feed, node, chain, now)))


def _of_all(node: NodeFacts, chain: HubFacts) -> Iterator[Obstacle]:
    if node.reporter is None:
        yield Obstacle(ObstacleKind.REPORTER, "", f"the reporter key is not here: {node.keyless}", _KEYS)
    if node.payer is None or chain.market is None or chain.balance is None:
        return
    try:
        fees = node.fees.fresh(chain.market, node.gas)
    except FeesTooHigh as error:
        yield Obstacle(ObstacleKind.FUNDS, "", str(error), "raise them in [chain], or wait until gas is cheaper")
        return
    cost = node.gas * fees.max_fee
    if chain.balance < cost:
        detail = (
            f"the payer {node.payer} has {ether(chain.balance)} ether, and the next report may cost {ether(cost)}: "
            f"{node.gas:,} gas at up to {fees.max_fee / GWEI:.4g} gwei"
        )
        yield Obstacle(ObstacleKind.FUNDS, "", detail, "send it ether")


def _of_feed(feed: ReportedFeed, node: NodeFacts, chain: HubFacts, now: float) -> Iterator[Obstacle]:
    # 1  the feed is there
    state = None if feed.feed_id is None else chain.states.get(feed.feed_id)
    terms = None if state is None else chain.terms.get(state.feed_id)
    if state is None or terms is None:
        missing = "the deployment file does not have it" if feed.feed_id is None else "the hub does not have it"
        yield Obstacle(ObstacleKind.DEPLOYMENT, feed.name, missing, NOT_DEPLOYED)
        return
    yield from _other_terms(feed, terms)
    # 2  it takes reports
    if state.paused:
        yield _paused(feed, chain.unpaused_from.get(state.feed_id), chain.next_at)
    # 3  this node signs for it, and enough others do
    yield from _signers(feed, node, chain.committees[state.committee], chain.head.timestamp)
    # 4  each peer is listed with it
    yield from _peers(feed, state, node, chain)
    # 5  its observations come in time
    if not feed.is_recorded:
        yield from _clock(feed, state, terms, chain.next_at, now)
    # 6  the model that judges it is here
    yield from _model(feed, state.model_number, node, chain)
    # 7  whoever consumes it hears of its rounds
    yield from _adapters(feed, state.feed_id, chain)


def _other_terms(feed: ReportedFeed, terms: HubFeedConfig) -> Iterator[Obstacle]:
    """Yield what the configuration has changed since the feed was deployed: an answer would mean another value."""
    for name, here in feed.fixed.items():
        there = getattr(terms, name)
        if here != there:
            told = [each.name.lower() if isinstance(each, Kind) else repr(each) for each in (here, there)]
            detail = f"{name} is {told[0]} in the configuration, and {told[1]} on the hub, where it never changes"
            yield Obstacle(ObstacleKind.DEPLOYMENT, feed.name, detail, "correct it, or deploy a feed of another name")


def _paused(feed: ReportedFeed, unpaused_from: int | None, now: int) -> Obstacle:
    name = feed.name
    if unpaused_from is None or now > unpaused_from + CHANGE_WINDOW:
        remedy = f"once nothing speaks against it, the admin proposes to go on: `oracle feed propose-unpause {name}`"
    elif now < unpaused_from:
        remedy = f"it can go on in {unpaused_from - now:,} s: then `oracle feed unpause {name}`"
    else:
        remedy = f"it can go on now: `oracle feed unpause {name}`"
    return Obstacle(ObstacleKind.PAUSED, name, "the feed is paused", remedy)


def _signers(feed: ReportedFeed, node: NodeFacts, committee: Committee, now: int) -> Iterator[Obstacle]:
    if node.reporter is None:
        return  # told for all feeds
    members = node.members.get(feed.committee, ())
    if problem := out_of_reach(committee.reporters, committee.quorum, [node.reporter], members):
        kind = ObstacleKind.QUORUM if node.reporter in committee.reporters else ObstacleKind.REPORTER
        detail, remedy = f"committee {feed.committee}: {problem}", _COMMITTEE
        if joins(committee, node.reporter, now):
            remedy = "it is proposed as a reporter: `oracle committee show` says when it can be activated"
        yield Obstacle(kind, feed.name, detail, remedy)
        return
    if problem := too_few(committee.quorum, node.faulty.get(feed.committee, 0)):
        yield Obstacle(ObstacleKind.QUORUM, feed.name, f"committee {feed.committee}: {problem}", _FAULTY)
        return
    silent = [each for each in members if each in node.silent and each in committee.reporters]
    answering = sum(each in committee.reporters for each in members) - len(silent)
    if silent and answering < committee.quorum:
        who = "; ".join(node.silent[each] for each in silent)
        detail = f"committee {feed.committee}: {answering} members answer, and the quorum is {committee.quorum}: {who}"
        yield Obstacle(
            ObstacleKind.SILENT, feed.name, detail, "`oracle doctor` asks each of them; call their operators"
        )


def _peers(feed: ReportedFeed, state: FeedState, node: NodeFacts, chain: HubFacts) -> Iterator[Obstacle]:
    configured = {each.feed_id for each in node.feeds}
    for peer in state.peers:
        name, terms = node.names.get(peer, to_hex(peer)), chain.terms.get(peer)
        if terms is None:
            detail, remedy = f"the hub does not have its peer {name}", NOT_DEPLOYED
        elif terms.committee != state.committee:
            detail = (
                f"its peer {name} is of committee number {terms.committee}, and the feed itself of {state.committee}: "
                "no report can list both"
            )
            remedy = "deploy it with another description, and peers of its own committee"
        elif peer not in configured:
            detail, remedy = (
                f"its peer {name} is not among [[feeds]]",
                "configure it with sources, as it is signed, too",
            )
        else:
            continue
        yield Obstacle(ObstacleKind.PEER, feed.name, detail, remedy)


def _clock(feed: ReportedFeed, state: FeedState, terms: HubFeedConfig, next_at: int, now: float) -> Iterator[Obstacle]:
    ahead = int(now) - next_at
    if ahead > terms.max_skew:
        detail = (
            f"this machine's clock is {ahead:,} s ahead of the chain's, and the feed takes observations that are "
            f"max_skew = {terms.max_skew:,} s ahead at most"
        )
        remedy = f"{_CLOCK}; if the chain makes no blocks, `oracle doctor` looks at each endpoint"
    elif -ahead > terms.max_age:
        detail = (
            f"this machine's clock is {-ahead:,} s behind the chain's, and the feed takes observations that are "
            f"max_age = {terms.max_age:,} s old at most"
        )
        remedy = _CLOCK
    elif state.last_report_at > now + SHARED_CLOCK_S:
        detail = (
            f"the feed has a report observed {state.last_report_at - now:,.0f} s ahead of this machine's clock, and "
            "takes newer ones only"
        )
        remedy = f"{_CLOCK}; if it is right, a reporter's clock was ahead: this passes with time"
    else:
        return
    yield Obstacle(ObstacleKind.CLOCK, feed.name, detail, remedy)


def _model(feed: ReportedFeed, number: int, node: NodeFacts, chain: HubFacts) -> Iterator[Obstacle]:
    if node.unprovable is None:
        return
    if problem := node.unprovable(number):
        yield Obstacle(ObstacleKind.MODEL, feed.name, f"its active model is number {number}: {problem}", "")
        return
    on_hub, here = chain.models.get(number), node.artifacts.get(number)
    if on_hub is not None and here is not None and on_hub.artifact_hash != here:
        detail = (
            f"its active model is number {number}, of artifact {to_hex(on_hub.artifact_hash)} on the hub, and of "
            f"{to_hex(here)} in the deployment file"
        )
        yield Obstacle(ObstacleKind.MODEL, feed.name, detail, OTHER_ADDRESS)


def _adapters(feed: ReportedFeed, feed_id: bytes, chain: HubFacts) -> Iterator[Obstacle]:
    linked = chain.linked.get(feed_id)
    for terms, address in feed.adapters.items():
        if terms == PLAIN and linked is None:
            detail = "the hub links no adapter to it: consumers of Chainlink's interface hear of no round"
        elif terms == PLAIN and linked != address:
            detail = f"the hub links the adapter {linked} to it, and the deployment file has {address}"
        elif address is None:
            detail = f"its {terms} adapter of the configuration is not deployed"
        elif address not in chain.coded:
            detail = f"there is no contract at {address}, where its {terms} adapter should be"
        else:
            continue
        yield Obstacle(ObstacleKind.ADAPTER, feed.name, detail, "run `oracle deploy` again: it adds what is missing")
