"""Requests and answers of a network's members, as they go over HTTP: bounded, read strictly, and who signed them.

Everything here comes from others, so all sizes are checked before anything is hashed. A message proves itself: who
brings it does not matter, and an answer message is worth as much from a stranger as from its signer.

    POST /v1/report     a signed request; the answer is an answer message, or a refusal with its code
    POST /v1/answer     an answer message, told by its signer to the members that did not ask
    GET /v1/network     what a member says about itself: network status
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from oracle.chain.keys.signer import recover, recover_request
from oracle.chain.keys.typed import readings_hash, report_digest
from oracle.core.encoding import NO_ANSWER
from oracle.core.errors import DataError
from oracle.core.formats import keccak, one_line, to_hex
from oracle.core.report import Report, ReporterSignature
from oracle.network.fields import UINT32_MAX, MessageFields, hash_of, load_message, number_of

__all__ = [
    "ANSWER_PATH",
    "MAX_BODY",
    "NETWORK_PATH",
    "REPORT_PATH",
    "AnswerMessage",
    "NetworkStatus",
    "RefusalCode",
    "Refused",
    "ReportRequest",
    "SignedRequest",
    "contradict",
    "report_hash",
]

REPORT_PATH, ANSWER_PATH, NETWORK_PATH = "/v1/report", "/v1/answer", "/v1/network"

MAX_BODY = 64 << 10
"""The most bytes that a message may have; the largest valid one has about a third of it."""

_MAX_DETAIL = 400
_REPORT_KEYS = ("committee", "epoch", "observedAt", "feedIds", "roundIds")
_INTEGER = re.compile(r"(0|-?[1-9][0-9]{0,38})\Z")
_WORD = re.compile(r"[a-z]{1,20}\Z")


class RefusalCode(StrEnum):
    """The reason for which a member does not give an answer message."""

    MALFORMED = "malformed"
    UNKNOWN_MEMBER = "unknown_member"
    IGNORED = "ignored"
    NOT_YOUR_TURN = "not_your_turn"
    NOT_NOW = "not_now"
    SIGNED_ALREADY = "signed_already"
    WRONG_COMMITTEE = "wrong_committee"
    WRONG_EPOCH = "wrong_epoch"
    WRONG_ROUND = "wrong_round"
    NOT_A_REPORTER = "not_a_reporter"
    PAUSED = "paused"
    NOT_NEWER = "not_newer"
    STARTING = "starting"
    ANOTHER_INSTANCE = "another_instance"
    NO_ANSWER = "no_answer"
    UNAVAILABLE = "unavailable"
    TOO_LARGE = "too_large"
    TOO_SLOW = "too_slow"
    TOO_MANY = "too_many"

    @property
    def status(self) -> int:
        """The HTTP status that goes with it."""
        return _STATUS[self]


_STATUS = {
    RefusalCode.MALFORMED: 400,
    RefusalCode.UNKNOWN_MEMBER: 403,
    RefusalCode.IGNORED: 403,
    RefusalCode.NOT_YOUR_TURN: 403,
    RefusalCode.NOT_NOW: 409,
    RefusalCode.SIGNED_ALREADY: 409,
    RefusalCode.WRONG_COMMITTEE: 409,
    RefusalCode.WRONG_EPOCH: 409,
    RefusalCode.WRONG_ROUND: 409,
    RefusalCode.NOT_A_REPORTER: 409,
    RefusalCode.PAUSED: 409,
    RefusalCode.NOT_NEWER: 409,
    RefusalCode.STARTING: 503,
    RefusalCode.ANOTHER_INSTANCE: 503,
    RefusalCode.NO_ANSWER: 503,
    RefusalCode.UNAVAILABLE: 503,
    RefusalCode.TOO_LARGE: 413,
    RefusalCode.TOO_SLOW: 408,
    RefusalCode.TOO_MANY: 429,
}


class Refused(Exception):
    """A member gives no answer message.

    Attributes:
        code: The reason.
        detail: The reason in words, for the operator of whoever asked.
    """

    def __init__(self, code: RefusalCode, detail: str) -> None:
        super().__init__(f"{code.value}: {detail}")
        self.code = code
        self.detail = detail

    def to_json(self) -> dict[str, Any]:
        """Return the body of the HTTP answer."""
        return {"error": self.code.value, "detail": self.detail}

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Return a refusal that another member sent. Its text is cut short, and its odd characters are escaped.

        Raises:
            DataError: It is none.
        """
        fields = MessageFields("the refusal", load_message("the refusal", body, MAX_BODY), ("error", "detail"))
        name, detail = fields.text("error", 40), fields.text("detail", MAX_BODY)
        try:
            code = RefusalCode(name)
        except ValueError:
            raise fields.wrong("error", "is none of the known codes") from None
        return cls(code, one_line(detail, _MAX_DETAIL))


