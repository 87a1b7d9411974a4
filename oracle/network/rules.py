"""The rules of a signer that follow from a request, the time and this node's own configuration: pure functions.

What needs the ledger, the chain or the sources is in `oracle.network.member`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from oracle.core.errors import DataError
from oracle.core.formats import to_hex
from oracle.core.report import Report
from oracle.core.types import FeedState
from oracle.feeds.interface import SigningCommittee
from oracle.network.messages import RefusalCode, Refused, SignedRequest
from oracle.network.turns import Turns

__all__ = ["OBSERVED_WITHIN_S", "RequestFault", "SignerRules"]

OBSERVED_WITHIN_S = 5.0
"""Seconds that a report's time may be in the past, besides the clocks' bound, when it is first asked for."""


class RequestFault(Refused):
    """A request that nobody may sign, whoever brings it and whenever: its signer is at fault.

    A request that is merely late is none: somebody else can have kept it, and brought it again.

    Attributes:
        requester: Who signed it.
    """

    def __init__(self, code: RefusalCode, detail: str, requester: str) -> None:
        super().__init__(code, detail)
        self.requester = requester


@dataclass(frozen=True, slots=True)
class SignerRules:
    """The configuration that a signer judges by.

    Attributes:
        chain_id: The hub's chain.
        hub: Its address, checksummed.
        committee: The committee's number on the hub.
        turns: The turns.
        members: The reporter addresses of all members, checksummed.
        ignored: Those that this node ignores.
        terms: The fingerprint of the network's terms, 32 bytes.
    """

    chain_id: int
    hub: str
    committee: int
    turns: Turns
    members: frozenset[str]
    ignored: frozenset[str]
    terms: bytes

    def admit(self, signed: SignedRequest, now: float) -> str:
        """Return who asks, if it may ask this now.

        Args:
            signed: The request.
            now: The time by this node's clock.

        Raises:
            Refused: It may not. A `RequestFault` says that its signer did wrong.
        """
        request, turns = signed.request, self.turns
        report = request.report
        if report.committee != self.committee:
            detail = f"this node signs for committee {self.committee}, not {report.committee}"
            raise Refused(RefusalCode.WRONG_COMMITTEE, detail)
        requester = self._requester(signed)
        bound = turns.clock_bound
        # With other terms, turns have another order or length: then nobody is at fault, but the files differ.
        fault = RequestFault if request.terms == self.terms else _no_fault
        if not turns.holds(requester, request.turn):
            holder = turns.holder(request.turn)
            raise fault(
                RefusalCode.NOT_YOUR_TURN,
                f"turn {request.turn} is {holder or 'nobody'}'s, not {requester}'s",
                requester,
            )
        if turns.at(report.observed_at) != request.turn:
            raise fault(
                RefusalCode.NOT_NOW,
                f"the report's time {report.observed_at} is in turn {turns.at(report.observed_at)}, the request is of "
                f"turn {request.turn}",
                requester,
            )
        if report.observed_at > now + bound:
            ahead = report.observed_at - now
            detail = f"the report's time is {ahead:.1f} s ahead of this node's clock, at most {bound:g} s are allowed"
            raise fault(RefusalCode.NOT_NOW, detail, requester)
        if not turns.may_be(request.turn, now):
            detail = f"turn {request.turn} is over by this node's clock: it is turn {turns.at(now)}"
            raise Refused(RefusalCode.NOT_NOW, detail)
        if now > request.deadline + bound:
            raise Refused(RefusalCode.NOT_NOW, f"the deadline passed {now - request.deadline:.1f} s ago")
        return requester

    def require_recent(self, report: Report, now: float) -> None:
        """Require that a report is of now, as nothing was signed of it yet.

        Raises:
            Refused: It is not.
        """
        age, most = now - report.observed_at, OBSERVED_WITHIN_S + self.turns.clock_bound
        if age > most:
            detail = f"the report's time was {age:.1f} s ago by this node's clock, at most {most:g} s are allowed"
            raise Refused(RefusalCode.NOT_NOW, detail)

    def require_after_start(self, report: Report, turn: int, started_at: float) -> None:
        """Require that nothing of this turn can have been signed before this node started, and was forgotten.

        This node never signs further ahead of its clock than the clocks' bound. So whatever it signed before its start
        is of the turn of that time, or of an earlier one.

        Args:
            report: The report.
            turn: Its turn.
            started_at: When this node started, by its clock.

        Raises:
            Refused: Something can have been.
        """
        last = self.turns.at(started_at + self.turns.clock_bound)
        if turn <= last:
            wait = max(0.0, self.turns.begin(last + 1) - report.observed_at)
            raise Refused(
                RefusalCode.STARTING,
                f"this node has just started, and signs nothing new before turn {last + 1}, in {wait:.0f} s: it could "
                "have forgotten what it signed before",
            )

    def require_chain(
        self,
        report: Report,
        committee: SigningCommittee,
        states: Mapping[bytes, FeedState],
        at_first: Mapping[bytes, int],
        own: str,
    ) -> None:
        """Require that the hub could take a report, as the chain was read last.

        Args:
            report: The report.
            committee: The committee.
            states: The states of the feeds that are configured here.
            at_first: The time of each feed's latest report at this node's start.
            own: This node's reporter address.

        Raises:
            Refused: It could not. With the chain read again, it may.
        """
        if report.epoch != committee.epoch:
            detail = f"the committee is in epoch {committee.epoch}, as this node has read the chain, not {report.epoch}"
            raise Refused(RefusalCode.WRONG_EPOCH, detail)
        if own not in committee.reporters:
            detail = f"this member's key, {own}, is no reporter of the committee in epoch {committee.epoch}"
            raise Refused(RefusalCode.NOT_A_REPORTER, detail)
        for feed_id, round_id in zip(report.feed_ids, report.round_ids, strict=True):
            state = states.get(feed_id)
            if state is None:  # not configured here: it gets no answer, and the others of the report get theirs
                continue
            if state.committee != self.committee:
                detail = f"feed {to_hex(feed_id)} belongs to committee {state.committee}"
                raise Refused(RefusalCode.WRONG_COMMITTEE, detail)
            if round_id and state.paused:
                raise Refused(RefusalCode.PAUSED, f"feed {to_hex(feed_id)} is paused, as this node has read the chain")
            # The next round, or the one after it: the requester may have seen a block that this node has not.
            if round_id and round_id not in (state.round_id + 1, state.round_id + 2):
                detail = (
                    f"feed {to_hex(feed_id)} expects round {state.round_id + 1}, as this node has read the chain, not "
                    f"{round_id}"
                )
                raise Refused(RefusalCode.WRONG_ROUND, detail)
            last = max(at_first.get(feed_id, 0), state.last_report_at if round_id else 0)
            if report.observed_at <= last:
                detail = f"feed {to_hex(feed_id)} has a report of {last} already, and this is of {report.observed_at}"
                raise Refused(RefusalCode.NOT_NEWER, detail)

    def _requester(self, signed: SignedRequest) -> str:
        try:
            requester = signed.requester(self.chain_id, self.hub)
        except DataError as error:
            raise Refused(RefusalCode.MALFORMED, str(error)) from None
        if requester not in self.members:
            raise Refused(
                RefusalCode.UNKNOWN_MEMBER,
                f"the signature is of {requester}, who is no member here; or it is for another chain or hub than "
                f"{self.hub} on chain {self.chain_id}",
            )
        if requester in self.ignored:
            raise Refused(RefusalCode.IGNORED, "this node ignores you: ask its operator")
        return requester


def _no_fault(code: RefusalCode, detail: str, requester: str) -> Refused:
    return Refused(code, f"{detail}. The network's terms differ between your configuration and this node's")
