"""A file of evidence holds what others need to judge it, and whatever else is in it does no harm."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.core.errors import DataError
from oracle.core.formats import keccak, to_hex
from oracle.core.types import Kind
from oracle.feeds.journal import Journal
from oracle.network.casebook import Casebook, read_cases
from oracle.network.evidence import FaultKind, MemberFault
from oracle.network.exporting import FORMAT, JudgedCase, check, export, read_evidence
from oracle.network.proofs import CaseFinding
from oracle.network.terms import fingerprint_of
from oracle.sources.readings import FeedReadings, ReadingsRule, SourceOutcome, SourceReading
from tests.unit.network.signed import CHAIN_ID, FEEDS, HUB, MEMBERS, TERMS, TURN_S, answer, report, request

ALPHA, BRAVO = MEMBERS[:2]
NOW = 1_700_000_040
TURN = NOW // TURN_S


def faults() -> list[MemberFault]:
    """Return a contradiction, a silence, and a contradiction that is none."""
    first, second, other = (
        answer(ALPHA, report(NOW + 5), [100, 200]),
        answer(ALPHA, report(NOW + 5), [101, 200]),
        answer(BRAVO, report(NOW + 5), [101, 200]),
    )
    twice = (first.to_json(), second.to_json())
    return [
        MemberFault(FaultKind.CONTRADICTION, ALPHA, TURN, "two answers", FEEDS[0], twice),
        MemberFault(FaultKind.SILENCE, BRAVO, TURN, "no answer in 5 s", details={"seconds": 5.0}),
        MemberFault(
            FaultKind.CONTRADICTION, BRAVO, TURN, "two answers", FEEDS[0], (first.to_json(), other.to_json()),
            request(ALPHA, report(NOW + 5)).to_json(),
        ),
    ]  # fmt: skip


@pytest.fixture
def document(tmp_path: Path) -> dict[str, Any]:
    """Return a file's content, exported from a casebook."""
    with Journal(tmp_path / "journal.sqlite") as journal:
        book = Casebook(journal._store, MEMBERS, clock=lambda: NOW + 9.0)
        for fault in faults():
            book.note(fault)
        book.flush()
        with journal._store.transaction(read=True) as connection:
            cases = read_cases(connection)
    return json.loads(json.dumps(export(cases, TERMS, BRAVO, NOW + 10.0)))  # type: ignore[no-any-return]


@pytest.fixture
def checked(tmp_path: Path) -> Callable[[Any], list[JudgedCase]]:
    def read(document: Any) -> list[JudgedCase]:
        path = tmp_path / "evidence.json"
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        return check(read_evidence(path))

    return read


def test_others_find_what_is_proven_and_what_is_not(
    document: dict[str, Any], checked: Callable[[Any], list[JudgedCase]]
) -> None:
    found = checked(document)
    assert [(each.number, each.kind, each.member, each.finding) for each in found] == [
        (1, FaultKind.CONTRADICTION, ALPHA, CaseFinding.PROVEN),
        (2, FaultKind.SILENCE, BRAVO, CaseFinding.NOT_PROVABLE),
        (3, FaultKind.CONTRADICTION, BRAVO, CaseFinding.FALSE),
    ]
    assert "the word of the node that asked" in found[1].reason
    assert found[0].at == NOW + 9.0


def test_the_file_says_whose_network_it_is_about(document: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "evidence.json"
    path.write_text(json.dumps(document))
    found = read_evidence(path)
    assert (found.chain_id, found.hub, found.committee) == (CHAIN_ID, HUB, 1)
    assert (found.terms, found.turns.seconds) == (fingerprint_of(TERMS), TURN_S)
    assert (found.exported_by, found.feed_ids) == (BRAVO, frozenset({FEEDS[0]}))


@pytest.mark.parametrize(
    ("alter", "said"),
    [
        (lambda each: each["answers"][0]["answers"].__setitem__(0, "99"), "not signed by the member"),
        (lambda each: each["answers"][1]["report"].__setitem__("observedAt", NOW + 6), "not signed by the member"),
        (lambda each: each["answers"].pop(), "takes two"),
        (lambda each: each["answers"].__setitem__(1, each["answers"][0]), "say the same"),
        (lambda each: each["answers"].__setitem__(1, {"nonsense": 1}), "malformed"),
        (lambda each: each.__setitem__("feed", "0x1234"), "malformed"),
        (lambda each: each.__setitem__("feed", "word"), "malformed"),
        (lambda each: each.__setitem__("answers", each["answers"] * 40), "malformed"),
        (lambda each: each.__setitem__("member", BRAVO), "not signed by the member"),
    ],
)
def test_an_altered_case_is_false(
    document: dict[str, Any], checked: Callable[[Any], list[JudgedCase]], alter: Callable[[Any], None], said: str
) -> None:
    alter(document["cases"][0])
    found = checked(document)
    assert found[0].finding is CaseFinding.FALSE and said in found[0].reason
    assert found[1].finding is CaseFinding.NOT_PROVABLE  # the others are judged all the same


def test_another_hub_in_the_terms_makes_every_signature_strange(
    document: dict[str, Any], checked: Callable[[Any], list[JudgedCase]]
) -> None:
    document["terms"]["hub"] = ALPHA.lower()
    assert checked(document)[0].finding is CaseFinding.FALSE


@pytest.mark.parametrize(
    "content",
    [
        "",
        "nonsense",
        "[]",
        "{}",
        '{"format": "other"}',
        "[" * 100_000,
        '{"format": "oracle-network-evidence-1", "terms": {}, "cases": []}',
        '{"format": "oracle-network-evidence-1", "terms": null, "cases": 7}',
    ],
)
def test_what_is_no_file_of_evidence_is_refused_in_one_line(
    checked: Callable[[Any], list[JudgedCase]], content: str
) -> None:
    with pytest.raises(DataError, match=r"evidence\.json") as caught:
        checked(content)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["kind", "member", "turn", "feed", "answers", "request", "at", "summary"])