@dataclass(frozen=True, slots=True)
class ReportRequest:
    """The question that the holder of a turn asks the members.

    Attributes:
        report: The report for which it wants their answers.
        turn: The number of its turn.
        deadline: When it no longer waits, unix seconds.
        terms: The fingerprint of the network's terms in its configuration, 32 bytes.
    """

    report: Report
    turn: int
    deadline: int
    terms: bytes

    def __post_init__(self) -> None:
        for name, value in (("turn", self.turn), ("deadline", self.deadline)):
            if not 0 <= value <= UINT32_MAX:
                raise DataError(f"the request's {name} is {value}, but has to be from 0 to {UINT32_MAX}")
        if len(self.terms) != 32:
            raise DataError(f"the request's terms have {len(self.terms)} bytes, not 32")


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A request with the signature of whoever asks.

    Attributes:
        request: What is asked.
        signature: r, s and v, 65 bytes: see `oracle.chain.keys.signer.ReporterKey.sign_request`.
    """

    request: ReportRequest
    signature: bytes

    def requester(self, chain_id: int, hub: str) -> str:
        """Return the checksummed address that signed it, for this hub.

        For another hub's or chain's request, that is an address that nobody has.

        Raises:
            DataError: It is no signature.
        """
        request = self.request
        try:
            return recover_request(
                chain_id, hub, request.report, request.turn, request.deadline, request.terms, self.signature
            )
        except ValueError as error:
            raise DataError(f"the request's signature: {error}") from None

    def to_json(self) -> dict[str, Any]:
        """Return the body of `POST /v1/report`."""
        request = self.request
        own = {"turn": request.turn, "deadline": request.deadline, "terms": to_hex(request.terms)}
        return {"request": _report_json(request.report) | own, "signature": to_hex(self.signature)}

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Return the request in a body.

        Raises:
            DataError: It is none; the message names the key.
        """
        outer = MessageFields("the body", load_message("the body", body, MAX_BODY), ("request", "signature"))
        fields = outer.inner("request", (*_REPORT_KEYS, "turn", "deadline", "terms"))
        report = _report(fields)
        turn, deadline, terms = fields.number("turn"), fields.number("deadline"), fields.data("terms", 32)
        return cls(ReportRequest(report, turn, deadline, terms), outer.data("signature", 65))


