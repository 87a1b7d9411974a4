"""Tests of fairness audits with real proofs, of attempts at better rates, and of the notebook."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from oracle.bench.claims import linear
from oracle.claims import AtLeast, ModelSpec, ZkmlClient, fairness
from oracle.claims.fairness import FairnessAudit, FairnessReport, samples
from oracle.claims.fairness.audit_set import AuditSet
from oracle.cli import oracle
from oracle.core.encoding import FIELD_MODULUS
from oracle.core.errors import ArtifactError, OracleError
from oracle.proving.artifact import PROVER_FILES, Artifact, publish
from oracle.proving.verification import LocalVerifier
from tests import circuits

BATCH = 20
ROWS = 36
"""A full batch, and a batch of sixteen rows."""

MODEL = ModelSpec.packaged("credit")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of circuits, `build/claims` of a working folder: commands and the notebook look there."""
    build = tmp_path_factory.mktemp("evidence") / "build"
    build.mkdir()
    (build / "claims").symlink_to(circuits.folder(), target_is_directory=True)
    return build / "claims"


@pytest.fixture(scope="module")
def circuit(folder: Path) -> Artifact:
    return fairness.build(
        MODEL,
        BATCH,
        srs=circuits.srs(),
        compile_standard=circuits.compiler,
        cache=folder / "artifacts",
    )


@pytest.fixture(scope="module")
def rows() -> AuditSet:
    return samples.made_up(MODEL, ROWS, 1)


@pytest.fixture(scope="module")
def audit(circuit: Artifact, rows: AuditSet) -> FairnessAudit:
    return asyncio.run(fairness.prove(MODEL, circuit, rows, AtLeast(0.6)))


