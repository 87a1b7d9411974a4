"""The benchmark runs and reports what it promises. How fast anything is, is no test's business."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from oracle import bench
from oracle.bench import circuits, claims, growth, submissions, zoo
from oracle.bench.submissions import Step
from oracle.core.errors import ArtifactError, DataError
from oracle.proving import tuning
from oracle.proving.artifact import Visibility
from oracle.proving.engine.child import EngineProcess
from tests.integration.conftest import Circuits

NUMBERS = ("prove_s", "witness_s", "verify_s", "total_s", "setup_s", "gas", "verify_gas", "rss_mb", "proof_bytes", "k")


@pytest.fixture
def circuits_of(request: pytest.FixtureRequest) -> Circuits:
    """The session's circuits: `circuits` is the benchmark's module here."""
    made: Circuits = request.getfixturevalue("circuits")
    return made


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.mark.slow
async def test_report(tmp_path: Path, said: list[str]) -> None:
    """Two of our circuits, with real proofs, a real chain and a real daemon."""
    out = tmp_path / "new" / "bench.json"
    cases = ("quadratic-private-b1", "quadratic-public-b1")
    report = await bench.run(repeat=1, cold_setup=False, out=out, echo=said.append, cases=cases, observations=5)
    assert json.loads(out.read_text()) == report

    for case in cases:
        assert all(report[case][name] > 0 for name in NUMBERS), report[case]
        assert report[case]["total_s"] >= report[case]["prove_s"]
        # A report pays for its proof, and for signatures, features, storage and events on top of it.
        assert 150_000 < report[case]["verify_gas"] < report[case]["gas"] < 1_000_000
    private, public = (report[case] for case in cases)
    # The hash of the weights costs commitments and an instance.
    assert private["proof_bytes"] > public["proof_bytes"]
    assert private["instances"] == public["instances"] + 1
    assert private["verify_gas"] > public["verify_gas"]

    for name in ("end_to_end", "end_to_end_one_worker"):
        assert report[name]["observations"] == 5
        assert 0 < report[name]["p50_s"] <= report[name]["p95_s"]
        assert report[name]["case"] == "quadratic-private-b1"
    assert report["end_to_end_one_worker"]["workers"] == 1
    assert report["daemon_rss_mb"] > report["daemon_parent_rss_mb"] > 10
    for case in cases:
        # The graph alone says how many rows there will be; the digits of nothing are to be counted.
        assert report[case]["estimate_error"]["graph"]["rows"] == pytest.approx(0, abs=0.15)
        assert report[case]["estimate_error"]["settings"]["gas"] == pytest.approx(0, abs=0.1)
        assert (report[case]["flips_per_10k"], report[case]["unprovable_per_10k"]) == (0, 0)
        assert report[case]["flips_samples"] >= 10_000
    assert report["cli_help_s"] > 0
    assert report["machine"]["cores"] >= 1 and report["versions"]["ezkl"] == "23.0.5"
    assert not {"cold_setup_s", bench.DEFAULT, "quadratic-verdict-b1", *submissions.CASES} & report.keys()

    printed = "\n".join(said)
    for case in cases:
        assert f"{report[case]['gas']:,}" in printed
    assert str(out) in said


async def test_a_brought_model_is_tuned_proven_and_verified(
    tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning, "FINALISTS", 1)
    monkeypatch.setattr(tuning, "PROOFS", 1)
    report = await bench.run(
        repeat=1, cold_setup=False, out=tmp_path / "bench.json", echo=said.append, cases=["tuned-logistic"]
    )
    found = report["tuned-logistic"]
    assert all(found[name] > 0 for name in NUMBERS), found
    # As many rows as there are features times three, and what is published.
    assert found["k"] == 6 and found["estimate_error"]["graph"]["rows"] == 0
    assert (found["flips_samples"], found["unprovable_per_10k"]) == (zoo.HELD_OUT, 0)
    assert found["flips_per_10k"] <= 10
    assert "end_to_end" not in report and "default_over_prove" not in found
    assert report["estimator"]["cases"] == 1


def test_ezkls_verdicts_are_its_circuits(tmp_path: Path) -> None:
    """Many windows at once in a circuit for so many, of the integers of the circuit for one; none without a verdict."""
    subject = replace(circuits.brought_subject("linear", 1), name="cnn")
    files = {name: str(tmp_path / name) for name in ("model", "settings", "circuit")}
    Path(files["model"]).write_bytes(subject.graph(1))
    with EngineProcess(threads=1) as engine:
        settings = engine.call("gen_settings", model=files["model"], settings=files["settings"], run_args={})
        engine.call("compile_circuit", **circuits.some(files, "model", "settings", "circuit"))
        found = circuits._default_flips(engine, subject, settings, files["circuit"], tmp_path)
        assert found["flips_samples"] == 1_000 and found["flips_per_10k"] < 500 and found["unprovable_per_10k"] == 0
        # A window that no circuit of these limbs takes: its neighbours keep their verdicts.
        wild = subject.judged.copy()
        wild[7] = 1e9
        found = circuits._default_flips(engine, replace(subject, judged=wild), settings, files["circuit"], tmp_path)
        assert found["unprovable_per_10k"] == 10


async def test_throughput_of_a_real_prover(circuits_of: Circuits) -> None:
    built = circuits_of(batch=1, visibility=Visibility.PUBLIC)
    windows = circuits.recorded_windows(300, None)
    found = await circuits.throughput(built, windows, 0.5)
    assert found["proofs"] >= found["processes"] and found["seconds"] >= 0.5
    assert found["proofs_per_s"] == found["windows_per_s"] > 0


@pytest.mark.slow
async def test_submissions(tmp_path: Path, said: list[str]) -> None:
    """Batches of both models, with real proofs: one feed's share, and that its parts are all of it."""
    cases = ("submit-private-b4", "submit-public-b1", "submit-public-b4")
    out = tmp_path / "bench.json"
    report = await bench.run(repeat=1, cold_setup=False, out=out, echo=said.append, cases=cases)
    assert not {"end_to_end", *set(bench.CASES) - set(cases)} & report.keys()
    for case in cases:
        found, batch = report[case], int(case.rpartition("b")[2])
        assert found["floor_gas"] < found["verify_gas"] < found["gas"]
        assert found["gas_per_feed"] == round(found["gas"] / batch)
        # One submission: the parts that its gas was taken to pieces into are all of it.
        parts = found["profile"]
        pieces = (*parts["hub_per_feed"].values(), parts["adapter_per_feed"], parts["calldata_beyond_per_feed"])
        bare = submissions.TRANSACTION_GAS + found["bare_calldata_gas"] + parts["verifier"]
        assert bare + batch * sum(pieces) == pytest.approx(found["gas"], abs=batch * len(pieces))
        assert found["verify_gas"] == pytest.approx(bare, abs=500)
        # Chainlink's two events, and the account that emits them.
        adapter = found["hub_gas_per_feed"] - found["hub_gas_per_feed_without_adapter"]
        assert 2_600 + 2 * 1_756 < adapter < 9_000
        # A round's slot was empty, the feed's track was not; configuration, track, last round and reporter are read.
        assert parts["hub_per_feed"]["sstore"] == 22_100 + 2_900
        assert parts["hub_per_feed"]["sload"] >= 4 * 2_100
        assert parts["hub_per_feed"]["ecrecover"] == 3_100
        # Each commitment is scaled once; so is the generator.
        assert parts["precompiles"]["ecmul"] == sum(found["commitments"].values()) + 1
        assert parts["precompiles"]["pairing"] == 1
    private, public = report["submit-private-b4"], report["submit-public-b4"]
    assert private["instances"] == public["instances"] + 1
    assert private["floor_gas"] > public["floor_gas"]
    assert public["gas_per_feed"] < report["submit-public-b1"]["gas_per_feed"] / 2
    printed = "\n".join(said)
    assert all(f"{report[case]['gas']:,}" in printed for case in cases)


