"""Find what a history lacks, by the counts and heads that the hub itself has at the pinned block. Pure.

A node may be pruned, may leave out a log, or may lie. Almost everything that the hub emits leaves a trace in its
storage: a number, a round, an epoch, a count of held reports. So what is missing is found, and named. What never
changes once it was added is then taken from the storage, so that the rest of the history can be replayed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from oracle.audit.calls import JudgedEvent
from oracle.audit.history import AdminEvent
from oracle.audit.report import AuditProblem, ProblemKind
from oracle.chain.hub import Committee, HubFeedConfig, RoundAccepted, RoundEvent, ShadowScored
from oracle.chain.hub.roles import ADMIN_ROLE
from oracle.core.formats import to_hex
from oracle.core.types import HELD_REPORTS, FeedState, Round

_MOST_NAMED = 12

MOST_MISSING = 20_000
"""The most numbers that are looked for, of rounds for instance. A hub of other creation code, or a node, can say that
there are billions: each that is missing is read from the storage."""


@dataclass(frozen=True)
class PinnedHub:
    """The hub's own counts and heads at the pinned block.

    Attributes:
        configs: The terms of each feed, in the order in which the feeds were added.
        states: The state of each feed.
        committees: By their numbers, from 1.
        architectures: How many there are.
        models: Likewise.
        rounds: The rounds that were read because the history alone does not tell them, by feed and number.
    """

    configs: Mapping[bytes, HubFeedConfig] = field(default_factory=dict)
    states: Mapping[bytes, FeedState] = field(default_factory=dict)
    committees: Mapping[int, Committee] = field(default_factory=dict)
    architectures: int = 0
    models: int = 0
    rounds: Mapping[tuple[bytes, int], Round] = field(default_factory=dict)


@dataclass(frozen=True)
class Holes:
    """The parts of a history that are missing.

    Attributes:
        problems: The same in words.
        feeds: Feeds whose addition is missing.
        committees: Committees whose addition is missing.
        architectures: Architectures whose addition is missing.
        models: Models whose addition is missing.
        rounds: The rounds of each feed that are missing, ascending.
        holds: How many held reports of each feed are missing.
        activations: Feeds for which a model's activation or rollback is missing.
        proposals: Feeds for which a model's proposal is missing.
        epochs: The epochs of each committee that are missing.
    """

    problems: tuple[AuditProblem, ...] = ()
    feeds: tuple[bytes, ...] = ()
    committees: tuple[int, ...] = ()
    architectures: tuple[int, ...] = ()
    models: tuple[int, ...] = ()
    rounds: Mapping[bytes, tuple[int, ...]] = field(default_factory=dict)
    holds: Mapping[bytes, int] = field(default_factory=dict)
    activations: frozenset[bytes] = frozenset()
    proposals: frozenset[bytes] = frozenset()
    epochs: Mapping[int, frozenset[int]] = field(default_factory=dict)

    def why_unsure(self, feed_id: bytes, round_id: int) -> str:
        """Return why a feed's state before a report for a round is not certain; empty if it is."""
        if (rounds := self.rounds.get(feed_id)) and rounds[0] < round_id:
            return f"round {rounds[0]} of the feed is not in the logs"
        if self.holds.get(feed_id):
            return "held reports of the feed are not in the logs"
        return ""


def begins_with_the_creation(first: AdminEvent | JudgedEvent | None) -> bool:
    """Return True if the first event of a history is the one with which the hub's constructor begins."""
    is_grant = isinstance(first, AdminEvent) and first.name == "RoleGranted"
    return is_grant and first.values["role"] == ADMIN_ROLE  # type: ignore[union-attr]