@pytest.fixture(scope="module")
def copy(circuit: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return publish(circuit, tmp_path_factory.mktemp("auditor") / "circuit")


@pytest.fixture(scope="module")
def verifier(copy: Artifact) -> Iterator[LocalVerifier]:
    with LocalVerifier(copy) as opened:
        yield opened


@pytest.fixture(scope="module")
def client(folder: Path, circuit: Artifact) -> Iterator[ZkmlClient]:
    with ZkmlClient(folder) as made:
        made.register_model(MODEL)
        yield made


def numbers(text: str) -> set[int]:
    """Return the whole numbers that a document shows as such or in hexadecimal, and those that a word of a proof is.

    Digits within a proof or a hash are none: any short number is among enough of them. A word counts from either end,
    and as a negative number of the field.
    """
    found = {
        int(each, 0) for each in re.findall(r"(?<![0-9A-Za-z])-?(?:0x[0-9a-f]{1,64}|[1-9][0-9]*)(?![0-9A-Za-z])", text)
    }
    for digits in re.findall(r"(?:[0-9a-f]{64})+", text):
        data = bytes.fromhex(digits)
        words = [data[at : at + 32] for at in range(0, len(data), 32)]
        found |= {int.from_bytes(each, order) for each in words for order in ("big", "little")}
    return found | {each - FIELD_MODULUS for each in found}


def test_numbers_are_found_in_a_document_and_not_within_its_digits() -> None:
    word = (FIELD_MODULUS - 932_921).to_bytes(32, "little").hex()
    assert numbers(f'{{"a": -932921, "b": "0x{5:x}", "c": [7, "8"], "d": "{word}"}}') >= {-932_921, 5, 7, 8}
    assert numbers('{"proof": "0xab932921cd", "hash": "f932921", "file": "9329210"}').isdisjoint({932_921, -932_921})


def test_rates_are_those_of_the_model_that_claims_are_proven_of(
    audit: FairnessAudit, copy: Artifact, verifier: LocalVerifier, rows: AuditSet, client: ZkmlClient, tmp_path: Path
) -> None:
    """A verifier has files: the set, the audit and the circuit's public part. The hash comes from the registry."""
    assert not {each.name for each in copy.path.iterdir()} & set(PROVER_FILES)
    audit.save(tmp_path / "audit.json")
    rows.save(tmp_path / "set.csv")
    given = FairnessAudit.load(tmp_path / "audit.json")
    theirs = AuditSet.load(tmp_path / "set.csv", fairness.features_of(copy))
    claims_hash = client.registered("credit").model_hash
    report = fairness.verify(given, copy, verifier, theirs, claims_hash, cache=circuits.regenerated())
    assert (report.problems, report.verified, report.batches, report.rows) == ((), 2, 2, ROWS)
    assert any("local reference string" in note for note in report.notes)
    # The rates are the model's own, row by row.
    model = client.registered("credit")
    scores = [model.circuit.score(row) for row in rows.encode(MODEL.features)]
    expected = fairness.rates(rows.groups, [int(audit.lo <= score <= audit.hi) for score in scores])
    assert report.rates == expected and len(expected) == 2
    assert 0 < sum(rate.within for rate in expected) < ROWS
    # Anyone with the architecture can make the same key with other weights; another architecture has another key.
    other = fairness.reweighted(MODEL)
    assert other.onnx != MODEL.onnx
    report = fairness.verify(given, copy, verifier, theirs, claims_hash, other, cache=circuits.regenerated())
    assert report.ok and not any("not from an architecture that you know" in note for note in report.notes)
    narrower = replace(
        MODEL, features=MODEL.features[1:], onnx=linear(sum(each.width for each in MODEL.features[1:])).onnx
    )
    report = fairness.verify(given, copy, verifier, theirs, claims_hash, narrower, cache=circuits.regenerated())
    assert report.problems[-1] == "the circuit's key is not that of the architecture of credit"
    assert any("its settings differ: model_instance_shapes is" in each for each in report.problems)
    # Neither the published files nor the circuit's manifest contain a score.
    told = numbers((tmp_path / "audit.json").read_text()) | numbers((copy.path / "manifest.json").read_text())
    assert {audit.lo, audit.hi, audit.unit, audit.model_hash} <= told
    assert not {score for score in scores if abs(score) > 1_000} & told


@pytest.mark.attack
def test_better_rates_are_found_out(
    audit: FairnessAudit, copy: Artifact, verifier: LocalVerifier, rows: AuditSet, client: ZkmlClient
) -> None:
    def problems(
        altered: FairnessAudit, of: AuditSet = rows, model_hash: int | None = audit.model_hash
    ) -> Sequence[str]:
        report: FairnessReport = fairness.verify(altered, copy, verifier, of, model_hash, cache=circuits.regenerated())
        assert not report.ok and (report.rates, report.differences) == ((), ())
        return report.problems

    first, second = audit.batches
    flipped = replace(first, scores=((1 - first.scores[0][0],), *first.scores[1:]))
    altered = bytearray(second.proof)
    altered[100] ^= 1
    # Verdicts turned; a proof altered, longer, shorter, or of another batch; a batch repeated, left out or cut.
    for batches in (
        (flipped, second),
        (first, replace(second, proof=bytes(altered))),
        (first, replace(second, proof=second.proof + b"\0")),
        (first, replace(second, proof=second.proof[:-32])),
        (first, replace(second, proof=first.proof)),
        (first, first),
        (first,),
        (first, second, second),
        (second, first),
        (first, replace(second, scores=second.scores[:-1])),
        (first, replace(second, scores=((2,), *second.scores[1:]))),
        (first, replace(second, scores=((second.scores[0][0] + FIELD_MODULUS,), *second.scores[1:]))),
    ):
        assert problems(replace(audit, batches=batches))
    # Other bounds than proven, reversed ones, and some for which an order means nothing; another unit.
    changes: list[dict[str, Any]] = [
        {"lo": audit.lo - 1},
        {"hi": audit.hi - 1},
        {"lo": audit.hi, "hi": audit.lo},
        {"hi": FIELD_MODULUS // 2 + 1},
        {"lo": audit.lo - FIELD_MODULUS},
        {"unit": audit.unit * 2},
    ]
    for change in changes:
        assert problems(replace(audit, **change)), change
    # Another model, or another name for it; another circuit.
    assert problems(audit, model_hash=audit.model_hash ^ 1) == (
        f"it audits the model {audit.model_hash:#066x}, not {audit.model_hash ^ 1:#066x}",
    )
    assert problems(replace(audit, model_hash=audit.model_hash ^ 1), model_hash=None)
    assert problems(replace(audit, artifact_hash="0" * 64))
    # The owner's set is not the verifier's: a row altered, exchanged with another or left out; groups renamed.
    older = ({**rows.rows[0], "age_in_years": 70}, *rows.rows[1:])
    for of in (
        replace(rows, rows=older),
        replace(rows, rows=(rows.rows[1], rows.rows[0], *rows.rows[2:])),
        AuditSet(rows.rows[:-1], rows.groups[:-1]),
        replace(rows, groups=rows.groups[::-1]),
    ):
        assert "it was made with another audit set" in problems(audit, of)
    # Even with the altered set's fingerprint, the proofs are still about the set that was proven.
    forged = replace(audit, fingerprint=replace(rows, rows=older).fingerprint(MODEL.features))
    assert any(problem.startswith("batch 0") for problem in problems(forged, replace(rows, rows=older)))
    # A claim's circuit is not an audit's.
    claims = client.registered("credit").artifact
    with pytest.raises(ArtifactError, match="not the circuit of an audit"):
        fairness.verify(audit, claims, verifier, rows, None, cache=circuits.regenerated())


def test_commands(
    audit: FairnessAudit, circuit: Artifact, copy: Artifact, rows: AuditSet, folder: Path, tmp_path: Path
) -> None:
    """These are the commands of the owner and of everybody else."""

    def run(*arguments: object) -> Any:
        return CliRunner().invoke(oracle, ["claim", "fairness", *map(str, arguments)])

    made = run("sample", "--rows", ROWS, "--out", tmp_path / "set.csv", "--json")
    assert made.exit_code == 0 and json.loads(made.output)["fingerprint"] == rows.fingerprint(MODEL.features)
    audit.save(tmp_path / "audit.json")
    asked = ("verify", tmp_path / "audit.json", "--set", tmp_path / "set.csv", "--artifact", copy.path)
    done = run(*asked, "--model-hash", hex(audit.model_hash))
    assert done.exit_code == 0, done.output
    assert "2 of 2 verified, 36 rows" in done.output and "the audit is what it says" in done.output
    assert "25 or younger less over 25" in done.output
    machine = run(*asked, "--json")
    assert json.loads(machine.output)["rates"][0]["group"] == "25 or younger"
    assert any("compare it with the registry's" in note for note in json.loads(machine.output)["notes"])
    other = run(*asked, "--model-hash", "0x1")
    assert other.exit_code == 1 and "the audit is NOT what it says" in other.output

    prove = ("prove", tmp_path / "set.csv", "--folder", folder, "--out", tmp_path / "new.json")
    for arguments, says in (
        (prove, "state --at-least, --at-most, or both"),
        ((*prove, "--at-least", 1.5), "the output of credit is between 0 and 1"),
        ((*prove[:1], tmp_path / "none.csv", *prove[2:], "--at-least", 0.6), "can't be read"),
        (("verify", tmp_path / "set.csv", *asked[2:]), "can't be read"),
        ((*asked[:4], "--artifact", tmp_path), "there is no artifact"),
    ):
        refused = run(*arguments)
        assert isinstance(refused.exception, OracleError) and says in str(refused.exception), refused.output
    assert not (tmp_path / "new.json").exists()


@pytest.mark.slow
def test_the_notebook_runs_from_top_to_bottom(
    project_root: Path, folder: Path, client: ZkmlClient, circuit: Artifact, tmp_path: Path
) -> None:
    """Proofs and chain are real; only the circuits, which this module has built, are found again."""
    source = project_root / "examples" / "claims.ipynb"
    cells = json.loads(source.read_text(encoding="utf-8"))["cells"]
    # It is committed without outputs, so nothing in it can be out of date.
    assert not [cell for cell in cells if cell.get("outputs") or cell.get("execution_count")]
    places = ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")
    environment = dict(os.environ) | {name: str(tmp_path / name.lower()) for name in places}
    executed = tmp_path / "executed.ipynb"
    code = (
        "import sys, nbformat; from nbclient import NotebookClient; "
        "book = nbformat.read(sys.argv[1], as_version=4); "
        "NotebookClient(book, timeout=240, kernel_name='python3').execute(cwd=sys.argv[2]); "
        "nbformat.write(book, sys.argv[3])"
    )
    working = folder.parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code, str(source), str(working), str(executed)],
        env=environment, capture_output=True, text=True, check=False, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3_000:]
    outputs = [output for cell in json.loads(executed.read_text())["cells"] for output in cell.get("outputs", ())]
    text = "".join(line for output in outputs if output["output_type"] == "stream" for line in output["text"])
    assert "verified off-chain: True" in text and "valid on-chain: True" in text
    assert "output is outside the range" in text and "3 proofs of 20 rows" in text
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 3