async def test_claims(tmp_path: Path, said: list[str]) -> None:
    """A claim that a registry records, and proofs of the same statement."""
    out, case = tmp_path / "bench.json", "claim-linear-8"
    report = await bench.run(repeat=1, cold_setup=False, out=out, echo=said.append, cases=[case])
    found = report[case]
    assert (found["inputs"], found["weights"], found["instances"]) == (8, 9, 12)
    assert all(found[name] > 0 for name in ("prove_s", "claim_s", "verify_s", "setup_s", "rss_mb", "k", "proof_bytes"))
    # The registry's work comes on top of the verifier's.
    assert 300_000 < found["verify_gas"] < found["gas"] < 1_500_000
    assert f"{found['gas']:,}" in "\n".join(said)
    assert not {*bench.CASES} - {case} & report.keys()


def test_models_that_claims_are_measured_with() -> None:
    assert list(claims.MODELS.values())[:3] == list(claims.PACKAGED)
    spec = claims.linear(8)
    assert spec == claims.linear(8) and spec.circuit().circuit.weights == 9
    # In the middle of the box its output is a half.
    middle = spec.encode({f"x_{at}": 0.5 for at in range(8)})
    assert spec.value(spec.circuit().score(middle), spec.circuit().score_unit) == pytest.approx(0.5, abs=0.01)


