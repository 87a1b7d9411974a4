"""Tests of who may push what: every way to make an invalid push."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from oracle.config import PushSourceConfig
from oracle.core.errors import ConfigError, SourceUnavailable
from oracle.core.types import Kind
from oracle.sources.push.authentication import NONCE, SIGNATURE, TIMESTAMP, PushRefused, RefusalReason, signature
from oracle.sources.push.source import PushSource
from tests.conformance import check_source

NOW = 1_700_000_000
KEY = b"0123456789abcdef0123456789abcdef"
PATH = "/push/eth/desk"


class Desk:
    """A push source, its clock, and its sender's key."""

    def __init__(self, folder: Path, measure: Kind = Kind.RELATIVE, secret: str = "key_file", **options: Any) -> None:
        file = folder / "secret"
        file.write_bytes(KEY + b"\n")
        file.chmod(0o600)
        self.now = float(NOW)
        settings = {"type": "push", "name": "desk", "max_age": 60, secret: file, **options}
        config = PushSourceConfig.model_validate(settings)
        self.source = PushSource(config, feed="eth", measure=measure, now=lambda: self.now)
        self.nonces = 0

    def signed(self, body: bytes, *, key: bytes = KEY, path: str = PATH, at: int | None = None) -> dict[str, str]:
        self.nonces += 1
        timestamp, nonce = str(int(self.now) if at is None else at), f"nonce-{self.nonces:04}"
        return {TIMESTAMP: timestamp, NONCE: nonce, SIGNATURE: signature(key, path, timestamp, nonce, body)}

    async def push(self, document: Any, **options: Any) -> Decimal:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        return (await self.source.take(self.signed(body, **options), body)).value

    async def refused(self, headers: dict[str, str], body: bytes, why: RefusalReason) -> str:
        with pytest.raises(PushRefused) as caught:
            await self.source.take(headers, body)
        assert caught.value.why is why, caught.value.reason
        assert KEY.decode() not in caught.value.reason
        return caught.value.reason


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


VALUE = b'{"value": "2345.670"}'


async def test_a_push_source_conforms(tmp_path: Path) -> None:
    sources = []
    for _ in range(4):
        made = Desk(tmp_path)
        await made.push(VALUE)
        sources.append(made.source)
    await check_source(iter(sources).__next__)


async def test_what_was_pushed_is_read_exactly_until_it_is_too_old(desk: Desk) -> None:
    with pytest.raises(SourceUnavailable, match="nothing was pushed to /push/eth/desk yet"):
        await desk.source.read()
    await desk.push({"value": "0.1000000000000000055511151231257827", "time": NOW - 5})
    reading = await desk.source.read()
    assert (str(reading.value), reading.observed_at) == ("0.1000000000000000055511151231257827", NOW - 5)
    desk.now += 56
    with pytest.raises(SourceUnavailable, match="61 s old"):
        await desk.source.read()


async def test_without_a_time_the_signatures_counts(desk: Desk) -> None:
    desk.now += 20
    await desk.push(VALUE, at=NOW + 8)
    assert (await desk.source.read()).observed_at == NOW + 8


async def test_nothing_of_a_push_can_be_altered(desk: Desk) -> None:
    good = desk.signed(VALUE)
    for altered in (
        {**good, TIMESTAMP: str(NOW + 1)},
        {**good, NONCE: "another-nonce"},
        {**good, SIGNATURE: good[SIGNATURE][:-1] + ("0" if good[SIGNATURE][-1] != "0" else "1")},
        {**good, SIGNATURE: ""},
        {**good, SIGNATURE: "ü" * 64},
        {name: value for name, value in good.items() if name != SIGNATURE},
        {name: value for name, value in good.items() if name != NONCE},
        {name: value for name, value in good.items() if name != TIMESTAMP},
        {},
    ):
        await desk.refused(altered, VALUE, RefusalReason.NOT_AUTHENTIC)
    await desk.refused(good, VALUE.replace(b"5", b"6"), RefusalReason.NOT_AUTHENTIC)
    await desk.refused(desk.signed(VALUE, key=KEY[::-1]), VALUE, RefusalReason.NOT_AUTHENTIC)
    await desk.refused(desk.signed(VALUE, path="/push/btc/desk"), VALUE, RefusalReason.NOT_AUTHENTIC)
    assert (await desk.source.take(good, VALUE)).value == Decimal("2345.670"), "refusals used nothing up"


