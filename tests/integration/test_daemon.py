"""Tests of the daemon as a process: stopped, killed and started again, on a real chain with real proofs."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from oracle.chain.deploy import load_deployment
from oracle.chain.hub import Hub, RoundAccepted
from oracle.chain.local.anvil import Anvil
from oracle.chain.local.ports import reserved_port
from oracle.chain.rpc import Rpc
from oracle.core.types import Outcome
from oracle.feeds.journal import Journal
from oracle.sources.push.authentication import NONCE, SIGNATURE, TIMESTAMP, signature
from tests.circuits import artifacts
from tests.integration.workspace import DEADLINE_S, Workspace, eventually, feed
from tests.postgres import Postgres


@pytest.fixture
def workspace(tmp_path: Path, anvil: Callable[..., Anvil]) -> Iterator[Workspace]:
    with Workspace(tmp_path, anvil()) as made:
        yield made


def deployed(workspace: Workspace) -> None:
    done = workspace.run("deploy")
    assert done.returncode == 0, done.stderr


def assert_chain_agrees(workspace: Workspace, *, was_stopped: bool = False) -> int:
    """Assert that each observation of the journal that ended on the chain is there once, and that nothing else is.

    Args:
        was_stopped: The daemon was asked to stop: what waited then, or was cut off, may be open, and on the chain.
    """
    deployment = load_deployment(workspace.folder / "deployment.json")

    async def events() -> list[tuple[bytes, int, Outcome, int]]:
        async with Rpc(workspace.chain.rpc_url) as rpc:
            found = await Hub(rpc, deployment.hub).logs(deployment.block, await rpc.block_number())
        return [
            (
                event.feed_id,
                event.observed_at,
                Outcome.ACCEPTED if isinstance(event, RoundAccepted) else Outcome.HELD,
                event.answer,
            )
            for event in found
        ]

    on_chain = asyncio.run(events())
    with workspace.journal() as journal:
        assert journal.check().problems == ()
        entries = [(entry.feed_id, entry.observed_at, entry.outcome, entry.answer) for entry in journal.confirmed()]
        left = {(each.feed_id, each.observed_at) for stage in journal.unfinished() for each in stage.due}
    assert was_stopped or not left
    assert sorted(event for event in on_chain if event[:2] not in left) == sorted(entries)
    assert len(set(on_chain)) == len(on_chain)
    return len(on_chain)


def test_a_daemon_runs_a_recording_to_its_end_and_holds_the_fault_in_it(workspace: Workspace) -> None:
    values: list[object] = [100, 100.4, 100.1, 1000, 100.2, 100.3]
    workspace.configure(feed("eth", workspace.recording("eth", values)))
    deployed(workspace)
    daemon = workspace.start_interpreter("run")
    assert daemon.wait(DEADLINE_S) == 0, workspace.log()
    assert assert_chain_agrees(workspace) == len(values)
    counts = workspace.counts()
    assert (counts["accepted"], counts["held"], counts["failed"]) == (5, 1, 0)
    done = workspace.run("status", "--json")
    status = json.loads(done.stdout)
    [shown] = status["feeds"]
    assert (shown["answer"], shown["round_id"], shown["open"]) == ("100.30000000", 5, 0), done.stderr
    assert (status["journal"]["held"], status["journal"]["open"]) == (1, 0)
    assert 9_990 < float(status["balance"]) < 10_000 and status["reports_left"] > 1_000
    assert status["endpoints"] == [
        {"name": workspace.chain.rpc_url, "problem": "", "head": status["head"], "in_use": True}
    ]
    assert "enough for" in workspace.run("status").stdout
    assert_the_history_is_told(workspace)

    hub = load_deployment(workspace.folder / "deployment.json").hub
    done = workspace.run("config", "check", "--chain")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (
        0, f"hub {hub} on chain 31337: would take the next report of eth"
    )  # fmt: skip
    text = (workspace.folder / "deployment.json").read_text()
    (workspace.folder / "deployment.json").write_text(text.replace(hub, "0x000000000000000000000000000000000000dEaD"))
    done = workspace.run("config", "check", "--chain")
    assert done.returncode == 1 and "on chain 31337: there is no contract; check the address" in done.stderr


def assert_the_history_is_told(workspace: Workspace) -> None:
    """Assert that `oracle history` tells the recording's five rounds and its hold: with journal, without, and alone."""
    done = workspace.run("history", "eth", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert [(each["kind"], each["round_id"]) for each in told["entries"]] == [
        ("round", 5), ("round", 4), ("hold", 4), ("round", 3), ("round", 2), ("round", 1),
    ]  # fmt: skip
    hold = told["entries"][2]
    assert (hold["reason"], hold["ended"], hold["reports"][0]["answer"]) == ("anomalous", "cleared", "1000.00000000")
    latest = told["entries"][0]["report"]
    assert latest["own"] and latest["gas"] > 300_000 and latest["published_at"] >= latest["observed_at"] - 600
    assert latest["journal"]["outcome"] == "accepted" and latest["journal"]["prove_seconds"] > 0
    assert (told["unread"], told["notes"], told["has_more"]) == ([], [], False)

    only = json.loads(workspace.run("history", "eth", "--kind", "hold", "--limit", "1", "--json").stdout)
    assert only["entries"] == [hold]
    rows = workspace.run("history", "eth", "--csv", "--no-costs").stdout.splitlines()
    assert len(rows) == 7 and rows[0].startswith("kind,round,answer,observed")

    journal = workspace.folder / "journal.db"
    journal.rename(journal.with_suffix(".away"))
    without = workspace.run("history", "eth", "--utc")
    journal.with_suffix(".away").rename(journal)
    said = " ".join(without.stdout.split())
    assert without.returncode == 0 and "HELD: anomalous; 1 report; cleared at" in said
    assert "there is no journal at" in said

    hub = told["hub"]
    alone = workspace.run("history", "ETH", "--hub", hub, "--rpc", workspace.chain.rpc_url, "--json")
    entries = json.loads(alone.stdout)["entries"]
    assert [each["kind"] for each in entries] == [each["kind"] for each in told["entries"]]
    assert entries[0]["report"] | {"own": True, "journal": None} == latest | {"journal": None}
    unknown = workspace.run("history", "BTC", "--hub", hub, "--rpc", workspace.chain.rpc_url)
    assert unknown.returncode == 2 and "has no feed 'BTC', by description or id; it has: 'ETH'" in unknown.stderr

    configuration = workspace.folder / "oracle.toml"
    text = configuration.read_text()
    configuration.write_text(text.replace(workspace.chain.rpc_url, "http://127.0.0.1:9"))
    silent = workspace.run("history", "eth", "--json")
    configuration.write_text(text)
    told = json.loads(silent.stdout)
    assert silent.returncode == 1 and "only the journal's part is shown" in told["unread"][0]
    assert [each["kind"] for each in told["entries"]] == ["round", "round", "hold", "round", "round", "round"]
    assert (told["entries"][2]["ended"], told["entries"][0]["report"]["gas"] > 300_000) == ("unknown", True)


def test_a_private_model_publishes_a_verdict_for_each_report(workspace: Workspace) -> None:
    """Deployed, run and audited without another word in the configuration than the model's name."""
    values: list[object] = [100, 100.4, 100.1, 1000, 100.2, 100.3]
    workspace.configure(feed("eth", workspace.recording("eth", values)), prover=workspace.own_model())
    done = workspace.run("deploy")
    assert done.returncode == 0, done.stderr
    assert "own.json, private, publishes verdicts: the model is your own" in done.stderr
    daemon = workspace.start("run")
    assert daemon.wait(DEADLINE_S) == 0, workspace.log()
    assert assert_chain_agrees(workspace) == len(values)
    counts = workspace.counts()
    assert (counts["accepted"], counts["held"], counts["failed"]) == (5, 1, 0)
    deployment = load_deployment(workspace.folder / "deployment.json")
    [model] = deployment.models.values()
    assert model.model_hash != 0, "its weights are hashed"
    assert json.loads(workspace.run("status", "--json").stdout)["privacy"]["disclosure"] == "verdict"
    checked = {each["name"]: each for each in json.loads(workspace.run("doctor", "--json").stdout)}
    assert "private, publishes verdicts" in checked["model"]["detail"]
    audited = workspace.run(
        "audit", deployment.hub, "--rpc", workspace.chain.rpc_url, "--artifacts", str(artifacts()), "--json"
    )
    assert audited.returncode == 0, audited.stdout + audited.stderr
    report = json.loads(audited.stdout)
    assert (report["verified"], report["failed"]) == (len(values), 0)


def test_a_daemon_stops_cleanly_and_another_goes_on_after_a_kill(workspace: Workspace) -> None:
    walk = [100 + (index % 7) * 0.3 for index in range(600)]
    workspace.configure(*(feed(name, workspace.recording(name, walk)) for name in ("one", "two")))
    deployed(workspace)

    daemon = workspace.start("run")
    eventually(lambda: workspace.counts().get("accepted", 0) >= 3, "three rounds")
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(60) == 0, workspace.log()
    assert '"event": "stopped"' in workspace.log()
    before = assert_chain_agrees(workspace, was_stopped=True)

    daemon = workspace.start("run")
    eventually(lambda: workspace.counts().get("accepted", 0) >= before + 2, "rounds after the restart")
    daemon.kill()
    daemon.wait(60)

    killed_at = workspace.counts()["accepted"]
    daemon = workspace.start("run")
    eventually(lambda: workspace.counts().get("accepted", 0) >= killed_at + 2, "rounds after the kill")
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(60) == 0, workspace.log()
    assert_chain_agrees(workspace, was_stopped=True)
    assert "Traceback" not in workspace.log()


def ready(workspace: Workspace) -> dict[str, Any]:
    """Return the answer of /readyz of the latest daemon."""
    port = re.findall(r'"port": (\d+)', workspace.log())[-1]
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=60) as response:
            found: dict[str, Any] = json.load(response)
    except urllib.error.HTTPError as error:
        found = json.load(error)
    return found


