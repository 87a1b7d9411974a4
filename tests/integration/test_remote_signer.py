"""Tests of keys in a remote signer: its signatures count like local ones, and all else that it returns is refused."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from eth_account import Account
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from oracle.chain.keys.remote import RemoteKey
from oracle.chain.keys.signer import LocalKey, ReporterKey, recover, recover_request
from oracle.core.encoding import NO_ANSWER
from oracle.core.errors import OracleError, SignerRefused, SignerUnavailable
from oracle.core.report import Report
from tests.web3signer import KEY, Web3Signer

HUB = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
REPORT = Report(3, 2, 1_700_000_000, (b"\x07" * 32, b"\x08" * 32, b"\x09" * 32), (4, 0, 2**32 - 1))
STATEMENT = (REPORT, (-(2**100), NO_ANSWER, 2**127 - 1), (b"\x01" * 32, bytes(32), b"\xff" * 32))
DYNAMIC = {"chainId": 31337, "nonce": 7, "gas": 500_000, "value": 0, "data": "0x00c0ffee", "to": HUB}
DYNAMIC |= {"maxFeePerGas": 3_000_000_000, "maxPriorityFeePerGas": 1}
LEGACY = {name: value for name, value in DYNAMIC.items() if "Fee" not in name} | {"gasPrice": 5}
CREATION = {name: value for name, value in DYNAMIC.items() if name != "to"}


@pytest.fixture
def signer(httpserver: HTTPServer) -> Web3Signer:
    return Web3Signer(httpserver)


@pytest.fixture
def key(signer: Web3Signer) -> RemoteKey:
    return RemoteKey(signer.url, signer.address, 5)


async def test_reports_are_signed_as_by_the_key_itself(key: RemoteKey, signer: Web3Signer) -> None:
    here = ReporterKey(Account.from_key(KEY), 31337, HUB)
    there = ReporterKey(key, 31337, HUB)
    signed = await there.sign_report(*STATEMENT)
    assert signed == await here.sign_report(*STATEMENT)
    assert recover(31337, HUB, REPORT, signed) == there.address == signer.address
    assert await there.sign_report(REPORT, (1, 2, 3)) == await here.sign_report(REPORT, (1, 2, 3))


async def test_the_service_is_shown_what_it_signs(key: RemoteKey, signer: Web3Signer) -> None:
    await ReporterKey(key, 31337, HUB).sign_report(*STATEMENT)
    (document,) = signer.documents
    assert document["domain"] == {"name": "ZkOracle", "version": "2", "chainId": 31337, "verifyingContract": HUB}
    assert document["message"] == {
        "committee": 3,
        "epoch": 2,
        "observedAt": 1_700_000_000,
        "feedIds": ["0x" + each * 32 for each in ("07", "08", "09")],
        "roundIds": [4, 0, 2**32 - 1],
        "answers": [str(-(2**100)), str(-(2**127)), str(2**127 - 1)],
        "readings": ["0x" + each * 32 for each in ("01", "00", "ff")],
    }


async def test_requests_to_members_are_signed_as_by_the_key_itself(key: RemoteKey, signer: Web3Signer) -> None:
    asked = REPORT, 28_333_333, 1_700_000_005, b"\x07" * 32
    there = ReporterKey(key, 31337, HUB)
    signature = await there.sign_request(*asked)
    assert signature == await ReporterKey(Account.from_key(KEY), 31337, HUB).sign_request(*asked)
    assert recover_request(31337, HUB, *asked, signature) == there.address
    (document,) = signer.documents
    assert document["primaryType"] == "ReportRequest" and document["message"]["turn"] == 28_333_333


@pytest.mark.attack
@pytest.mark.parametrize(
    "change",
    [
        {"committee": 4},
        {"epoch": 3},
        {"observedAt": 1},
        {"feedIds": ["0x" + "07" * 32] * 3},
        {"roundIds": [5, 0, 2]},
        {"answers": ["0", "0", "0"]},
        {"readings": ["0x" + "00" * 32] * 3},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_a_signature_of_another_report_is_refused(
    key: RemoteKey, signer: Web3Signer, change: dict[str, Any]
) -> None:
    signer.alter = lambda document: document | {"message": document["message"] | change}
    with pytest.raises(SignerRefused, match="or one of something else"):
        await ReporterKey(key, 31337, HUB).sign_report(*STATEMENT)


@pytest.mark.parametrize("fields", [DYNAMIC, LEGACY, CREATION], ids=["dynamic", "legacy", "creation"])
async def test_transactions_are_signed_as_by_the_key_itself(key: RemoteKey, fields: dict[str, Any]) -> None:
    assert await key.sign_transaction(fields) == await LocalKey(Account.from_key(KEY)).sign_transaction(fields)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"to": "0x" + "11" * 20}, "to"),
        ({"data": "0x00"}, "data"),
        ({"value": 10**18}, "value"),
        ({"nonce": 8}, "nonce"),
        ({"gas": 500_001}, "gas"),
        ({"maxFeePerGas": 4_000_000_000}, "maxFeePerGas"),
        ({"maxPriorityFeePerGas": 2}, "maxPriorityFeePerGas"),
        ({"chainId": 1}, "chainId"),
    ],
)
async def test_another_transaction_than_asked_is_refused(
    key: RemoteKey, signer: Web3Signer, changes: dict[str, Any], named: str
) -> None:
    signer.alter = lambda fields: fields | changes
    with pytest.raises(SignerRefused, match=f"another transaction than asked: {named} differ"):
        await key.sign_transaction(DYNAMIC)


async def test_an_access_list_nobody_asked_for_is_refused(key: RemoteKey, signer: Web3Signer) -> None:
    signer.alter = lambda fields: fields | {"accessList": [{"address": HUB, "storageKeys": []}]}
    with pytest.raises(SignerRefused, match="not a signed transaction"):
        await key.sign_transaction(DYNAMIC)


OTHER = Account.from_key("0x" + "cd" * 32)


def of_another_key(_: Any) -> str:
    return "0x" + bytes(OTHER.sign_transaction(DYNAMIC).raw_transaction).hex()


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (of_another_key, "gave a transaction of 0x"),
        (lambda answer: answer[:-2], "not a signed transaction"),
        (lambda answer: answer + "00", "not a signed transaction"),
        (lambda answer: "0x02c0", "not a signed transaction"),
        (lambda answer: {"raw": "0x"}, "not a signed transaction"),
        (lambda answer: None, "signed no transaction"),
    ],
)
async def test_a_transaction_that_is_none_is_refused(
    key: RemoteKey, signer: Web3Signer, spoil: Callable[[Any], Any], says: str
) -> None:
    signer.spoil = spoil
    with pytest.raises(SignerRefused, match=says):
        await key.sign_transaction(DYNAMIC)


def malleated(answer: str) -> str:
    """Return the same signature with the other s: mathematically valid, and refused by contracts."""
    raw = bytes.fromhex(answer[2:])
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    s = order - int.from_bytes(raw[32:64])
    return "0x" + (raw[:32] + s.to_bytes(32) + bytes([55 - raw[64]])).hex()


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda answer: "0x" + answer[4:] + "1b", r"gave no signature|not of"),
        (lambda answer: "0x" + bytes(OTHER.unsafe_sign_hash(b"\1" * 32).signature).hex(), "not of"),
        (malleated, "gave no signature"),
        (lambda answer: answer[:-2], "gave no signature"),
        (lambda answer: "rubbish", "gave no signature"),
        (lambda answer: None, "gave no signature"),
        (lambda answer: {"signature": answer}, "gave no signature"),
        (lambda answer: "0x" + "00" * 65, "gave no signature"),
    ],
)
async def test_a_signature_of_something_else_is_refused(
    key: RemoteKey, signer: Web3Signer, spoil: Callable[[Any], Any], says: str
) -> None:
    signer.spoil = spoil
    with pytest.raises(SignerRefused, match=says):
        await ReporterKey(key, 31337, HUB).sign_report(*STATEMENT)


@pytest.mark.parametrize(
    ("status", "error", "says"),
    [
        (404, SignerRefused, "404: is its interface of JSON-RPC there"),
        (400, SignerRefused, "answers 400"),
        (302, SignerRefused, "answers 302"),
        (500, SignerUnavailable, "answers 500"),
        (429, SignerUnavailable, "answers 429"),
    ],
)
async def test_what_the_service_answers_instead(
    httpserver: HTTPServer, status: int, error: type[OracleError], says: str
) -> None:
    httpserver.expect_request("/").respond_with_data("", status=status, headers={"Location": "http://127.0.0.1:1/"})
    with pytest.raises(error, match=says):
        await RemoteKey(httpserver.url_for(""), OTHER.address).sign_transaction(DYNAMIC)


async def test_a_service_without_the_key_one_that_is_gone_and_one_that_is_slow(
    httpserver: HTTPServer, signer: Web3Signer
) -> None:
    reporter = ReporterKey(RemoteKey(signer.url, OTHER.address), 31337, HUB)
    with pytest.raises(SignerRefused, match="answers 400: Signing From is not an Unlocked account"):
        await reporter.sign_report(*STATEMENT)
    with pytest.raises(SignerUnavailable, match=r"http://127\.0\.0\.1:1: does not answer: Connection refused"):
        await RemoteKey("http://u:s3cret@127.0.0.1:1", OTHER.address).sign_transaction(DYNAMIC)

    given_up = threading.Event()

    def slow(request: Request) -> Response:
        given_up.wait(10)
        return Response("")

    httpserver.clear()
    httpserver.expect_request("/").respond_with_handler(slow)
    with pytest.raises(SignerUnavailable, match="no answer in time"):
        await RemoteKey(signer.url, OTHER.address, 0.1).sign_transaction(DYNAMIC)
    given_up.set()


async def test_an_answer_without_end_is_cut(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/").respond_with_data(b"0" * (2 << 20))
    with pytest.raises(SignerRefused, match="more than"):
        await RemoteKey(httpserver.url_for(""), OTHER.address).sign_transaction(DYNAMIC)


def test_plain_http_is_for_this_machine_only() -> None:
    for url in ("http://signer.example", "http://localhost.example", "ftp://localhost"):
        with pytest.raises(SignerRefused, match="https is needed"):
            RemoteKey(url, OTHER.address)
    key = RemoteKey("https://user:s3cret@signer.example:9000/", OTHER.address)
    assert "s3cret" not in repr(key) and "signer.example:9000" in repr(key)