async def test_a_push_counts_once(desk: Desk) -> None:
    headers = desk.signed(VALUE)
    await desk.source.take(headers, VALUE)
    await desk.refused(headers, VALUE, RefusalReason.REPEATED)
    desk.now += 31
    await desk.refused(headers, VALUE, RefusalReason.NOT_AUTHENTIC)


@pytest.mark.parametrize("off", [-31, 31])
async def test_a_signature_of_another_time_is_refused(desk: Desk, off: int) -> None:
    await desk.refused(desk.signed(VALUE, at=NOW + off), VALUE, RefusalReason.NOT_AUTHENTIC)


async def test_what_was_signed_before_a_restart_is_refused(tmp_path: Path) -> None:
    before = Desk(tmp_path)
    headers = before.signed(VALUE)
    await before.source.take(headers, VALUE)
    after = Desk(tmp_path)
    after.source._authentication._began = NOW + 1  # type: ignore[union-attr]
    assert "before this daemon began" in await after.refused(headers, VALUE, RefusalReason.NOT_AUTHENTIC)


async def test_a_captured_flood_is_forgotten_after_the_window(desk: Desk) -> None:
    for _ in range(50):
        await desk.push(VALUE)
    desk.now += 120
    await desk.push(VALUE)
    assert len(desk.source._authentication._seen) == 1  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("body", "why", "says"),
    [
        (b"", RefusalReason.MALFORMED, "it is empty"),
        (b"\xff\xfe", RefusalReason.MALFORMED, "it is empty"),
        (b'{"value": "1", "value": "2"}', RefusalReason.MALFORMED, "it has the key 'value' twice in one object"),
        (b'{"value": NaN}', RefusalReason.MALFORMED, "it has NaN, which is not a number"),
        (b"[" * 4_000, RefusalReason.MALFORMED, "it is nested deeper"),
        (b"[]", RefusalReason.MALFORMED, "the body must be"),
        (b"{}", RefusalReason.MALFORMED, "the body must be"),
        (b'{"value": "1", "feed": "btc"}', RefusalReason.MALFORMED, "the body must be"),
        (b'{"value": 1.5}', RefusalReason.MALFORMED, "in a string"),
        (b'{"value": 1}', RefusalReason.MALFORMED, "in a string"),
        (b'{"value": null}', RefusalReason.MALFORMED, "in a string"),
        (b'{"value": "1", "time": "1700000000"}', RefusalReason.MALFORMED, "whole unix seconds"),
        (b'{"value": "1", "time": 1.7e9}', RefusalReason.MALFORMED, "whole unix seconds"),
        (b'{"value": "1", "time": true}', RefusalReason.MALFORMED, "whole unix seconds"),
        (b'{"value": "NaN"}', RefusalReason.NOT_BELIEVED, "not a plain decimal number"),
        (b'{"value": "1e400"}', RefusalReason.NOT_BELIEVED, "out of range"),
        (b'{"value": "0"}', RefusalReason.NOT_BELIEVED, "above zero"),
        (b'{"value": "1001"}', RefusalReason.NOT_BELIEVED, "above the configured maximum"),
        (b'{"value": "1", "time": 1699999939}', RefusalReason.NOT_BELIEVED, "61 s old"),
        (b'{"value": "1", "time": 1700000061}', RefusalReason.NOT_BELIEVED, "ahead of this machine's clock"),
        (b'{"value": "1", "time": 99999999999999999999}', RefusalReason.NOT_BELIEVED, "not a unix time"),
    ],
)
async def test_a_body_that_is_no_value(tmp_path: Path, body: bytes, why: RefusalReason, says: str) -> None:
    desk = Desk(tmp_path, max=1_000)
    assert says in await desk.refused(desk.signed(body), body, why)
    with pytest.raises(SourceUnavailable):
        await desk.source.read()


async def test_time_does_not_go_back(desk: Desk) -> None:
    await desk.push({"value": "2", "time": NOW})
    body = json.dumps({"value": "1", "time": NOW - 1}).encode()
    await desk.refused(desk.signed(body), body, RefusalReason.REPEATED)
    assert (await desk.source.read()).value == 2