@pytest.mark.chaos
def test_a_standby_takes_over_from_a_daemon_that_is_killed(workspace: Workspace, postgres: Postgres) -> None:
    walk = [100 + (index % 7) * 0.3 for index in range(600)]
    journal = f'url = "{postgres.url()}"\nstandby = true\nlease_s = 1\nkeep_days = 1'
    workspace.configure(feed("one", workspace.recording("one", walk)), journal=journal)
    deployed(workspace)
    first = workspace.start("run")
    eventually(lambda: workspace.counts().get("accepted", 0) >= 2, "two rounds")
    second = workspace.start("run")
    eventually(lambda: '"event": "stands by"' in workspace.log(), "a standby")
    eventually(lambda: "stands by: " in ready(workspace)["checks"][0]["detail"], "a standby that says so")
    assert not ready(workspace)["ok"]
    status = json.loads(workspace.run("status", "--json").stdout)
    assert status["leader"].endswith(f":{first.pid}")
    first.kill()
    first.wait(60)
    before = workspace.counts()["accepted"]
    eventually(lambda: workspace.counts().get("accepted", 0) >= before + 2, "rounds of the standby")
    second.send_signal(signal.SIGTERM)
    assert second.wait(60) == 0, workspace.log()
    assert_chain_agrees(workspace, was_stopped=True)
    assert "Traceback" not in workspace.log()
    checked = workspace.run("journal", "check", "--json")
    assert checked.returncode == 0 and json.loads(checked.stdout)["outcomes"] >= before + 2, checked.stderr


