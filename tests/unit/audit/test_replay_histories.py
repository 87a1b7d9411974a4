"""The auditor on random histories of a hub that keeps the rules, and of one that does not.

`tests.contracts.mirror` draws the reports; the gate stands for the hub, with which `tests/contracts/test_rules.py`
compares it.
"""

from __future__ import annotations

import copy
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import pytest
from eth_account import Account

from oracle.audit.calls import JudgedEvent, TransactionCalls
from oracle.audit.history import AuditedFeed, AuditedModel, ReportEvents
from oracle.audit.replay import Auditor
from oracle.audit.report import Checked
from oracle.chain.hub import RoundAccepted, RoundHeld
from oracle.chain.keys.signer import recover
from oracle.core.formats import keccak
from oracle.core.gate import HoldPolicy, Verdict
from oracle.core.types import HoldReason, Outcome
from tests.attack.calldata import IF_NEWER, SUBMIT, encode, word
from tests.contracts.mirror import (
    BATCHES,
    FEATURES,
    MEMBERS,
    MODEL_HASH,
    OUTPUTS,
    QUORUM,
    UNIT,
    Forger,
    Plan,
    World,
)

HUB, PAYER = "0x" + "Ab" * 20, "0x" + "99" * 20
CHAIN_ID, MODEL = 1, 2
NUMBERS = {name: number for number, name in enumerate(MEMBERS, 1)}
KEYS = [f"0x{number:064x}" for number in range(1, 11)]
START = 1_700_000_000


class History:
    """A hub's reports, one after the other, with an auditor that has seen them."""

    def __init__(self, seed: int) -> None:
        self.world = World(CHAIN_ID, HUB, KEYS, NUMBERS, MODEL, START, seed)
        self.forger = Forger(self.world)
        self.auditor = Auditor(partial(recover, CHAIN_ID, HUB))
        self.auditor.hub.add_model(AuditedModel(MODEL, FEATURES, OUTPUTS, MODEL_HASH, UNIT, BATCHES))
        for name, members in MEMBERS.items():
            addresses = [Account.from_key(KEYS[each]).address for each in members]
            self.auditor.hub.add_committee(NUMBERS[name], addresses, QUORUM[name])
        for feed_id, each in self.world.terms.items():
            policy = HoldPolicy(each.confirmations, each.confirm_delay, each.tolerance, each.max_repeats)
            self.auditor.hub.add_feed(
                AuditedFeed(
                    feed_id, each.description, each.kind, each.decimals, each.sigma, each.heartbeat, each.max_age,
                    each.max_skew, each.max_spread, policy, each.committee, each.peers, MODEL,
                )
            )  # fmt: skip
        self.rounds: dict[tuple[bytes, int], object] = {}

    def events(self, plan: Plan, verdicts: dict[bytes, Verdict]) -> tuple[JudgedEvent, ...]:
        """Return what the hub emits."""
        found: list[JudgedEvent] = []
        for at, scores in zip(plan.due, plan.scores, strict=True):
            feed_id = plan.feed_ids[at]
            verdict = verdicts[feed_id]
            head = (feed_id, plan.round_ids[at], plan.median(at), plan.observed_at, plan.model_number, scores)
            if verdict.outcome is Outcome.ACCEPTED:
                found.append(RoundAccepted(*head, verdict.confirmed, PAYER, 9, b"\x12", at))
            else:
                assert verdict.state.held
                held = verdict.state.held
                found.append(RoundHeld(*head, held.reason, held.confirmations, PAYER, 9, b"\x12", at))
        return tuple(found)

    def entry(self, plan: Plan, events: Sequence[JudgedEvent]) -> ReportEvents:
        call = encode(self.world.calldata(plan), SUBMIT if plan.at % 2 else IF_NEWER)
        return ReportEvents("0x12", 9, plan.at, tuple(events), TransactionCalls(direct=call))

    def take(self, plan: Plan, verdicts: dict[bytes, Verdict]) -> None:
        """Let the hub take over a report."""
        self.world.now = plan.at
        self.forger.sent(plan)
        for feed_id, verdict in verdicts.items():
            self.world.states[feed_id] = verdict.state
            if verdict.round:
                self.rounds[feed_id, verdict.round.round_id] = verdict.round


def checks(auditor: Auditor, entry: ReportEvents) -> list[Checked]:
    """Return what an auditor says of the reports of a transaction, if all proofs verify."""
    before = len(auditor.findings)
    auditor.play(entry)
    while auditor.tasks:
        auditor.settle(auditor.tasks.pop(0), True)
    return [each.check for each in auditor.findings[before:]]


def taken(history: History) -> Iterator[tuple[Plan, dict[bytes, Verdict]]]:
    """Yield reports that the hub takes."""
    while True:
        plan = history.world.plan()
        if not history.world.refusal(plan):
            yield plan, history.world.verdicts(plan)


