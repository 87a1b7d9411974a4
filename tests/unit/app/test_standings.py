"""Tests of what `oracle network` reads and prints, and says to whoever asks for something that is not there."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest
import sqlalchemy as sa

from oracle.app import standings
from oracle.app.standings import check_evidence, export_evidence, find_evidence, network_status
from oracle.cli.network import evidence_group
from oracle.cli.render.network import print_checked, print_evidence, print_network
from oracle.config import Config
from oracle.core.errors import ConfigError, DataError, JournalError
from oracle.feeds.journal import Journal
from oracle.feeds.journal.schema import network as tables
from oracle.network.casebook import Casebook
from oracle.network.evidence import FaultKind, MemberFault
from oracle.network.exporting import export
from oracle.network.ledger import Asked, HeardMessage, Ledger
from oracle.network.proofs import CaseFinding
from tests.unit.config.texts import MINIMAL, address, configured, networked
from tests.unit.network.signed import CHAIN_ID, COMMITTEE, FEEDS, HUB, MEMBERS, TERMS, TURN_S, answer, report

NOW = 1_700_000_040
TURN = NOW // TURN_S


@dataclass
class Deployed:
    """As much of a deployment as is read here."""

    chain_id: int = CHAIN_ID
    hub: str = HUB
    block: int = 0
    committees: dict[str, Any] = field(default_factory=lambda: {"default": SimpleNamespace(number=COMMITTEE)})
    feeds: dict[str, Any] = field(default_factory=lambda: {"eth-usd": SimpleNamespace(feed_id=FEEDS[0])})


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """Return the configuration of a member whose journal has heard something, and has seen two faults."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(standings, "load_deployment", lambda path: Deployed())
    text = networked()
    for number, member in enumerate(MEMBERS, 1):
        text = text.replace(address(number), member)
    found = configured(tmp_path, text)
    assert found.network is not None and found.journal.path is not None
    reporters = [each.reporter for each in found.network.members]
    with Journal(found.journal.path) as journal:
        clock = lambda: NOW + 9.0  # noqa: E731
        ledger = Ledger(journal.store, chain_id=CHAIN_ID, hub=HUB, committee=COMMITTEE, clock=clock)
        ledger.note(
            [
                HeardMessage(answer(each, report(NOW + 5, FEEDS[:1]), [10**8]), told=True, at=NOW + 6.0)
                for each in MEMBERS
            ]
        )
        ledger.note([], [Asked(reporters[0], TURN, NOW + 5, "answered", 0.25, NOW + 5.5)])
        account = {"account": MEMBERS[0], "block": 7, "rank": 3.0, "even": 2.5, "left_out": [reporters[3]]}
        with journal.store.transaction() as connection:
            row = {"tx_hash": bytes(32), "transmitter": reporters[0], "turn": TURN, "observed_at": NOW + 5}
            connection.execute(sa.insert(tables.brought).values(**row, details=json.dumps(account), at=NOW + 7.0))
        book = Casebook(journal.store, reporters, clock=clock)
        book.note(MemberFault(FaultKind.SILENCE, reporters[1], TURN, "gave no answer in 5 s"))
        book.note(MemberFault(FaultKind.FLOOD, reporters[2], TURN, "[red]too many[/] \x1b[2J"))
        book.flush()
    return found


@pytest.fixture
def alone(tmp_path: Path) -> Config:
    return configured(tmp_path, MINIMAL)


