"""Tests that the benchmark runs and reports what it promises. They don't test how fast anything is."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from oracle.bench import audits, claims, fleet, growth, submissions, zoo
from oracle.bench.cases import CASES, SUBMISSIONS
from oracle.bench.circuits import MeasuredCircuit
from oracle.bench.cold_start import cli_help_seconds
from oracle.bench.detectors import detector
from oracle.bench.ezkl_defaults import chosen_of, default_flips
from oracle.bench.models import CALIBRATION_START, compared_import
from oracle.bench.proofs import prove_in_turns, verified_on_chain
from oracle.bench.run import run
from oracle.bench.throughput import BusyCircuit, throughput
from oracle.bench.windows import recorded_windows
from oracle.core.errors import ArtifactError, DataError
from oracle.proving.artifact import Visibility
from oracle.proving.engine.child import EngineProcess
from oracle.proving.gas import TRANSACTION_GAS
from oracle.proving.pool.pool import PROVING_FILES
from oracle.proving.tuning import measuring
from tests.circuits import folder
from tests.integration.conftest import Circuits

NUMBERS = ("prove_s", "witness_s", "verify_s", "total_s", "setup_s", "gas", "verify_gas", "rss_mb", "proof_bytes", "k")


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.mark.slow
async def test_report(tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The report covers one of our circuits, with real proofs, a real chain and a real daemon."""
    # One start after the one that warms up, instead of five.
    monkeypatch.setattr("oracle.bench.run.cli_help_seconds", lambda: cli_help_seconds(times=1))
    out, case = tmp_path / "new" / "bench.json", "default-public-b1"
    report = await run(repeat=1, cold_setup=False, out=out, echo=said.append, cases=[case], observations=5)
    assert json.loads(out.read_text()) == report

    found = report[case]
    assert all(found[name] > 0 for name in NUMBERS), found
    assert found["total_s"] >= found["prove_s"]
    # A report pays for its proof, and also for signatures, features, storage and events.
    assert 150_000 < found["verify_gas"] < found["gas"] - 50_000 < 1_000_000
    assert (found["flips_per_10k"], found["unprovable_per_10k"]) == (0, 0)
    assert found["flips_samples"] >= 10_000

    for name in ("end_to_end", "end_to_end_one_worker"):
        assert report[name]["observations"] == 5
        assert 0 < report[name]["p50_s"] <= report[name]["p95_s"]
        assert report[name]["case"] == case
        # The proof is a part of the whole; and what the steps took adds up to less than a turn of the slowest report.
        assert report[name]["p50_over_proof"] >= 1 and report[name]["proof_p50_s"] > 0
        steps = report[name]["mean_steps_s"]
        assert {"sign", "prove", "simulate", "send", "confirm"} <= steps.keys()
        assert 0 < steps["prove"] < sum(steps.values()) < 60
    assert report["end_to_end_one_worker"]["workers"] == 1
    assert report["daemon_rss_mb"] > report["daemon_parent_rss_mb"] > 10
    assert report["cli_help_s"] > 0
    assert report["machine"]["cores"] >= 1 and report["versions"]["ezkl"] == "23.0.5"
    assert not {"cold_setup_s", *CASES} - {case} & report.keys()
    printed = "\n".join(said)
    assert f"{found['gas']:,}" in printed and str(out) in said


async def test_hashing_the_weights_costs_commitments_and_an_instance(circuits: Circuits, said: list[str]) -> None:
    """The same windows are proven with private and with public weights in turns, and verified on one chain."""
    model = detector("quadratic")
    window = recorded_windows(model.features, 1, CALIBRATION_START)[0]
    ours = {
        case: MeasuredCircuit(
            files={argument: built.file(name) for argument, name in PROVING_FILES.items()},
            verifier=built.verifier(),
            inputs=[window, window],
            outputs=lambda inputs: list(model.score_int(inputs)),
            setup_s=0.0,
            facts={},
            artifact=built,
        )
        for case, built in (
            ("private", circuits(visibility=Visibility.PRIVATE)),
            ("public", circuits(visibility=Visibility.PUBLIC)),
        )
    }
    proofs = await asyncio.to_thread(prove_in_turns, ours, 2, said.append)
    found = {case: proofs[case].report() | gas for case, gas in (await verified_on_chain(ours, proofs)).items()}
    private, public = found["private"], found["public"]
    assert private["proof_bytes"] > public["proof_bytes"]
    assert private["instances"] == public["instances"] + 1
    assert private["verify_gas"] > public["verify_gas"]
    assert all(each["gas"] == each["verify_gas"] for each in (private, public))
    # Only steps after the warm-up count.
    assert [len(each.prove) for each in proofs.values()] == [1, 1]
    assert said == ["proofs, round 0 of 1 (warm-up)", "proofs, round 1 of 1"]


