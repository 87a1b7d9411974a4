"""Evidence convinces a stranger, who has the file and the chain only; and a member that is ignored is left alone."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from oracle.app.local_network import LocalNetwork
from oracle.app.local_network.judging import evidence_of
from oracle.app.local_network.ways import Way
from oracle.core import http
from oracle.network.evidence import FaultKind
from tests.integration.workspace import Done, run_command
from tests.network.looking_back import outcomes_of, signers, transmitter

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

ALPHA, LIAR = 0, 3


async def oracle(folder: Path, *arguments: str) -> Done:
    """Run a command in a thread: the network goes on."""
    return await asyncio.to_thread(run_command, folder, arguments, {})


async def test_a_stranger_finds_a_contradiction_proven(network: LocalNetwork, tmp_path: Path) -> None:
    liar = network.members[LIAR]
    network.misbehave(LIAR, {}, Way.TWO_ANSWERS)

    async def caught() -> bool:
        return any(each.kind is FaultKind.CONTRADICTION for each in evidence_of(network.members[ALPHA]))

    await network.eventually(caught, "alpha has evidence of two answers")
    network.misbehave(LIAR, {})
    file = tmp_path / "evidence.json"
    alpha = network.members[ALPHA].place
    done = await oracle(
        alpha.folder, "network", "evidence", "--member", liar.name, "--kind", "contradiction", "--export", str(file)
    )
    assert done.returncode == 0 and "contradiction" in done.stdout, done.stderr

    # The operator's page and metrics say the same, when the turn is over.
    async def shown() -> bool:
        page = json.loads(await _web(alpha.folder, "/network"))
        assert page["turn"]["holder"] in network.layout.names
        return {each["name"] for each in page["members"] if each["faults"].get("contradiction")} == {liar.name}

    await network.eventually(shown, "the page shows who contradicted itself")

    async def measured() -> bool:
        metrics = await _web(alpha.folder, "/metrics")
        counted = re.search(rf'oracle_member_faults_total{{kind="contradiction",member="{liar.name}"}} [1-9]', metrics)
        return counted is not None and f'oracle_member_answered_share{{member="{liar.name}"}}' in metrics

    await network.eventually(measured, "the metrics show it, too")

    # A stranger has no configuration, only the file, and an endpoint of the chain.
    nowhere = tmp_path / "stranger"
    nowhere.mkdir()
    done = await oracle(nowhere, "network", "evidence", "check", str(file), "--rpc", network.chain.rpc_url, "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 0 and found["hub"] == network.deployment.hub, done.stderr
    assert {(each["member"], each["finding"]) for each in found["cases"]} == {(liar.place.address, "proven")}
    assert found["asked"].startswith("http://") and not found["terms_known"]

    # Whoever alters one answer, or blames somebody else, has a file that is false.
    for alter in (_another_answer, _somebody_else):
        document = json.loads(file.read_text())
        alter(document["cases"][0], alpha.address)
        altered = tmp_path / "altered.json"
        altered.write_text(json.dumps(document))
        done = await oracle(nowhere, "network", "evidence", "check", str(altered), "--rpc", network.chain.rpc_url)
        assert done.returncode == 1 and "false" in done.stdout, done.stdout
    # Another chain's endpoint has nothing to say about it.
    document["terms"]["chainId"] = 1
    altered.write_text(json.dumps(document))
    done = await oracle(nowhere, "network", "evidence", "check", str(altered), "--rpc", network.chain.rpc_url)
    assert done.returncode != 0 and "is about chain 1" in done.stderr


async def _web(folder: Path, path: str) -> str:
    """Return a page of the [web] server that the latest process of this folder has opened."""
    lines = [json.loads(line) for line in (folder / "log").read_text().splitlines() if '"event": "serving"' in line]
    answer = await http.ask("GET", f"http://127.0.0.1:{lines[-1]['port']}{path}", timeout_s=10, max_body=1 << 24)
    assert answer.status == 200
    return answer.body.decode()


def _another_answer(case: dict[str, Any], address: str) -> None:
    case["answers"][0]["answers"] = ["1"]


def _somebody_else(case: dict[str, Any], address: str) -> None:
    case["member"] = address


async def test_an_ignored_member_is_neither_asked_nor_believed_nor_answered(network: LocalNetwork) -> None:
    alpha, other = network.members[ALPHA], network.members[LIAR]
    text = alpha.place.config.read_text()
    await network.stop(ALPHA)
    alpha.place.config.write_text(text.replace("grace_ms", f'ignore = ["{other.place.address}"]\ngrace_ms', 1))
    await network.start(ALPHA)
    asked = network.links[ALPHA, LIAR].requests["/v1/report"]
    begin = network.turn() + 1
    try:

        async def brought() -> set[int]:
            events = [each for each in await network.rounds() if network.turn(each.observed_at) >= begin]
            found = {transmitter(network, each) for each in events}
            return found if {ALPHA, LIAR} <= found else set()

        await network.eventually(brought, "rounds of both")
        events = [each for each in await network.rounds() if network.turn(each.observed_at) >= begin]
        # Alpha does not ask it, and uses nothing that it tells.
        assert network.links[ALPHA, LIAR].requests["/v1/report"] == asked
        for event in events:
            who = await signers(network, event)
            if transmitter(network, event) == ALPHA:
                assert LIAR not in who
            if transmitter(network, event) == LIAR:
                assert ALPHA not in who
        turns = {network.turn(each.observed_at) for each in events}

        async def noted() -> set[str] | None:
            found = set(outcomes_of(other, alpha, turns))
            return found if "refused:ignored" in found else None

        found = await network.eventually(noted, "what alpha answered is written down")
        assert found <= {"refused:ignored", "silent"}, "a busy machine may be too late to refuse"
        status = json.loads((await oracle(alpha.place.folder, "network", "status", "--json")).stdout)
        assert [each["name"] for each in status["members"] if each["ignored"]] == [other.name]
    finally:
        await network.stop(ALPHA)
        alpha.place.config.write_text(text)
        await network.start(ALPHA, faulty=True)
