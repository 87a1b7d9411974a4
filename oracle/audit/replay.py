"""Replay a hub's history: rebuild each feed's rounds from events and calldata, and judge every report on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from oracle.audit.calls import FoundSubmission, JudgedEvent
from oracle.audit.doubts import RelayDoubt, ReplayMark
from oracle.audit.history import (
    AuditedFeed,
    AuditedReport,
    AuditedSubmission,
    ReportEvents,
    ReportOutcome,
)
from oracle.audit.judge import (
    DerivedAnswer,
    DerivedWindow,
    JudgedAnswer,
    Recover,
    Unknown,
    Unproven,
    check_signatures,
    check_turn,
    derive_answer,
    derive_window,
    follow,
    judge_report,
    outcome_problem,
    statement,
)
from oracle.audit.proofs import ProofTask
from oracle.audit.replayed import ReplayedHub
from oracle.audit.report import Checked, Finding, FindingKind
from oracle.audit.transactions import NOT_FOUND
from oracle.audit.withheld import Holes, PinnedHub
from oracle.chain.hub import ShadowScored, Submission
from oracle.core import encoding
from oracle.core.encoding import sees_peers
from oracle.core.formats import to_hex
from oracle.core.report import SignedReport
from oracle.core.types import FeedState, HoldReason, Outcome, Round

_HIDDEN = "the transaction's input may hide another submission"
_NOT_PROVEN = "its proof was not verified"


@dataclass(frozen=True)
class _Attempt:
    """A submission that may be the one behind some events, with what follows from it."""

    audited: AuditedSubmission
    events: tuple[JudgedEvent, ...]
    reporters: tuple[str, ...]
    windows: tuple[DerivedWindow, ...]


class Auditor:
    """Replays what happened at a hub, in the order in which the chain has it. Pure: proofs are left to others.

    Args:
        recover: Returns the address that signed a report; raises ValueError if nobody did.
        reports: Takes each report whose signatures hold; None: nobody wants them.
        pinned: The hub at the pinned block, as far as the history alone does not tell it.
        holes: The parts of the history that are missing.

    Attributes:
        findings: One for each feed that a report judged, in their order. One that waits for its proof is unchecked.
        tasks: The proofs that are still to be verified.
        hub: The hub as the history has led it so far.
        doubts: Reports that a trace would clear up.
    """

    def __init__(
        self,
        recover: Recover,
        reports: list[AuditedReport] | None = None,
        pinned: PinnedHub | None = None,
        holes: Holes | None = None,
    ) -> None:
        self._recover = recover
        self._reports = reports
        self.hub = ReplayedHub(pinned or PinnedHub(), holes or Holes())
        self._others: dict[tuple[int, ...], list[ProofTask]] = {}
        self._relayed: dict[tuple[int, ...], RelayDoubt] = {}
        self.doubts: list[RelayDoubt] = []
        self.findings: list[Finding] = []
        self.tasks: list[ProofTask] = []

    # --- reports -----------------------------------------------------------------------------------------------

    def play(self, entry: ReportEvents) -> None:
        """Audit the submissions behind some events, in their order."""
        events = entry.events
        while events:
            findings, tasks = len(self.findings), len(self.tasks)
            try:
                count = self._submission(entry, events)
            except (ArithmeticError, LookupError, ValueError) as error:
                # Another contract, or a node, can tell of terms and answers that the hub never takes: a sigma of zero.
                del self.findings[findings:], self.tasks[tasks:]
                self._find_impossible(entry, events[0], error)
                count = 1
            events = events[count:]

    def mark(self) -> ReplayMark:
        """Return this point of the replay, to return to."""
        lengths = (len(self.findings), len(self.tasks), len(self._reports or ()), len(self.doubts))
        return ReplayMark(self.hub.mark(), lengths)

    def is_in_doubt_since(self, mark: ReplayMark) -> bool:
        """Return True if the submission of a relay did not hold since then."""
        return len(self.doubts) > mark.lengths[-1]

    def reset(self, mark: ReplayMark) -> None:
        """Return to an earlier point of the replay."""
        self.hub.reset(mark.hub)
        findings, tasks, reports, doubts = mark.lengths
        del self.findings[findings:], self.tasks[tasks:], self.doubts[doubts:]
        if self._reports is not None:
            del self._reports[reports:]

    def try_traced(self, doubt: RelayDoubt, entry: ReportEvents) -> None:
        """Add the proofs that a trace shows of a report whose proof in the input does not hold.

        Args:
            doubt: The report.
            entry: Its transaction, with the trace.
        """
        if doubt.task is None or doubt.submission is None:
            return
        found = [each.submission for each in entry.calls.candidates(doubt.events)]
        same = [each for each in found if replace(each, proof=b"") == doubt.submission]
        self._relayed.pop(doubt.task.findings, None)
        if same:
            self.tasks.append(replace(doubt.task, proof=same[0].proof))

    def settle(self, task: ProofTask, result: bool | str) -> None:
        """Take over the verification of a proof. It may add another task: a transaction can have several candidates.

        Args:
            result: True if the proof holds; otherwise False, or why it can't be verified.
        """
        others = self._others.get(task.findings)
        if result is not True and others:
            self.tasks.append(others.pop(0))
            return
        if result is True:
            check, problem = Checked.VERIFIED, ""
        elif result is False and not task.unsure:
            check, problem = Checked.FAILED, "the proof does not verify"
        else:
            check, problem = Checked.UNCHECKED, result or f"the proof does not verify, but {task.unsure}"
        if check is Checked.FAILED and (doubt := self._relayed.get(task.findings)) is not None:
            self.doubts.append(replace(doubt, task=task))
            check, problem = Checked.UNCHECKED, f"{problem}, but {_HIDDEN}"
        for at in task.findings:
            self.findings[at] = replace(self.findings[at], check=check, problem=problem)

    def _submission(self, entry: ReportEvents, events: Sequence[JudgedEvent]) -> int:
        """Audit the submission behind the first of some events; return how many of them are of it."""
        try:
            found = entry.calls.candidates(events)
            missing = entry.calls.missing or NOT_FOUND
        except ValueError as error:
            found, missing = [], f"the transaction's input can't be read: {error}"
        if not found or not found[0].events:
            self.hub.bridge(events[0])
            self._find_unknown(entry, events[0], missing)
            return 1
        count = found[0].events
        for event in events[:count]:
            self.hub.bridge(event)
        attempts: list[_Attempt] = []
        refused: list[tuple[AuditedSubmission, Exception]] = []
        # Whoever made the input may repeat a report with any number of proofs. Each report is derived once.
        derived: dict[Submission, _Attempt | Unproven | Unknown] = {}
        for each in found:
            audited = _audited(entry, each, events[:count])
            unproven = replace(each.submission, proof=b"")
            if unproven not in derived:
                try:
                    derived[unproven] = self._attempt(audited, events[:count])
                except (Unproven, Unknown) as error:
                    derived[unproven] = error
            result = derived[unproven]
            if isinstance(result, _Attempt):
                attempts.append(replace(result, audited=audited))
            else:
                refused.append((audited, result))
        if attempts:
            fitting = self._that_fit(attempts, entry)
            if not fitting and not entry.calls.is_certain:  # the hub has stored something else
                self.doubts.append(RelayDoubt(entry, tuple(events[:count])))
                self._find_unknown(entry, events[0], f"the hub has stored another round, and {_HIDDEN}")
                return 1
            self._take(entry, fitting or attempts)
        else:
            self._refuse(entry, *refused[0], events[:count])
        return count

    def _attempt(self, audited: AuditedSubmission, events: Sequence[JudgedEvent]) -> _Attempt:
        """Return a submission with what the hub must have derived of it. A report is refused as a whole."""
        report = audited.submission.signed.report
        model = self.hub.models.get(audited.submission.model_number)
        if model is None:
            raise Unproven(f"model {audited.submission.model_number} was never added")
        committee = self.hub.committee(report.committee, report.epoch)
        reporters = check_signatures(audited, committee, self._recover)
        assert committee is not None  # or its signatures would not be taken
        answers: dict[bytes, tuple[AuditedFeed, DerivedAnswer]] = {}
        for position, feed_id in enumerate(report.feed_ids):
            feed = self.hub.feeds.get(feed_id)
            if feed is None:
                raise Unproven(f"the feed {to_hex(feed_id)} was never added")
            answers[feed_id] = feed, derive_answer(audited, position, feed, committee)
        windows = []
        for position in audited.judged:
            feed_id = report.feed_ids[position]
            feed, state = self.hub.feeds[feed_id], self.hub.states[feed_id]
            last_at = self._last_at(audited, feed_id, state)
            check_turn(audited, position, feed, state, last_at)
            windows.append(derive_window(audited, feed, model, state, answers))
        return _Attempt(audited, tuple(events), reporters, tuple(windows))

    def _last_at(self, audited: AuditedSubmission, feed_id: bytes, state: FeedState) -> int:
        """Return the time of a feed's last report; raise Unproven unless the model may judge the feed."""
        number = audited.submission.model_number
        if feed_id in self.hub.paused:
            if self.hub.paused[feed_id]:
                raise Unknown("no log shows that the feed was unpaused")
            raise Unproven("the feed was paused")
        if audited.kind is FindingKind.SHADOW:
            period = self.hub.periods.get(feed_id)
            if period is None or period.model_number != number:
                if feed_id in self.hub.holes.proposals:
                    raise Unknown(f"no log shows that model {number} was proposed")
                raise Unproven(f"model {number} was not proposed")
            return max(state.last_report_at, period.last_at)
        if number != state.model_number:
            if feed_id in self.hub.holes.activations:
                raise Unknown(f"no log shows that model {number} was active")
            raise Unproven(f"model {number} was not active; {state.model_number} was")
        return state.last_report_at

    def _that_fit(self, attempts: list[_Attempt], entry: ReportEvents) -> list[_Attempt]:
        """Return the attempts whose rounds are stored as they must be."""

        def fits(attempt: _Attempt) -> bool:
            for event, window in zip(attempt.events, attempt.windows, strict=False):
                stored = self._stored(entry, event)
                if stored is not None and (stored.spread, stored.count) != (window.signed.spread, window.signed.count):
                    return False
            return True

        return [each for each in attempts if fits(each)]

    def _take(self, entry: ReportEvents, attempts: Sequence[_Attempt]) -> None:
        """Take over what the first of some submissions must have done; its proof or another's decides on it."""
        first = attempts[0]
        audited, number = first.audited, first.audited.submission.model_number
        model = self.hub.models[number]
        if self._reports is not None and audited.kind is FindingKind.ROUND:
            signed = audited.submission.signed
            self._reports.append(AuditedReport(audited.tx_hash, audited.block_time, signed, first.reporters))
        tasks: list[ProofTask] = []
        in_proof, unsure, blind = "", "", ""
        report = audited.submission.signed.report
        for position in audited.judged:
            feed_id = report.feed_ids[position]
            unsure = unsure or self.hub.holes.why_unsure(feed_id, report.round_ids[position])
            if sees_peers(model.features):
                blind = blind or self.hub.peers_unknown.get(feed_id, "")
        waiting: list[int] = []
        for each in attempts:
            try:
                stated = statement(each.audited, model, [window.features for window in each.windows])
                proof = each.audited.submission.proof
                tasks.append(ProofTask((), number, stated.batch, proof, stated.instances, unsure))
            except Unproven as error:
                in_proof = str(error)
        differ = len({tuple(window.peer_answers for window in each.windows) for each in attempts}) > 1
        said = {event.feed_id: event for event in first.events}
        for at, position in enumerate(audited.judged):
            feed_id = report.feed_ids[position]
            judged = JudgedAnswer.of(audited, at, first.windows[at], model.score_unit)
            # Taken over even if the proof is bad: later proofs are about the history that the hub has.
            check, problem = self._take_over(audited, feed_id, judged, said.get(feed_id))
            if not tasks:
                check, problem = Checked.FAILED, in_proof
            elif not problem and (blind or model.problem):
                check, problem = Checked.UNCHECKED, blind or model.problem
            elif not problem:
                check, problem = Checked.UNCHECKED, _NOT_PROVEN
                waiting.append(len(self.findings))
            if differ and self.hub.feeds[feed_id].peers:
                self.hub.peers_unknown[feed_id] = (
                    "several submissions fit its last round, with other answers of its peers"
                )
            self._find(entry, audited.kind, feed_id, report.round_ids[position], said.get(feed_id), check, problem)
        if waiting:
            tasks = [replace(task, findings=tuple(waiting)) for task in tasks]
            self.tasks.append(tasks[0])
            if not entry.calls.is_certain:
                submitted = replace(audited.submission, proof=b"")
                self._relayed[tasks[0].findings] = RelayDoubt(entry, first.events, submission=submitted)
            if len(tasks) > 1:
                self._others[tasks[0].findings] = tasks[1:]

    def _take_over(
        self, audited: AuditedSubmission, feed_id: bytes, judged: JudgedAnswer, event: JudgedEvent | None
    ) -> tuple[Checked, str]:
        """Take over the state that a report must have led to; return how the hub's event differs from it."""
        feed, before = self.hub.feeds[feed_id], self.hub.states[feed_id]
        if audited.kind is FindingKind.SHADOW:
            if isinstance(event, ShadowScored):
                self.hub.record(event)
                return Checked.VERIFIED, ""
            return Checked.FAILED, "the hub emitted nothing"
        unit = self.hub.models[audited.submission.model_number].score_unit
        made = judge_report(judged, feed, unit, before, audited.block_time)
        said = None if event is None or isinstance(event, ShadowScored) else ReportOutcome.from_event(event)
        problem, check = outcome_problem(said, made.outcome, feed.decimals), Checked.FAILED
        if event is not None and not problem:
            submitted = (audited.submission.model_number, tuple(judged.scores))
            if (event.model_number, tuple(event.scores)) != submitted:
                problem = f"the hub said scores of {list(event.scores)} by model {event.model_number}, but "
                problem += f"{list(submitted[1])} by model {submitted[0]} were submitted"
        unsure = self.hub.holes.why_unsure(feed_id, before.round_id + 1)
        if said is None and (
            made.outcome.round_id in self.hub.holes.rounds.get(feed_id, ()) or feed_id in self.hub.holes.holds
        ):
            problem = ""  # `withheld` has named the event that is missing
        elif problem and unsure and said is not None:
            made, check, problem = (
                follow(said, judged, before, feed, made),
                Checked.UNCHECKED,
                f"{problem}, but {unsure}",
            )
        self.hub.keep(feed_id, made)
        if made.round is not None:
            self.hub.peers_unknown.pop(feed_id, None)
        return check, problem

    def _refuse(
        self, entry: ReportEvents, audited: AuditedSubmission, error: Exception, events: Sequence[JudgedEvent]
    ) -> None:
        """Take over a report that the hub should have refused, as its events have it."""
        report = audited.submission.signed.report
        said = {event.feed_id: event for event in events}
        unsure = next(
            filter(
                None, (self.hub.holes.why_unsure(report.feed_ids[at], report.round_ids[at]) for at in audited.judged)
            ),
            "",
        )
        check, problem = Checked.FAILED, str(error)
        if not entry.calls.is_certain:
            self.doubts.append(RelayDoubt(entry, tuple(events)))
            check, problem = Checked.UNCHECKED, f"{problem}, but {_HIDDEN}"
        elif isinstance(error, Unknown):
            check = Checked.UNCHECKED
        elif unsure:
            check, problem = Checked.UNCHECKED, f"{problem}, but {unsure}"
        for position in audited.judged:
            feed_id = report.feed_ids[position]
            if (event := said.get(feed_id)) is not None:
                self._follow(entry, event, audited.submission.signed)
            self._find(entry, audited.kind, feed_id, report.round_ids[position], event, check, problem)

    def _find_impossible(self, entry: ReportEvents, event: JudgedEvent, error: Exception) -> None:
        kind = FindingKind.SHADOW if isinstance(event, ShadowScored) else FindingKind.ROUND
        problem = f"no hub of this release has such a history: {error!r}"
        self._find(entry, kind, event.feed_id, event.round_id, event, Checked.FAILED, problem)

    def _find_unknown(self, entry: ReportEvents, event: JudgedEvent, missing: str) -> None:
        """Take over a report whose submission is not known, as far as its event tells of it."""
        kind = FindingKind.SHADOW if isinstance(event, ShadowScored) else FindingKind.ROUND
        problem = self._follow(entry, event)
        if problem and not self.hub.holes.why_unsure(event.feed_id, event.round_id):
            self._find(entry, kind, event.feed_id, event.round_id, event, Checked.FAILED, problem)
        else:
            self._find(entry, kind, event.feed_id, event.round_id, event, Checked.UNCHECKED, missing)

    def _follow(self, entry: ReportEvents, event: JudgedEvent, signed: SignedReport | None = None) -> str:
        """Take over what an event tells, and the submission or the stored round; return how it contradicts the rules.

        Args:
            entry: The events of the transaction.
            event: The event.
            signed: The submitted report; None: it is not known.
        """
        feed, state = self.hub.feeds.get(event.feed_id), self.hub.states.get(event.feed_id)
        model = self.hub.models.get(event.model_number)
        if feed is None or state is None or model is None:
            return "the feed or the model was never added"
        if isinstance(event, ShadowScored):
            self.hub.record(event)
            return ""
        if event.round_id != state.round_id + 1:
            return f"it is of round {event.round_id}, but {state.round_id + 1} was next"
        said, stored = ReportOutcome.from_event(event), self._stored(entry, event)
        answers = {each.feed_id: each.answer for each in entry.events if each.observed_at == event.observed_at}
        spread, count = (stored.spread, stored.count) if stored else (0, 0)
        if signed is not None:
            listed = signed.report.feed_ids
            answers = {peer: signed.median(at) for at, peer in enumerate(listed) if signed.count(at)}
            if (at := signed.report.position(event.feed_id)) is not None and signed.count(at):
                spread, count = signed.spread(at, feed.kind, feed.sigma), signed.count(at)
        judged = JudgedAnswer(
            answer=event.answer,
            observed_at=event.observed_at,
            scores=event.scores,
            score_ratio=encoding.score_ratio(event.scores, model.score_unit),
            spread=spread,
            count=count,
            peer_answers=tuple(answers.get(peer, 0) for peer in feed.peers),
            published_at=entry.block_time,
        )
        try:
            made = judge_report(judged, feed, model.score_unit, state, entry.block_time)
            if problem := outcome_problem(said, made.outcome, feed.decimals):
                made = follow(said, judged, state, feed, made)
        except (ArithmeticError, ValueError) as error:  # an answer that no hub takes
            return f"the event is none of this hub: {error}"
        self.hub.keep(event.feed_id, made, is_stored=count > 0)
        if feed.peers and made.round is not None and signed is None:
            self.hub.peers_unknown[event.feed_id] = (
                f"the answers of the feed's peers in round {event.round_id} are not known, as its submission is not"
            )
        return problem

    def _stored(self, entry: ReportEvents, event: JudgedEvent) -> Round | None:
        key = (event.feed_id, event.round_id)
        found = entry.rounds.get(key) or self.hub.pinned.rounds.get(key)
        return found if found is not None and found.observed_at == event.observed_at else None

    def _find(
        self,
        entry: ReportEvents,
        kind: FindingKind,
        feed_id: bytes,
        round_id: int,
        event: JudgedEvent | None,
        check: Checked,
        problem: str,
    ) -> None:
        feed = self.hub.feeds.get(feed_id)
        outcome, confirmed, reason, confirmations = Outcome.FAILED, False, "", 0
        if isinstance(event, ShadowScored):
            outcome = Outcome.HELD if max(event.scores, default=0) > 0 else Outcome.ACCEPTED
        elif event is not None:
            said = ReportOutcome.from_event(event)
            outcome, confirmed, confirmations = said.outcome, said.confirmed, said.confirmations
            reason = "" if said.reason is HoldReason.NONE else said.reason.name.lower().replace("_", " ")
        self.findings.append(
            Finding(
                feed=feed.description if feed else to_hex(feed_id),
                feed_id=to_hex(feed_id),
                decimals=feed.decimals if feed else 0,
                kind=kind,
                round_id=round_id,
                outcome=outcome,
                confirmed=confirmed,
                reason=reason,
                confirmations=confirmations,
                answer=event.answer if event else 0,
                observed_at=event.observed_at if event else 0,
                block_number=entry.block_number,
                block_time=entry.block_time,
                tx_hash=entry.tx_hash,
                check=check,
                problem=problem,
            )
        )


def _audited(entry: ReportEvents, found: FoundSubmission, events: Sequence[JudgedEvent]) -> AuditedSubmission:
    kind = FindingKind.SHADOW if isinstance(events[0], ShadowScored) else FindingKind.ROUND
    return AuditedSubmission(entry.tx_hash, entry.block_number, entry.block_time, found.submission, found.judged, kind)
