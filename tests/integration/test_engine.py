"""Tests that the circuit is the integer reference, on every window that the contract can ask for."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import distribution
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oracle.core.encoding import CLIP, GAP_ONE
from oracle.core.errors import ArtifactError, ProverCrashed, ProverTimeout
from oracle.detectors.interface import Disclosure
from oracle.detectors.kinds.quadratic import PAST, WIDTH, QuadraticModel
from oracle.proving.artifact import CIRCUIT, Artifact, Visibility
from oracle.proving.engine.child import EngineProcess
from oracle.proving.srs.ceremony import CEREMONY_SHA256

MODEL = QuadraticModel.default()

values = st.one_of(st.integers(-CLIP, CLIP), st.sampled_from([-CLIP, -1, 0, 1, CLIP]), st.integers(-3_000, 3_000))
gaps = st.one_of(st.integers(GAP_ONE, CLIP), st.sampled_from([GAP_ONE, CLIP]))
windows = st.builds(lambda past, gap: (*past, gap), st.lists(values, min_size=PAST + 1, max_size=PAST + 1), gaps)


@pytest.fixture(scope="module")
def engine() -> Iterator[EngineProcess]:
    with EngineProcess(threads=1) as process:
        yield process


@pytest.fixture(
    scope="module",
    params=list(product(Visibility, Disclosure)),
    ids=lambda pair: f"{pair[0].value}-{pair[1].value}",
)
def circuit(request: pytest.FixtureRequest, circuits: Any) -> Artifact:
    visibility, disclosure = request.param
    made: Artifact = circuits(visibility=visibility, disclosure=disclosure)
    return made


def witnessed(engine: EngineProcess, circuit: Artifact, window: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(engine.call("witness", circuit=circuit.file(CIRCUIT), inputs=list(window))["outputs"])


def corners() -> list[tuple[int, ...]]:
    """Return all combinations of extremes, with the past moves together, alternating and one by one."""
    extremes = (-CLIP, 0, CLIP)
    pasts = [(value,) * PAST for value in extremes]
    pasts.append(tuple(CLIP if index % 2 else -CLIP for index in range(PAST)))
    pasts += [tuple(CLIP * (index == at) for index in range(PAST)) for at in range(PAST)]
    return [(now, *past, gap) for now in extremes for past in pasts for gap in (GAP_ONE, CLIP)]


def test_witness_is_the_reference_at_the_corners(engine: EngineProcess, circuit: Artifact) -> None:
    model = MODEL.publishing(Disclosure(circuit.manifest.disclosure))
    for window in corners():
        assert witnessed(engine, circuit, window) == model.score_int(window), window


@settings(max_examples=120, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(window=windows)
def test_witness_is_the_reference(engine: EngineProcess, circuit: Artifact, window: tuple[int, ...]) -> None:
    model = MODEL.publishing(Disclosure(circuit.manifest.disclosure))
    assert witnessed(engine, circuit, window) == model.score_int(window)


def test_comparison_is_exact_at_zero(engine: EngineProcess, circuits: Any) -> None:
    """Scores of −1, 0 and 1 at scale 2^20 are the smallest that a comparison could get wrong."""
    model = QuadraticModel("edge", (1, *(0,) * (PAST - 1)), floor=(1 << 20) - 1, drift_past=0, drift_floor=1 << 22)
    verdicts = circuits(model=model, disclosure=Disclosure.VERDICT)
    # x_0² 2^20 − g (ω + x_1²), with x_0² = g = 1024.
    for before, score in ((0, 1_024), (1, 0), (2, -3 * 1_024)):
        window = (32, before, *(0,) * (PAST - 1), 1_024)
        assert model.score_int(window)[0] == score
        assert witnessed(engine, verdicts, window)[0] == int(score > 0)


def test_batched_windows_do_not_mix(engine: EngineProcess, circuits: Any) -> None:
    circuit = circuits(batch=4)
    rows = [(100 * index, *range(index, index + PAST), GAP_ONE + index) for index in range(4)]
    outputs = engine.call("witness", circuit=circuit.file(CIRCUIT), inputs=[value for row in rows for value in row])
    assert outputs["outputs"] == [score for row in rows for score in MODEL.score_int(row)]


def test_the_hash_is_the_models_own(circuits: Any) -> None:
    """A model has one hash, whatever the batch, and whatever the circuit publishes."""
    hashes = {circuits(batch=batch, disclosure=disclosure).model_hash for batch in (1, 4) for disclosure in Disclosure}
    assert len(hashes) == 1
    assert hashes.pop() not in (0, None)
    assert circuits(visibility=Visibility.PUBLIC).model_hash is None


# --- the child process -------------------------------------------------------------------------------------------


def test_refusals_are_told_in_one_line_and_the_child_goes_on(engine: EngineProcess, tmp_path: Path) -> None:
    engine.call("peak_memory")
    before = engine.pid
    (tmp_path / "bad.onnx").write_bytes(b"not onnx")
    with pytest.raises(ArtifactError, match="ezkl refused gen_settings") as refusal:
        engine.call("gen_settings", model=str(tmp_path / "bad.onnx"), settings=str(tmp_path / "s"), run_args={})
    assert "\n" not in str(refusal.value)
    with pytest.raises(ArtifactError, match="no run argument 'frobnicate'"):
        engine.call("gen_settings", model="m", settings="s", run_args={"frobnicate": 1})
    with pytest.raises(ArtifactError, match="KeyError"):
        engine.call("no_such_operation")
    assert engine.pid == before


@pytest.mark.chaos
def test_a_deadline_ends_the_child_and_the_next_call_starts_another(circuits: Any, tmp_path: Path) -> None:
    with EngineProcess() as engine:
        engine.call("peak_memory")
        before = engine.pid
        with pytest.raises(ProverTimeout, match=r"within 0\.2 s"):
            engine.call("gen_srs", deadline=0.2, srs=str(tmp_path / "srs"), logrows=18)
        assert engine.pid is None
        assert witnessed(engine, circuits(), (0,) * PAST + (0, GAP_ONE)) == MODEL.score_int(
            (0,) * (WIDTH - 1) + (1_000,)
        )
        assert engine.pid != before


def test_a_closed_process_takes_no_calls() -> None:
    engine = EngineProcess()
    engine.call("peak_memory")
    engine.close()
    engine.close()
    with pytest.raises(ProverCrashed, match="closed"):
        engine.call("peak_memory")


def test_noise_on_standard_output_does_not_reach_the_protocol(engine: EngineProcess, tmp_path: Path) -> None:
    """ezkl warns about small scales on standard output while it reads a model."""
    graph = tmp_path / "m.onnx"
    graph.write_bytes(MODEL.to_onnx(1))
    written = engine.call(
        "gen_settings", model=str(graph), settings=str(tmp_path / "s"), run_args={"param_scale": 1, "logrows": 17}
    )
    assert written["run_args"]["param_scale"] == 1


def test_known_ceremony_hashes_are_this_ezkls() -> None:
    """The table of the ceremony's hashes is the one in the pinned release."""
    library = next(
        path for path in distribution("ezkl").files or [] if path.suffix in (".so", ".pyd") and "ezkl" in path.name
    )
    content = Path(str(distribution("ezkl").locate_file(library))).read_bytes()
    assert "".join(CEREMONY_SHA256[k] for k in sorted(CEREMONY_SHA256)).encode() in content


