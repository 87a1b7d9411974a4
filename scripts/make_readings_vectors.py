"""Write `tests/vectors/readings.json`: readings documents, for whoever checks their form in another language.

    python scripts/make_readings_vectors.py            # write it
    python scripts/make_readings_vectors.py --check    # exit 1 if it would change

`documents` have the only form of their content in bytes, which is ASCII, with their Keccak-256 hashes. `refused` are
no documents, with the reason. `signed` has the hash that is signed for the documents of several feeds.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from oracle.chain.keys.typed import readings_hash
from oracle.core.encoding import answer_from_decimal
from oracle.core.errors import DataError, OracleError, SourceSuspended, SourceUnavailable
from oracle.core.formats import keccak, to_hex
from oracle.core.report import NO_READINGS
from oracle.core.types import Kind
from oracle.sources.aggregate import AggregationPolicy, aggregate
from oracle.sources.interface import Collected, Reading
from oracle.sources.readings import ReadingsDocument, ReadingsRule, gather, parse

TARGET = Path(__file__).resolve().parents[1] / "tests" / "vectors" / "readings.json"

REPORTER = "0x" + "7e" * 20
AT = 1_700_000_000


def document(
    description: str,
    decimals: int,
    policy: AggregationPolicy,
    said: Sequence[tuple[str, str, str | OracleError, int]],
    salt: int,
) -> ReadingsDocument:
    """Return the document of a feed.

    Args:
        description: The feed's description.
        decimals: Its decimals.
        policy: The rule by which its answer is made.
        said: Of each source its name, its origin, its value or why there is none, and its time.
        salt: The salt, as a number.
    """
    readings = [Reading(Decimal(value), at, name) for name, _, value, at in said if isinstance(value, str)]
    errors = {name: value for name, _, value, _ in said if isinstance(value, OracleError)}
    collected = Collected(tuple(readings), {name: str(each) for name, each in errors.items()}, tuple(errors.values()))
    value = aggregate(readings, policy)
    answer = answer_from_decimal(value.value, decimals)
    rule = ReadingsRule.of(keccak(description.encode()), description, decimals, policy)
    found = gather(rule, {name: origin for name, origin, _, _ in said}, collected, value, answer)
    return found.document(REPORTER, AT, salt.to_bytes(16))


def documents() -> dict[str, ReadingsDocument]:
    """Return documents in which everything is that may be in one."""
    percent = AggregationPolicy(Kind.RELATIVE, 2, Decimal(10_000))
    silent, suspended, wrong = SourceUnavailable("secret"), SourceSuspended("secret"), DataError("secret")
    return {
        "three agree": document(
            "ETH / USD",
            8,
            percent,
            [("a", "a.example", "2000.10", AT - 2), ("b", "b.example", "2001", AT - 1), ("c", "c.example", "2000", AT)],
            1,
        ),
        "one is wrong, others fail": document(
            "BTC / USD",
            2,
            percent,
            [
                ("a", "a.example", "60000.005", AT),
                ("b", "b.example:8443", "60000.015", AT - 30),
                ("c", "c.example", "66000", AT),
                ("d", "pushed", silent, 0),
                ("e", "kraken BTC/USD last", suspended, 0),
                ("f", "contract 0x" + "00" * 20 + " on chain 1", wrong, 0),
            ],
            2**128 - 1,
        ),
        "zero, below zero and long": document(
            'EUR / \u20ac \U0001f4c8 "quoted" \\ back',
            0,
            AggregationPolicy(Kind.ABSOLUTE, 1, Decimal("0.5")),
            [
                ("\u00e9", "x", "-0.0", AT),
                ("\u6f22", "x", "-0.5", AT),
                ("c", "x", "1E+3", AT),
                ("d", "x", "0.25", 0),
                ("e", "x", "0." + "3" * 120, AT),
                ("f", "x", "0.5", AT),
            ],
            0,
        ),
        "too large for an answer": document(
            "HUGE", 18, AggregationPolicy(Kind.ABSOLUTE), [("a", "x", "1E+38", AT), ("b", "x", "7", AT)], 3
        ),
    }


def refused(good: bytes) -> dict[str, bytes]:
    """Return what is no document, made of one that is."""
    found = json.loads(good)

    def changed(**fields: object) -> bytes:
        return json.dumps({**found, **fields}, sort_keys=True, separators=(",", ":")).encode()

    sources = found["sources"]
    return {
        "a blank": good.replace(b'"answer":', b'"answer": ', 1),
        "a line's end": good + b"\n",
        "keys in another order": json.dumps(dict(reversed(found.items())), separators=(",", ":")).encode(),
        "a key twice": good.replace(b'{"aggregation"', b'{"version":1,"aggregation"', 1),
        "a key too many": changed(more=1),
        "a key too few": json.dumps({name: found[name] for name in list(found)[1:]}, separators=(",", ":")).encode(),
        "an escape that is not needed": good.replace(b'"ETH', b'"\\u0045TH', 1),
        "a number as a float": good.replace(b'"decimals":8', b'"decimals":8.0', 1),
        "a number with an exponent": changed(sources=[{**sources[0], "value": "2.0001e3"}, *sources[1:]]),
        "a number with a zero in front": changed(answer="0" + found["answer"]),
        "a number as a boolean": changed(version=True),
        "upper case": changed(feed_id=found["feed_id"].upper().replace("0X", "0x")),
        "another version": changed(version=2),
        "another feed's id": changed(feed_id="0x" + "11" * 32),
        "a short salt": changed(salt="0x1234"),
        "no sources": changed(sources=[]),
        "a source twice": changed(sources=[*sources, sources[0]]),
        "an answer that does not follow": changed(answer="200009999999"),
        "units that are not the value": changed(sources=[{**sources[0], "units": "1"}, *sources[1:]]),
        "a source that is left out and agrees": changed(sources=[{**sources[0], "outcome": "outlier"}, *sources[1:]]),
        "too few sources": changed(aggregation={"max_spread": "10000", "min_sources": 4}),
        "sources that disagree": changed(aggregation={"max_spread": "1", "min_sources": 2}),
        "a value of a source that failed": changed(sources=[{**sources[0], "outcome": "invalid"}, *sources[1:]]),
        "a control character": changed(sources=[{**sources[0], "name": "a\n"}, *sources[1:]]),
        "half of a pair": good.replace(b'"name":"a"', b'"name":"\\ud800"', 1),
        "text that is not ASCII": good.replace(b'"name":"a"', '"name":"é"'.encode(), 1),
        "not JSON": b"{",
        "nothing": b"",
        "nested": b"[" * 4_000 + b"]" * 4_000,
    }


def render() -> str:
    """Return the file's text."""
    made = documents()
    first = next(iter(made.values()))
    wrong = {}
    for name, data in refused(first.encode()).items():
        try:
            parse(data)
        except DataError as error:
            wrong[name] = {"bytes": data.decode("latin-1"), "why": str(error)}
        else:
            raise ValueError(f"{name}: is taken for a document")
    hashes = [made["three agree"].hash, NO_READINGS, made["one is wrong, others fail"].hash]
    table = {
        "documents": {
            name: {"bytes": each.encode().decode(), "hash": to_hex(each.hash), "answer": str(each.answer)}
            for name, each in made.items()
        },
        "refused": wrong,
        "signed": {"hashes": [to_hex(each) for each in hashes], "signed": to_hex(readings_hash(hashes))},
    }
    return json.dumps(table, indent=1) + "\n"


def main(arguments: list[str]) -> int:
    """Write or check the table; returns the exit code."""
    text = render()
    if "--check" in arguments:
        return 0 if TARGET.exists() and TARGET.read_text() == text else 1
    TARGET.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