@dataclass(frozen=True, slots=True)
class AnswerMessage:
    """One member's answers to a report, with its signature over both.

    Only what the hub verifies is signed: the report, the answers and the hash of all readings. The turn follows from
    the report's time, and the terms only tell why members do not understand each other.

    Attributes:
        reporter: Who says to have signed it, checksummed.
        turn: The turn of the report.
        terms: The fingerprint of the network's terms in the signer's configuration, 32 bytes.
        report: The report.
        answers: An answer for each of its feeds, in answer units; `NO_ANSWER` where there is none.
        readings: The hash of the readings document of each of its feeds, 32 bytes each.
        r: The signature's r, 32 bytes.
        vs: Its s, with the parity in the highest bit (EIP-2098), 32 bytes.

    Raises:
        DataError: A value is out of bounds.
    """

    reporter: str
    turn: int
    terms: bytes
    report: Report
    answers: tuple[int, ...]
    readings: tuple[bytes, ...]
    r: bytes
    vs: bytes
    # A message is compared, indexed and written by its digest, and an answer that was asked for is checked twice.
    _digests: dict[tuple[int, str], bytes] = field(default_factory=dict, init=False, repr=False, compare=False)
    _signers: dict[tuple[int, str], str] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        feeds = len(self.report.feed_ids)
        for name, found in (("answers", self.answers), ("readings", self.readings)):
            if len(found) != feeds:
                raise DataError(f"the answer message has {feeds} feeds, but {len(found)} {name}")
        _ = self.signature  # its own bounds

    @property
    def signature(self) -> ReporterSignature:
        """The signature, as a signed report and the calldata have it."""
        return ReporterSignature(self.answers, readings_hash(self.readings), self.r, self.vs)

    def observation(self, feed_id: bytes) -> tuple[int, int]:
        """Return the time and the answer that it has for one of its feeds."""
        position = self.report.position(feed_id)
        assert position is not None
        return self.report.observed_at, self.answers[position]

    def signer(self, chain_id: int, hub: str) -> str:
        """Return the checksummed address that signed it, for this hub.

        For another hub's or chain's signature, that is an address that nobody has.

        Raises:
            DataError: It is no signature.
        """
        if (chain_id, hub) not in self._signers:
            try:
                self._signers[chain_id, hub] = recover(chain_id, hub, self.report, self.signature)
            except ValueError as error:
                raise DataError(f"the answer message's signature: {error}") from None
        return self._signers[chain_id, hub]

    def digest(self, chain_id: int, hub: str) -> bytes:
        """Return the 32 bytes that are signed."""
        if (chain_id, hub) not in self._digests:
            readings = readings_hash(self.readings)
            self._digests[chain_id, hub] = report_digest(chain_id, hub, self.report, self.answers, readings)
        return self._digests[chain_id, hub]

    def to_json(self) -> dict[str, Any]:
        """Return the message as it is sent."""
        return {
            "reporter": self.reporter,
            "turn": self.turn,
            "terms": to_hex(self.terms),
            "report": _report_json(self.report),
            "answers": [None if each == NO_ANSWER else str(each) for each in self.answers],
            "readings": [to_hex(each) for each in self.readings],
            "signature": {"r": to_hex(self.r), "vs": to_hex(self.vs)},
        }

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Return the answer message in a body. Who signed it is not checked.

        Raises:
            DataError: It is none; the message names the key.
        """
        what = "the answer message"
        names = ("reporter", "turn", "terms", "report", "answers", "readings", "signature")
        fields = MessageFields(what, load_message(what, body, MAX_BODY), names)
        report = _report(fields.inner("report", _REPORT_KEYS))
        signature = fields.inner("signature", ("r", "vs"))
        return cls(
            reporter=fields.address("reporter"),
            turn=fields.number("turn"),
            terms=fields.data("terms", 32),
            report=report,
            answers=fields.each("answers", _answer, "a whole number as text, or null"),
            readings=fields.each("readings", hash_of, "0x and 64 hexadecimal digits"),
            r=signature.data("r", 32),
            vs=signature.data("vs", 32),
        )


@dataclass(frozen=True, slots=True)
class NetworkStatus:
    """The facts that a member tells about itself: `oracle doctor` compares them with the own configuration.

    Attributes:
        reporter: Its reporter's address, checksummed.
        chain_id: The chain of its hub.
        hub: Its hub's address, checksummed.
        committee: The number of its committee on the hub.
        epoch: The committee's epoch as it knows it; 0 if it has not read the chain yet.
        terms: The fingerprint of the network's terms in its configuration, 32 bytes.
        turn: The turn by its clock.
        time: Its clock, unix seconds.
        roles: Its roles.
        version: Its release.
    """

    reporter: str
    chain_id: int
    hub: str
    committee: int
    epoch: int
    terms: bytes
    turn: int
    time: float
    roles: tuple[str, ...]
    version: str

    def to_json(self) -> dict[str, Any]:
        """Return the body of `GET /v1/network`."""
        return {
            "reporter": self.reporter,
            "chainId": self.chain_id,
            "hub": self.hub,
            "committee": self.committee,
            "epoch": self.epoch,
            "terms": to_hex(self.terms),
            "turn": self.turn,
            "time": self.time,
            "roles": list(self.roles),
            "version": self.version,
        }

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Return the status in a body.

        Raises:
            DataError: It is none; the message names the key.
        """
        what = "the network status"
        names = ("reporter", "chainId", "hub", "committee", "epoch", "terms", "turn", "time", "roles", "version")
        fields = MessageFields(what, load_message(what, body, MAX_BODY), names)
        time = fields["time"]
        if isinstance(time, bool) or not isinstance(time, int | float) or not 0 <= time <= UINT32_MAX:
            raise fields.wrong("time", "is not a time in unix seconds")
        version = fields.text("version", 40)
        if not version.isascii() or not version.isprintable():
            raise fields.wrong("version", "is not a version")
        return cls(
            reporter=fields.address("reporter"),
            chain_id=fields.number("chainId", 2**63 - 1),
            hub=fields.address("hub"),
            committee=fields.number("committee"),
            epoch=fields.number("epoch"),
            terms=fields.data("terms", 32),
            turn=fields.number("turn"),
            time=float(time),
            roles=fields.each("roles", _word, "a word"),
            version=version,
        )


def contradict(one: AnswerMessage, other: AnswerMessage, feed_id: bytes) -> bool:
    """Return whether two messages of one member and turn have two observations of a feed.

    Two times without an answer are no contradiction: of a feed that a member does not know, it says so as often as it
    is asked.
    """
    first, second = one.observation(feed_id), other.observation(feed_id)
    return first != second and not first[1] == second[1] == NO_ANSWER


def report_hash(report: Report) -> bytes:
    """Return a hash of a report without answers: equal for all members that answer to it, on one hub."""
    head = (report.committee, report.epoch, report.observed_at, len(report.feed_ids))
    rounds = b"".join(each.to_bytes(4) for each in report.round_ids)
    return keccak(b"".join(each.to_bytes(4) for each in head) + b"".join(report.feed_ids) + rounds)


# --- details -------------------------------------------------------------------------------------------------------


def _report_json(report: Report) -> dict[str, Any]:
    return {
        "committee": report.committee,
        "epoch": report.epoch,
        "observedAt": report.observed_at,
        "feedIds": [to_hex(each) for each in report.feed_ids],
        "roundIds": list(report.round_ids),
    }


def _report(fields: MessageFields) -> Report:
    return Report(
        committee=fields.number("committee"),
        epoch=fields.number("epoch"),
        observed_at=fields.number("observedAt"),
        feed_ids=fields.each("feedIds", hash_of, "0x and 64 hexadecimal digits"),
        round_ids=fields.each("roundIds", number_of, "a whole number"),
    )


def _answer(found: Any) -> int | None:
    if found is None:
        return NO_ANSWER
    plain = isinstance(found, str) and len(found) <= 40 and _INTEGER.match(found) and int(found) != NO_ANSWER
    return int(found) if plain else None


def _word(found: Any) -> str | None:
    return found if isinstance(found, str) and _WORD.match(found) else None