def test_profile_of_a_trace() -> None:
    """A hub that reads, recovers a signer, has a proof verified, writes, and calls two adapters."""
    steps = [
        Step("SLOAD", 1_000_000, 1),
        Step("STATICCALL", 997_900, 1),  # ecrecover
        Step("ADD", 994_800, 1),
        Step("STATICCALL", 994_797, 1),  # the verifier
        Step("STATICCALL", 900_000, 2),  # ECMUL
        Step("STATICCALL", 893_900, 2),  # ECADD
        Step("STATICCALL", 893_650, 2),  # modular exponentiation
        Step("STATICCALL", 892_000, 2),  # pairing
        Step("RETURN", 778_900, 2),
        Step("SSTORE", 871_097, 1),
        Step("LOG3", 848_997, 1),
        Step("EXTCODESIZE", 845_449, 1),
        Step("CALL", 842_849, 1),  # an adapter
        Step("LOG2", 800_000, 2),
        Step("STOP", 798_244, 2),
        Step("CALL", 840_993, 1),  # another
        Step("LOG2", 800_000, 2),
        Step("STOP", 798_244, 2),
        Step("STOP", 839_137, 1),
    ]
    found = submissions.profile(steps, 21_000 + 5_000 + (1_000_000 - 839_137), 5_500)
    assert found.verifier == 900_000 - 778_900
    assert found.adapters == 2 * 1_756
    assert found.calldata_beyond == -500
    assert found.hub == {
        "sload": 2_100,
        "ecrecover": 3_100,
        "computing": 3,
        "sstore": 22_100,
        "log": 3_548,
        # 2,600 for the verifier's account and for the first adapter's, 100 for calls of known ones.
        "accounts": 2_600 + 2_600 + 100 + 100,
    }
    assert found.precompiles == {"ecmul": 1, "ecadd": 1, "modexp": 1, "pairing": 1}


def test_floor_of_a_verification() -> None:
    assert submissions.calldata_gas(bytes([0, 0, 1, 255])) == 2 * 4 + 2 * 16
    assert submissions.floor(bytes(10), 3) == 21_000 + 40 + 113_000 + 3 * 6_150


def test_calm_stretches_are_never_held() -> None:
    """Reported day after day to an empty feed, and each stretch is another one."""
    model = circuits.quadratic("score")
    found = submissions.calm_stretches(model, 3, 20)
    assert [len(answers) for answers in found] == [20, 20, 20]
    assert len(set(found)) == 3
    assert not any(submissions._is_held(model, model.training.series["sp500"], found[0][:end]) for end in range(1, 21))


@pytest.mark.parametrize(
    "wrong",
    [{"cases": ["quadratic"]}, {"cases": []}, {"repeat": 0}, {"observations": 4}, {"observations": 61}],
    ids=str,
)
async def test_nothing_is_measured_if_it_makes_no_sense(tmp_path: Path, said: list[str], wrong: dict[str, Any]) -> None:
    asked: dict[str, Any] = {"repeat": 1, "cold_setup": False, "out": tmp_path / "bench.json", "echo": said.append}
    with pytest.raises(ValueError, match="must be of"):
        await bench.run(**(asked | wrong))
    assert not asked["out"].exists() and not said


def test_ezkls_defaults_refuse_the_graph_and_say_why(tmp_path: Path) -> None:
    """The one argument that the comparison changes has to be changed, and more limbs are what was missing."""
    model, settings = str(tmp_path / "model.onnx"), str(tmp_path / "settings.json")
    Path(model).write_bytes(circuits.quadratic("score").to_onnx(1))
    windows = circuits.recorded_windows(5, circuits.CALIBRATION_START)
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


def test_windows_are_the_hubs_features() -> None:
    windows = circuits.recorded_windows(3, circuits.CALIBRATION_START)
    assert [len(window) for window in windows] == [16, 16, 16]
    # Each day's move is the next day's newest accepted one.
    assert [window[1:3] for window in windows[1:]] == [window[:2] for window in windows[:2]]
    # 2008-07-23 was a Wednesday; one day after another.
    assert windows[0][-1] == 1_000


@pytest.mark.slow
def test_growth_measures_what_it_can_and_estimates_the_rest(tmp_path: Path) -> None:
    out, lines = tmp_path / "bench.json", list[str]()
    out.write_text('{"repeat": 3}')
    found = growth.run(
        out=out, echo=lines.append, sizes=(40, 3_000), most_seconds=0.3, large=(), plot=tmp_path / "growth.png"
    )
    assert json.loads(out.read_text()) == {"repeat": 3, "growth": found}
    measured = [each for each in found["circuits"] if each["measured"]]
    assert [(each["visibility"], each["weights"] < 60) for each in measured] == [("public", True)]
    assert measured[0]["measured"]["verified"] and measured[0]["measured"]["memory_mb"] > 10
    assert {each["visibility"] for each in found["circuits"]} == {"public", "private"}
    assert any("| estimated |" in line for line in lines) and (tmp_path / "growth.png").stat().st_size > 1_000
    out.write_text("[]")
    with pytest.raises(DataError, match="is no report"):
        growth.run(out=out, echo=lines.append, sizes=())
