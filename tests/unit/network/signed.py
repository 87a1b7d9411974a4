"""Members of a network with real keys, and the messages that they sign."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from eth_account import Account
from eth_account.signers.local import LocalAccount

from oracle.chain.keys.signer import LocalReporter, ReporterKey
from oracle.config.network import NetworkConfig
from oracle.core.encoding import NO_ANSWER
from oracle.core.report import NO_READINGS, Report
from oracle.network.messages import AnswerMessage, ReportRequest, SignedRequest
from oracle.network.terms import fingerprint_of, terms_of, turns_of

CHAIN_ID, HUB, COMMITTEE = 31_337, "0x5FbDB2315678afecb367f032d93F642f64180aa3", 1
TURN_S = 60
ACCOUNTS: tuple[LocalAccount, ...] = tuple(Account.from_key(bytes([1]) * 31 + bytes([each])) for each in range(1, 8))
KEYS: Mapping[str, LocalAccount] = {each.address: each for each in ACCOUNTS}
MEMBERS = sorted(KEYS, key=str.lower)[:4]
"""The reporters, in the order of turns."""
STRANGER = sorted(KEYS, key=str.lower)[4]
FEEDS = tuple(bytes(31) + bytes([each]) for each in range(1, 5))


def network(**changes: object) -> NetworkConfig:
    """Return the configuration of a network of four."""
    members = tuple(
        {"name": f"m{place}", "reporter": each, "url": f"http://127.0.0.1:{9_471 + place}"}
        for place, each in enumerate(MEMBERS)
    )
    table = {"listen": "127.0.0.1:9470", "faulty": 1, "turn_s": TURN_S, "members": members} | changes
    return NetworkConfig.model_validate(table)


TERMS = terms_of(CHAIN_ID, HUB, COMMITTEE, network())
TURNS = turns_of(network())


@dataclass(frozen=True)
class Where:
    """The domain that a message is signed for."""

    chain_id: int = CHAIN_ID
    hub: str = HUB


def report(
    observed_at: int,
    feeds: Sequence[bytes] = FEEDS[:2],
    rounds: Sequence[int] | None = None,
    *,
    committee: int = COMMITTEE,
    epoch: int = 1,
) -> Report:
    """Return a report of these feeds."""
    return Report(committee, epoch, observed_at, tuple(feeds), tuple(rounds or (7,) * len(feeds)))


def answer(
    member: str,
    to: Report,
    answers: Sequence[int | None],
    readings: Sequence[bytes] | None = None,
    where: Where = Where(),
) -> AnswerMessage:
    """Return a member's answers to a report, signed by it."""
    given = tuple(NO_ANSWER if each is None else each for each in answers)
    found = tuple(readings or [NO_READINGS if each is None else bytes([each % 251]) * 32 for each in answers])
    signature = LocalReporter(KEYS[member], where.chain_id, where.hub).sign_report(to, given, found)
    turn = to.observed_at // TURN_S
    return AnswerMessage(member, turn, fingerprint_of(TERMS), to, given, found, signature.r, signature.vs)


def request(member: str, to: Report, turn: int | None = None, terms: bytes | None = None) -> SignedRequest:
    """Return a member's request for answers, signed by it."""
    asked = ReportRequest(
        to, to.observed_at // TURN_S if turn is None else turn, to.observed_at + 9, terms or fingerprint_of(TERMS)
    )
    key = ReporterKey(KEYS[member], CHAIN_ID, HUB)
    signature = asyncio.run(key.sign_request(to, asked.turn, asked.deadline, asked.terms))
    return SignedRequest(asked, signature)
