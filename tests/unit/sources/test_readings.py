"""Tests of readings documents: their only form, what follows from them, and what never gets into them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.config import (
    ExchangeSourceConfig,
    HttpSourceConfig,
    OnchainSourceConfig,
    PackagedSourceConfig,
    PushSourceConfig,
    ReplaySourceConfig,
)
from oracle.core.encoding import answer_from_decimal
from oracle.core.errors import (
    ConfigError,
    DataError,
    OracleError,
    SourceExhausted,
    SourceSuspended,
    SourceUnavailable,
)
from oracle.core.formats import from_hex, keccak, to_hex
from oracle.core.types import Kind
from oracle.sources.aggregate import AggregationPolicy, aggregate
from oracle.sources.config import MAX_SOURCES, ToldSourceConfig
from oracle.sources.interface import Collected, Reading, check_value
from oracle.sources.readings import (
    MAX_DOCUMENT,
    ReadingsDocument,
    ReadingsRule,
    SourceOutcome,
    derive,
    gather,
    parse,
)
from scripts import make_readings_vectors
from scripts.make_readings_vectors import documents

REPORTER = "0x" + "7E" * 20
FAILURES: Sequence[tuple[type[OracleError], SourceOutcome]] = (
    (SourceUnavailable, SourceOutcome.UNAVAILABLE),
    (SourceSuspended, SourceOutcome.SUSPENDED),
    (SourceExhausted, SourceOutcome.EXHAUSTED),
    (DataError, SourceOutcome.INVALID),
    (ConfigError, SourceOutcome.FAILED),
)


def document(*said: str | OracleError, policy: AggregationPolicy | None = None, decimals: int = 8) -> ReadingsDocument:
    """Return the document of a feed whose sources said this."""
    rule_of = policy or AggregationPolicy(Kind.RELATIVE, 2, Decimal(10_000))
    found = [Reading(Decimal(value), 1_000 + at, f"s{at}") for at, value in enumerate(said) if isinstance(value, str)]
    errors = {f"s{at}": value for at, value in enumerate(said) if isinstance(value, OracleError)}
    collected = Collected(tuple(found), {name: str(each) for name, each in errors.items()}, tuple(errors.values()))
    value = aggregate(found, rule_of)
    rule = ReadingsRule.of(keccak(b"ETH / USD"), "ETH / USD", decimals, rule_of)
    origins = {f"s{at}": f"{at}.example" for at in range(len(said))}
    answer = answer_from_decimal(value.value, decimals)
    return gather(rule, origins, collected, value, answer).document(REPORTER, 2_000)


# --- what is in it ---


def test_a_document_says_what_each_source_said_and_what_became_of_it() -> None:
    made = document("100.0", "200", SourceUnavailable("s2: down"), "100.50", policy=None, decimals=2)
    assert made.answer == 10_000
    told = [(each.name, each.outcome, each.value, each.units, each.time) for each in made.readings.sources]
    assert told == [
        ("s0", SourceOutcome.AGREES, "100.0", 10_000, 1_000),
        ("s1", SourceOutcome.OUTLIER, "200", 20_000, 1_001),
        ("s2", SourceOutcome.UNAVAILABLE, None, None, None),
        ("s3", SourceOutcome.AGREES, "100.50", 10_050, 1_003),
    ]
    assert parse(made.encode()) == made
    assert (made.reporter, made.observed_at) == (REPORTER.lower(), 2_000)


@pytest.mark.parametrize(("kind", "outcome"), FAILURES)
def test_of_a_failure_only_its_class_is_told(kind: type[OracleError], outcome: SourceOutcome) -> None:
    made = document("1", "1", kind("s2 (https://a.example): no answer for key s3cret"))
    assert made.readings.sources[2].outcome is outcome
    assert b"s3cret" not in made.encode() and b"no answer" not in made.encode()
    assert parse(made.encode()) == made


def test_a_salt_is_never_the_same_twice() -> None:
    salts = {document("1", "1").salt for _ in range(100)}
    assert len(salts) == 100
    assert {len(salt) for salt in salts} == {16}


def test_with_another_salt_reporter_or_time_it_is_another_document() -> None:
    made = document("1", "1")
    others = [
        replace(made, salt=bytes(16)),
        replace(made, reporter="0x" + "11" * 20),
        replace(made, observed_at=made.observed_at + 1),
    ]
    assert len({each.hash for each in (made, *others)}) == 4


# --- what never gets into it ---

SECRET = "s3cr3t"


@pytest.mark.parametrize(
    ("source", "origin"),
    [
        (
            HttpSourceConfig(
                type="http",
                url=f"https://{SECRET}:{SECRET}@api.example:8443/{SECRET}/v1?apikey={SECRET}#{SECRET}",
                path=f"$[?@.key == '{SECRET}'].price",
                headers={"Authorization": f"Bearer {SECRET}", f"X-{SECRET}": "1"},
            ),
            "api.example:8443",
        ),
        (HttpSourceConfig(type="http", url=f"http://{SECRET}@[::1]/{SECRET}", path="$.a"), "::1"),
        (
            OnchainSourceConfig(
                type="onchain",
                address="0x" + "11" * 20,
                rpc_url=f"https://node.example/v3/{SECRET}",
                chain_id=1,
                max_age=60.0,
            ),
            "contract 0x" + "11" * 20 + " on chain 1",
        ),
        (ExchangeSourceConfig(type="exchange", exchange="kraken", symbol="ETH/USD"), "kraken ETH/USD last"),
        (ExchangeSourceConfig(type="exchange", exchange="kraken", symbol="ETH/€\n\x1b"), "kraken ETH/??? last"),
        (
            PushSourceConfig(type="push", name="desk", token_file=Path(f"/{SECRET}/{SECRET}.token"), max_age=60.0),
            "push",
        ),
        (
            ReplaySourceConfig(type="replay", file=Path(f"/home/{SECRET}/prices.csv"), value_column=SECRET),
            "recording prices.csv",
        ),
        (PackagedSourceConfig(type="packaged", series="sp500"), "packaged sp500"),
    ],
)
def test_of_an_address_only_what_is_no_secret_is_told(source: ToldSourceConfig, origin: str) -> None:
    assert source.public_origin == origin
    assert SECRET not in source.public_origin


def test_an_origin_can_be_said_in_the_configuration() -> None:
    told = HttpSourceConfig(type="http", url=f"https://{SECRET}.example/", path="$.a", origin="the exchange's ticker")
    assert told.public_origin == "the exchange's ticker"
    with pytest.raises(ValueError, match="pattern"):
        HttpSourceConfig(type="http", url="https://a.example/", path="$.a", origin="a\nb")


def test_an_origin_is_never_too_long_for_a_document() -> None:
    long = ReplaySourceConfig(type="replay", file=Path("x" * 250))
    assert len(long.public_origin) == 120


# --- one form ---


def test_the_vectors_are_those_that_the_script_writes(project_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert make_readings_vectors.main(["--check"]) == 0, "run `python scripts/make_readings_vectors.py`"
    monkeypatch.setattr(make_readings_vectors, "TARGET", project_root / "tests/vectors/peers.json")
    assert make_readings_vectors.main(["--check"]) == 1


@pytest.mark.parametrize("name", list(documents()))
def test_the_documents_of_the_vectors_are_documents(name: str, project_root: Path) -> None:
    found = _vectors(project_root)["documents"][name]
    data = found["bytes"].encode("ascii")
    made = parse(data)
    assert made.encode() == data
    assert to_hex(keccak(data)) == found["hash"]
    assert str(derive(made)) == found["answer"]


def test_each_text_of_the_vectors_that_is_no_document_is_refused(project_root: Path) -> None:
    found = _vectors(project_root)["refused"]
    assert len(found) > 20
    for name, each in found.items():
        with pytest.raises(DataError) as caught:
            parse(each["bytes"].encode("latin-1"))
        assert str(caught.value) == each["why"], name


def test_what_is_signed_is_the_hash_of_all_hashes(project_root: Path) -> None:
    found = _vectors(project_root)["signed"]
    assert to_hex(keccak(b"".join(from_hex(each) for each in found["hashes"]))) == found["signed"]


def _vectors(project_root: Path) -> dict[str, Any]:
    table: dict[str, Any] = json.loads((project_root / "tests/vectors/readings.json").read_text(encoding="utf-8"))
    return table


names = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters=[chr(code) for code in (*range(32), *range(127, 160))]),
    min_size=1,
    max_size=60,
)
values = st.decimals(
    allow_nan=False, allow_infinity=False, places=6, min_value=-(10**12), max_value=10**12
) | st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20)


@st.composite
def made_documents(draw: st.DrawFn) -> ReadingsDocument:
    """Draw a document as a reporter makes it, of a feed whose sources agree."""
    kind = draw(st.sampled_from(Kind))
    said = draw(
        st.dictionaries(names, values | st.sampled_from([kind for kind, _ in FAILURES]), min_size=1, max_size=9)
    )
    readings = [
        Reading(value, draw(st.integers(0, 2**32 - 1)), name)
        for name, value in said.items()
        if isinstance(value, Decimal) and (not value or value.adjusted() >= -39)
    ]
    read = {each.source for each in readings}
    errors = {
        name: value("why") if isinstance(value, type) else DataError("small")
        for name, value in said.items()
        if name not in read
    }
    spread = draw(
        st.none() | st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value="0.001", max_value=10**9)
    )
    policy = AggregationPolicy(kind, 1, spread)
    decimals = draw(st.integers(0, 18))
    try:
        value = aggregate(readings, policy)
        answer = answer_from_decimal(value.value, decimals)
    except (SourceUnavailable, DataError):
        policy = AggregationPolicy(kind)
        readings = readings[:1] or [Reading(Decimal(1), 1, next(iter(said)))]
        errors = {name: DataError("x") for name in said if name != readings[0].source}
        value = aggregate(readings, policy)
        answer = answer_from_decimal(value.value, decimals)
    description = draw(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=64))
    rule = ReadingsRule.of(keccak(description.encode()), description, decimals, policy)
    collected = Collected(tuple(readings), dict.fromkeys(errors, "why"), tuple(errors.values()))
    found = gather(rule, dict.fromkeys(said, "a.example"), collected, value, answer)
    return found.document("0x" + "ab" * 20, draw(st.integers(1, 2**32 - 1)), draw(st.binary(min_size=16, max_size=16)))


@given(made_documents())
def test_each_document_that_is_made_is_read_and_derives_its_answer(made: ReadingsDocument) -> None:
    data = made.encode()
    assert parse(data) == made
    assert len(data) <= MAX_DOCUMENT
    assert derive(made) == made.answer
    assert json.loads(data)["answer"] == str(made.answer)


@given(made_documents())
def test_the_answer_is_the_lower_median_of_the_integers(made: ReadingsDocument) -> None:
    units = [each.units for each in made.readings.sources if each.outcome is SourceOutcome.AGREES]
    if None not in units:
        assert sorted(each for each in units if each is not None)[(len(units) - 1) // 2] == made.answer


@given(made_documents(), st.data())
def test_other_bytes_are_another_document_or_none(made: ReadingsDocument, data: st.DataObject) -> None:
    """Change one byte, and either it is refused, or it says something else, and its hash is another."""
    encoded = bytearray(made.encode())
    at = data.draw(st.integers(0, len(encoded) - 1))
    encoded[at] = data.draw(st.integers(0, 255))
    try:
        other = parse(bytes(encoded))
    except DataError:
        return
    assert other.encode() == bytes(encoded)
    assert (other == made) == (bytes(encoded) == made.encode())


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=9,
).map(lambda found: json.dumps(found).encode()))  # fmt: skip
def test_garbage_is_refused_with_a_reason(data: bytes) -> None:
    with pytest.raises(DataError):
        parse(data)


@given(
    made_documents(),
    st.sampled_from(sorted(json.loads(document("1", "1").encode()))),
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=9)
    | st.lists(st.integers(), max_size=2)
    | st.dictionaries(st.sampled_from(["max_spread", "min_sources"]), st.none() | st.integers() | st.text(max_size=3)),
)
def test_a_wrong_field_is_refused_with_a_reason(made: ReadingsDocument, name: str, value: object) -> None:
    changed = {**json.loads(made.encode()), name: value}
    try:
        other = parse(json.dumps(changed, sort_keys=True, separators=(",", ":")).encode())
    except DataError:
        return
    assert derive(other) == other.answer


# --- bounds ---


def test_the_largest_document_is_within_the_bound() -> None:
    """It has as many sources as a feed may have, with names, origins and values as long as they may be."""
    value = Decimal("-0." + "0" * 38 + "1" * 160)
    assert check_value(value, "it") == value
    names_ = [f"{at:02}" + "\U0001f4c8" * 58 for at in range(MAX_SOURCES)]
    readings = tuple(Reading(value, 2**32 - 1, name) for name in names_)
    policy = AggregationPolicy(Kind.ABSOLUTE, MAX_SOURCES, Decimal("0." + "1" * 160))
    description = "\u00e9" * 32
    rule = ReadingsRule.of(keccak(description.encode()), description, 18, policy)
    found = gather(rule, dict.fromkeys(names_, "~" * 120), Collected(readings, {}, ()), aggregate(readings, policy), 0)
    data = found.document(REPORTER, 2**32 - 1).encode()
    assert 0.5 * MAX_DOCUMENT < len(data) < MAX_DOCUMENT
    assert parse(data).encode() == data
    with pytest.raises(DataError, match="more than 81920 bytes"):
        parse(b" " * (MAX_DOCUMENT + 1))


@pytest.mark.parametrize("text", ["1." + "1" * 160, "1e-40", "1e39"])
def test_a_value_that_would_make_a_document_long_is_no_value(text: str) -> None:
    with pytest.raises(DataError, match=r"at most 160 are read|out of range"):
        check_value(Decimal(text), "it")


def test_zero_is_written_as_0_however_a_source_wrote_it() -> None:
    made = document("0e-9999", "-0.000", "0", policy=AggregationPolicy(Kind.ABSOLUTE, 2, Decimal(1)))
    assert [each.value for each in made.readings.sources] == ["0", "0", "0"]
    assert parse(made.encode()) == made