async def test_only_so_many_are_taken_but_others_tries_do_not_count(tmp_path: Path) -> None:
    desk = Desk(tmp_path, max_per_minute=3)
    for _ in range(20):
        await desk.refused({}, VALUE, RefusalReason.NOT_AUTHENTIC)
    for _ in range(3):
        await desk.push(VALUE)
    assert "at most 3" in await desk.refused(desk.signed(VALUE), VALUE, RefusalReason.TOO_MANY)


async def test_a_token(tmp_path: Path) -> None:
    desk = Desk(tmp_path, secret="token_file")
    right = f"Bearer {KEY.decode()}"
    for header in ("", "Bearer", right[:-1], right + "0", right.lower(), KEY.decode(), "Basic " + KEY.decode()):
        await desk.refused({"Authorization": header}, VALUE, RefusalReason.NOT_AUTHENTIC)
    assert (await desk.source.take({"Authorization": right}, VALUE)).value == Decimal("2345.67")


@pytest.mark.attack
@pytest.mark.parametrize("secret", ["key_file", "token_file"])
async def test_a_secret_is_replaced_and_taken_away_without_a_restart(tmp_path: Path, secret: str) -> None:
    desk, file, other = Desk(tmp_path, secret=secret), tmp_path / "secret", b"f" * 32

    def proof(key: bytes) -> dict[str, str]:
        return desk.signed(VALUE, key=key) if secret == "key_file" else {"Authorization": f"Bearer {key.decode()}"}

    await desk.source.take(proof(KEY), VALUE)
    file.write_bytes(other)
    await desk.source.take(proof(other), VALUE)
    await desk.refused(proof(KEY), VALUE, RefusalReason.NOT_AUTHENTIC)
    file.chmod(0o644)
    with capture_logs() as logs:
        for _ in range(3):
            await desk.refused(proof(other), VALUE, RefusalReason.NO_SECRET)
    assert [line["event"] for line in logs] == ["secret can't be used, and nothing is accepted with it"]
    file.unlink()
    await desk.refused(proof(other), VALUE, RefusalReason.NO_SECRET)
    await desk.refused(proof(b""), VALUE, RefusalReason.NO_SECRET)
    file.write_bytes(KEY)
    file.chmod(0o600)
    await desk.source.take(proof(KEY), VALUE)


async def test_a_time_in_milliseconds_is_refused_with_the_unit_that_is_meant(desk: Desk) -> None:
    body = json.dumps({"value": "1", "time": NOW * 1_000}).encode()
    assert await desk.refused(desk.signed(body), body, RefusalReason.NOT_BELIEVED) == (
        f'"time": {NOW}000 is a time in milliseconds (2023-11-14 22:13 UTC), not in seconds; send whole seconds'
    )
    body = json.dumps({"value": "1", "time": NOW // 1_000}).encode()
    assert " s old" in await desk.refused(desk.signed(body), body, RefusalReason.NOT_BELIEVED)


async def test_a_closed_source_takes_nothing(desk: Desk) -> None:
    await desk.source.close()
    await desk.refused(desk.signed(VALUE), VALUE, RefusalReason.NOT_AUTHENTIC)


@pytest.mark.parametrize(
    ("mode", "secret", "what"),
    [(0o640, KEY, "chmod 600"), (0o604, KEY, "chmod 600"), (0o600, b"short\n", "has 5 bytes")],
)
def test_a_secret_is_for_its_owner_alone_and_long(tmp_path: Path, mode: int, secret: bytes, what: str) -> None:
    file = tmp_path / "key"
    file.write_bytes(secret)
    file.chmod(mode)
    config = PushSourceConfig.model_validate({"type": "push", "name": "desk", "max_age": 60, "key_file": file})
    with pytest.raises(ConfigError, match=what) as caught:
        PushSource(config, feed="eth", measure=Kind.RELATIVE)
    assert secret.decode().strip() not in str(caught.value)
    file.unlink()
    with pytest.raises(ConfigError, match="no such file"):
        PushSource(config, feed="eth", measure=Kind.RELATIVE)
