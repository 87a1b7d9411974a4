"""Find events that a hub's own code never emits after those before. Pure.

Creation code of somebody else can emit any event in the contract's name before the hub's code runs for the first time,
with storage that goes with it. Then the words and the history agree. But only what the hub's code allows is honest: no
feed that never confirms, no even quorum, no change without its delay.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from oracle.audit.history import AdminEvent, AuditedFeed
from oracle.audit.storage.stored import MOST_CIRCUITS, StoredHub
from oracle.chain.hub.types import CHANGE_WINDOW
from oracle.core.encoding import CLIP, FIELD_MODULUS, MAX_FEATURES, Feature, is_score_unit
from oracle.core.formats import NOBODY, keccak
from oracle.core.times import utc
from oracle.core.types import SECONDS_A_DAY

MOST_REPORTERS = 31
MOST_WINDOWS = 64
MOST_PEERS = 2
MOST_DECIMALS = 18
MOST_DESCRIPTION_BYTES = 64
LONGEST_SKEW = 3_600
LONGEST_AGE = 90 * SECONDS_A_DAY
LONGEST_CONFIRM_DELAY = 7 * SECONDS_A_DAY


def impossible_events(events: Iterable[AdminEvent], change_delay: int) -> Iterator[str]:
    """Say of each event that the hub's code never emits why that is so.

    Args:
        events: All events of a hub but those of reports, in the order of the logs. An event without a transaction is
            not looked at.
        change_delay: The hub's delay of changes, seconds.
    """
    hub = StoredHub()
    added_in: dict[int, str] = {}
    for event in events:
        if event.tx_hash:
            for reason in _reasons(event, hub, change_delay, added_in):
                yield f"the {event.name} of transaction {event.tx_hash} can't follow from the logs before it: {reason}"
        if event.name == "ArchitectureAdded":
            added_in[event.values["architectureId"]] = event.tx_hash
        hub.event(event)


def _reasons(event: AdminEvent, hub: StoredHub, change_delay: int, added_in: Mapping[int, str]) -> Iterator[str]:
    values = event.values
    match event.name:
        case "CommitteeAdded":
            yield from _next("committee", values["committee"], len(hub.committees))
            yield from _reporters(values)
        case "ArchitectureAdded":
            yield from _next("architecture", values["architectureId"], len(hub.architectures))
            yield from _architecture(values["architecture"])
        case "ModelAdded":
            yield from _next("model", values["modelNumber"], len(hub.models))
            yield from _model(values["model"], hub)
            if event.tx_hash == added_in.get(values["model"]["architectureId"]):
                yield "its architecture was added in the same transaction"
        case "FeedAdded":
            yield from _feed(AuditedFeed.from_event(values), hub)
        case _ if "committee" in values:
            yield from _committee_change(event, hub, change_delay)
        case _ if "feedId" in values:
            yield from _feed_change(event, hub, change_delay)
        case name if reason := hub.roles.wrong(name, values, event.block_time, change_delay):
            yield reason


def _next(what: str, number: int, count: int) -> Iterator[str]:
    if number != count + 1:
        yield f"{what} {number} does not follow {what} {count}"


def _reporters(values: Mapping[str, Any]) -> Iterator[str]:
    reporters, quorum = values["reporters"], values["quorum"]
    if quorum % 2 == 0 or not quorum <= len(reporters) <= MOST_REPORTERS:
        yield f"{len(reporters)} reporters with a quorum of {quorum}"
    if len(set(reporters)) != len(reporters) or NOBODY in reporters:
        yield "a reporter is named twice, or is nobody"


def _architecture(found: Mapping[str, Any]) -> Iterator[str]:
    codes = list(found["features"])
    if not 1 <= len(codes) <= MAX_FEATURES or len(set(codes)) != len(codes) or Feature.MOVE not in codes:
        yield f"features {codes}"
    elif not set(codes) <= set(Feature):
        yield f"features {codes}, of which it does not know all"
    sizes: Sequence[int] = found["batchSizes"]
    if not found["outputs"]:
        yield "it has no output"
    ascending = list(sizes) == sorted(set(sizes) & set(range(1, MOST_WINDOWS + 1)))
    if not 1 <= len(sizes) <= MOST_CIRCUITS or not ascending:
        yield f"circuits for {list(sizes)} windows"
    if not len(sizes) == len(found["verifiers"]) == len(found["codeHashes"]):
        yield "it does not have a verifier for each circuit"


def _model(found: Mapping[str, Any], hub: StoredHub) -> Iterator[str]:
    number = found["architectureId"]
    architecture = hub.architectures.get(number)
    if architecture is None:
        yield f"architecture {number} was never added"
        return
    if architecture["bindsModel"] != (found["modelHash"] != 0) or found["modelHash"] >= FIELD_MODULUS:
        yield f"its hash {found['modelHash']:#x}"
    if not is_score_unit(found["scoreUnit"]):
        yield f"its score unit {found['scoreUnit']}"
    if not architecture["bindsModel"] and any(each["architectureId"] == number for each in hub.models.values()):
        yield f"architecture {number} is another model's"


def _feed(feed: AuditedFeed, hub: StoredHub) -> Iterator[str]:
    policy, text = feed.policy, feed.description.encode()
    if feed.feed_id != keccak(text):
        yield "its id is not the hash of its description"
    if feed.feed_id in hub.feeds:
        yield "it was added before"
    bounds = (
        ("description", len(text), 1, MOST_DESCRIPTION_BYTES),
        ("decimals", feed.decimals, 0, MOST_DECIMALS),
        ("sigma", feed.sigma, 1, (1 << 64) - 1),
        ("heartbeat", feed.heartbeat, 1, (1 << 24) - 1),
        ("maxAge", feed.max_age, 1, LONGEST_AGE),
        ("maxSkew", feed.max_skew, 0, LONGEST_SKEW),
        ("confirmations", policy.confirmations, 1, 255),
        ("confirmDelay", policy.confirm_delay, 1, LONGEST_CONFIRM_DELAY),
        ("tolerance", policy.tolerance, 0, CLIP - 1),
        ("maxSpread", feed.max_spread, 0, CLIP - 1),
        ("peers", len(feed.peers), 0, MOST_PEERS),
    )
    for name, value, least, most in bounds:
        if not least <= value <= most:
            yield f"{name} is {value}, not {least} to {most}"
    if feed.committee not in hub.committees:
        yield f"committee {feed.committee} was never added"
    if feed.model_number not in hub.models:
        yield f"model {feed.model_number} was never added"
    halves = [peer[:16] for peer in (feed.feed_id, *feed.peers)]
    if len(set(halves)) != len(halves) or bytes(32) in feed.peers:
        yield "its peers are not others"
    for peer in feed.peers:
        if peer in hub.feeds and hub.feeds[peer].terms.committee != feed.committee:
            yield "a peer is of another committee"


def _committee_change(event: AdminEvent, hub: StoredHub, change_delay: int) -> Iterator[str]:
    values, now = event.values, event.block_time
    committee = hub.committees.get(values["committee"])
    if committee is None:
        yield f"committee {values['committee']} was never added"
    elif event.name == "ReportersProposed":
        yield from _reporters(values)
        yield from _delayed(values["activeFrom"], now, change_delay)
    else:
        yield from _pending("reporters", committee.proposed_from)
        if event.name == "ReportersActivated":
            reporters = tuple(int(each, 16) for each in values["reporters"])
            if (reporters, values["quorum"]) != (committee.proposed, committee.proposed_quorum):
                yield "others were proposed"
            if values["epoch"] != committee.epoch + 1:
                yield f"epoch {values['epoch']} does not follow {committee.epoch}"
            yield from _in_time(committee.proposed_from, now)


def _feed_change(event: AdminEvent, hub: StoredHub, change_delay: int) -> Iterator[str]:
    values, now = event.values, event.block_time
    feed = hub.feeds.get(values["feedId"])
    if feed is None:
        yield "the feed was never added"
        return
    match event.name:
        case "AggregatorLinked" if feed.linked:
            yield "an adapter was linked before"
        case "ModelProposed":
            yield from _delayed(values["activeFrom"], now, change_delay)
            if values["modelNumber"] not in hub.models or values["modelNumber"] == feed.model_number:
                yield f"model {values['modelNumber']} can't be proposed"
        case "ModelActivated":
            yield from _pending("model", feed.model_from)
            yield from _in_time(feed.model_from, now)
            if (values["modelNumber"], values["previous"]) != (feed.proposed_model, feed.model_number):
                yield f"model {feed.proposed_model} was proposed in place of {feed.model_number}"
        case "ModelProposalCancelled":
            yield from _pending("model", feed.model_from)
        case "ModelRolledBack":
            if (values["modelNumber"], values["abandoned"]) != (feed.previous_model, feed.model_number):
                yield f"model {feed.previous_model} was active before {feed.model_number}"
            elif now and feed.previous_until is not None and now > feed.previous_until:
                yield f"a rollback was possible until {utc(feed.previous_until)}"
        case "UnpauseProposed":
            yield from _delayed(values["activeFrom"], now, change_delay)
            if not feed.paused:
                yield "the feed was not paused"
        case "Unpaused":
            yield from _pending("unpause", feed.unpause_from)
            yield from _in_time(feed.unpause_from, now)
        case "ShadowScored" | "ShadowCompared":
            yield from _pending("model", feed.model_from)


def _pending(what: str, active_from: int) -> Iterator[str]:
    if not active_from:
        yield f"no {what} was proposed"


def _delayed(active_from: int, now: int, change_delay: int) -> Iterator[str]:
    if now and active_from != now + change_delay:
        yield f"it could be activated {active_from - now} s later, where the hub's delay is {change_delay} s"


def _in_time(active_from: int, now: int) -> Iterator[str]:
    if active_from and now and not active_from <= now <= active_from + CHANGE_WINDOW:
        yield f"at {now}, where its proposal could be activated from {active_from} on, for 30 days"
