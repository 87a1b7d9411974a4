"""Tests of what can be read of a wrong configuration: whatever is wrong, it is told, and the rest can be read."""

from __future__ import annotations

import inspect
import tomllib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from oracle.config import Config
from oracle.config.explain import key_path
from oracle.config.load import _found
from oracle.core.settings import Section, Unreadable
from tests.unit.config.texts import EXCHANGE, ONCHAIN, PUSH, networked

Where = tuple[str | int, ...]

MORE = f"""
sources = [{EXCHANGE}, {ONCHAIN}, {PUSH}]
"""


def tables(table: type[Section] = Section) -> Iterator[type[Section]]:
    for each in table.__subclasses__():
        yield each
        yield from tables(each)


def test_the_checks_of_all_tables_can_be_made_with_a_part_of_the_keys() -> None:
    """They are called as methods: one with other parameters would end in a traceback."""
    for table in tables():
        for name, each in table.__pydantic_decorators__.model_validators.items():
            parameters = len(inspect.signature(getattr(table, name)).parameters)
            assert (each.info.mode, parameters) in {("wrap", 2), ("before", 1), ("after", 1)}, f"{table}.{name}"


def keys(found: Any, where: Where = ()) -> Iterator[Where]:
    """Return the paths of all keys and items."""
    entries = found.items() if isinstance(found, dict) else enumerate(found) if isinstance(found, list) else ()
    for key, each in entries:
        yield (*where, key)
        yield from keys(each, (*where, key))


def configuration() -> dict[str, Any]:
    text = networked(own='tls_certificate = "a.pem"\ntls_key = "a.pem"\nca_file = "a.pem"').replace(
        "[journal]",
        '[push]\nlisten = "127.0.0.1:9465"\n[updates]\nlisten = "127.0.0.1:9466"\n'
        'callers = [{ name = "c", token_file = "c.token" }]\n[prover]\nmodel = "m.json"\n[journal]',
    )
    text = text.replace("${KEY}", "k")
    found = tomllib.loads(text, parse_float=Decimal)
    found["feeds"][0]["sources"] += tomllib.loads(MORE.replace("${KEY}", "k"))["sources"]
    found["feeds"][0] |= {"min_sources": 2, "mode": "pull"}
    found["keys"] = {
        "reporter": {"keystore": "k.json", "password_file": "p"},
        "submitter": {"keystore": "l.json", "password_file": "p"},
    }
    return found


ALL = list(keys(configuration()))


def test_nothing_is_wrong_to_begin_with(tmp_path: Path) -> None:
    assert _found(tmp_path / "oracle.toml", configuration(), {}, Config)[1] == []
    assert len(ALL) > 70


@pytest.mark.parametrize("wrong", [{"x": 1}, -1], ids=repr)
def test_whatever_is_wrong_is_told_and_ends_nothing(tmp_path: Path, wrong: Any) -> None:
    for where in ALL:
        found = configuration()
        holder: Any = found
        for each in where[:-1]:
            holder = holder[each]
        holder[where[-1]] = wrong
        part, problems = _found(tmp_path / "oracle.toml", found, {}, Config)
        assert any(line.startswith((key_path(where[:1]), "the file")) for line in problems), (where, problems)
        if where[0] != "chain":
            assert part.chain.chain_id == 31337
        if isinstance(wrong, dict):
            with pytest.raises(Unreadable):
                read(part, where)


def read(part: Any, where: Where) -> None:
    for each in where:
        part = part[each] if isinstance(each, int) else getattr(part, each)
    if isinstance(part, Section):
        raise Unreadable("it is a table, as it should be")
