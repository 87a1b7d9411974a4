"""Tests of the demonstration as a short command: its report agrees with the chain."""

from __future__ import annotations

import json
import re

import pytest

from oracle.demo import acts
from oracle.demo.options import DemoOptions
from oracle.demo.rehearsal import rehearse_trained
from tests.wheel import CACHE, ROOT, User

FAULTS_AT_ONCE = """
from oracle.demo import acts
acts.WARM_UP, acts.FAULT_RATE = 2, 0.5
"""
"""Lets a short demonstration have faults, early and often."""

EXPLORED_ONCE = """
import json, pathlib
from oracle.app import explore
from oracle.demo import run

explore.PAGES = pathlib.Path("pages")
explore.PAGES.mkdir()
(explore.PAGES / "index.html").write_text("pages")

async def explored(shown, listen, tell):
    async with explore.explorer_served(shown, ("127.0.0.1", 0)) as url:
        import aiohttp
        async with aiohttp.ClientSession() as client, client.get(f"{url}config.json") as config:
            told = await config.json()
        async with aiohttp.ClientSession() as client:
            ask = {"jsonrpc": "2.0", "id": 1, "method": "eth_getCode", "params": [told["hub"], "latest"]}
            async with client.post(told["endpoints"][0], json=ask) as answer:
                told["code"] = (await answer.json())["result"]
        pathlib.Path("explored.json").write_text(json.dumps(told))

run.explore_until_stopped = explored
"""
"""Looks at the explorer of a demonstration once, in place of waiting for an interrupt."""


@pytest.mark.slow
def test_a_short_run_is_written_held_read_back_and_audited(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recorded data and the seed decide which reports the gate holds, in an installed wheel outside any clone.

    What is read back from the chain is what the replay without proofs foresees.
    """
    user = User(tmp_path_factory.mktemp("user"), has_tools=True)
    code = FAULTS_AT_ONCE + EXPLORED_ONCE
    done = user.run("demo", "--ticks", "12", "--seed", "7", "--json", "--explore", timeout=280, code=code)
    summary, log = json.loads(done.stdout), done.stderr
    # To this model a value that repeats the last answer is no anomaly. The other faults are, and no clean report is.
    assert summary["faults"] == {
        "drift": {"injected": 1, "held": 1},
        "spike_20": {"injected": 1, "held": 1},
        "stuck": {"injected": 2, "held": 0},
        "wrong_asset": {"injected": 1, "held": 1},
    }
    counts = ("observations", "accepted", "held", "false_holds", "held_after_faults", "confirmed_regime_changes")
    assert [summary[name] for name in counts] == [48, 41, 7, 0, 3, 2]
    held = re.findall(r"^(\w+)  (\S+)  .*  HELD (?:fault: )?(\w+)", log, re.MULTILINE)
    assert sorted(held) == [
        ("nasdaq", "2008-07-08", "drift"),
        ("nasdaq", "2008-07-09", "drift"),
        ("nasdaq", "2008-07-17", "true"),
        ("sp500", "2008-07-11", "true"),
        ("sp500", "2008-07-14", "true"),
        ("wti", "2008-07-08", "wrong_asset"),
        ("wti", "2008-07-17", "spike_20"),
    ]
    monkeypatch.setattr(acts, "WARM_UP", 2)
    monkeypatch.setattr(acts, "FAULT_RATE", 0.5)
    foreseen = rehearse_trained(DemoOptions(ticks=12, seed=7), [7])
    assert (foreseen.mean_false_holds, foreseen.mean_after_faults) == (0, 3)
    for kind, counted in summary["faults"].items():
        every = foreseen.recall(kind, ["sp500", "nasdaq", "wti", "vix"])
        assert every == (counted["injected"], counted["held"]), kind
    # A stranger's audit of this chain finds a proof for each of the 24 transactions, and every word explained.
    audit = summary["audit"]
    assert (audit["ok"], audit["problems"], audit["proofs"]) == (True, [], 24)
    assert [audit[name] for name in ("reports", "verified", "failed", "unchecked")] == [48, 48, 0, 0]
    assert [(each["key_from"], each["tied"]) for each in audit["circuits"]] == [("architecture", True)]
    assert audit["storage"]["words"] > 100 and audit["storage"]["differing"] == 0
    assert audit["storage"]["root"] == "whole"
    assert summary["chain_agrees_with_journal"] is True and summary["disagreements"] == []
    assert summary["model"] == {"visibility": "private", "disclosure": "verdict"}
    for part in ("model: trained in", "a salt of 128 bits", "Each report publishes its features and one verdict"):
        assert part in " ".join(log.split()), part
    assert 0 < summary["latency_s"]["p50"] <= summary["latency_s"]["p95"]
    # On twelve days the three indices share a report; the VIX is alone on twelve others.
    assert summary["submissions"] == 24
    assert 450_000 < summary["gas_per_submission"] < 700_000
    assert summary["gas_per_submission"] * 24 == pytest.approx(summary["gas_per_observation"] * 48, abs=48)
    # The chain still runs when the explorer is served, and the public files of the circuit are there.
    explored = json.loads((user.folder / "explored.json").read_text())
    assert len(explored["code"]) > 10_000 and explored["fromBlock"] > 0
    (public,) = explored["publicFiles"]
    assert {"manifest.json", "vk.key", "Verifier.sol"} < public["files"].keys() and "pk.key" not in public["files"]
    out = user.folder / "build" / "demo"
    assert json.loads((out / "summary.json").read_text()) == summary
    assert str(ROOT) not in (out / "oracle.toml").read_text().replace(str(CACHE), ""), "nothing is the clone's"
    assert (out / "demo.png").read_bytes().startswith(b"\x89PNG")
