"""A hub with feeds of all kinds, what Python says of them, and reports that are honest or not, drawn with a seed."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar, cast

from eth_account import Account

from oracle.chain.deploy.plan import feed_id_of
from oracle.chain.hub import HubFeedConfig
from oracle.chain.keys.typed import report_digest
from oracle.core import encoding, gate
from oracle.core.encoding import CLIP, INT128_MAX, NO_ANSWER, Feature, PeerAnswer
from oracle.core.formats import keccak
from oracle.core.gate import HoldPolicy, Verdict
from oracle.core.report import NO_READINGS, Report
from oracle.core.types import Kind
from tests.attack.calldata import Calldata, Signature, median_row, packed, word

T = TypeVar("T")

FEATURES = tuple(Feature)
OUTPUTS, UNIT, MODEL_HASH = 2, 1_000, 7
BATCHES = (1, 3)
DAY = 86_400
USUAL = 100 * 10**8
SOLO, SEVEN = "solo", "seven"
MEMBERS = {SOLO: (3,), SEVEN: (3, 4, 5, 6, 7, 8, 9)}
"""The accounts of each committee."""
QUORUM = {SOLO: 1, SEVEN: 3}
STRANGER = 0


def terms(name: str, kind: Kind, sigma: int, *peers: str, **changes: int) -> HubFeedConfig:
    """Return the terms of a feed. Its times are short, so that holds begin and end often."""
    usual = HubFeedConfig(name, kind, 8, 2, 3, 600, 2 * DAY, 60, 120, 2_000, 0, sigma, 0, tuple(map(feed_id_of, peers)))
    return replace(usual, **changes)  # type: ignore[arg-type]


FEEDS = {
    SOLO: (
        terms("eth", Kind.RELATIVE, 10_000),
        terms("btc", Kind.RELATIVE, 1, "eth", confirmations=1, max_repeats=1, tolerance=CLIP - 1),
        terms("heat", Kind.ABSOLUTE, 1, "btc", "eth", tolerance=0, heartbeat=1, max_age=90 * DAY),
        terms("tides", Kind.ABSOLUTE, 2**64 - 1, heartbeat=2**24 - 1, confirm_delay=7 * DAY, confirmations=255),
    ),
    SEVEN: (
        terms("gold", Kind.RELATIVE, 5_000, "silver", max_repeats=0, max_spread=4_000),
        terms("silver", Kind.RELATIVE, 50_000, "gold", "rain", confirm_delay=1, max_age=1, max_skew=3_600),
        terms("rain", Kind.ABSOLUTE, 1_000, max_spread=CLIP - 1, confirmations=1, max_skew=0),
        terms("wind", Kind.ABSOLUTE, 10**9, "rain", max_repeats=255),
    ),
}


@dataclass(frozen=True)
class Plan:
    """A report before it is signed and proven.

    Attributes:
        at: The time of the block that has it, unix seconds.
        accounts: Those that sign.
        rows: The answers of each of them.
        scores: The model's scores for each feed that is due.
    """

    at: int
    model_number: int
    committee: int
    epoch: int
    observed_at: int
    feed_ids: tuple[bytes, ...]
    round_ids: tuple[int, ...]
    accounts: tuple[int, ...]
    rows: tuple[tuple[int, ...], ...]
    scores: tuple[tuple[int, ...], ...]

    @property
    def due(self) -> list[int]:
        """The positions of the feeds that are due."""
        return [at for at, round_id in enumerate(self.round_ids) if round_id]

    def answers(self, position: int) -> list[int]:
        """Return the answers to a feed that are there, ascending."""
        return sorted(row[position] for row in self.rows if row[position] != NO_ANSWER)

    def median(self, position: int) -> int:
        """Return the median of the answers to a feed."""
        found = self.answers(position)
        return found[len(found) // 2]


class World:
    """The feeds by Python's rules.

    Args:
        hub: The hub's address.
        keys: The keys of the chain's accounts.
        numbers: The committees' numbers on the hub.
        model_number: The model of all feeds.
        now: The latest block's time.

    Attributes:
        states: The feeds' states.
        seen: How often each thing happened.
    """

    def __init__(
        self,
        chain_id: int,
        hub: str,
        keys: Sequence[str],
        numbers: dict[str, int],
        model_number: int,
        now: int,
        seed: int,
    ) -> None:
        self.rng = random.Random(seed)
        self.now = now
        self.seen: Counter[str] = Counter()
        self.terms = {
            feed_id_of(each.description): replace(each, committee=numbers[name])
            for name, found in FEEDS.items()
            for each in found
        }
        self.states = {
            feed_id: gate.empty_feed(
                feed_id, each.kind, each.sigma, each.heartbeat, model_number, committee=each.committee, peers=each.peers
            )
            for feed_id, each in self.terms.items()
        }
        self._fall: tuple[bytes, int] | None = None
        self._chain_id, self._hub, self._keys = chain_id, hub, keys
        self._model = model_number
        self._members = {numbers[name]: members for name, members in MEMBERS.items()}
        self._quorum = {numbers[name]: quorum for name, quorum in QUORUM.items()}

    # --- reports -----------------------------------------------------------------------------------------------

    def plan(self) -> Plan:
        """Return a report as a committee may sign it; the hub may accept, hold or refuse it."""
        rng = self.rng
        if not self._fall and rng.random() < 0.03:
            self._fall = (rng.choice([each for each, found in self.terms.items() if found.confirmations == 1]), 12)
        if self._fall:
            feed_id, left = self._fall
            self._fall = (feed_id, left - 1) if left > 1 else None
            return self._falling(feed_id)
        committee = rng.choice(list(self._members))
        feeds = [feed_id for feed_id, each in self.terms.items() if each.committee == committee]
        due = set(rng.sample(feeds, rng.choice([1, 1, 2, 3])))
        at, observed_at = self._times(due)
        return self._report(due, set(rng.sample(feeds, rng.choice([0, 1]))), at, observed_at)

    def _falling(self, feed_id: bytes) -> Plan:
        """Return a report of a crash: far below the last held one, so that none confirms another."""
        state = self.states[feed_id]
        last = state.held.answer if state.held else state.answer or USUAL
        observed_at = max(self.now, state.last_report_at) + self.rng.choice([100, 130])
        plan = self._report({feed_id}, set(), observed_at, observed_at)
        position = plan.feed_ids.index(feed_id)
        rows = tuple((*row[:position], last * 7 // 10, *row[position + 1 :]) for row in plan.rows)
        return replace(plan, rows=rows, scores=((-1, 5),))

    def _report(self, due: set[bytes], others: set[bytes], at: int, observed_at: int) -> Plan:
        """Return a report of some feeds that are due, their peers and others."""
        rng = self.rng
        (committee,) = {self.terms[each].committee for each in due}
        peers = {peer for feed_id in due for peer in self.terms[feed_id].peers}
        ids = tuple(sorted(due | peers | others))
        members = self._members[committee]
        accounts = tuple(rng.sample(members, rng.randint(self._quorum[committee], len(members))))
        columns = [self._column(feed_id, len(accounts)) for feed_id in ids]
        return Plan(
            at=at,
            model_number=self._model,
            committee=committee,
            epoch=1,
            observed_at=observed_at,
            feed_ids=ids,
            round_ids=tuple(self.states[feed_id].round_id + 1 if feed_id in due else 0 for feed_id in ids),
            accounts=accounts,
            rows=tuple(zip(*columns, strict=True)),
            scores=tuple(self._scores() for _ in due),
        )

    def _times(self, due: set[bytes]) -> tuple[int, int]:
        """Return the times of a block and of a report. If it can be, the report is new and fresh for these feeds."""
        rng = self.rng
        newest = max(self.states[each].last_report_at for each in due)
        age, skew = (min(getattr(self.terms[each], name) for each in due) for name in ("max_age", "max_skew"))
        pause = rng.choice([0, 1, 59, 60, 61, 120, 600, 3_600, DAY, rng.randint(0, 20 * DAY)])
        at = max(self.now + 1, newest + 1 - skew) + pause
        held = [(self.states[each].held, self.terms[each].confirm_delay) for each in sorted(due)]
        bounds = [(each, delay * times) for each, delay in held if each for times in (1, 1, gate.PATIENCE)]
        if bounds and rng.random() < 0.6:
            # Just before the end of a hold, or at it: by both clocks.
            hold, delay = rng.choice(bounds)
            is_long = delay > min(self.terms[each].confirm_delay for each in due) and hold.anomalies > 0
            seen, since = (
                (hold.anomalous_seen_at, hold.anomalous_since)
                if is_long
                else (hold.first_seen_at, hold.first_observed_at)
            )
            at = max(at - pause, seen + delay + rng.choice([-1, 0]))
            return at, max(newest + 1, at - age, min(at + skew, since + delay + rng.choice([-1, 0, 1])))
        first, last = max(newest + 1, at - age), at + skew
        return at, rng.choice([first, last, rng.randint(first, max(first, last)), min(max(at, first), last)])

    def _column(self, feed_id: bytes, rows: int) -> list[int]:
        """Return the reporters' answers to a feed: the same, or a little apart, or far, and here and there none."""
        rng, middle = self.rng, self._answer(feed_id)
        apart = self._step(feed_id, middle) * rng.choice([0, 0, 0, 1, 2, 2, 2, 6, 80]) // 2
        found = [middle, *(middle + rng.choice([-apart, 0, apart]) for _ in range(rows - 1))]
        found = [max(-INT128_MAX, min(INT128_MAX, each)) for each in found]
        spare = rows - self._quorum[self.terms[feed_id].committee] + (rng.random() < 0.02)
        for place in rng.sample(range(rows), min(rows, spare)):
            found[place] = rng.choice([found[place], NO_ANSWER])
        rng.shuffle(found)
        return found

    def _step(self, feed_id: bytes, answer: int) -> int:
        """Return one sigma in answer units."""
        each = self.terms[feed_id]
        return each.sigma if each.kind is Kind.ABSOLUTE else max(1, abs(answer) * each.sigma // 10**6)

    def _answer(self, feed_id: bytes) -> int:
        """Return an answer: near the last one or the held one, at the clip, or of an extreme kind."""
        rng, state, each = self.rng, self.states[feed_id], self.terms[feed_id]
        if not state.round_id:
            return rng.choice([1, USUAL, USUAL, USUAL, INT128_MAX, 0, -1])
        base = state.answer
        near = state.held.first_answer if state.held else base
        step = self._step(feed_id, base)
        unit = each.sigma if each.kind is Kind.ABSOLUTE else abs(base) * each.sigma
        scale = 1_000 if each.kind is Kind.ABSOLUTE else 10**9
        clipped, reach = -(-CLIP * unit // scale), each.tolerance * unit // scale
        kinds: list[tuple[int, Callable[[], int]]] = [
            (6, lambda: base),
            (6, lambda: base + rng.randint(-2 * step, 2 * step)),
            (9 if state.held else 1, lambda: near + rng.choice([0, 0, 1, -1, reach, reach + 1, -reach])),
            (2, lambda: base + rng.choice([-1, 1]) * (clipped + rng.choice([-1, 0, 1]))),
            (2, lambda: base + rng.randint(-20 * step, 20 * step)),
            (1, lambda: USUAL),
            (1, lambda: rng.choice([0, 1, -1, -base, INT128_MAX, -INT128_MAX, rng.getrandbits(126)])),
        ]
        (chosen,) = rng.choices([make for _, make in kinds], [weight for weight, _ in kinds])
        return chosen()

    def _scores(self) -> tuple[int, ...]:
        """Return the model's scores: fine, anomalous, or at a bound."""
        rng = self.rng
        fine = [-1, 0, -UNIT, -INT128_MAX, -rng.randint(1, 10**7)]
        bad = [1, UNIT, UNIT + 1, INT128_MAX, rng.randint(1, 10**8), 2**23 - 1, 2**23]
        return rng.choice(fine), rng.choice(fine if rng.random() < 0.6 else bad)

    # --- submissions -------------------------------------------------------------------------------------------

    def calldata(self, plan: Plan) -> Calldata:
        """Return the submission of a report, signed by its accounts and proven. What is refused has no proof."""
        made = Calldata(
            model_number=plan.model_number,
            committee=plan.committee,
            epoch=plan.epoch,
            observed_at=plan.observed_at,
            feed_ids=plan.feed_ids,
            round_ids=plan.round_ids,
            signatures=(),
            answers=packed(*(answer for row in plan.rows for answer in row)),
            medians=bytes(map(median_row, zip(*plan.rows, strict=True))),
            scores=packed(*(score for row in plan.scores for score in row)),
            proof=bytes(32) if self.refusal(plan) else self._proof(plan),
        )
        signatures = [self._sign(made, *each) for each in zip(plan.accounts, plan.rows, strict=True)]
        return replace(made, signatures=tuple(signatures))

    def _sign(self, made: Calldata, account: int, row: Sequence[int]) -> Signature:
        digest = report_digest(self._chain_id, self._hub, cast(Report, made), row, NO_READINGS)
        signed = Account.unsafe_sign_hash(digest, self._keys[account])
        return Signature(r=signed.r.to_bytes(32), vs=(signed.s | ((signed.v - 27) << 255)).to_bytes(32))

    def _proof(self, plan: Plan) -> bytes:
        """Return the stub's proof of the statement that Python derives: the hash of the instances."""
        windows = [self._window(plan, at) for at in plan.due]
        batch = next(size for size in BATCHES if len(windows) <= size)
        statement = encoding.instances(MODEL_HASH, windows, plan.scores, batch)
        return keccak(word(32) + word(len(statement)) + b"".join(map(word, statement)))

    def _window(self, plan: Plan, position: int) -> tuple[int, ...]:
        feed_id = plan.feed_ids[position]
        each = self.terms[feed_id]
        return encoding.features(
            self.states[feed_id],
            plan.median(position),
            plan.observed_at,
            FEATURES,
            tolerance=each.tolerance,
            spread=self._spread(plan, position),
            count=len(plan.answers(position)),
            peers=[
                PeerAnswer(self.terms[peer].kind, self.terms[peer].sigma, plan.median(plan.feed_ids.index(peer)))
                for peer in each.peers
            ],
        )

    def _spread(self, plan: Plan, position: int) -> int:
        each, answers = self.terms[plan.feed_ids[position]], plan.answers(position)
        return encoding.spread(each.kind, each.sigma, answers[0], answers[-1])

    # --- rules -------------------------------------------------------------------------------------------------

    def verdicts(self, plan: Plan) -> dict[bytes, Verdict]:
        """Return what the gate says of each feed that is due."""
        found = {}
        for at, scores in zip(plan.due, plan.scores, strict=True):
            feed_id = plan.feed_ids[at]
            each = self.terms[feed_id]
            found[feed_id] = gate.judge(
                self.states[feed_id],
                HoldPolicy(each.confirmations, each.confirm_delay, each.tolerance, each.max_repeats),
                plan.median(at),
                plan.observed_at,
                scores,
                score_unit=UNIT,
                published_at=plan.at,
                spread=self._spread(plan, at),
                count=len(plan.answers(at)),
                peer_answers=[plan.median(plan.feed_ids.index(peer)) for peer in each.peers],
            )
        return found

    def refusal(self, plan: Plan) -> str:
        """Return the error with which the hub has to refuse a report, empty if none: its checks, in its order."""
        if plan.committee not in self._members:
            return "UnknownCommittee"
        if plan.epoch != 1:
            return "WrongEpoch"
        return (
            self._refusal_of_feeds(plan)
            or ("NoCircuitForBatch" if len(plan.due) > BATCHES[-1] else "")
            or self._refusal_of_signers(plan)
            or self._refusal_of_answers(plan)
            or self._refusal_of_statement(plan)
        )

    def _refusal_of_feeds(self, plan: Plan) -> str:
        previous = bytes(32)
        for feed_id, round_id in zip(plan.feed_ids, plan.round_ids, strict=True):
            if feed_id <= previous:
                return "FeedsNotAscending"
            previous = feed_id
            if feed_id not in self.terms:
                return "UnknownFeed"
            state, each = self.states[feed_id], self.terms[feed_id]
            if each.committee != plan.committee:
                return "WrongCommittee"
            if not round_id:
                continue
            if plan.model_number != state.model_number:
                return "ModelNotActive"
            if round_id != state.round_id + 1:
                return "WrongRound"
            if plan.observed_at <= state.last_report_at:
                return "ObservationNotNewer"
            if plan.observed_at > plan.at + each.max_skew:
                return "ObservationInFuture"
            if plan.observed_at + each.max_age < plan.at:
                return "ObservationTooOld"
        return "" if plan.due else "NothingDue"

    def _refusal_of_signers(self, plan: Plan) -> str:
        seen = set[int]()
        for account in plan.accounts:
            if account not in self._members[plan.committee]:
                return "NotAReporter"
            if account in seen:
                return "DuplicateReporter"
            seen.add(account)
        return ""

    def _refusal_of_answers(self, plan: Plan) -> str:
        for at, feed_id in enumerate(plan.feed_ids):
            if len(plan.answers(at)) < self._quorum[plan.committee]:
                return "QuorumNotMet"
            widest = self.terms[feed_id].max_spread
            if widest and self._spread(plan, at) > widest:
                return "SpreadTooWide"
        return ""

    def _refusal_of_statement(self, plan: Plan) -> str:
        for at, scores in zip(plan.due, plan.scores, strict=True):
            each, state = self.terms[plan.feed_ids[at]], self.states[plan.feed_ids[at]]
            if not state.round_id and each.kind is Kind.RELATIVE and plan.median(at) <= 0:
                return "AnswerOutOfRange"
            if set(each.peers) - set(plan.feed_ids):
                return "PeerMissing"
            if min(scores) == -INT128_MAX - 1:
                return "ScoreOutOfRange"
        return ""


class Forger:
    """Alters reports, and submissions that were good, so that the hub should refuse them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._rng = world.rng
        self._sent: list[Plan] = []
        self._turn = 0

    def sent(self, plan: Plan) -> None:
        """Remember a report that the hub took."""
        self._sent = [*self._sent[-4:], plan]

    def altered(self, plan: Plan) -> Plan:
        """Return a report with one thing altered, before it is signed. `World.refusal` says what it is worth."""
        rng, at = self._rng, self._rng.randrange(len(plan.feed_ids))
        states = [self._world.states[feed_id] for feed_id in plan.feed_ids]
        age = min(self._world.terms[plan.feed_ids[each]].max_age for each in plan.due)
        others = [each for each in self._world.terms if each not in plan.feed_ids]
        ways: list[Callable[[], Plan]] = [
            lambda: replace(plan, observed_at=max(1, states[at].last_report_at - rng.choice([0, 0, 1, DAY]))),
            lambda: replace(plan, observed_at=plan.at + rng.choice([1, 60, 61, 3_600, 3_601])),
            lambda: replace(plan, at=plan.observed_at + age + rng.choice([0, 1, 1, DAY])),
            lambda: replace(plan, epoch=rng.choice([0, 2, 2**32 - 1])),
            lambda: replace(plan, committee=rng.choice([0, 2, 3, 99])),
            lambda: replace(plan, model_number=rng.choice([0, 1, 3, 2**16 - 1])),
            lambda: replace(plan, accounts=(*plan.accounts[:-1], STRANGER)),
            lambda: self._ordered(plan, plan.due),
            lambda: replace(plan, accounts=(*plan.accounts, plan.accounts[0]), rows=(*plan.rows, plan.rows[0])),
            lambda: replace(plan, round_ids=(0,) * len(states), scores=()),
            lambda: replace(plan, scores=(*plan.scores[:-1], (-1, -INT128_MAX - 1))),
            lambda: self._with_round(plan, rng.choice(plan.due), rng.choice([-1, 1, 2, 2**31])),
            lambda: self._ordered(plan, rng.sample(range(len(states)), len(states))),
            lambda: self._ordered(plan, [each for each in range(len(states)) if each != at or len(states) == 1]),
            lambda: self._ordered(plan, [each for each in range(len(states)) for _ in range(1 + (each == at))]),
            lambda: self._listing(plan, rng.randbytes(32)),
            lambda: self._listing(plan, rng.choice([bytes(32), *others])),
            lambda: self._all_due(plan),
            lambda: rng.choice(self._sent or [plan]),
        ]
        found = self._next(ways)()
        return replace(found, at=max(found.at, self._world.now + 1))

    def _next(self, ways: Sequence[T]) -> T:
        """Return one of the ways after the other."""
        self._turn += 1
        return ways[self._turn % len(ways)]

    def _with_round(self, plan: Plan, at: int, change: int) -> Plan:
        rounds = list(plan.round_ids)
        rounds[at] = max(1, rounds[at] + change)
        return replace(plan, round_ids=tuple(rounds))

    def _ordered(self, plan: Plan, order: Sequence[int]) -> Plan:
        """Return the report with these columns only, in this order."""
        scores = dict(zip(plan.due, plan.scores, strict=True))
        return replace(
            plan,
            feed_ids=tuple(plan.feed_ids[at] for at in order),
            round_ids=tuple(plan.round_ids[at] for at in order),
            rows=tuple(tuple(row[at] for at in order) for row in plan.rows),
            scores=tuple(scores[at] for at in order if at in scores),
        )

    def _listing(self, plan: Plan, feed_id: bytes) -> Plan:
        """Return the report with one more feed as a reference."""
        longer = replace(
            plan,
            feed_ids=(*plan.feed_ids, feed_id),
            round_ids=(*plan.round_ids, 0),
            rows=tuple((*row, 1) for row in plan.rows),
        )
        return self._ordered(longer, sorted(range(len(longer.feed_ids)), key=lambda at: longer.feed_ids[at]))

    def _all_due(self, plan: Plan) -> Plan:
        """Return the report with all feeds due, more than a circuit has room for."""
        for feed_id, each in self._world.terms.items():
            if each.committee == plan.committee and feed_id not in plan.feed_ids:
                plan = self._listing(plan, feed_id)
        rounds = tuple(self._world.states[feed_id].round_id + 1 for feed_id in plan.feed_ids)
        return replace(plan, round_ids=rounds, scores=((-1, -1),) * len(rounds))

    def broken(self, plan: Plan, made: Calldata) -> tuple[Calldata, str]:
        """Return a good submission with one thing altered after it was signed and proven, and the hub's error."""
        rng, rows = self._rng, len(made.signatures)
        row, at = rng.randrange(rows), rng.randrange(len(plan.feed_ids))
        middle = plan.median(at)
        wrong = [each for each in (*range(rows), rows, 255) if each >= rows or plan.rows[each][at] != middle]
        medians = made.medians[:at] + bytes([rng.choice(wrong)]) + made.medians[at + 1 :]
        first = made.signatures[row]
        flipped = replace(first, vs=(int.from_bytes(first.vs) ^ (1 << 255)).to_bytes(32))
        high_s = (2**255 - 1).to_bytes(32)
        fewer = rng.choice(["answers", "medians", "scores", "round_ids", "signatures"])
        other = plan.rows[row][at] ^ 1
        ways: list[tuple[Calldata, str]] = [
            (made.with_answer(other if -(2**127) < other < 2**127 else 0, row, at), "NotAReporter"),
            (made.with_signature(row, readings=rng.randbytes(32)), "NotAReporter"),
            (made.with_signature(row, vs=flipped.vs), "NotAReporter"),
            (made.with_signature(row, vs=high_s), "NotAReporter"),
            (replace(made, medians=medians), "NotTheMedian"),
            (replace(made, proof=b""), "ProofRejected"),
            (replace(made, proof=made.proof + b"\0"), "ProofRejected"),
            (replace(made, proof=bytes(16_385)), "ProofTooLong"),
            (made.with_scores(-12_345, -12_345), "ProofRejected"),
            (replace(made, **{fewer: getattr(made, fewer)[:-1]}), "MalformedSubmission"),
            (replace(made, scores=made.scores + bytes(16)), "MalformedSubmission"),
            (
                replace(made, signatures=(first,) * 32, answers=packed(*(1,) * 32 * len(plan.feed_ids))),
                "TooManySignatures",
            ),
        ]
        return self._next(ways)