def test_a_case_without_a_key_is_refused(
    document: dict[str, Any], checked: Callable[[Any], list[JudgedCase]], key: str
) -> None:
    del document["cases"][0][key]
    with pytest.raises(DataError, match=f"'{key}' is missing"):
        checked(document)


def test_text_of_others_does_nothing_to_a_terminal(
    document: dict[str, Any], checked: Callable[[Any], list[JudgedCase]]
) -> None:
    document["cases"][1]["summary"] = "silent\x1b[2J\nproven: everything"
    assert checked(document)[1].summary == "silent [2J proven: everything"


# --- whatever is altered -------------------------------------------------------------------------------------------

FAULT = faults()[0]
CASE: dict[str, Any] = {
    "kind": str(FAULT.kind),
    "member": FAULT.member,
    "turn": FAULT.turn,
    "at": 1.0,
    "summary": FAULT.summary,
    "feed": "0x" + FEEDS[0].hex(),
    "answers": list(FAULT.answers),
    "request": None,
    "details": {},
}


def proof_places(found: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the place of each value of a case that proves something: signed, or compared with what is signed."""
    if place and place[-1] in ("at", "summary", "details", "turn", "reporter", "terms", "request", "kind"):
        return
    if isinstance(found, dict | list):
        for key, value in found.items() if isinstance(found, dict) else enumerate(found):
            yield from proof_places(value, (*place, key))
    else:
        yield place


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.binary(min_size=32, max_size=32).map(to_hex),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(list(proof_places(CASE))), _JSON)
def test_no_value_of_a_proof_can_be_altered(tmp_path_factory: Any, place: tuple[Any, ...], value: Any) -> None:
    case = json.loads(json.dumps(CASE))
    inner = case
    for key in place[:-1]:
        inner = inner[key]
    if inner[place[-1]] == value:
        return
    inner[place[-1]] = value
    content = {"format": FORMAT, "exportedBy": BRAVO, "exportedAt": 1.0, "terms": TERMS, "cases": [case]}
    path = tmp_path_factory.getbasetemp() / "altered.json"
    path.write_text(json.dumps(content))
    try:
        (found,) = check(read_evidence(path))
    except DataError:
        return
    assert found.finding is not CaseFinding.PROVEN


def test_the_case_that_is_altered_proves_something_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "evidence.json"
    path.write_text(
        json.dumps({"format": FORMAT, "exportedBy": BRAVO, "exportedAt": 1.0, "terms": TERMS, "cases": [CASE]})
    )
    assert [each.finding for each in check(read_evidence(path))] == [CaseFinding.PROVEN]


def test_a_signed_document_goes_with_its_answer(tmp_path: Path) -> None:
    """A document of which the answer does not follow proves that; one with any other byte proves nothing."""
    name = "ETH / USD"
    feed_id = keccak(name.encode())
    source = SourceReading("one", "one", SourceOutcome.AGREES, "100", 100, NOW)
    read = FeedReadings(ReadingsRule(feed_id, name, 0, Kind.RELATIVE, 1, None), (source,), 101)
    document = read.document(ALPHA, NOW + 5).encode()
    message = answer(ALPHA, report(NOW + 5, [feed_id]), [101], [keccak(document)])
    case = CASE | {"kind": "readings", "feed": to_hex(feed_id), "answers": [message.to_json()]}
    for details, finding in (
        ({"document": document.decode()}, CaseFinding.PROVEN),
        ({"document": document.decode() + " "}, CaseFinding.FALSE),
        ({"document": ""}, CaseFinding.NOT_PROVABLE),
        ({}, CaseFinding.NOT_PROVABLE),
        ({"document": 7}, CaseFinding.FALSE),
        ({"document": "\u00e9"}, CaseFinding.FALSE),
        ([], CaseFinding.FALSE),
    ):
        path = tmp_path / "readings.json"
        content = {"format": FORMAT, "exportedBy": None, "exportedAt": 1.0, "terms": TERMS}
        path.write_text(json.dumps(content | {"cases": [case | {"details": details}]}))
        assert [each.finding for each in check(read_evidence(path))] == [finding], details
