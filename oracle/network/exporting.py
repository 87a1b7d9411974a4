"""Evidence as a file for others: the network's terms, and the signed messages of each fault.

The file is self-contained, and nothing in it has to be believed: `check` recovers every signature and judges every
claim again. What it can't recompute, it calls the word of the node that wrote the file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oracle.chain.hub import Hub, hub_interface
from oracle.chain.hub.events import decoded
from oracle.core.documents import NotJson, parse_json
from oracle.core.errors import DataError
from oracle.core.formats import checksum_address, from_hex, one_line
from oracle.network.casebook import Case
from oracle.network.evidence import FaultKind
from oracle.network.messages import AnswerMessage, SignedRequest
from oracle.network.proofs import CaseFinding, CaseJudgement, ChainFacts, Claim, EpochFacts, Scope, SpreadFacts, judge
from oracle.network.terms import fingerprint_of, turns_from
from oracle.network.turns import Turns

__all__ = ["EvidenceFile", "JudgedCase", "chain_facts", "check", "export", "read_evidence"]

FORMAT = "oracle-network-evidence-1"

_MAX_BYTES = 64 << 20
_MAX_CASES = 10_000
_MAX_MESSAGES = 32
_MAX_SUMMARY = 1_000


@dataclass(frozen=True, slots=True)
class _Exported:
    """A case of a file. `claim` is None if its messages can't be read, and `problem` says why."""

    kind: FaultKind
    member: str
    turn: int
    at: float
    summary: str
    claim: Claim | None
    problem: str


@dataclass(frozen=True, slots=True)
class EvidenceFile:
    """A file of evidence, as it was read: nothing in it is verified yet.

    Attributes:
        chain_id: The chain of the network's hub.
        hub: The hub's address, checksummed.
        committee: The committee's number on the hub.
        turns: The network's turns.
        terms: The fingerprint of its terms, 32 bytes.
        exported_by: The reporter of the node that wrote the file, as it says; empty: it does not.
        exported_at: When, unix seconds.
        cases: The cases.
    """

    chain_id: int
    hub: str
    committee: int
    turns: Turns
    terms: bytes
    exported_by: str
    exported_at: float
    cases: tuple[_Exported, ...]

    @property
    def feed_ids(self) -> frozenset[bytes]:
        """The feeds that claims name."""
        claims = [each.claim for each in self.cases]
        return frozenset(each.feed_id for each in claims if each is not None and each.feed_id is not None)


@dataclass(frozen=True, slots=True)
class JudgedCase:
    """A case, and what it is worth to others.

    Attributes:
        number: Its position in the file, from 1.
        summary: The fault in one sentence, as the file says.
    """

    number: int
    kind: FaultKind
    member: str
    turn: int
    at: float
    summary: str
    finding: CaseFinding
    reason: str


def export(cases: Iterable[Case], terms: Mapping[str, Any], reporter: str | None, at: float) -> dict[str, Any]:
    """Return a file's content.

    Args:
        cases: The cases.
        terms: The terms of the network: see `oracle.network.terms.terms_of`.
        reporter: The reporter of this node; None: not known.
        at: The time, unix seconds.
    """
    listed = [
        {
            "kind": str(each.kind),
            "member": each.member,
            "turn": each.turn,
            "at": each.at,
            "summary": each.summary,
            **each.document,
        }
        for each in cases
    ]
    return {"format": FORMAT, "exportedBy": reporter, "exportedAt": at, "terms": dict(terms), "cases": listed}


