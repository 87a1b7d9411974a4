"""Tests of any bytes from a source or a configuration: they give a value or an error of ours; values are exact."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from oracle.config import Config, FeedConfig, HttpSourceConfig, PushSourceConfig, load, load_training
from oracle.core import encoding
from oracle.core.errors import ConfigError, DataError, OracleError, SourceUnavailable
from oracle.core.types import Kind
from oracle.sources.aggregate import AggregationPolicy, aggregate
from oracle.sources.http.source import HttpSource
from oracle.sources.interface import Reading
from oracle.sources.push.authentication import NONCE, SIGNATURE, TIMESTAMP, PushRefused, signature
from oracle.sources.push.source import PushSource
from tests.fakehttp import FakeSession, Reply

NOW = 1_700_000_000
KEY = b"0123456789abcdef"


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


def http(body: bytes, **options: Any) -> HttpSource:
    settings = {"type": "http", "url": "https://x.example/p", "path": "$.data.price", "allow_string": True, **options}
    config = HttpSourceConfig.model_validate(settings)
    session: Any = FakeSession(lambda asked: Reply(body=body))
    return HttpSource(config, measure=Kind.ABSOLUTE, name="venue", session=session, now=lambda: float(NOW))


# Anything that JSON has, and numbers that it should not have.
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from([10**400, -(10**39), 1e308, "1e5000", "NaN", "٣", "1_0", "0x1", "+1", ".5", "5."])
)
documents = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("pdx"), inner, max_size=3)
)
bodies = st.one_of(
    st.binary(max_size=200),
    documents.map(lambda found: json.dumps(found).encode()),
    st.tuples(documents, documents).map(
        lambda found: json.dumps({"data": {"price": found[0], "time": found[1]}}).encode()
    ),
    st.text(alphabet='{}[]":,0123456789.eE-+ dataprice\\u', max_size=80).map(str.encode),
)


def one_line(error: Exception) -> None:
    assert str(error) and "\n" not in str(error)


@given(bodies, st.sampled_from(["s", "ms", "iso"]))
@example(b'{"data": {"price": 1, "time": "0001-01-01T00:00:00+23:59"}}', "iso")
@example(b'{"data": {"price": 1, "time": "9999-12-31T23:59:59-23:59"}}', "iso")
@example(b'{"data": {"price": "\\ud800", "time": 1}}', "s")
@settings(max_examples=150)
def test_any_body_of_a_source(loop: asyncio.Runner, body: bytes, unit: str) -> None:
    for times in ({}, {"timestamp_path": "$.data.time", "timestamp_unit": unit}):
        try:
            reading = loop.run(http(body, **times).read())
        except (SourceUnavailable, DataError) as error:
            one_line(error)
        else:
            assert type(reading.value) is Decimal and reading.value.is_finite()
            assert 0 < reading.observed_at < 2**32


@given(bodies, st.booleans())
@settings(max_examples=100)
def test_any_body_of_a_push(
    tmp_path_factory: pytest.TempPathFactory, loop: asyncio.Runner, body: bytes, ok: bool
) -> None:
    file = tmp_path_factory.getbasetemp() / "fuzzed.key"
    file.write_bytes(KEY)
    file.chmod(0o600)
    config = PushSourceConfig.model_validate({"type": "push", "name": "desk", "max_age": 60, "key_file": file})
    source = PushSource(config, feed="eth", measure=Kind.ABSOLUTE, now=lambda: float(NOW))
    sent = body if ok else body + b" "
    headers = {
        TIMESTAMP: str(NOW),
        NONCE: "n" * 8,
        SIGNATURE: signature(KEY, "/push/eth/desk", str(NOW), "n" * 8, body),
    }
    try:
        reading = loop.run(source.take(headers, sent))
    except PushRefused as refused:
        one_line(refused)
    else:
        assert ok and type(reading.value) is Decimal


# --- configuration ---

VALID: dict[str, Any] = {
    "chain": {"rpc_url": "http://127.0.0.1:8545", "chain_id": 31337, "deployment": "d.json"},
    "keys": {"reporter": {"anvil_account": 1}},
    "prover": {"batch_sizes": [1, 4], "batch_window_ms": 10},
    "journal": {"path": "j"},
    "push": {"listen": "127.0.0.1:1"},
    "feeds": [
        {
            "name": "eth", "description": "ETH / USD", "kind": "relative", "decimals": 8, "sigma": 1, "heartbeat": 60,
            "deviation_ppm": 1,
            "sources": [
                {"type": "http", "url": "https://x.example", "path": "$.p"},
                {"type": "exchange", "exchange": "kraken", "symbol": "ETH/USD"},
                {"type": "push", "name": "desk", "max_age": 60, "key_file": "k"},
            ],
        }
    ],
}  # fmt: skip


def paths(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield at
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from paths(value[key], (*at, key))


def replaced(value: Any, path: tuple[Any, ...], by: Any) -> Any:
    if not path:
        return by
    changed = value.copy()
    changed[path[0]] = replaced(value[path[0]], path[1:], by)
    return changed


def toml(value: Any) -> str:
    """Return one line of TOML, which has no null."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(str(key))} = {toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if value is None:
        return '""'
    if isinstance(value, float):
        return "nan" if math.isnan(value) else ("inf" if value > 0 else "-inf") if math.isinf(value) else repr(value)
    return json.dumps(value)


