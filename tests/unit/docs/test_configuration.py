"""Tests that each key of the configuration is described in the code, on docs/configuration.md and in the example."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import ConfigDict, Field, TypeAdapter

from oracle.config import ClaimServiceConfig, Config, TrainingConfig
from oracle.core.settings import Section
from scripts import config_reference
from scripts.config_reference import KeyTable, description, tables

EXAMPLE = "config.example.toml"


def test_the_page_is_what_the_code_says(project_root: Path) -> None:
    written = (project_root / "docs/configuration.md").read_text()
    assert written == config_reference.page(), "run `python -m scripts.config_reference`"


def test_each_key_is_described_once_and_in_sentences() -> None:
    found = {f"{each.of.__name__}.{key}": description(each.of, key) for each in every_table() for key in each.keys}
    assert len(found) > 150
    assert {name: told for name, told in found.items() if not re.search(r"\w[^.]*\.\Z", told)} == {}


def every_table() -> list[KeyTable]:
    return [*tables(Config), *tables(TrainingConfig), *tables(ClaimServiceConfig)]


def test_no_table_is_left_out() -> None:
    def below(section: type[Section]) -> set[type[Section]]:
        inner = {each for info in section.model_fields.values() for each in config_reference.sections(info.annotation)}
        return inner.union(*map(below, inner))

    assert {each.of for each in every_table()} >= below(Config) | below(TrainingConfig) | below(ClaimServiceConfig)


class Described(Section):
    """A table.

    Attributes:
        twice: A key.
        once: Another one, which
            is True here. None: there is none.
    """

    twice: Annotated[int, Field(description="A key.")]
    once: bool | None = None
    never: int = 1


def test_a_key_without_words_of_its_own_or_with_two_is_found() -> None:
    assert description(Described, "once") == "Another one, which is `true` here. Without it: there is none."
    with pytest.raises(LookupError, match=r"Described\.twice is described twice"):
        description(Described, "twice")
    with pytest.raises(LookupError, match=r"Described\.never is described nowhere"):
        description(Described, "never")


# --- the example ---------------------------------------------------------------------------------------------------


def lines_of(text: str) -> Iterator[tuple[str, str]]:
    """Yield an example's lines without their comment signs, each with its table. A source's is that of its type."""
    table, kind = "", ""
    for line in text.splitlines():
        bare = re.sub(r"^[#\s]+", "", line)
        if (header := re.match(r"\[{1,2}([a-z.]+)\]{1,2}\s*(#.*)?$", bare)) is not None:
            table, kind = header[1], ""
        elif (chosen := re.match(r'type = "(\w+)"', bare)) is not None:
            kind = chosen[1]
        yield (f"{table}.{kind}" if kind else table), bare


def named_keys(text: str) -> set[tuple[str, str]]:
    """Return the keys that an example names, by their tables, those in comments and within braces included."""
    return {(table, key) for table, line in lines_of(text) for key in re.findall(r"(?:^|[{,`\s(])([a-z_]+) = ", line)}


def wanted() -> Iterator[tuple[type[Section], str, str]]:
    """Yield the class of each key that there is, with its table and its name."""
    for each in tables(Config):
        path = re.match(r"`\[+([a-z.]+)\]+`", each.heading)
        assert path is not None, each.heading
        kind = re.search(r'with `type = "(\w+)"`', each.heading)
        table = {"updates.callers": "updates", "feeds.adapters": "feeds"}.get(path[1], path[1])
        for key in each.keys:
            yield each.of, (f"{table}.{kind[1]}" if kind else table), key


def wanted_keys() -> set[tuple[str, str]]:
    return {(table, key) for _, table, key in wanted()}


def test_the_example_names_every_key_in_its_table(project_root: Path) -> None:
    named = named_keys((project_root / EXAMPLE).read_text())
    anywhere = {("feeds.sources", key) for table, key in named if table.startswith("feeds.sources.")}
    tables_of_their_own = {("feeds", "sources"), ("network", "members")}
    assert sorted(wanted_keys() - named - anywhere - tables_of_their_own) == []


def test_the_example_names_no_key_that_there_is_not(project_root: Path) -> None:
    """A comment may show a table's keys in another one's place, but none that nobody knows."""
    named = {key for _, key in named_keys((project_root / EXAMPLE).read_text())}
    assert sorted(named - {key for _, key in wanted_keys()} - {"type"}) == []


def test_each_value_of_the_example_can_be_used(project_root: Path) -> None:
    """Those in comments, too: a key's value is one that the key takes."""
    classes = {(table, key): of for of, table, key in reversed([*wanted()])}
    shared = {key: of for (table, key), of in classes.items() if table == "feeds.sources"}
    tried = 0
    for table, line in lines_of((project_root / EXAMPLE).read_text()):
        if not re.match(r"([a-z_]+) = [^…]+$", line):
            continue
        try:
            ((key, value),) = tomllib.loads(line, parse_float=Decimal).items()
        except ValueError:
            continue  # a list over several lines, or words that only begin like a pair
        if key == "type":
            continue
        of = classes.get((table, key)) or shared[key]
        info = of.model_fields[key]
        taken: Any = Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation
        adapter: TypeAdapter[object] = TypeAdapter(taken, config=None if config_reference.is_table(taken) else SETTINGS)
        adapter.validate_python(frozen(value), context={"base": project_root})
        tried += 1
    assert tried > 100


SETTINGS = ConfigDict(strict=True)


def frozen(value: object) -> object:
    """Return a value as the configuration's reader gives it: lists as tuples."""
    if isinstance(value, dict):
        return {key: frozen(item) for key, item in value.items()}
    return tuple(map(frozen, value)) if isinstance(value, list) else value