async def test_a_brought_model_is_tuned_proven_and_verified(
    tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "FINALISTS", 1)
    monkeypatch.setattr(measuring, "PROOFS", 1)
    report = await run(
        repeat=1, cold_setup=False, out=tmp_path / "bench.json", echo=said.append, cases=["tuned-logistic"]
    )
    found = report["tuned-logistic"]
    assert all(found[name] > 0 for name in NUMBERS), found
    # The rows: three times the number of features, and the published values.
    assert found["k"] == 6 and found["estimate_error"]["graph"]["rows"] == 0
    assert (found["flips_samples"], found["unprovable_per_10k"]) == (zoo.HELD_OUT, 0)
    assert found["flips_per_10k"] <= 10
    assert "end_to_end" not in report and "default_over_prove" not in found
    assert report["estimator"]["cases"] == 1


def test_ezkls_verdicts_are_its_circuits(tmp_path: Path) -> None:
    """Many windows at once, in a circuit for so many, get the verdicts of the circuit for one; each window gets one."""
    subject = replace(compared_import("linear", 1), name="cnn")
    files = {name: str(tmp_path / name) for name in ("model", "settings", "circuit")}
    Path(files["model"]).write_bytes(subject.graph(1))
    with EngineProcess(threads=1) as engine:
        settings = engine.call("gen_settings", model=files["model"], settings=files["settings"], run_args={})
        engine.call("compile_circuit", **chosen_of(files, "model", "settings", "circuit"))
        found = default_flips(engine, subject, settings, files["circuit"], tmp_path)
        assert found["flips_samples"] == 1_000 and found["flips_per_10k"] < 500 and found["unprovable_per_10k"] == 0
        # No circuit with this many limbs takes this window, but its neighbours keep their verdicts.
        wild = subject.judged.copy()
        wild[7] = 1e9
        found = default_flips(engine, replace(subject, judged=wild), settings, files["circuit"], tmp_path)
        assert found["unprovable_per_10k"] == 10


async def test_throughput_of_real_provers(circuits: Circuits, said: list[str]) -> None:
    model = detector("quadratic")
    windows = recorded_windows(model.features, 40, None)
    busy = {
        str(batch): BusyCircuit(circuits(batch=batch, visibility=Visibility.PUBLIC), model, windows) for batch in (1, 4)
    }
    found = await throughput(busy, 0.5, said.append)
    for of in found.values():
        assert of["proofs"] >= of["processes"] and of["seconds"] >= 0.5
    assert found["1"]["proofs_per_s"] == found["1"]["windows_per_s"] > 0
    assert found["4"]["windows_per_s"] == pytest.approx(4 * found["4"]["proofs_per_s"], abs=0.05)
    assert said == ["proofs per second, turn 1 of 2", "proofs per second, turn 2 of 2"]


def test_windows_are_proven_again_when_all_were() -> None:
    model = detector("peers")
    windows = recorded_windows(model.features, 3, None)
    artifact: Any = SimpleNamespace(manifest=SimpleNamespace(batch=2))
    jobs = BusyCircuit(artifact, model, windows).jobs()
    first, second = next(jobs), next(jobs)
    assert [list(window) for window in (*first.windows, *second.windows)] == [*windows, windows[0]]
    assert first.scores == tuple(model.score_int(window) for window in windows[:2])