def test_a_feed_whose_source_talks_rubbish_does_not_hinder_the_others_until_it_is_replaced(
    workspace: Workspace, httpserver: HTTPServer
) -> None:
    """Metrics, liveness and readiness show it, before and after the sources were read again."""
    httpserver.expect_request("/html").respond_with_data("<html>busy</html>", content_type="text/html")
    httpserver.expect_request("/price").respond_with_json({"price": 25.5})

    def configure(first: str, heartbeat: int = 1) -> None:
        source = '{{ type = "http", url = "{}", path = "$.price" }}'
        feeds = {"bad": first, "good": "price"}
        workspace.configure(
            *(feed(name, source.format(httpserver.url_for(f"/{path}")), heartbeat=heartbeat)
              for name, path in feeds.items())
        )  # fmt: skip

    configure("html")
    deployed(workspace)
    daemon = workspace.start("run")
    eventually(lambda: workspace.counts().get("accepted", 0) >= 2, "two rounds of the good feed")
    assert shown(workspace, "healthz") == (200, [])

    def only_bad_is_wrong() -> bool:
        return [check["name"] for check in shown(workspace, "readyz")[1]] == ["reports of bad"]

    eventually(only_bad_is_wrong, "a daemon that has looked at the chain")
    code, wrong = shown(workspace, "readyz")
    assert code == 503 and "it is HTML or XML, not JSON" in wrong[0]["detail"]

    workspace.configure(feed("bad", '{ type = "http", url = "https://x.example/", path = "$.price" }', sigma=9))
    daemon.send_signal(signal.SIGHUP)
    eventually(lambda: "sources not reloaded" in workspace.log(), "a refusal")
    configure("price")
    daemon.send_signal(signal.SIGHUP)
    eventually(lambda: "sources reloaded" in workspace.log(), "other sources")
    eventually(lambda: shown(workspace, "readyz") == (200, []), "readiness")
    with urllib.request.urlopen(f"{address(workspace)}/metrics") as answer:
        metrics = answer.read().decode()
    accepted, failures = (
        re.search(rf'^oracle_{name}{{feed="{of}"}} (\S+)$', metrics, re.MULTILINE)
        for name, of in (("accepted_total", "good"), ("source_failures_total", "bad"))
    )
    assert accepted is not None and float(accepted[1]) >= 2
    assert failures is not None and float(failures[1]) >= 1
    assert re.search(r"^oracle_payer_balance_wei{feed=\"\"} 9\.99\d+e\+21$", metrics, re.MULTILINE)

    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(60) == 0
    with Journal(workspace.folder / "journal.db", read_only=True) as journal:
        assert {entry.feed for entry in journal.rows()} == {"bad", "good"}
    assert_chain_agrees(workspace, was_stopped=True)


