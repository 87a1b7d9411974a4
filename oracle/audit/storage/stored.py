"""Rebuild every word of a hub's storage from its history. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from oracle.audit.history import AdminEvent, AuditedFeed
from oracle.audit.storage import layouts
from oracle.audit.storage.layouts import ADDRESS, HASH
from oracle.audit.storage.roles import StoredRoles
from oracle.audit.storage.words import WORD, Word, array_words, entry, text_words
from oracle.chain.hub.types import CHANGE_WINDOW
from oracle.core import encoding
from oracle.core.formats import to_hex
from oracle.core.types import FeedState, HeldAnswer, HoldReason, Kind, Round, Status

STORE = 0x0DEADE891F142B96440E45FD99081E4E6F8AB91BFFD5401DA7382970AC455500
"""The slot at which the hub's store begins, by ERC-7201."""

FEEDS, FEED_IDS, COMMITTEES, MODELS = STORE + 1, STORE + 2, STORE + 3, STORE + 4
CIRCUITS, SHAPES, CODE_HASHES, FEATURES, ONLY_MODELS = STORE + 5, STORE + 6, STORE + 7, STORE + 8, STORE + 9
"""The slots of the store's mappings and of its array."""

ROUNDS = 11
"""A feed's mapping of rounds, from the feed's slot."""

POSITIONS = 3
"""A committee's mapping of positions, from the committee's slot."""

MOST_CIRCUITS = 8
_LONGEST_SKEW = 3_600
_MOST_POSITIONS = 1_000_000
"""Words of people who have no role and no place in a committee, at most: whoever emits events can name many."""


@dataclass
class StoredFeed:
    """A feed as events have led it so far.

    Attributes:
        previous_until: Until when a rollback is possible, unix seconds; 0: it is not; None: the history does not tell.
        shadow: The tally: reports, compared, disagreements, and the two limits of the proposal.
        shadow_report: The report that the proposed model judged last: answer, time, round, verdict, and if it is there.
    """

    terms: AuditedFeed
    model_number: int
    paused: bool = False
    linked: bool = False
    model_from: int = 0
    unpause_from: int = 0
    previous_until: int | None = 0
    proposed_model: int = 0
    previous_model: int = 0
    shadow: tuple[int, int, int, int, int] = (0, 0, 0, 0, 0)
    shadow_report: tuple[int, int, int, int, int] = (0, 0, 0, 0, 0)

    def end_proposal(self) -> None:
        """Forget the proposed model and its shadow period."""
        self.model_from, self.proposed_model = 0, 0
        self.shadow = self.shadow_report = (0, 0, 0, 0, 0)


@dataclass
class StoredCommittee:
    """A committee as events have led it so far, with what is proposed for it."""

    reporters: tuple[int, ...]
    quorum: int
    epoch: int = 1
    proposed: tuple[int, ...] = ()
    proposed_quorum: int = 0
    proposed_from: int = 0


@dataclass(frozen=True)
class Replayed:
    """The part of a hub's storage that its reports have written, as the replay of its history has it.

    Attributes:
        states: Each feed as it must be now.
        rounds: Each round as it must be stored, by feed and number.
        holds: The last held answer of each feed, whether it is still held or not. The hub does not clear it.
        unsure: Feeds whose reports could not all be replayed.
        people: Further addresses that the history names, for instance submitters. A role or a position of theirs can
            then be told.
    """

    states: Mapping[bytes, FeedState]
    rounds: Mapping[tuple[bytes, int], Round]
    holds: Mapping[bytes, HeldAnswer]
    unsure: Collection[bytes] = frozenset()
    people: Collection[str] = ()