def find_holes(events: Sequence[AdminEvent | JudgedEvent], pinned: PinnedHub) -> Holes:
    """Return what a history lacks.

    Args:
        events: The hub's events up to the pinned block, in their order.
        pinned: The hub at that block.
    """
    texts: list[str] = []
    if not begins_with_the_creation(events[0] if events else None):
        what = "nothing" if not events else f"an event of block {events[0].block_number}"
        texts.append(f"the hub's creation is not in the logs: the first of them is {what}")
    admin = [event for event in events if isinstance(event, AdminEvent)]
    reports = [event for event in events if not isinstance(event, AdminEvent | ShadowScored)]
    numbers = {
        name: _missing((event.values[key] for event in admin if event.name == name), most)
        for name, key, most in (
            ("CommitteeAdded", "committee", len(pinned.committees)),
            ("ArchitectureAdded", "architectureId", pinned.architectures),
            ("ModelAdded", "modelNumber", pinned.models),
        )
    }
    for name, what in (("CommitteeAdded", "committee"), ("ArchitectureAdded", "architecture"), ("ModelAdded", "model")):
        if missing := numbers[name]:
            texts.append(f"{_numbered(what, missing)} {_are(missing)} on the hub, but not added in the logs")
    added = {event.values["feedId"] for event in admin if event.name == "FeedAdded"}
    feeds = tuple(feed_id for feed_id in pinned.configs if feed_id not in added)
    names = {feed_id: config.description for feed_id, config in pinned.configs.items()}
    for feed_id in feeds:
        texts.append(f"the feed {names[feed_id]} ({to_hex(feed_id)}) is on the hub, but not added in the logs")
    for feed_id in sorted(added - set(pinned.configs)):
        texts.append(f"the feed {to_hex(feed_id)} is added in the logs, but not on the hub")
    rounds = _missing_rounds(reports, pinned, names, texts)
    holds = _missing_holds(reports, pinned, names, texts)
    epochs = _missing_epochs(admin, pinned, texts)
    _check_roles(admin, texts)
    activations, proposals = _check_changes(events, pinned, names, texts)
    return Holes(
        problems=tuple(AuditProblem(ProblemKind.HISTORY, text) for text in texts),
        feeds=feeds,
        committees=numbers["CommitteeAdded"],
        architectures=numbers["ArchitectureAdded"],
        models=numbers["ModelAdded"],
        rounds=rounds,
        holds=holds,
        activations=frozenset(activations),
        proposals=frozenset(proposals),
        epochs=epochs,
    )