@given(st.sampled_from(list(paths(VALID))[1:]), documents | st.sampled_from(["${HOME}", "${", "\x00", "a" * 10_000]))
@settings(max_examples=150)
def test_any_value_anywhere_in_a_configuration(
    tmp_path_factory: pytest.TempPathFactory, path: tuple[Any, ...], value: Any
) -> None:
    file = tmp_path_factory.getbasetemp() / "fuzzed.toml"
    text = "\n".join(f"{key} = {toml(item)}" for key, item in replaced(VALID, path, value).items())
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        assert isinstance(load(file, {"HOME": "x"}), Config)
    except ConfigError as error:
        first, *others = str(error).split("\n")
        assert not others or (first.endswith(" problems:") and all(each.startswith("  ") for each in others))


@given(st.binary(max_size=300) | st.text(alphabet='[]{}=".feds#\n0123456789', max_size=100).map(str.encode))
@example(b"chain = 1e9999999999999999999999")
@example(b"a = " + b"[" * 3_000)
def test_any_bytes_as_a_configuration(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "bytes.toml"
    file.write_bytes(data)
    for read in (lambda: load(file, {}), lambda: load_training(file)):
        with pytest.raises(ConfigError):
            read()


# --- exactness ---

digits = st.from_regex(r"\A(0|[1-9][0-9]{0,19})(\.[0-9]{1,20})?\Z")


@given(st.lists(digits, min_size=1, max_size=5), st.integers(0, 18), st.booleans())
@example(["0.1000000000000000055511151231257827"], 18, False)
@example(["9007199254740993"], 0, False)  # 2^53 + 1: no float has it
def test_no_float_is_between_a_source_and_the_answer(
    loop: asyncio.Runner, written: list[str], decimals: int, quoted: bool
) -> None:
    """The answer is the median of the digits that were sent, rounded once. The test computes it in fractions."""
    readings = []
    for index, text in enumerate(written):
        body = f'{{"data": {{"price": {json.dumps(text) if quoted else text}}}}}'.encode()
        readings.append(Reading(loop.run(http(body).read()).value, NOW, f"s{index}"))
    value = aggregate(readings, AggregationPolicy(Kind.ABSOLUTE)).value
    exact = sorted(map(Fraction, written))[(len(written) - 1) // 2]
    assert encoding.answer_from_decimal(value, decimals) == round(exact * 10**decimals)


def test_a_configured_bound_is_exact() -> None:
    feed = FeedConfig.model_validate(
        {
            "name": "t", "description": "T", "kind": "absolute", "decimals": 2, "sigma": 1, "heartbeat": 1,
            "deviation": 1, "min_sources": 2, "max_source_spread": Decimal("0.1"),
            "sources": tuple({"type": "http", "url": f"https://{n}.example", "path": "$"} for n in "ab"),
        }
    )  # fmt: skip
    policy = AggregationPolicy(feed.measure, feed.min_sources, feed.max_source_spread)
    assert aggregate([Reading(Decimal("0.3"), 1, "a"), Reading(Decimal("0.4"), 1, "b")], policy).spread == Decimal(
        "0.1"
    )
    with pytest.raises(OracleError):
        aggregate([Reading(Decimal("0.3"), 1, "a"), Reading(Decimal("0.40000000000000001"), 1, "b")], policy)