class StoredHub:
    """Follows the events of a hub that are no rounds and no holds, in the order of the logs.

    No order of events makes it fail: an event of something that was never added is left out, and the comparison finds
    what it wrote.

    Attributes:
        history: The events.
        feed_ids: The feeds, in the order in which they were added.
    """

    def __init__(self) -> None:
        self.roles = StoredRoles()
        self.history: list[AdminEvent] = []
        self.feed_ids: list[bytes] = []
        self.feeds: dict[bytes, StoredFeed] = {}
        self.committees: dict[int, StoredCommittee] = {}
        self.architectures: dict[int, Mapping[str, Any]] = {}
        self.models: dict[int, Mapping[str, Any]] = {}
        self._people: dict[int, None] = {}

    # --- events ------------------------------------------------------------------------------------------------

    def event(self, event: AdminEvent) -> None:
        """Take over an event. Events of rounds and holds are ignored.

        Raises:
            ValueError: It is of a feed of a kind that there is none of. Nothing of it is taken over.
        """
        name, values = event.name, event.values
        added = AuditedFeed.from_event(values) if name == "FeedAdded" else None
        self.history.append(event)
        for key in ("account", "newAdmin", "submitter"):
            if key in values:
                self._people[int(values[key], 16)] = None
        if self.roles.event(name, values):
            return
        match name:
            case "ArchitectureAdded":
                self.architectures[values["architectureId"]] = values["architecture"]
            case "ModelAdded":
                self.models[values["modelNumber"]] = values["model"]
            case "CommitteeAdded":
                self.committees[values["committee"]] = StoredCommittee(_people(values), values["quorum"])
            case "FeedAdded" if added is not None:
                self.feed_ids.append(values["feedId"])
                self.feeds[values["feedId"]] = StoredFeed(added, values["modelNumber"])
            case _ if values.get("committee") in self.committees:
                self._change_committee(name, values, self.committees[values["committee"]])
            case _ if values.get("feedId") in self.feeds:
                self._change_feed(name, values, self.feeds[values["feedId"]], event.block_time)

    def _change_committee(self, name: str, values: Mapping[str, Any], committee: StoredCommittee) -> None:
        if name == "ReportersProposed":
            committee.proposed, committee.proposed_quorum = _people(values), values["quorum"]
            committee.proposed_from = values["activeFrom"]
        elif name in ("ReportersActivated", "ReportersProposalCancelled"):
            committee.proposed, committee.proposed_quorum, committee.proposed_from = (), 0, 0
        if name == "ReportersActivated":
            self._people |= dict.fromkeys(committee.reporters)
            committee.reporters, committee.quorum = _people(values), values["quorum"]
            committee.epoch = values["epoch"]

    def _change_feed(self, name: str, values: Mapping[str, Any], feed: StoredFeed, now: int) -> None:
        match name:
            case "AggregatorLinked":
                feed.linked = True
            case "Paused" | "Unpaused":
                feed.paused, feed.unpause_from = name == "Paused", 0
            case "UnpauseProposed":
                feed.unpause_from = values["activeFrom"]
            case "ModelProposed":
                feed.end_proposal()
                feed.model_from, feed.proposed_model = values["activeFrom"], values["modelNumber"]
                feed.shadow = (0, 0, 0, values["minCompared"], values["maxDisagreements"])
            case "ModelActivated":
                feed.end_proposal()
                feed.model_number, feed.previous_model = values["modelNumber"], values["previous"]
                feed.previous_until = now + CHANGE_WINDOW if now else None
            case "ModelProposalCancelled":
                feed.end_proposal()
            case "ModelRolledBack":
                feed.model_number, feed.previous_model, feed.previous_until = values["modelNumber"], 0, 0
            case "ShadowCompared":
                reports, compared, disagreements, *limits = feed.shadow
                feed.shadow = (reports, compared + 1, disagreements + (not values["agrees"]), limits[0], limits[1])
            case "ShadowScored":
                feed.shadow = (feed.shadow[0] + 1, *feed.shadow[1:])
                anomalous = max(values["scores"], default=0) > 0
                feed.shadow_report = (values["answer"], values["observedAt"], values["roundId"], anomalous, True)

    # --- words -------------------------------------------------------------------------------------------------

    def words(self, replayed: Replayed, change_delay: int, *, settled: bool = False) -> dict[int, Word]:
        """Return every word that the hub's storage must have, and words that must be zero, by slot.

        Of the zeros, these are named: those of everything that exists, and the next of everything that is counted. A
        difference there can be told by its meaning.

        Args:
            change_delay: The hub's `changeDelay`: handovers began with this delay.
            settled: See `StoredRoles.may_be_settled`.

        Raises:
            ValueError: A value of the history does not fit the hub's words.
        """
        people = self._people | {int(person, 16): None for person in replayed.people}
        for committee in self.committees.values():
            people |= dict.fromkeys((*committee.reporters, *committee.proposed))
        if len(people) * (len(self.committees) + self.roles.count) > _MOST_POSITIONS:
            people = {}  # the storage root tells of the others
        words = self.roles.words(change_delay, people, settled=settled)
        counters = layouts.COUNTERS.pack(len(self.architectures), len(self.committees), len(self.models))
        words[STORE] = Word(counters, "the hub", "the counters", layouts.COUNTERS)
        ids = [int.from_bytes(feed_id) for feed_id in self.feed_ids]
        words |= array_words(FEED_IDS, ids, "the hub", "feedIds", HASH)
        for number in _and_next(self.committees):
            words |= self._committee_words(number, people)
        for number in _and_next(self.architectures):
            words |= self._architecture_words(number)
        for number in _and_next(self.models):
            words |= self._model_words(number)
        by_feed: dict[bytes, list[Round]] = {feed_id: [] for feed_id in self.feeds}
        for (feed_id, _), each in sorted(replayed.rounds.items()):
            by_feed.setdefault(feed_id, []).append(each)
        for feed_id, feed in self.feeds.items():
            unsure = feed_id in replayed.unsure
            state, held = replayed.states.get(feed_id), replayed.holds.get(feed_id)
            words |= _feed_words(feed, state, held, unsure)
            words |= _round_words(feed_id, owner_of(feed), by_feed[feed_id], unsure)
        return words

    def owner(self, feed_id: bytes) -> str:
        """Return the name of a feed, for messages."""
        feed = self.feeds.get(feed_id)
        return owner_of(feed) if feed else f"feed {to_hex(feed_id)}"

    def _committee_words(self, number: int, people: Iterable[int]) -> dict[int, Word]:
        owner, slot = f"committee {number}", entry(COMMITTEES, number)
        found = self.committees.get(number)
        packed = 0
        if found is not None:
            size = len(found.reporters)
            packed = layouts.COMMITTEE.pack(found.epoch, found.quorum, size, found.proposed_quorum, found.proposed_from)
        words = {slot: Word(packed, owner, "quorum, epoch and proposal", layouts.COMMITTEE)}
        reporters, proposed = (found.reporters, found.proposed) if found else ((), ())
        words |= array_words(slot + 1, reporters, owner, "reporters", ADDRESS)
        words |= array_words(slot + 2, proposed, owner, "proposed reporters", ADDRESS)
        words[slot + POSITIONS] = Word(0, owner, "the word of the positions' mapping")
        if found is not None:
            positions = dict.fromkeys(people, 0) | {each: index + 1 for index, each in enumerate(reporters)}
            for person, position in positions.items():
                name = f"the reporters' positions: that of {ADDRESS.fields[0].form(person)}"
                words[entry(slot + POSITIONS, person)] = Word(position, owner, name)
        return words

    def _architecture_words(self, number: int) -> dict[int, Word]:
        owner = f"architecture {number}"
        found = self.architectures.get(number)
        features = found["features"] if found else b""
        words = {
            entry(FEATURES, number): Word(int.from_bytes(features.ljust(32, b"\0")), owner, "features", HASH),
            entry(ONLY_MODELS, number): Word(self._only_model(number), owner, "its only model"),
        }
        hashes = found["codeHashes"] if found else ()
        for index in range(MOST_CIRCUITS):
            key = number << 8 | index
            shape = self._circuit(found, index) if found else 0
            words[entry(SHAPES, key)] = Word(shape, owner, f"shapes[{index}]", layouts.CIRCUIT)
            code_hash = int.from_bytes(hashes[index]) if index < len(hashes) else 0
            words[entry(CODE_HASHES, key)] = Word(code_hash, owner, f"codeHashes[{index}]", HASH)
        return words

    def _only_model(self, architecture: int) -> int:
        found = self.architectures.get(architecture)
        if found is None or found["bindsModel"]:
            return 0
        users = (number for number, model in self.models.items() if model["architectureId"] == architecture)
        return next(users, 0)

    def _model_words(self, number: int) -> dict[int, Word]:
        owner, slot = f"model {number}", entry(MODELS, number)
        found = self.models.get(number)
        model_hash, artifact_hash, architecture_id, unit = 0, b"", 0, 0
        if found is not None:
            model_hash, artifact_hash = found["modelHash"], found["artifactHash"]
            architecture_id, unit = found["architectureId"], found["scoreUnit"]
        architecture = self.architectures.get(architecture_id)
        features = int.from_bytes(architecture["features"].ljust(32, b"\0")) if architecture else 0
        words = {
            slot: Word(model_hash, owner, "modelHash", layouts.MODEL_HASH),
            slot + 1: Word(features, owner, "features", HASH),
            slot + 2: Word(int.from_bytes(artifact_hash), owner, "artifactHash", HASH),
            slot + 3: Word(architecture_id, owner, "architectureId"),
        }
        for index in range(MOST_CIRCUITS):
            circuit = self._circuit(architecture, index, unit) if architecture else 0
            words[entry(CIRCUITS, number << 8 | index)] = Word(circuit, owner, f"circuits[{index}]", layouts.CIRCUIT)
        return words

    def _circuit(self, architecture: Mapping[str, Any], index: int, unit: int = 0) -> int:
        count = len(architecture["batchSizes"])
        if index >= count:
            return 0
        exponent = 0
        while unit >= 1 << 40 and not unit & 1:
            unit, exponent = unit >> 1, exponent + 1
        return layouts.CIRCUIT.pack(
            int(architecture["verifiers"][index], 16),
            architecture["bindsModel"],
            len(architecture["features"]),
            architecture["outputs"],
            count,
            architecture["batchSizes"][index],
            exponent,
            unit,
        )


