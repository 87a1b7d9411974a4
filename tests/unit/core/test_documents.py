"""Tests of JSON from outside: it has one meaning or none, and its reader says what is wrong and where."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from oracle.audit.deployment.manifest import read_manifest
from oracle.chain.deploy.file import read_file
from oracle.chain.keys import keystore
from oracle.claims.attestation import Attested
from oracle.claims.fairness.report import FairnessAudit
from oracle.claims.issuing import read_inputs
from oracle.claims.models import ModelSpec
from oracle.claims.proof import ClaimProof
from oracle.core.documents import DEEPEST, NotJson, NumberType, parse_json, read_json, read_text
from oracle.core.errors import DataError, OracleError
from oracle.detectors import drift, registry
from oracle.detectors.cards.benchmark import Benchmark
from oracle.detectors.cards.card import ProvenCard
from oracle.network.exporting import read_evidence
from oracle.proving.samples import load as load_samples
from oracle.proving.split.proof import read_proof


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-32-be"])
def test_one_byte_order_mark_is_none_of_the_text_and_a_second_one_is(encoding: str) -> None:
    assert parse_json("\ufeff[1]".encode(encoding)) == parse_json("\ufeff[1]") == [1]
    for document in ("\ufeff\ufeff[1]".encode(encoding), "\ufeff\ufeff[1]"):
        with pytest.raises(NotJson):
            parse_json(document)
    assert parse_json('{"\ufeffprice": 1, "price": 2}'.encode(encoding)) == {"\ufeffprice": 1, "price": 2}


def test_the_deepest_is_read_and_one_more_is_not() -> None:
    parse_json("[" * DEEPEST + "]" * DEEPEST)
    with pytest.raises(ValueError, match="nested deeper"):
        parse_json("[" * (DEEPEST + 1) + "]" * (DEEPEST + 1))


READERS: list[Callable[[Path], Any]] = [
    read_json,
    ProvenCard.load,
    FairnessAudit.load,
    ClaimProof.load,
    Attested.load,
    ModelSpec.load,
    read_inputs,
    registry.load,
    drift.load_card,
    load_samples,
    read_proof,
    read_evidence,
    read_manifest,
    read_file,
    Benchmark.load,
    keystore.address_of,
]
"""The readers of files that others wrote."""


@pytest.mark.parametrize("read", READERS)
def test_no_reader_takes_the_last_of_two_keys(read: Callable[[Path], Any], tmp_path: Path) -> None:
    path = tmp_path / "twice.json"
    path.write_text('{"format": 1, "in": [{"price": "3141.59",\n "price": "3148.00"}]}')
    with pytest.raises(OracleError, match=r"it has the key 'price' twice in one object, at line 2, column \d+") as told:
        read(path)
    assert "\n" not in str(told.value) and str(path) in str(told.value)


@pytest.mark.parametrize("read", READERS)
def test_no_reader_takes_what_is_no_number(read: Callable[[Path], Any], tmp_path: Path) -> None:
    path = tmp_path / "nan.json"
    path.write_text('{"format": 1, "values": [1, NaN]}')
    with pytest.raises(OracleError, match="it has NaN, which is not a number in JSON, at line 1, column 29"):
        read(path)


def test_where_numbers_are_floats_each_integer_can_be_one(tmp_path: Path) -> None:
    assert float(parse_json(str(2**1_023 - 1))) > 8e307
    for digits in (str(-(2**1_024)), "9" * 4_200):
        with pytest.raises(NotJson, match="out of any range"):
            parse_json(f"[[{digits}]]")
        assert parse_json(digits, numbers=NumberType.EXACT) == int(digits)
    (tmp_path / "samples.json").write_text(f"[[{'9' * 4_200}]]")
    with pytest.raises(OracleError, match="out of any range"):
        load_samples(tmp_path / "samples.json")


@pytest.mark.parametrize("read", READERS)
def test_no_reader_parses_what_is_nested_too_deep(read: Callable[[Path], Any], tmp_path: Path) -> None:
    """Python's own parser would recurse: where a library raised the limit on recursion, it would end the process."""
    path = tmp_path / "deep.json"
    path.write_text('{"format": ' + "[" * 100_000 + "]" * 100_000 + "}")
    with pytest.raises(OracleError) as told:
        read(path)
    assert "\n" not in str(told.value) and str(path) in str(told.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "it is empty"),
        (" \n\t", "it is empty"),
        ("<!doctype html>", "it is HTML or XML, not JSON"),
        ("\n <price>1</price>", "it is HTML or XML, not JSON"),
        ('{"a": ', "it ends in the middle, at line 1, column 6"),
        ('{"a": 1}\n{"a": 2}', "it is not JSON: trailing characters, at line 2, column 1"),
        ('{"a": 1,}', "it is not JSON: trailing comma, at line 1, column 9"),
        ("{'a': 1}", "it is not JSON: key must be a string, at line 1, column 2"),
        ('{"a": 01}', "it is not JSON: invalid number, at line 1, column 8"),
        ('{"a":\n -Infinity}', "it has -Infinity, which is not a number in JSON, at line 2, column 3"),
        ("[1, 1e999]", "it has a number that is out of any range"),
        ("1" * 5_000, "it has a number that is out of any range"),
        ('"\ud800"', "it has half of a character, a lone surrogate"),
        (b'"\xe9"', "it is not text in UTF-8: byte 1 can't be read; another encoding has to be stated"),
        (b"\xff\xfe\x00", "it is not text in UTF-16-LE, as its byte-order mark says: byte 2 can't be read"),
        ('{"a\x1b[31m\u202e": 1, "a\x1b[31m\u202e": 2}', "it is not JSON: control character"),
        ('{"\u202e' + "k" * 200 + '": 1, "\u202e' + "k" * 200 + '": 2}', "it has the key ' " + "k" * 59 + "' twice"),
        ('{"a\\"b": 1, "a\\"b": 2}', "it has the key 'a\"b' twice"),
        ('{"é\\n\\\\": 1, "é\\n\\\\": 2}', r"it has the key 'é \\' twice"),
    ],
)
def test_a_message_says_what_is_wrong_and_where(text: str | bytes, says: str) -> None:
    with pytest.raises(NotJson) as told:
        parse_json(text)
    assert str(told.value).startswith(says)
    assert str(told.value).isprintable()


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = tmp_path / "marked.json"
    for encoding in ("utf-8-sig", "utf-16", "utf-32"):
        path.write_bytes('{"preis": "1 €"}'.encode(encoding))
        assert read_json(path) == {"preis": "1 €"}
        assert read_text(path) == '{"preis": "1 €"}'
    path.write_bytes(b"\xe9")
    for read in (read_json, read_text):
        with pytest.raises(DataError, match=r"marked\.json: can't be read: it is not text in UTF-8"):
            read(path)
        with pytest.raises(DataError, match="none: can't be read: No such file or directory"):
            read(tmp_path / "none")


def test_numbers_are_read_as_asked_for() -> None:
    text = "[1, 2.50, 1e2, 10000000000000000000000000000000001]"
    assert parse_json(text) == [1, 2.5, 100.0, 10**34 + 1]
    assert parse_json(text, numbers=NumberType.EXACT) == [1, Decimal("2.50"), Decimal("1E+2"), 10**34 + 1]
    assert parse_json(text, numbers=NumberType.TEXT) == ["1", "2.50", "1e2", "1" + "0" * 33 + "1"]
    assert str(parse_json("1e999", numbers=NumberType.EXACT)) == "1E+999"
    with pytest.raises(NotJson, match="out of any range"):
        parse_json("1e99999999999999999999", numbers=NumberType.EXACT)