def test_a_source_that_lies_is_left_out_told_and_replaced(workspace: Workspace, httpserver: HTTPServer) -> None:
    """This is the incident of docs/operations.md, with a pushed value as one of three sources."""
    key = workspace.folder / "desk.key"
    key.write_text("0123456789abcdef0123456789abcdef\n")
    key.chmod(0o600)
    httpserver.expect_request("/honest").respond_with_json({"price": 25.5})
    httpserver.expect_request("/liar").respond_with_json({"price": 30})
    listen = f"127.0.0.1:{reserved_port()}"

    def configure(*paths: str) -> None:
        sources = [
            f'{{ type = "http", name = "{path}", url = "{httpserver.url_for("/" + path)}", path = "$.price" }}'
            for path in paths
        ]
        sources.append('{ type = "push", name = "desk", key_file = "desk.key", max_age = 600 }')
        several = feed("eth", ", ".join(sources), min_sources=2, max_source_spread_ppm=10_000)
        workspace.configure(several, listen=listen, more='[push]\nlisten = "127.0.0.1:0"')

    configure("honest", "liar")
    deployed(workspace)
    assert "the daemon does not answer" in workspace.run("status").stdout
    daemon = workspace.start("run")
    eventually(lambda: "sources disagree" in workspace.log(), "one against one is no value")
    assert workspace.counts().get("accepted", 0) == 0
    port = re.findall(r'"push_port": (\d+)', workspace.log())[-1]
    body, at = b'{"value": "25.51"}', str(int(time.time()))
    push = urllib.request.Request(f"http://127.0.0.1:{port}/push/eth/desk", body, method="POST")
    push.add_header(TIMESTAMP, at)
    push.add_header(NONCE, "the-first-of-them")
    push.add_header(SIGNATURE, signature(key.read_bytes().strip(), "/push/eth/desk", at, "the-first-of-them", body))
    with urllib.request.urlopen(push) as answer:
        assert answer.status == 204
    eventually(lambda: workspace.counts().get("accepted", 0) >= 1, "a round of the two that agree")
    shown = json.loads(workspace.run("status", "--json").stdout)
    states = {each["source"]: each["state"] for each in shown["feeds"][0]["sources"]}
    assert states == {"honest": "agrees", "liar": "outlier", "desk": "agrees"}
    assert "outlier" in workspace.run("status").stdout
    assert workspace.log().count("outlier left out") == 1, "once, not at each look"

    configure("honest")
    daemon.send_signal(signal.SIGHUP)
    eventually(lambda: "sources reloaded" in workspace.log(), "the liar is gone")
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(60) == 0
    assert_chain_agrees(workspace, was_stopped=True)
    assert "0123456789abcdef" not in workspace.log()


