"""Messages of others are read strictly, and say who signed them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from eth_account.messages import encode_typed_data
from hypothesis import given
from hypothesis import strategies as st

from oracle.chain.keys.signer import HALF_ORDER, ReporterKey
from oracle.chain.keys.typed import typed_request
from oracle.core.errors import DataError
from oracle.network.messages import (
    MAX_BODY,
    AnswerMessage,
    NetworkStatus,
    RefusalCode,
    Refused,
    SignedRequest,
    report_hash,
)
from tests.unit.network.node import asked
from tests.unit.network.signed import CHAIN_ID, FEEDS, HUB, KEYS, MEMBERS, answer, report

NOW = 1_700_000_000
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def text(document: Any) -> bytes:
    return json.dumps(document).encode()


REQUEST = asked(report(NOW))
ANSWER = answer(MEMBERS[1], report(NOW), (5, None))
STATUS = NetworkStatus(MEMBERS[0], CHAIN_ID, HUB, 1, 2, b"\7" * 32, 9, 1_700_000_000.25, ("reporter",), "1.0")


def test_messages_come_back_as_they_went() -> None:
    assert SignedRequest.parse(text(REQUEST.to_json())) == REQUEST
    assert AnswerMessage.parse(text(ANSWER.to_json())) == ANSWER
    assert NetworkStatus.parse(text(STATUS.to_json())) == STATUS
    refused = Refused(RefusalCode.NOT_NOW, "too late")
    again = Refused.parse(text(refused.to_json()))
    assert (again.code, again.detail) == (refused.code, refused.detail)


def test_messages_say_who_signed_them_and_for_which_hub() -> None:
    assert REQUEST.requester(CHAIN_ID, HUB) == MEMBERS[0]
    assert ANSWER.signer(CHAIN_ID, HUB) == MEMBERS[1]
    for chain_id, hub in ((1, HUB), (CHAIN_ID, "0x" + "11" * 20)):
        assert REQUEST.requester(chain_id, hub) not in MEMBERS
        assert ANSWER.signer(chain_id, hub) not in MEMBERS


@pytest.mark.parametrize(
    "field", ["turn", "deadline", "terms", "committee", "epoch", "observedAt", "feedIds", "roundIds"]
)
def test_every_field_of_a_request_is_signed(field: str) -> None:
    document = REQUEST.to_json()
    value = document["request"][field]
    if isinstance(value, int):
        document["request"][field] = value + 1
    elif isinstance(value, str):
        document["request"][field] = "0x" + "99" * 32
    else:
        document["request"][field] = [value[0], "0x" + "99" * 32 if isinstance(value[0], str) else 3]
    assert SignedRequest.parse(text(document)).requester(CHAIN_ID, HUB) not in MEMBERS


async def test_a_remote_signer_hashes_the_document_of_a_request_to_the_same() -> None:
    request = REQUEST.request
    typed = typed_request(CHAIN_ID, HUB, request.report, request.turn, request.deadline, request.terms)
    assert encode_typed_data(full_message=dict(typed.document)) == typed.message
    key = ReporterKey(KEYS[MEMBERS[0]], CHAIN_ID, HUB)
    signature = await key.sign_request(request.report, request.turn, request.deadline, request.terms)
    assert signature == REQUEST.signature


def test_one_of_two_signatures_that_are_valid_in_mathematics_is_refused() -> None:
    s, v = int.from_bytes(REQUEST.signature[32:64]), REQUEST.signature[64]
    other = REQUEST.signature[:32] + (ORDER - s).to_bytes(32) + bytes([55 - v])
    with pytest.raises(DataError, match="above half"):
        replace(REQUEST, signature=other).requester(CHAIN_ID, HUB)
    assert s <= HALF_ORDER


@given(st.binary(min_size=65, max_size=65))
def test_any_bytes_are_a_signature_of_nobody_or_none(signature: bytes) -> None:
    try:
        assert replace(REQUEST, signature=signature).requester(CHAIN_ID, HUB) not in MEMBERS
    except DataError:
        pass


@given(st.binary(min_size=64, max_size=64))
def test_any_bytes_are_no_member_s_answer(signature: bytes) -> None:
    try:
        assert replace(ANSWER, r=signature[:32], vs=signature[32:]).signer(CHAIN_ID, HUB) not in MEMBERS
    except DataError:
        pass


def wrong(document: dict[str, Any], path: str, value: Any) -> bytes:
    *outer, last = path.split(".")
    found = document
    for each in outer:
        found = found[each]
    if value is ...:
        del found[last]
    else:
        found[last] = value
    return text(document)


FEED = "0x" + FEEDS[0].hex()


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("request", ..., "'request' is missing"),
        ("more", 1, "has other keys"),
        ("request.more", 1, "'request': has other keys"),
        ("request", [], "'request' is not an object"),
        ("request.turn", -1, "'turn'"),
        ("request.turn", True, "'turn'"),
        ("request.turn", 2**32, "'turn'"),
        ("request.turn", 1.0, "'turn'"),
        ("request.turn", "1", "'turn'"),
        ("request.epoch", 0, "epoch"),
        ("request.committee", 0, "committee"),
        ("request.terms", "0x" + "00" * 31, "'terms'"),
        ("request.terms", "0x" + "AB" * 32, "'terms'"),
        ("request.terms", None, "'terms'"),
        ("request.feedIds", [], "feeds"),
        ("request.feedIds", [FEED, FEED], "do not ascend"),
        ("request.feedIds", [FEED] * 97, "'feedIds' is not a list of at most 96"),
        ("request.feedIds", ["0x12"], "'feedIds' has something else"),
        ("request.feedIds", "0x", "'feedIds'"),
        ("request.roundIds", [0, 0], "no feed of the report is due"),
        ("request.roundIds", [7], "2 feeds, but 1 rounds"),
        ("request.roundIds", [7, -1], "'roundIds'"),
        ("signature", "0x" + "00" * 64, "'signature'"),
        ("signature", "00" * 65, "'signature'"),
    ],
)
def test_a_request_that_is_wrong_is_told_by_its_key(path: str, value: Any, told: str) -> None:
    with pytest.raises(DataError, match=told):
        SignedRequest.parse(wrong(REQUEST.to_json(), path, value))


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("reporter", "0x12", "'reporter'"),
        ("reporter", "0x" + "0" * 41, "'reporter'"),
        ("reporter", MEMBERS[0].swapcase(), "'reporter'"),
        ("report", ..., "'report' is missing"),
        ("report.turn", 1, "'report': has other keys"),
        ("answers", ["5"], "2 feeds, but 1 answers"),
        ("answers", ["5", 5], "'answers' has something else"),
        ("answers", ["5", "05"], "'answers'"),
        ("answers", ["5", "-0"], "'answers'"),
        ("answers", ["5", "5 "], "'answers'"),
        ("answers", ["5", "٣"], "'answers'"),
        ("answers", ["5", str(-(2**127))], "'answers'"),
        ("answers", ["5", str(2**127)], "an answer is"),
        ("answers", ["5", "9" * 5_000], "'answers'"),
        ("readings", ["0x" + "00" * 32], "2 feeds, but 1 readings"),
        ("readings", [None, None], "'readings'"),
        ("signature", {"r": "0x" + "00" * 32}, "'vs' is missing"),
        ("signature.r", 5, "'r'"),
    ],
)
def test_an_answer_message_that_is_wrong_is_told_by_its_key(path: str, value: Any, told: str) -> None:
    with pytest.raises(DataError, match=told):
        AnswerMessage.parse(wrong(ANSWER.to_json(), path, value))


@pytest.mark.parametrize(
    ("path", "value"),
    [("time", float("nan")), ("time", -1), ("time", True), ("time", "1"), ("roles", ["a b"]), ("roles", "x"),
     ("chainId", 2**63), ("version", "1\x1b[31m"), ("version", 1), ("hub", "x")],
)  # fmt: skip
def test_a_status_that_is_wrong_is_refused(path: str, value: Any) -> None:
    with pytest.raises(DataError):
        NetworkStatus.parse(wrong(STATUS.to_json(), path, value))


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"\xff", b'{"request": 1, "request": 2, "signature": 3}', b'{"request": NaN, "signature": 1}',
     b"[" * 60_000, b'{"a":' * 10_000, b"1" * 60_000, b'"' + b"x" * MAX_BODY + b'"'],
)  # fmt: skip
@pytest.mark.parametrize("parse", [SignedRequest.parse, AnswerMessage.parse, NetworkStatus.parse, Refused.parse])
def test_what_is_no_message_is_one_line(body: bytes, parse: Any) -> None:
    with pytest.raises(DataError) as error:
        parse(body)
    assert len(str(error.value)) < 300 and "\n" not in str(error.value)


def test_the_text_of_a_refusal_is_made_harmless() -> None:
    refused = Refused.parse(text({"error": "not_now", "detail": "a\n\x1b[31m\u202e" + "x" * 1_000}))
    assert refused.detail.isprintable() and len(refused.detail) <= 400
    with pytest.raises(DataError, match="can't be read"):
        Refused.parse(text({"error": "not_now", "detail": "half of a character: \ud800"}))
    with pytest.raises(DataError, match="known codes"):
        Refused.parse(text({"error": "other", "detail": ""}))


def test_each_code_has_a_status() -> None:
    assert all(400 <= each.status < 600 for each in RefusalCode)


def test_the_hash_of_a_report_is_of_all_of_it() -> None:
    first = report(NOW)
    others = [replace(first, epoch=2), replace(first, committee=2), replace(first, observed_at=NOW + 1),
              replace(first, round_ids=(7, 8)), report(NOW, FEEDS[:3]), report(NOW, FEEDS[1:3])]  # fmt: skip
    assert len({report_hash(each) for each in (first, *others)}) == len(others) + 1