@pytest.mark.attack
@pytest.mark.parametrize("end", ["kill", "close", "deadline"])
def test_a_child_that_is_killed_leaves_no_witness(tmp_path: Path, end: str) -> None:
    """A witness has a private model's weights and somebody's data. A killed process removes nothing by itself."""
    engine = EngineProcess(threads=1, scratch=tmp_path)
    engine.call("peak_memory")
    [folder] = [path for path in tmp_path.glob("oracle-engine-*/*") if path.is_dir()]
    assert f"TMPDIR={folder}".encode() in Path(f"/proc/{engine.pid}/environ").read_bytes().split(b"\0")
    assert folder.stat().st_mode & 0o077 == folder.parent.stat().st_mode & 0o077 == 0
    (folder / "witness.json").write_text("private")
    if end == "deadline":
        with pytest.raises(ProverTimeout):
            engine.call("poseidon", deadline=0.0, vectors=[[1] * 100_000])
        assert not folder.exists()
    elif end == "kill":
        engine.kill()
        engine.call("peak_memory")  # a new child
        assert not folder.exists()
    engine.close()
    assert [path for path in tmp_path.rglob("*") if path.is_file() and path.name != ".staging.lock"] == []


def test_a_proving_process_loads_what_it_needs() -> None:
    """Hundreds of them are started in a day of tests, and each keeps in memory what it has loaded."""
    heavy = {"asyncio", "numpy", "onnx", "ssl"}
    code = f"import sys\nfrom oracle.proving.engine import calls\nprint(sorted({heavy!r} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