def address(workspace: Workspace) -> str:
    """Return the address at which the latest daemon serves."""
    ports: list[str] = re.findall(r'"port": (\d+)', workspace.log())
    return f"http://127.0.0.1:{ports[-1]}"


def shown(workspace: Workspace, page: str) -> tuple[int, list[dict[str, Any]]]:
    """Return a page's status and the checks that fail."""
    try:
        with urllib.request.urlopen(f"{address(workspace)}/{page}") as answer:
            code, document = answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        code, document = error.code, json.load(error)
    return code, [check for check in document["checks"] if not check["ok"]]


def test_two_daemons_do_not_share_a_journal(workspace: Workspace) -> None:
    workspace.configure(feed("one", workspace.recording("one", [100 + index * 0.1 for index in range(300)])))
    deployed(workspace)
    first = workspace.start("run")
    try:
        eventually(lambda: workspace.counts().get("accepted", 0) >= 1, "a round")
        second = workspace.run("run")
        assert second.returncode == 1
        assert second.stderr.strip().splitlines()[-1].startswith("error: ")
        assert "in use" in second.stderr
    finally:
        first.send_signal(signal.SIGTERM)
        assert first.wait(60) == 0


def test_deploying_again_changes_nothing(workspace: Workspace) -> None:
    workspace.configure(feed("one", workspace.recording("one", [100, 101])))
    deployed(workspace)
    before = (workspace.folder / "deployment.json").read_text()
    block = workspace.chain.rpc("eth_blockNumber")
    told = json.loads(workspace.run("deploy", "--json").stdout)
    assert (told["ok"], told["differences"], told["deployment"]["hub"]) == (
        True,
        [],
        load_deployment(workspace.folder / "deployment.json").hub,
    )
    assert told["weaknesses"]
    assert (workspace.folder / "deployment.json").read_text() == before
    assert workspace.chain.rpc("eth_blockNumber") == block


def test_a_public_model_and_a_reporter_from_a_keystore(workspace: Workspace) -> None:
    (workspace.folder / "password").write_text("correct horse\n")
    (workspace.folder / "password").chmod(0o600)
    made = workspace.run("key", "create", "reporter.json", "--password-file", "password")
    assert made.returncode == 0, made.stderr
    workspace.configure(
        feed("one", workspace.recording("one", [100, 100.2, 100.1])),
        reporter='{ keystore = "reporter.json", password_file = "password" }',
        prover=workspace.own_model(),
    )
    done = workspace.run("deploy", "--public-model")
    assert done.returncode == 0, done.stderr
    assert "own.json, public, publishes scores: you publish a model of your own" in done.stderr
    daemon = workspace.start("run")
    assert daemon.wait(DEADLINE_S) == 0, workspace.log()
    assert assert_chain_agrees(workspace) == 3
    deployment = load_deployment(workspace.folder / "deployment.json")
    assert {model.model_hash for model in deployment.models.values()} == {0}, "a public model's key is its identity"

    async def reporters() -> tuple[str, ...]:
        async with Rpc(workspace.chain.rpc_url) as rpc:
            return (await Hub(rpc, deployment.hub).committee(deployment.committees["default"].number)).reporters

    assert asyncio.run(reporters()) == (made.stdout.strip(),)
    assert "correct horse" not in workspace.log()
