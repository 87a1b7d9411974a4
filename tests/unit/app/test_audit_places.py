"""Tests of where an audit looks for readings: what was named, and the members of the configured network."""

from __future__ import annotations

from pathlib import Path

import pytest

from oracle.app.audit import readings_places
from oracle.audit.readings import ReadingsPlace
from oracle.config import Config, load
from oracle.core.errors import ConfigError
from oracle.core.formats import checksum_address
from tests.unit.config.texts import MINIMAL, networked

ADDRESS = checksum_address("0x" + "ab" * 20)


def configured(folder: Path, text: str) -> Config:
    path = folder / "oracle.toml"
    path.write_text(text)
    return load(path, {})


def test_the_members_of_the_network_are_where_their_urls_say(tmp_path: Path) -> None:
    config = configured(tmp_path, networked(own='ca_file = "ca.pem"'))
    assert config.network is not None
    found = readings_places([], config)
    assert found.places == {each.reporter: ReadingsPlace(each.name, each.url) for each in config.network.members}
    assert (found.elsewhere, found.ca_file) == (None, tmp_path / "ca.pem")


def test_a_place_that_is_named_comes_before_the_configured_one(tmp_path: Path) -> None:
    config = configured(tmp_path, networked())
    assert config.network is not None
    first, second, *_ = config.network.members
    named = [
        f"{first.name}=http://a.example/x",
        f"{second.reporter.lower()}=https://b.example",
        f"{ADDRESS}=http://c.example",
    ]
    found = readings_places([*named, "http://d.example/?a=b"], config).places
    assert found[first.reporter] == ReadingsPlace(first.name, "http://a.example/x")
    assert found[second.reporter].url == "https://b.example"
    assert found[ADDRESS] == ReadingsPlace("", "http://c.example")
    assert len(found) == len(config.network.members) + 1


@pytest.mark.parametrize("has_config", [True, False])
def test_one_url_is_for_everybody_else(tmp_path: Path, has_config: bool) -> None:
    config = configured(tmp_path, MINIMAL) if has_config else None
    found = readings_places(["http://a.example:9472"], config, 7)
    assert (found.places, found.elsewhere, found.days) == ({}, ReadingsPlace("", "http://a.example:9472"), 7)


def test_a_name_that_is_no_member_is_refused_with_those_that_are(tmp_path: Path) -> None:
    config = configured(tmp_path, networked())
    assert config.network is not None
    names = ", ".join(each.name for each in config.network.members)
    with pytest.raises(
        ConfigError, match=f"'nobody' is no address and no member of the network; the members are {names}"
    ):
        readings_places(["nobody=http://a.example"], config)