def owner_of(feed: StoredFeed) -> str:
    """Return a feed's name, for messages."""
    return f"feed {feed.terms.description}"


# --- details -------------------------------------------------------------------------------------------------------


def _and_next(numbers: Collection[int]) -> list[int]:
    """Return the numbers of what was added, with those up to the next one that the hub gives away."""
    return sorted({*numbers, *range(1, len(numbers) + 2)})


def _people(values: Mapping[str, Any]) -> tuple[int, ...]:
    return tuple(int(reporter, 16) for reporter in values["reporters"])


def _feed_words(feed: StoredFeed, state: FeedState | None, held: HeldAnswer | None, unsure: bool) -> dict[int, Word]:
    terms, owner, everything = feed.terms, owner_of(feed), WORD if unsure else 0
    slot = entry(FEEDS, int.from_bytes(terms.feed_id))
    answers = state.peer_answers if state else ()
    peers = [
        (int.from_bytes(peer), answers[index] if index < len(answers) else 0) for index, peer in enumerate(terms.peers)
    ]
    peer_words = [layouts.PEER.pack(answer, peer >> 128) for peer, answer in peers]
    rests = [peer & ((1 << 128) - 1) for peer, _ in peers]
    until = feed.previous_until
    proposals = (feed.model_from, feed.unpause_from, until or 0, feed.proposed_model, feed.previous_model)
    undated = layouts.PROPOSALS.mask("previousUntil") if until is None else 0
    words = [
        Word(
            _config(feed, state is not None and state.status is Status.HELD),
            owner,
            "terms and settings",
            layouts.CONFIG,
            layouts.CONFIG.mask("held") if unsure else 0,
        ),
        Word(_track(state), owner, "track", layouts.TRACK, everything),
        Word(_held_answers(held), owner, "the held answers", layouts.HELD_ANSWERS, everything),
        Word(_held_rest(held, state), owner, "the held words", layouts.HELD_REST, everything),
        *(
            Word(word, owner, f"peer {index + 1}", layouts.PEER, layouts.PEER.mask("answer") & everything)
            for index, word in enumerate((*peer_words, 0, 0)[:2])
        ),
        Word(layouts.PEER_RESTS.pack(*(*rests, 0, 0)[:2]), owner, "the peers' ids", layouts.PEER_RESTS),
        Word(layouts.PROPOSALS.pack(*proposals), owner, "proposals", layouts.PROPOSALS, undated),
        Word(layouts.SHADOW_COUNTS.pack(*feed.shadow), owner, "the shadow tally", layouts.SHADOW_COUNTS),
        Word(layouts.SHADOW_REPORT.pack(*feed.shadow_report), owner, "the shadow's report", layouts.SHADOW_REPORT),
    ]
    found = {slot + index: word for index, word in enumerate(words)}
    found |= text_words(slot + len(words), terms.description.encode(), owner, "description")
    found[slot + ROUNDS] = Word(0, owner, "the word of the rounds' mapping")
    return found


