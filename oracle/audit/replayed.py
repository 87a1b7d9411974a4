"""The hub as its history has led it so far: committees, models, feeds and their rounds, and proposals. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from oracle.audit.calls import JudgedEvent
from oracle.audit.history import AdminEvent, AuditedCommittee, AuditedFeed, AuditedModel, ReportOutcome
from oracle.audit.judge import JudgedAnswer, Judgement, Unknown, follow
from oracle.audit.report import AuditProblem, ProblemKind
from oracle.audit.shadows import ShadowPeriod
from oracle.audit.storage import Replayed
from oracle.audit.withheld import Holes, PinnedHub
from oracle.chain.hub import ShadowScored
from oracle.core.formats import to_hex
from oracle.core.gate import empty_feed
from oracle.core.types import FeedState, HeldAnswer, HoldReason, Outcome, Round


@dataclass(frozen=True)
class HubMark:
    """A point of a hub's history: its feeds, what they held last, shadow periods, doubts about peers, and lengths."""

    states: dict[bytes, FeedState]
    holds: dict[bytes, HeldAnswer]
    periods: dict[bytes, ShadowPeriod]
    peers_unknown: dict[bytes, str]
    rounds: int
    problems: int


class ReplayedHub:
    """The hub as its history has led it so far.

    Args:
        pinned: The hub at the pinned block, as far as the history alone does not tell it.
        holes: The parts of the history that are missing.

    Attributes:
        feeds: The feeds that were added, by their ids.
        models: The models that were added, by their numbers.
        states: Each feed as it must be now.
        rounds: The rounds, by feed and number.
        holds: What each feed held last, whether it still does or not.
        periods: The shadow period of each feed for which a model is proposed.
        paused: Feeds that are paused, each with whether an unpause was proposed.
        peers_unknown: Feeds whose peers' answers in the latest round are not certain, each with the reason.
        problems: What the history itself does wrong.
    """

    def __init__(self, pinned: PinnedHub, holes: Holes) -> None:
        self.pinned = pinned
        self.holes = holes
        self.feeds: dict[bytes, AuditedFeed] = {}
        self.models: dict[int, AuditedModel] = {}
        self.states: dict[bytes, FeedState] = {}
        self.rounds: dict[tuple[bytes, int], Round] = {}
        self.holds: dict[bytes, HeldAnswer] = {}
        self.periods: dict[bytes, ShadowPeriod] = {}
        self.paused: dict[bytes, bool] = {}
        self.peers_unknown: dict[bytes, str] = {}
        self.problems: list[AuditProblem] = []
        self._committees: dict[int, AuditedCommittee] = {}

    def add_model(self, model: AuditedModel) -> None:
        """Take over a model that was added to the hub."""
        self.models[model.number] = model

    def add_feed(self, feed: AuditedFeed) -> None:
        """Take over a feed that was added to the hub."""
        self.feeds[feed.feed_id] = feed
        self.states[feed.feed_id] = empty_feed(
            feed.feed_id,
            feed.kind,
            feed.sigma,
            feed.heartbeat,
            feed.model_number,
            committee=feed.committee,
            peers=feed.peers,
        )

    def add_committee(self, number: int, reporters: Sequence[str], quorum: int, epoch: int = 1) -> None:
        """Take over a committee that was added to the hub, or its new reporters."""
        self._committees[number] = AuditedCommittee(frozenset(reporters), quorum, epoch)

    def administer(self, event: AdminEvent) -> None:
        """Take over any event that is not about a report, except that of a model: see `add_model`."""
        values = event.values
        feed_id = values.get("feedId", b"")
        if event.name == "FeedAdded":
            self.add_feed(AuditedFeed.from_event(values))
        elif event.name == "CommitteeAdded":
            self.add_committee(values["committee"], values["reporters"], values["quorum"])
        elif event.name == "ReportersActivated":
            self.add_committee(values["committee"], values["reporters"], values["quorum"], values["epoch"])
        elif event.name == "ModelProposed":
            terms = (values["activeFrom"], values["minCompared"], values["maxDisagreements"])
            self.periods[feed_id] = ShadowPeriod(values["modelNumber"], *terms)
        elif event.name == "ModelProposalCancelled":
            self.periods.pop(feed_id, None)
        elif event.name == "ModelActivated":
            self._check_activation(event)
            self.change_model(feed_id, values["modelNumber"])
        elif event.name == "ModelRolledBack":
            self.change_model(feed_id, values["modelNumber"])
        elif event.name in ("Paused", "UnpauseProposed"):
            self.paused[feed_id] = event.name == "UnpauseProposed"
        elif event.name == "Unpaused":
            self.paused.pop(feed_id, None)
        elif event.name == "ShadowCompared":
            self._check_comparison(event)

    def change_model(self, feed_id: bytes, model_number: int) -> None:
        """Take over a feed's model, after it was activated or rolled back to."""
        if feed_id in self.states:
            self.states[feed_id] = replace(self.states[feed_id], model_number=model_number)

    def bridge(self, event: JudgedEvent) -> None:
        """Take over the rounds before an event that are on the hub, but not in the logs."""
        feed, missing = self.feeds.get(event.feed_id), self.holes.rounds.get(event.feed_id, ())
        while feed is not None and (number := self.states[event.feed_id].round_id + 1) < event.round_id:
            stored = self.pinned.rounds.get((event.feed_id, number))
            if number not in missing or stored is None:
                return
            state = self.states[event.feed_id]
            said = ReportOutcome(
                event.feed_id, number, Outcome.ACCEPTED, stored.answer, stored.observed_at, False, HoldReason.NONE, 0
            )
            peers = (0,) * len(feed.peers)
            judged = JudgedAnswer(
                stored.answer, stored.observed_at, (), stored.score_ratio, stored.spread, stored.count, peers,
                stored.published_at,
            )  # fmt: skip
            try:
                made = follow(said, judged, state, feed, Judgement(state, said, None))
            except (ArithmeticError, ValueError):  # a round that no hub has
                return
            self.keep(event.feed_id, made)
            if feed.peers:
                self.peers_unknown[event.feed_id] = f"round {number} of the feed is not in the logs"

    def keep(self, feed_id: bytes, made: Judgement, *, is_stored: bool = True) -> None:
        self.states[feed_id] = made.state
        if made.state.held is not None:
            self.holds[feed_id] = made.state.held
        if made.round is not None and is_stored:
            self.rounds[feed_id, made.round.round_id] = made.round

    def record(self, event: ShadowScored) -> None:
        period = self.periods.get(event.feed_id)
        if period is not None and event.feed_id in self.states:
            if period.pending is not None:
                self._compare(period, None, event)
            period.record(event)

    def committee(self, number: int, epoch: int) -> AuditedCommittee | None:
        """Return a committee's reporters in an epoch, from the hub's storage where the logs lack them."""
        found, missing = self._committees.get(number), self.holes.epochs.get(number, frozenset())
        if epoch in missing and (found is None or found.epoch < epoch):
            pinned = self.pinned.committees[number]
            if pinned.epoch != epoch:
                raise Unknown(f"the reporters of committee {number} in epoch {epoch} are not in the logs")
            return AuditedCommittee(frozenset(pinned.reporters), pinned.quorum, epoch)
        return found

    def mark(self) -> HubMark:
        """Return this point of the history."""
        periods = {feed_id: replace(period) for feed_id, period in self.periods.items()}
        unknown, lengths = dict(self.peers_unknown), (len(self.rounds), len(self.problems))
        return HubMark(dict(self.states), dict(self.holds), periods, unknown, *lengths)

    def reset(self, mark: HubMark) -> None:
        """Return to an earlier point. Only reports may have been played since."""
        self.states, self.holds = dict(mark.states), dict(mark.holds)
        self.periods = {feed_id: replace(period) for feed_id, period in mark.periods.items()}  # they count on
        self.peers_unknown = dict(mark.peers_unknown)
        for key in list(self.rounds)[mark.rounds :]:
            del self.rounds[key]
        del self.problems[mark.problems :]

    def expected_states(self) -> dict[bytes, FeedState]:
        """Return each feed as it must be now. The pinned state stands for what the history does not tell."""
        states = dict(self.states)
        for feed_id, pinned in self.pinned.states.items():
            if feed_id in states and feed_id in self.unsure:
                states[feed_id] = pinned
            elif feed_id in states and feed_id in self.peers_unknown:
                states[feed_id] = replace(states[feed_id], peer_answers=pinned.peer_answers)
        return states

    def expected_rounds(self) -> dict[tuple[bytes, int], Round]:
        """Return each round as it must be stored, by feed and number."""
        return dict(self.pinned.rounds) | self.rounds

    @property
    def unsure(self) -> frozenset[bytes]:
        """The feeds whose reports could not all be replayed."""
        holes = self.holes
        known = {feed_id for feed_id in self.states if feed_id in (*holes.rounds, *holes.holds, *holes.activations)}
        return frozenset(known)

    def written(self, people: Collection[str] = ()) -> Replayed:
        """Return what the reports must have written to the hub's storage.

        Args:
            people: Further addresses that the history names.
        """
        return Replayed(self.expected_states(), self.expected_rounds(), self.holds, self.unsure, people)

    # --- details -----------------------------------------------------------------------------------------------

    def _check_activation(self, event: AdminEvent) -> None:
        feed_id = event.values["feedId"]
        period = self.periods.pop(feed_id, None)
        if period is None or feed_id not in self.states:
            return  # `withheld` has said so
        self._compare(period, None, event)
        if why := period.activation_problem(event.block_time):
            self._wrong(f"model {period.model_number} was activated for {self._name(feed_id)} {why}")

    def _check_comparison(self, event: AdminEvent) -> None:
        period = self.periods.get(event.values["feedId"])
        if period is not None and event.values["feedId"] in self.states:
            self._compare(period, event.values["agrees"], event)

    def _compare(self, period: ShadowPeriod, said: bool | None, event: AdminEvent | ShadowScored) -> None:
        """Compare a period's last report with what it became, and with what the hub says of it."""
        feed_id = event.values["feedId"] if isinstance(event, AdminEvent) else event.feed_id
        found = period.compare(self.states[feed_id], self.rounds)
        if found is not said:
            words = {True: "agree", False: "disagree", None: "can't be compared"}
            self._wrong(
                f"by block {event.block_number}, the active and the proposed model {words[found]} on the last shadow "
                f"report of {self._name(feed_id)}, but by the hub's events they {words[said]}"
            )

    def _wrong(self, text: str) -> None:
        self.problems.append(AuditProblem(ProblemKind.HISTORY, text))

    def _name(self, feed_id: bytes) -> str:
        feed = self.feeds.get(feed_id)
        return feed.description if feed else to_hex(feed_id)