def test_an_honest_history_holds_to_the_last_bit() -> None:
    history = History(3)
    outcomes: Counter[str] = Counter()
    for _, (plan, verdicts) in zip(range(170), taken(history), strict=False):
        made = history.world.calldata(plan)
        history.auditor.play(history.entry(plan, history.events(plan, verdicts)))
        (task,) = history.auditor.tasks
        # The stub's proof is the hash of the instances that Python writes down for the hub.
        content = word(32) + word(len(task.instances)) + b"".join(map(word, task.instances))
        assert (keccak(content), task.proof) == (made.proof, made.proof)
        assert task.model_number == MODEL and task.batch == min(size for size in BATCHES if len(plan.due) <= size)
        history.auditor.settle(history.auditor.tasks.pop(), True)
        found = history.auditor.findings[-len(plan.due) :]
        for finding, at in zip(found, plan.due, strict=True):
            verdict = verdicts[plan.feed_ids[at]]
            assert (finding.check, finding.problem) == (Checked.VERIFIED, "")
            assert (finding.outcome, finding.confirmed) == (verdict.outcome, verdict.confirmed)
            assert (finding.answer, finding.observed_at) == (plan.median(at), plan.observed_at)
            assert (finding.round_id, finding.block_time) == (plan.round_ids[at], plan.at)
            outcomes[f"{verdict.outcome} {verdict.reason.name} {verdict.confirmed}"] += 1
        history.take(plan, verdicts)
        assert history.auditor.hub.expected_states() == history.world.states
    assert history.auditor.hub.expected_rounds() == history.rounds
    assert len(outcomes) >= 5, outcomes


def wrong(event: JudgedEvent, rng: random.Random) -> list[JudgedEvent]:
    """Return the event with one thing changed, each way once."""
    ways: list[dict[str, object]] = [
        {"answer": event.answer + rng.choice([-1, 1])},
        {"observed_at": event.observed_at + 1},
        {"round_id": event.round_id + 1},
        {"scores": (event.scores[0], event.scores[1] ^ 1)},
        {"model_number": MODEL + 1},
    ]
    if isinstance(event, RoundAccepted):
        ways.append({"confirmed": not event.confirmed})
    if isinstance(event, RoundHeld):
        others = [each for each in HoldReason if each not in (HoldReason.NONE, event.reason)]
        ways += [{"confirmations": event.confirmations + 1}, {"reason": rng.choice(others)}]
    changed = [replace(event, **change) for change in ways]  # type: ignore[arg-type]
    head = (event.feed_id, event.round_id, event.answer, event.observed_at, event.model_number, event.scores)
    tail = (PAYER, 9, b"\x12", event.log_index)
    if isinstance(event, RoundAccepted):
        return [*changed, RoundHeld(*head, HoldReason.ANOMALOUS, 0, *tail)]
    return [*changed, RoundAccepted(*head, False, *tail), RoundAccepted(*head, True, *tail)]


def test_a_hub_that_says_something_else_is_found_out() -> None:
    history = History(5)
    rng = random.Random(5)
    for number, (plan, verdicts) in zip(range(40), taken(history), strict=False):
        events = history.events(plan, verdicts)
        if number % 2:
            at = rng.randrange(len(events))
            for other in wrong(events[at], rng):
                auditor = copy.deepcopy(history.auditor)
                found = checks(auditor, history.entry(plan, (*events[:at], other, *events[at + 1 :])))
                assert set(found) != {Checked.VERIFIED}, other
        assert checks(history.auditor, history.entry(plan, events)) == [Checked.VERIFIED] * len(events)
        history.take(plan, verdicts)


def test_a_hub_that_takes_what_it_should_refuse_is_found_out() -> None:
    history = History(11)
    seen: Counter[str] = Counter()
    for _, (plan, verdicts) in zip(range(110), taken(history), strict=False):
        altered = history.forger.altered(plan)
        refusal = history.world.refusal(altered)
        if refusal and altered.scores:
            # The hub says that it accepted them all.
            said = tuple(
                RoundAccepted(
                    altered.feed_ids[at], altered.round_ids[at], altered.median(at), altered.observed_at,
                    altered.model_number, scores, False, PAYER, 9, b"\x12", at,
                )
                for at, scores in zip(altered.due, altered.scores, strict=True)
                if altered.answers(at)
            )  # fmt: skip
            found = checks(copy.deepcopy(history.auditor), history.entry(altered, said))
            assert Checked.VERIFIED not in found and found, (refusal, altered)
            seen[refusal] += 1
        checks(history.auditor, history.entry(plan, history.events(plan, verdicts)))
        history.take(plan, verdicts)
    wanted = {
        "DuplicateReporter", "FeedsNotAscending", "ModelNotActive", "NoCircuitForBatch", "NotAReporter",
        "ObservationInFuture", "ObservationNotNewer", "ObservationTooOld", "PeerMissing", "ScoreOutOfRange",
        "UnknownCommittee", "UnknownFeed", "WrongCommittee", "WrongEpoch", "WrongRound",
    }  # fmt: skip
    assert wanted <= seen.keys(), wanted - seen.keys()


@pytest.mark.parametrize("result", [False, "its artifact is missing"])
def test_what_a_proof_does_not_show_is_not_verified(result: bool | str) -> None:
    history = History(7)
    plan, verdicts = next(taken(history))
    history.auditor.play(history.entry(plan, history.events(plan, verdicts)))
    (task,) = history.auditor.tasks
    history.auditor.tasks.clear()
    history.auditor.settle(task, result)
    expected = Checked.FAILED if result is False else Checked.UNCHECKED
    assert {each.check for each in history.auditor.findings} == {expected}