def _config(feed: StoredFeed, is_held: bool) -> int:
    terms, policy = feed.terms, feed.terms.policy
    return layouts.CONFIG.pack(
        *(terms.kind is Kind.RELATIVE, feed.paused, is_held, feed.linked, len(terms.peers), terms.decimals),
        *(policy.confirmations, policy.max_repeats, feed.model_number, terms.heartbeat, terms.max_age),
        *(terms.max_skew, policy.confirm_delay, policy.tolerance, terms.max_spread, terms.committee, terms.sigma),
    )


def _track(state: FeedState | None) -> int:
    if state is None or state.round_id == 0:
        return 0
    return layouts.TRACK.pack(state.round_id, state.variance, *state.returns)


def _held_answers(held: HeldAnswer | None) -> int:
    return layouts.HELD_ANSWERS.pack(held.answer, held.first_answer) if held else 0


def _held_rest(held: HeldAnswer | None, state: FeedState | None) -> int:
    held_reports = state.held_reports if state else 0
    if held is None:
        return layouts.HELD_REST.pack(*(0,) * 11, held_reports)
    if held.reason is HoldReason.NONE:
        raise ValueError("an answer is held without a reason")
    return layouts.HELD_REST.pack(
        *(held.first_observed_at, held.first_seen_at, held.observed_at, held.confirmations, held.model_number),
        *(held.score_ratio, held.reason, held.anomalies, held.anomalous_since, held.anomalous_seen_at),
        *(held.first_gap, held_reports),
    )


def _round_words(feed_id: bytes, owner: str, rounds: Iterable[Round], unsure: bool) -> dict[int, Word]:
    """Return the words of a feed's rounds, in their order, with the zero of the next one."""
    mapping = entry(FEEDS, int.from_bytes(feed_id)) + ROUNDS
    words = {entry(mapping, 0): Word(0, owner, "round 0", layouts.ROUND)}
    before: Round | None = None
    repeats = 0
    for each in rounds:
        is_repeated = before is not None and each.answer == before.answer
        repeats = min(encoding.UINT8_MAX, repeats + 1) if is_repeated else 0
        packed = layouts.ROUND.pack(
            *(each.answer, each.observed_at, each.published_at + _LONGEST_SKEW - each.observed_at, repeats),
            *(each.model_number, each.score_ratio, each.spread, each.count),
        )
        name = f"round {each.round_id}"
        words[entry(mapping, each.round_id)] = Word(packed, owner, name, layouts.ROUND, WORD if unsure else 0)
        before = each
    after = before.round_id + 1 if before else 1
    words[entry(mapping, after)] = Word(0, owner, f"round {after}", layouts.ROUND, WORD if unsure else 0)
    return words
