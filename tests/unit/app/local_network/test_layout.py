"""Tests of the folders of a local network's members."""

from __future__ import annotations

import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from oracle.app.local_network import Layout, MemberPlace
from oracle.app.local_network.layout import places, write_members
from oracle.app.member_names import NAMES
from oracle.chain.keys import keystore
from oracle.chain.local.anvil import WELL_KNOWN_MNEMONIC, derive_accounts
from oracle.config import Config, load
from oracle.core.errors import DataError
from oracle.core.report import MAX_REPORTERS


def written(folder: Path, layout: Layout) -> tuple[tuple[MemberPlace, ...], list[Config]]:
    accounts = derive_accounts(WELL_KNOWN_MNEMONIC, layout.members + 1)
    chain = cast(Any, SimpleNamespace(accounts=accounts, rpc_url="http://127.0.0.1:8545", chain_id=31337))
    members = places(layout, folder, chain, range(20_000, 20_000 + layout.members))
    write_members(
        layout,
        members,
        chain,
        folder / "artifacts",
        lambda one, other: f"http://127.0.0.1:{9_000 + 32 * one + other}",
        lambda member, feed, number: f"http://127.0.0.1:8000/{member}/{feed}/{number}",
    )
    return members, [load(member.config, {}) for member in members]


def test_each_member_gets_a_configuration_a_key_and_a_password(tmp_path: Path) -> None:
    members, configs = written(tmp_path, Layout())
    assert [member.name for member in members] == ["alpha", "beta", "gamma", "delta"]
    for member, config in zip(members, configs, strict=True):
        network = config.network
        assert network is not None and network.address == ("127.0.0.1", member.port)
        password = keystore.password_from_file(member.folder / "password")
        assert keystore.load(member.folder / "key.json", password).address == member.address
        for file in ("key.json", "password"):
            assert stat.S_IMODE((member.folder / file).stat().st_mode) == 0o600
        urls = [each.url for each in network.members]
        assert urls[member.index] == member.url
        assert [url for url in urls if url != member.url] == [
            f"http://127.0.0.1:{9_000 + 32 * member.index + other}" for other in range(4) if other != member.index
        ]
    assert len({member.port for member in members}) == 4


def test_what_members_agree_on_is_the_same_in_all_files(tmp_path: Path) -> None:
    _, configs = written(tmp_path, Layout(turn_s=4, clock_bound_s=0.5))
    agreed = {
        (
            config.network.turn_s,
            config.network.clock_bound_s,
            config.network.faulty,
            tuple((each.reporter, each.transmits) for each in config.network.members),
        )
        for config in configs
        if config.network is not None
    }
    assert len(agreed) == 1


def test_members_beyond_the_transmitters_only_answer(tmp_path: Path) -> None:
    _, configs = written(tmp_path, Layout(transmitters=2))
    networks = [config.network for config in configs if config.network is not None]
    assert [each.is_transmitter for each in networks] == [True, True, False, False]
    assert [each.transmits for each in networks[3].members] == [True, True, False, False]


def test_there_is_a_name_for_each_member_of_the_largest_committee() -> None:
    assert len(set(NAMES)) == len(NAMES) == MAX_REPORTERS
    with pytest.raises(DataError, match="1 to 31 members, not 32"):
        Layout(members=32)