def in_ranges(numbers: Sequence[int]) -> str:
    """Return ascending numbers in words, neighbours together: "3 to 7 and 9"."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    told = [str(first) if first == last else f"{first} to {last}" for first, last in ranges[:_MOST_NAMED]]
    if len(ranges) > _MOST_NAMED:
        told.append(f"{len(ranges) - _MOST_NAMED} more")
    return told[0] if len(told) == 1 else f"{', '.join(told[:-1])} and {told[-1]}"


# --- details -------------------------------------------------------------------------------------------------------


def _missing(found: Iterable[int], most: int) -> tuple[int, ...]:
    """Return the numbers from 1 to `most` that were not found, ascending, and not more than are looked for."""
    there = set(found)
    return tuple(islice((number for number in range(1, most + 1) if number not in there), MOST_MISSING))


def _numbered(what: str, numbers: Sequence[int]) -> str:
    rest = ", and perhaps more," if len(numbers) == MOST_MISSING else ""
    return f"{what}{'s' if len(numbers) > 1 else ''} {in_ranges(numbers)}{rest}"


def _are(numbers: Collection[int]) -> str:
    return "is" if len(numbers) == 1 else "are"


def _missing_rounds(
    reports: Sequence[RoundEvent], pinned: PinnedHub, names: Mapping[bytes, str], texts: list[str]
) -> dict[bytes, tuple[int, ...]]:
    found: dict[bytes, set[int]] = {}
    for event in reports:
        if isinstance(event, RoundAccepted):
            found.setdefault(event.feed_id, set()).add(event.round_id)
    missing = {}
    for feed_id, state in pinned.states.items():
        if rounds := _missing(found.get(feed_id, ()), state.round_id):
            missing[feed_id] = rounds
            texts.append(
                f"{_numbered('round', rounds)} of {names[feed_id]} {_are(rounds)} on the hub, but not in the logs"
            )
        if more := sorted(each for each in found.get(feed_id, ()) if each > state.round_id):
            texts.append(f"{_numbered('round', more)} of {names[feed_id]} {_are(more)} in the logs, but not on the hub")
    return missing


def _missing_holds(
    reports: Sequence[RoundEvent], pinned: PinnedHub, names: Mapping[bytes, str], texts: list[str]
) -> dict[bytes, int]:
    found = Counter(event.feed_id for event in reports if not isinstance(event, RoundAccepted))
    missing = {}
    for feed_id, state in pinned.states.items():
        seen = found[feed_id]
        if count := (state.held_reports - seen) % HELD_REPORTS:
            missing[feed_id] = count
            texts.append(
                f"the hub has counted {state.held_reports} held reports of {names[feed_id]} (modulo {HELD_REPORTS}), "
                f"but there are {seen} in the logs"
            )
    return missing


def _missing_epochs(admin: Sequence[AdminEvent], pinned: PinnedHub, texts: list[str]) -> dict[int, frozenset[int]]:
    found: dict[int, set[int]] = {}
    for event in admin:
        if event.name in ("CommitteeAdded", "ReportersActivated"):
            found.setdefault(event.values["committee"], set()).add(event.values.get("epoch", 1))
    missing = {}
    for number, committee in pinned.committees.items():
        if epochs := _missing(found.get(number, ()), committee.epoch):
            missing[number] = frozenset(epochs)
            if changes := [epoch for epoch in epochs if epoch > 1]:
                texts.append(
                    f"the reporters of committee {number} in {_numbered('epoch', changes)} are not in the logs, but "
                    f"the hub has it in epoch {committee.epoch}"
                )
    return missing


def _check_roles(admin: Sequence[AdminEvent], texts: list[str]) -> None:
    """Check that roles are granted to who does not have them, and taken from who does, and admins as scheduled."""
    granted: set[tuple[bytes, str]] = set()
    has_begun = False
    scheduled = ""
    for event in admin:
        values = event.values
        key = (values.get("role", b""), values.get("account", ""))
        where = f"in block {event.block_number}"
        if event.name == "RoleGranted":
            if key in granted:
                texts.append(f"a role was granted to {key[1]} {where}, who has it by the logs")
            elif key[0] == ADMIN_ROLE and has_begun and scheduled != key[1]:
                texts.append(f"{key[1]} became the admin {where}, but that was not scheduled in the logs")
            granted.add(key)
            has_begun = True
        elif event.name == "RoleRevoked":
            if key not in granted:
                texts.append(f"a role was taken from {key[1]} {where}, who does not have it by the logs")
            granted.discard(key)
        elif event.name == "DefaultAdminTransferScheduled":
            scheduled = values["newAdmin"]
        elif event.name == "DefaultAdminTransferCanceled":
            scheduled = ""


def _check_changes(
    events: Sequence[AdminEvent | JudgedEvent], pinned: PinnedHub, names: Mapping[bytes, str], texts: list[str]
) -> tuple[set[bytes], set[bytes]]:
    """Check that each change follows from those before it.

    Returns:
        The feeds for which a model's activation is missing, and those for which a proposal is.
    """
    models: dict[bytes, int] = {}
    proposed: dict[tuple[str, object], int] = {}
    unsure: set[bytes] = set()
    unproposed: set[bytes] = set()

    def name(feed_id: bytes) -> str:
        return names.get(feed_id, to_hex(feed_id))

    def follows(key: tuple[str, object], what: str, value: int | None = None) -> None:
        before = proposed.pop(key, None)
        if before is None or (value is not None and before != value):
            texts.append(f"{what}, but that was not proposed in the logs")
            if key[0] == "model" and isinstance(key[1], bytes):
                unproposed.add(key[1])

    for event in events:
        if isinstance(event, ShadowScored):
            if proposed.get(("model", event.feed_id)) != event.model_number and event.feed_id not in unproposed:
                what = f"a shadow report of {name(event.feed_id)} by model {event.model_number} was taken"
                follows(("model", event.feed_id), what, event.model_number)
            continue
        if not isinstance(event, AdminEvent):
            continue
        values, kind = event.values, event.name
        feed_id = values.get("feedId", b"")
        if kind == "FeedAdded":
            models[feed_id] = values["modelNumber"]
        elif kind == "ModelProposed":
            proposed["model", feed_id] = values["modelNumber"]
        elif kind in ("ModelActivated", "ModelRolledBack"):
            before = values["previous"] if kind == "ModelActivated" else values["abandoned"]
            if models.get(feed_id, before) != before:
                unsure.add(feed_id)
                texts.append(
                    f"model {before} of {name(feed_id)} was replaced in block {event.block_number}, but the logs do "
                    "not show that it became active"
                )
            if kind == "ModelActivated":
                what = f"model {values['modelNumber']} of {name(feed_id)} was activated"
                follows(("model", feed_id), what, values["modelNumber"])
            models[feed_id] = values["modelNumber"]
        elif kind == "ModelProposalCancelled":
            what = f"the proposal of model {values['modelNumber']} for {name(feed_id)} was cancelled"
            follows(("model", feed_id), what, values["modelNumber"])
        elif kind == "ReportersProposed":
            proposed["reporters", values["committee"]] = 1
        elif kind in ("ReportersActivated", "ReportersProposalCancelled"):
            done = "activated" if kind == "ReportersActivated" else "cancelled"
            follows(("reporters", values["committee"]), f"reporters of committee {values['committee']} were {done}")
        elif kind == "Paused":
            proposed["paused", feed_id] = 1
            proposed.pop(("unpause", feed_id), None)
        elif kind == "UnpauseProposed":
            if ("paused", feed_id) not in proposed:
                texts.append(f"{name(feed_id)} was to be unpaused, but it was not paused in the logs")
            proposed["unpause", feed_id] = 1
        elif kind == "Unpaused":
            follows(("unpause", feed_id), f"{name(feed_id)} was unpaused")
            proposed.pop(("paused", feed_id), None)
    for feed_id, state in pinned.states.items():
        if models.get(feed_id, state.model_number) != state.model_number:
            unsure.add(feed_id)
            texts.append(
                f"the active model of {name(feed_id)} is {state.model_number} on the hub, but "
                f"{models[feed_id]} by the logs"
            )
        if (("paused", feed_id) in proposed) != state.paused:
            word = "paused" if state.paused else "not paused"
            texts.append(f"{name(feed_id)} is {word} on the hub, but the logs say otherwise")
    return unsure, unproposed