def read_evidence(path: Path) -> EvidenceFile:
    """Return the evidence in a file.

    Raises:
        DataError: It can't be read, or is no file of evidence. A case whose messages are malformed is no such error.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise DataError(f"{path}: has more than {_MAX_BYTES:,} bytes, so it is no file of evidence")
        found = parse_json(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: can't be read: {error.strerror}") from error
    except NotJson as error:
        raise DataError(f"{path}: can't be read: {error}") from error
    try:
        return _file(found)
    except (AttributeError, LookupError, OverflowError, TypeError, ValueError) as error:
        raise DataError(f"{path}: is no file of `oracle network evidence --export`: {_said(error)}") from None
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def check(found: EvidenceFile, *, trusted: bytes | None = None, facts: ChainFacts | None = None) -> list[JudgedCase]:
    """Judge each case of a file.

    Args:
        found: The file.
        trusted: The fingerprint of the terms that the network's members use; None: not known.
        facts: What the chain says about committee and feeds; None: it is not asked.
    """
    scope = Scope(found.chain_id, found.hub, found.committee, found.turns, found.terms, trusted, facts)
    checked = []
    for number, each in enumerate(found.cases, 1):
        verdict = CaseJudgement(CaseFinding.FALSE, each.problem) if each.claim is None else judge(each.claim, scope)
        checked.append(
            JudgedCase(
                number, each.kind, each.member, each.turn, each.at, each.summary, verdict.finding, verdict.reason
            )
        )
    return checked


async def chain_facts(hub: Hub, committee: int, feed_ids: Iterable[bytes], first_block: int = 0) -> ChainFacts:
    """Read what the chain says about a committee in all its epochs, and about feeds.

    Args:
        hub: The hub.
        committee: The committee's number.
        feed_ids: The feeds. Those that the hub does not have are left out.
        first_block: A block that is not after the hub's deployment.

    Raises:
        ChainUnavailable: The endpoint does not answer, or lacks the history.
        DeploymentError: The address has another contract than this release's hub.
    """
    interface = hub_interface()
    topics = [[interface.topic("CommitteeAdded"), interface.topic("ReportersActivated")]]
    epochs = {}
    for log in await hub.rpc.logs(hub.address, first_block, await hub.rpc.block_number(), topics):
        event = decoded(log)
        if event is not None and event[1]["committee"] == committee:
            values = event[1]
            epochs[values.get("epoch", 1)] = EpochFacts(frozenset(values["reporters"]), values["quorum"])
    feeds = {}
    known = set(await hub.feed_ids())
    for feed_id in known.intersection(feed_ids):
        terms = await hub.feed_config(feed_id)
        if terms.committee == committee:
            feeds[feed_id] = SpreadFacts(terms.kind, terms.sigma, terms.max_spread)
    return ChainFacts(epochs, feeds)


# --- details -------------------------------------------------------------------------------------------------------


def _file(found: Any) -> EvidenceFile:
    if found["format"] != FORMAT:
        raise ValueError(f"its format is {found['format']!r:.60}, not {FORMAT!r}")
    terms, cases = found["terms"], found["cases"]
    if not isinstance(cases, list) or len(cases) > _MAX_CASES:
        raise ValueError(f"'cases' is not a list of at most {_MAX_CASES:,}")
    return EvidenceFile(
        chain_id=int(terms["chainId"]),
        hub=checksum_address(terms["hub"]),
        committee=int(terms["committee"]),
        turns=turns_from(terms),
        terms=fingerprint_of(terms),
        exported_by="" if found["exportedBy"] is None else checksum_address(found["exportedBy"]),
        exported_at=float(found["exportedAt"]),
        cases=tuple(_case(each) for each in cases),
    )


def _case(found: Mapping[str, Any]) -> _Exported:
    kind, member, turn = FaultKind(found["kind"]), checksum_address(found["member"]), int(found["turn"])
    claim, problem = None, ""
    try:
        claim = Claim(
            kind,
            member,
            turn,
            None if found["feed"] is None else _feed_id(found["feed"]),
            tuple(AnswerMessage.parse(_body(each)) for each in _few(found["answers"])),
            None if found["request"] is None else SignedRequest.parse(_body(found["request"])),
            _document(found["details"]),
        )
    except (DataError, ValueError) as error:
        problem = f"a message is malformed: {error}"
    return _Exported(
        kind, member, turn, float(found["at"]), one_line(str(found["summary"]), _MAX_SUMMARY), claim, problem
    )


def _few(found: Any) -> Sequence[Any]:
    if not isinstance(found, list) or len(found) > _MAX_MESSAGES:
        raise DataError(f"'answers' is not a list of at most {_MAX_MESSAGES}")
    return found


def _body(found: Any) -> bytes:
    return json.dumps(found).encode()


def _document(details: Any) -> bytes:
    """Return the readings document of a case; empty: it has none."""
    found = details.get("document", "") if isinstance(details, dict) else None
    if not isinstance(found, str) or not found.isascii():
        raise DataError("'details' has something else than a document as 'document'")
    return found.encode("ascii")


def _feed_id(found: Any) -> bytes:
    feed_id = from_hex(found) if isinstance(found, str) else b""
    if len(feed_id) != 32:
        raise DataError("'feed' is not 0x and 64 hexadecimal digits")
    return feed_id


def _said(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)