def test_the_standings_are_there_while_no_daemon_runs(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    view = network_status(config, {}, now=NOW + 10.0)
    assert (view.turn.number, view.turn.since, view.turn.until) == (TURN, NOW, NOW + TURN_S)
    assert view.turn.holder in {"m1", "m2", "m3", "m4"}
    assert [each.name for each in view.members] == ["m1", "m2", "m3", "m4"]
    assert [each.answered for each in view.members] == [1, 1, 1, 1]
    assert view.members[1].faults == {FaultKind.SILENCE: 1}
    print_network(view, as_json=True)
    assert json.loads(capsys.readouterr().out)["turn"]["number"] == TURN
    print_network(view, as_json=False)
    shown = capsys.readouterr().out
    assert f"turn {TURN} is {view.turn.holder}'s since" in shown and "silence 1" in shown
    assert f"then it is {view.turn.following}'s" in " ".join(shown.split())


def test_it_is_shown_who_answers_how_fast_how_far_off_and_what_transmitters_bring(
    config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    print_network(network_status(config, {}, now=NOW + 10.0), as_json=False)
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "m1 1 of 1 answered 1 0.25 s, 0.25 s 0 σ +0 σ 0 σ 4 s ago" in lines
    assert any(re.fullmatch(rf"m1 \d+ 1 1 3\.00 2\.50 m4 1 {MEMBERS[0]}", line) for line in lines), lines


def test_evidence_is_shown_by_member_kind_and_time(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    assert config.network is not None
    second = config.network.members[1]
    assert len(find_evidence(config, {})) == 2
    assert [each.kind for each in find_evidence(config, {}, member="m2")] == [FaultKind.SILENCE]
    assert [each.kind for each in find_evidence(config, {}, member=second.reporter.lower())] == [FaultKind.SILENCE]
    assert [each.member for each in find_evidence(config, {}, kind=FaultKind.SILENCE)] == [second.reporter]
    assert find_evidence(config, {}, since=NOW + 10.0) == []
    print_evidence(config, find_evidence(config, {}), None, as_json=False)
    shown = capsys.readouterr().out
    # What a member's text says is text, and nothing for the terminal or for rich.
    assert "[red]too many[/]" in " ".join(shown.split()) and "\x1b[2J" not in shown


def test_what_is_exported_is_judged_as_it_is(
    config: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "evidence.json"
    export_evidence(config, find_evidence(config, {}), file)
    found = asyncio.run(check_evidence(file, None))
    assert [each.finding for each in found.checked] == [CaseFinding.NOT_PROVABLE] * 2
    assert (found.exit_code, found.asked, found.is_known) == (3, "", False)
    print_checked(found, as_json=False)
    assert "signatures alone: no endpoint is configured" in capsys.readouterr().out


@pytest.mark.parametrize(("findings", "code"), [("p", 0), ("pp", 0), ("pn", 3), ("pnf", 1), ("f", 1), ("", 0)])
def test_the_exit_code_says_the_worst(findings: str, code: int) -> None:
    kinds = {"p": CaseFinding.PROVEN, "n": CaseFinding.NOT_PROVABLE, "f": CaseFinding.FALSE}
    checked: Any = [SimpleNamespace(finding=kinds[each]) for each in findings]
    file: Any = None
    assert standings.CheckedEvidence(file, checked, "", is_known=False).exit_code == code


def test_without_a_network_there_is_nothing_to_show(alone: Config) -> None:
    for ask in (network_status, find_evidence):
        with pytest.raises(ConfigError, match=r"there is no \[network\] in the configuration"):
            ask(alone, {})


def test_a_journal_that_was_not_begun_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standings, "load_deployment", lambda path: Deployed())
    with pytest.raises(JournalError, match="there is no journal"):
        network_status(configured(tmp_path, networked()), {})


def test_a_committee_that_was_not_deployed_is_told(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standings, "load_deployment", lambda path: Deployed(committees={}))
    with pytest.raises(ConfigError, match=r"committee default is not in .*: deploy first"):
        network_status(config, {})


def test_a_member_that_is_none_is_told_with_those_that_there_are(config: Config) -> None:
    with pytest.raises(ConfigError, match="--member m9: there is no such member; there are m1, m2, m3, m4"):
        find_evidence(config, {}, member="m9")


@pytest.mark.parametrize("terms", ["", "0x12", "yes", "0x" + "0" * 63])
def test_a_fingerprint_that_is_none_is_told(tmp_path: Path, terms: str) -> None:
    file = tmp_path / "evidence.json"
    file.write_text(json.dumps(export([], TERMS, None, 1.0)))
    with pytest.raises(ConfigError, match="a fingerprint is 0x and 64 hexadecimal digits"):
        asyncio.run(check_evidence(file, None, terms=terms))


def test_evidence_about_another_hub_needs_an_endpoint_of_its_own(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "evidence.json"
    file.write_text(json.dumps(export([], TERMS, None, 1.0)))
    config.chain.deployment.parent.mkdir(exist_ok=True)
    config.chain.deployment.touch()
    monkeypatch.setattr(standings, "load_deployment", lambda path: Deployed(hub=MEMBERS[0]))
    with pytest.raises(DataError, match=rf"is about the hub {HUB} on chain 31337, but .* name an endpoint .* --rpc"):
        asyncio.run(check_evidence(file, config))


def test_the_command_knows_all_kinds_of_faults() -> None:
    """They are listed there so that `oracle --help` need not import what defines them."""
    (option,) = [each for each in evidence_group.params if each.name == "kind"]
    assert isinstance(option.type, click.Choice)
    assert set(option.type.choices) == {str(each) for each in FaultKind}


def test_no_word_of_a_header_is_broken_at_80_columns(
    config: Config, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    print_network(network_status(config, {}, now=NOW + 10.0), as_json=False)
    shown = capsys.readouterr().out.split()
    assert {"member", "answered", "asked", "distance", "largest", "faults", "brought", "accounts"} <= set(shown)