@pytest.mark.slow
async def test_submissions(tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of both models, with real proofs, give one feed's share, and the parts of a submission's gas add up."""
    monkeypatch.setattr(submissions, "toolchain", SimpleNamespace(build_dir=folder))
    single = ("submit-default-private-b4-q1", "submit-default-public-b1-q1", "submit-default-public-b4-q1")
    cases = (*single, "submit-default-private-b4-q5", "submit-default-public-b4-q10")
    out = tmp_path / "bench.json"
    report = await run(repeat=1, cold_setup=False, out=out, echo=said.append, cases=cases)
    assert not {"end_to_end", *set(CASES) - set(cases)} & report.keys()
    # EIP-170 allows no more.
    assert 10_000 < report["hub_bytes"] <= 24_576
    for case in cases:
        found, batch = report[case], SUBMISSIONS[case].batch
        assert found["verify_gas"] < found["gas"] == sum(found["parts"].values())
        assert found["gas_per_feed"] == round(found["gas"] / batch)
        assert found["hub_gas_per_feed"] == round((found["gas"] - found["verify_gas"]) / batch)
    for case in single:
        found, batch = report[case], SUBMISSIONS[case].batch
        assert found["floor_gas"] < found["verify_gas"]
        # The parts of one submission's gas add up to all of it.
        parts = found["profile"]
        pieces = (*parts["hub_per_feed"].values(), parts["adapter_per_feed"], parts["calldata_beyond_per_feed"])
        bare = TRANSACTION_GAS + found["bare_calldata_gas"] + parts["verifier"]
        assert bare + batch * sum(pieces) == pytest.approx(found["gas"], abs=batch * len(pieces))
        assert found["verify_gas"] == pytest.approx(bare, abs=500)
        assert found["parts"]["verifier"] == pytest.approx(parts["verifier"], abs=500)
        # Chainlink's two events, and the account that emits them.
        adapter = found["hub_gas_per_feed"] - found["hub_gas_per_feed_without_adapter"]
        assert 2_600 + 2 * 1_756 < adapter < 9_000
        # A round's slot was empty; the feed's track and its peer's answer were not. Configuration, track, last round
        # and peer's answer are read.
        assert parts["hub_per_feed"]["sstore"] == 22_100 + 2 * 2_900
        assert parts["hub_per_feed"]["sload"] >= 4 * 2_100
        # One reporter signs for all feeds.
        assert parts["hub_per_feed"]["ecrecover"] == 3_100 / batch
        # Each commitment is scaled once, and so is the generator; one at infinity is stepped over.
        assert parts["precompiles"]["ecmul"] in (sum(found["commitments"].values()) + each for each in (0, 1))
        assert parts["precompiles"]["pairing"] == 1
    private, public = report["submit-default-private-b4-q1"], report["submit-default-public-b4-q1"]
    # The hash is one more, and each of four windows has one verdict instead of two scores.
    assert private["instances"] == public["instances"] + 1 - 4
    assert private["floor_gas"] > public["floor_gas"]
    assert public["gas_per_feed"] < report["submit-default-public-b1-q1"]["gas_per_feed"] / 2
    # The same proof carries the reports of several signatures: the verifier's gas is the same, and the rest is not.
    more = report["submit-default-private-b4-q5"]
    assert more["verify_gas"] == private["verify_gas"] and more["parts"]["verifier"] == private["parts"]["verifier"]
    for few, many, signatures in (
        (private, more, 4),
        (public, report["submit-default-public-b4-q10"], 9),
    ):
        a_signature = (many["gas"] - few["gas"]) / signatures
        # One recovery and 96 bytes, and an answer for each of four feeds.
        assert 3_100 + 96 * 4 < a_signature < 13_000
    printed = "\n".join(said)
    assert all(f"{report[case]['gas']:,}" in printed for case in cases)


async def test_audits(said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A history on a real chain is audited in all ways, with real proofs; each finds all rounds."""
    monkeypatch.setattr(audits, "toolchain", SimpleNamespace(build_dir=folder))
    case = "audit-default-public-b1-q1"
    report = await audits.run([case], said.append, rounds=3)
    found = report[case]
    assert (found["rounds"], found["transactions"]) == (3, 3)
    assert found["seconds"].keys() == found["rounds_per_s"].keys() == audits.WAYS.keys()
    assert all(each > 0 for each in found["seconds"].values())
    assert found["record_bytes"] > 3_000
    assert next(line for line in said if line.startswith(case)) == f"{case}: a history of 3 rounds"
    assert audits.rows(report)[0][:3] == (case, "3", "3")


@pytest.mark.slow
async def test_a_daemon_with_many_feeds_reports_all_of_them_together(
    tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five feeds, of which four fit one proof, are due every three seconds: none is lost, and each ends once."""
    monkeypatch.setattr(fleet, "toolchain", SimpleNamespace(build_dir=folder))
    for name, value in {"PERIOD_S": 3, "POLL_S": 3, "BATCH": 4, "_SCRAPE_S": 0.2}.items():
        monkeypatch.setattr(fleet, name, value)
    found = await fleet.run(tmp_path / "new", 5, "default-public", 2, said.append)
    assert (found["observations"] + found["missing"], found["open"], found["ends"]["failed"]) == (10, 0, 0)
    assert found["ends"]["accepted"] >= 5 and found["ends"]["held"] == 0
    assert found["feeds_per_transaction"] > 1 and 50_000 < found["gas_per_feed"] < 600_000
    assert 0 < found["latency_s"]["p50"] <= found["latency_s"]["p99"]
    assert found["daemon_rss_mb"] > 10 and found["mean_steps_s"]["prove"] > 0
    assert fleet.told(found).startswith("5 feeds, due 2 times, once in 3 s: ")


async def test_claims(tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry records one claim; further proofs are of the same statement. The circuit is that of all tests."""
    shared = SimpleNamespace(TemporaryDirectory=lambda prefix: contextlib.nullcontext(str(folder())))
    monkeypatch.setattr(claims, "tempfile", shared)
    out, case = tmp_path / "bench.json", "claim-linear-8"
    report = await run(repeat=1, cold_setup=False, out=out, echo=said.append, cases=[case])
    found = report[case]
    assert (found["inputs"], found["weights"], found["instances"]) == (8, 9, 11)
    assert all(found[name] > 0 for name in ("prove_s", "claim_s", "verify_s", "setup_s", "rss_mb", "k", "proof_bytes"))
    # The registry's work adds to the verifier's.
    assert 300_000 < found["verify_gas"] < found["gas"] < 1_500_000
    assert f"{found['gas']:,}" in "\n".join(said)
    assert not {*CASES} - {case} & report.keys()


def test_ezkls_defaults_refuse_the_graph_and_say_why(tmp_path: Path) -> None:
    """The comparison has to change one argument, the number of limbs: ezkl refuses the graph with too few."""
    model, settings = str(tmp_path / "model.onnx"), str(tmp_path / "settings.json")
    detected = detector("quadratic")
    Path(model).write_bytes(detected.to_onnx(1))
    windows = recorded_windows(detected.features, 5, CALIBRATION_START)
    with EngineProcess(threads=1) as engine:

        def calibrate(**run_args: int) -> dict[str, Any]:
            engine.call("gen_settings", model=model, settings=settings, run_args=run_args)
            found: dict[str, Any] = engine.call(
                "calibrate_settings", model=model, settings=settings, windows=windows, target="resources"
            )
            return found

        with pytest.raises(ArtifactError, match="too large to be represented by base 16384 and n 2"):
            calibrate()
        assert calibrate(decomp_legs=4)["run_args"]["decomp_base"] == 16_384


@pytest.mark.slow
def test_growth_measures_what_it_can_and_estimates_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth, "toolchain", SimpleNamespace(build_dir=folder))
    out, lines = tmp_path / "bench.json", list[str]()
    out.write_text('{"repeat": 3}')
    found = growth.measure_growth(
        out=out, echo=lines.append, sizes=(40, 3_000), most_seconds=0.3, large=(), plot=tmp_path / "growth.png"
    )
    assert json.loads(out.read_text()) == {"repeat": 3, "growth": found}
    measured = [each for each in found["circuits"] if each["measured"]]
    assert [(each["visibility"], each["weights"] < 60) for each in measured] == [("public", True)]
    assert measured[0]["measured"]["verified"] and measured[0]["measured"]["memory_mb"] > 10
    assert {each["visibility"] for each in found["circuits"]} == {"public", "private"}
    assert any("| estimated |" in line for line in lines) and (tmp_path / "growth.png").stat().st_size > 1_000
    out.write_text("[]")
    with pytest.raises(DataError, match="is not a report"):
        growth.measure_growth(out=out, echo=lines.append, sizes=())
