"""Tests of artifacts: built once, found again, complete, reproducible. Also tests of their verifiers on a chain."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from oracle.chain.local.anvil import Anvil
from oracle.chain.local.ports import reserved_port
from oracle.core.encoding import CLIP, FIELD_MODULUS, GAP_ONE
from oracle.core.errors import ArtifactError, ChainUnavailable, DataError, SrsUnavailable
from oracle.core.formats import keccak
from oracle.detectors.interface import Disclosure
from oracle.detectors.kinds.quadratic import FEATURES, PAST, WIDTH, QuadraticModel
from oracle.proving.artifact import (
    AUDIT_FILES,
    CIRCUIT,
    MANIFEST,
    MODEL,
    PK,
    PROBE,
    PROVER_FILES,
    SETTINGS,
    VK,
    Artifact,
    Manifest,
    Visibility,
    build,
    load,
    verifier,
)
from oracle.proving.hashing import sha256_of
from oracle.proving.interface import Proof, ProofJob
from oracle.proving.pool.local import LocalProver
from oracle.proving.srs.cache import SrsCache
from oracle.proving.srs.download import Patience
from oracle.proving.srs.files import SrsOrigin
from oracle.proving.verification import LocalVerifier
from tests.circuits import compiler, srs
from tests.transactions import mined

DEFAULT = QuadraticModel.default()
WINDOW = (CLIP, *range(PAST), GAP_ONE)


@pytest.fixture(scope="module")
def artifact(circuits: Any) -> Artifact:
    made: Artifact = circuits()
    return made


@pytest.fixture
def copy(artifact: Artifact, tmp_path: Path) -> Path:
    """Return a copy that a test may damage."""
    for path in artifact.path.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def test_manifest_says_what_it_is(artifact: Artifact) -> None:
    manifest = artifact.manifest
    assert (manifest.batch, manifest.width, manifest.outputs, manifest.k) == (1, WIDTH, 2, 10)
    assert manifest.features == ("move", *(f"past_{age}" for age in range(PAST)), "gap")
    assert (manifest.proof_bytes, manifest.instance_count) == (2_336, 17)
    assert manifest.srs_origin is SrsOrigin.INSECURE_LOCAL
    assert manifest.ezkl == "23.0.5"
    assert set(manifest.files) == {*PROVER_FILES, *AUDIT_FILES}
    assert 0 < manifest.model_hash < FIELD_MODULUS
    assert "0x" + artifact.verifier().code_hash.hex() == manifest.verifier_code_hash
    assert manifest.circuit_hash in artifact.verifier_source()
    assert not verifier.is_public_ceremony(artifact.verifier_source())


def test_it_is_built_once(circuits: Any, artifact: Artifact) -> None:
    before = (artifact.path / MANIFEST).stat().st_mtime_ns
    again = circuits()
    assert again == artifact
    assert (again.path / MANIFEST).stat().st_mtime_ns == before


@pytest.fixture(scope="module")
def again(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """Return `artifact` built again, in a folder of its own."""
    folder = tmp_path_factory.mktemp("again")
    return build(DEFAULT, 1, visibility=Visibility.PRIVATE, srs=srs(), compile_standard=compiler, cache=folder)


def test_nothing_is_left_beside_artifacts(again: Artifact) -> None:
    assert {path.name for path in again.path.parent.iterdir()} == {again.path.name, f"{again.path.name}.lock"}


def test_two_builds_are_the_same_artifact(artifact: Artifact, again: Artifact) -> None:
    assert again.artifact_hash == artifact.artifact_hash
    differing = {name for name, digest in again.manifest.files.items() if digest != artifact.manifest.files[name]}
    assert differing <= {CIRCUIT}


def test_another_model_of_the_architecture_shares_keys_and_verifier(artifact: Artifact, circuits: Any) -> None:
    """A retrained private model costs one hash on-chain, not a deployment."""
    other = circuits(model=replace(DEFAULT, name="other", floor=DEFAULT.floor * 2, past=DEFAULT.past[::-1]))
    assert other.model_hash != artifact.model_hash
    for name in (VK, PK):
        assert other.manifest.files[name] == artifact.manifest.files[name]
    assert other.manifest.circuit_hash == artifact.manifest.circuit_hash
    assert other.manifest.verifier_code_hash == artifact.manifest.verifier_code_hash
    for name in (MODEL, CIRCUIT):
        assert other.manifest.files[name] != artifact.manifest.files[name]


def test_public_models_do_not_share_their_key(circuits: Any) -> None:
    one = circuits(visibility=Visibility.PUBLIC)
    two = circuits(visibility=Visibility.PUBLIC, model=replace(DEFAULT, name="other", floor=DEFAULT.floor * 2))
    assert one.manifest.files[VK] != two.manifest.files[VK]
    assert one.manifest.verifier_code_hash != two.manifest.verifier_code_hash


def test_private_artifacts_are_the_owners_only(artifact: Artifact) -> None:
    assert artifact.path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", [*PROVER_FILES, *AUDIT_FILES])
@pytest.mark.parametrize("damage", ["bit", "gone"])
def test_damage_to_any_file_is_found(copy: Path, name: str, damage: str) -> None:
    if damage == "gone":
        (copy / name).unlink()
    else:
        content = bytearray((copy / name).read_bytes())
        content[len(content) // 2] ^= 1
        (copy / name).write_bytes(content)
    with pytest.raises(ArtifactError, match=name.replace(".", r"\.")):
        load(copy)


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("batch", 2, "altered"),
        ("model_hash", "0x05", "altered"),
        ("srs_origin", "public-ceremony", "altered"),
        ("schema", 99, "this release reads"),
        ("visibility", "secret", "not a manifest"),
        ("disclosure", "all", "disclosure"),
        ("files", [], "files"),
        ("surplus", 1, "not a manifest"),
        ("features", ["move", "gap"], "2 features, and its windows 14 integers"),
        ("features", ["move"] * 14, "'move' twice"),
        ("features", ["move", *(f"past_{age}" for age in range(11)), "speed", "gap"], "unknown feature 'speed'"),
        ("features", ["gap", *(f"past_{age}" for age in range(12)), "move"], "altered"),
    ],
)
def test_an_altered_manifest_is_found(copy: Path, key: str, value: object, says: str) -> None:
    document = json.loads((copy / MANIFEST).read_text())
    document[key] = value
    (copy / MANIFEST).write_text(json.dumps(document))
    with pytest.raises(ArtifactError, match=says):
        load(copy)


@pytest.mark.attack
def test_a_local_srs_can_not_be_passed_off_as_the_ceremonys(copy: Path) -> None:
    """Even a manifest whose own hash fits does not help."""
    manifest = replace(load(copy).manifest, srs_origin=SrsOrigin.PUBLIC_CEREMONY)
    document = manifest.document()
    document["artifact_hash"] = manifest.computed_hash()
    (copy / MANIFEST).write_text(json.dumps(document))
    with pytest.raises(ArtifactError, match="not of the origin"):
        load(copy)


@pytest.mark.attack
@pytest.mark.parametrize("prover", [True, False])
@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"param_visibility": "Private"}, "param_visibility is Private, which binds the proof to no model"),
        ({"param_visibility": "KZGCommit"}, "which commits to the weights without blinding"),
        ({"param_visibility": {"Hashed": {"hash_is_public": False, "outlets": [0]}}}, "no constraint ties"),
        ({"param_visibility": "Fixed"}, "the manifest calls the weights private"),
        ({"input_visibility": "Private"}, "input_visibility is Private, not Public"),
        ({"output_visibility": {"Hashed": {"hash_is_public": True, "outlets": []}}}, "output_visibility is Hashed"),
    ],
)
def test_a_circuit_that_binds_less_is_refused_though_all_hashes_fit(
    copy: Path, changes: dict[str, Any], says: str, prover: bool
) -> None:
    """The circuit was edited, or built elsewhere."""
    settings = json.loads((copy / SETTINGS).read_text())
    settings["run_args"] |= changes
    (copy / SETTINGS).write_text(json.dumps(settings))
    rehashed(copy)
    with pytest.raises(ArtifactError, match="is refused, though its hashes fit") as refused:
        load(copy, prover=prover)
    assert says in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.attack
@pytest.mark.parametrize("text", ["[]", "{}", "null", "{", '{"run_args": 1}'])
def test_settings_that_are_none_are_refused(copy: Path, text: str) -> None:
    (copy / SETTINGS).write_text(text)
    rehashed(copy)
    with pytest.raises(ArtifactError, match=r"settings\.json is not a settings file|no run arguments"):
        load(copy)


@pytest.mark.attack
def test_a_circuit_without_the_hash_among_its_instances_is_refused(copy: Path) -> None:
    """A circuit with ezkl's `private` weights has no such instance."""
    rehashed(copy, instance_count=16)
    with pytest.raises(ArtifactError, match="16 instances; the contract builds 17"):
        load(copy)


def test_the_manifest_says_what_is_private(artifact: Artifact, copy: Path) -> None:
    """The entry is outside the manifest's hash and does not change it, but a wrong entry is refused as well."""
    document = json.loads((copy / MANIFEST).read_text())
    assert document["privacy"] == artifact.manifest.privacy()
    assert document["privacy"]["weights"]["ezkl"] == "hashed"
    without = {name: value for name, value in document.items() if name != "privacy"}
    (copy / MANIFEST).write_text(json.dumps(without))
    assert load(copy).artifact_hash == artifact.artifact_hash
    document["privacy"]["weights"]["hidden"] = False
    (copy / MANIFEST).write_text(json.dumps(document))
    with pytest.raises(ArtifactError, match="statement on privacy"):
        load(copy)


def rehashed(folder: Path, **changes: Any) -> None:
    """Make an artifact's hashes fit its files."""
    document = json.loads((folder / MANIFEST).read_text()) | changes
    document["files"] = {name: sha256_of(folder / name) for name in document["files"]}
    document["artifact_hash"] = Manifest.from_document(document).computed_hash()
    (folder / MANIFEST).write_text(json.dumps(document))
    probe = json.loads((folder / PROBE).read_text()) | {"artifact_hash": document["artifact_hash"]}
    (folder / PROBE).write_text(json.dumps(probe))


def test_the_probe_is_of_the_calmest_window(artifact: Artifact) -> None:
    probe = artifact.probe()
    assert probe.window == (0,) * (PAST + 1) + (GAP_ONE,)
    assert probe.scores == DEFAULT.score_int(probe.window)
    assert PROBE not in artifact.manifest.files
    with LocalVerifier(artifact) as verify:
        assert verify.verify(probe.proof, artifact.instances([probe.window], [probe.scores])).verified


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("artifact_hash", "00" * 32, "another artifact's"),
        ("window", [0] * 13, "size"),
        ("window", [0] * 13 + [CLIP + 1], "clipped integers"),
        ("window", [0] * 13 + [1.0], "clipped integers"),
        ("window", None, "not a probe"),
        ("scores", [0, 2**127], "integers of the circuit"),
        ("scores", [0], "size"),
        ("proof", "00", "size"),
        ("proof", "zz", "not a probe"),
        ("proof", None, "not a probe"),
    ],
)
def test_a_probe_that_is_none_is_found(copy: Path, key: str, value: object, says: str) -> None:
    document = json.loads((copy / PROBE).read_text())
    (copy / PROBE).write_text(json.dumps(document | {key: value}))
    with pytest.raises(ArtifactError, match=says):
        load(copy)


def test_without_a_probe_it_is_an_auditors_copy_at_best(copy: Path) -> None:
    (copy / PROBE).unlink()
    with pytest.raises(ArtifactError, match=r"lacks probe\.json.*build the artifact again"):
        load(copy)
    with pytest.raises(ArtifactError, match=r"lacks probe\.json"):
        load(copy, prover=False).probe()
    (copy / PROBE).write_text("[]")
    with pytest.raises(ArtifactError, match="not a probe"):
        load(copy, prover=False)


def test_an_artifact_of_an_earlier_release_is_told(copy: Path) -> None:
    document = json.loads((copy / MANIFEST).read_text())
    (copy / MANIFEST).write_text(json.dumps(document | {"schema": 1}))
    with pytest.raises(ArtifactError, match="schema 1; this release reads 4"):
        load(copy)


@pytest.mark.parametrize("unit", [0, 2**40 + 1, 2**128])
def test_a_score_unit_that_the_hub_does_not_take(tmp_path: Path, unit: int) -> None:
    class Fine(QuadraticModel):
        score_unit = unit

    model = Fine(**{each.name: getattr(DEFAULT, each.name) for each in fields(DEFAULT)})
    with pytest.raises(ArtifactError, match=r"no score unit .* 40 significant bits"):
        build(
            model,
            1,
            visibility=Visibility.PRIVATE,
            srs=SrsCache(tmp_path / "srs").source(SrsOrigin.INSECURE_LOCAL),
            compile_standard=compiler,
            cache=tmp_path / "artifacts",
        )
    assert not (tmp_path / "artifacts").exists()


def test_no_artifact_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no artifact"):
        load(tmp_path)


@pytest.mark.attack
def test_a_detector_that_is_not_its_circuit_is_not_built(artifact: Artifact, tmp_path: Path) -> None:
    class Lying:
        """A detector that says one thing and exports another."""

        name, features, width, param_scale = "lying", FEATURES, WIDTH, 20
        outputs, score_unit, disclosure = 2, 1, "score"

        def score_int(self, features: Any) -> tuple[int, ...]:
            spike, drift = DEFAULT.score_int(features)
            return (spike, drift - (features[0] == CLIP))

        def score_bound(self) -> int:
            return DEFAULT.score_bound()

        def to_onnx(self, batch: int) -> bytes:
            return DEFAULT.to_onnx(batch)

    with pytest.raises(ArtifactError, match="integer reference"):
        build(
            Lying(),
            1,
            visibility=Visibility.PRIVATE,
            srs=srs(),
            compile_standard=compiler,
            cache=tmp_path,
        )
    assert [path for path in tmp_path.iterdir() if path.suffix != ".lock"] == []


# --- SRS ---------------------------------------------------------------------------------------------------------


def test_srs_files_are_made_once_and_marked(tmp_path: Path) -> None:
    cache = SrsCache(tmp_path / "srs")
    assert cache.status() == []
    made = cache.insecure_local(6)
    assert made == cache.insecure_local(6)
    assert cache.status() == [made]
    assert (made.k, made.origin) == (6, SrsOrigin.INSECURE_LOCAL)
    assert int.from_bytes(made.path.read_bytes()[:4], "little") == 6


@pytest.mark.attack
def test_a_local_srs_is_not_imported_as_the_ceremonys(tmp_path: Path) -> None:
    cache = SrsCache(tmp_path / "srs")
    local = cache.insecure_local(6)
    with pytest.raises(DataError, match="not the public ceremony"):
        cache.import_file(local.path)
    renamed = local.path.with_name("public-ceremony-k6.srs")
    local.path.rename(renamed)
    assert [found.origin for found in cache.status()] == [SrsOrigin.INSECURE_LOCAL]
    offline = SrsCache(cache.directory, f"http://127.0.0.1:{reserved_port()}", Patience(attempts=1))
    with pytest.raises(SrsUnavailable, match="is not the ceremony's file and is not used"):
        offline.public_ceremony(6)


@pytest.mark.parametrize("content", [b"", b"\x06\0\0\0", b"<html>"])
def test_what_is_no_srs_is_not_imported(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(DataError, match="not the public ceremony"):
        SrsCache(tmp_path / "srs").import_file(tmp_path / "file")


def test_an_srs_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="can't be read"):
        SrsCache(tmp_path).import_file(tmp_path / "none")
    with pytest.raises(ArtifactError, match="known for k of 1 to 26"):
        SrsCache(tmp_path).public_ceremony(27)


# --- the verifier on a chain -------------------------------------------------------------------------------------


class Deployed:
    """A verifier on a local chain, called with calldata that the test lays out."""

    def __init__(self, chain: Anvil, artifact: Artifact) -> None:
        self._chain = chain
        compiled = artifact.verifier()
        sender = chain.rpc("eth_accounts")[0]
        transaction = {"from": sender, "data": "0x" + compiled.bytecode.hex(), "gas": hex(8_000_000)}
        self._address = mined(chain.rpc, transaction)["contractAddress"]
        self.code = bytes.fromhex(chain.rpc("eth_getCode", self._address, "latest").removeprefix("0x"))
        self._selector = keccak(b"verifyProof(bytes,uint256[])")[:4]

    def accepts(self, arguments: bytes) -> bool:
        """Return whether a call with these encoded arguments returns true. A revert counts as false."""
        data = "0x" + (self._selector + arguments).hex()
        try:
            answer = self._chain.rpc("eth_call", {"to": self._address, "data": data}, "latest")
        except ChainUnavailable as error:
            if "refuses eth_call" not in str(error):
                raise
            return False
        return int(answer, 16) == 1


def word(value: int) -> bytes:
    return value.to_bytes(32, "big")


def canonical(proof: bytes, instances: tuple[int, ...]) -> bytes:
    tail = word(len(proof)) + proof + b"".join(word(value) for value in (len(instances), *instances))
    return word(0x40) + word(0x40 + 32 + len(proof)) + tail


@pytest.fixture(scope="module")
def chain(anvil: Callable[..., Anvil]) -> Anvil:
    return anvil()


@pytest.fixture(
    scope="module",
    params=[
        (Visibility.PRIVATE, Disclosure.SCORE),
        (Visibility.PUBLIC, Disclosure.SCORE),
        (Visibility.PRIVATE, Disclosure.VERDICT),
    ],
    ids=lambda pair: f"{pair[0].value}-{pair[1].value}",
)
def proven(request: pytest.FixtureRequest, circuits: Any) -> tuple[Artifact, Proof]:
    visibility, disclosure = request.param
    made = circuits(visibility=visibility, disclosure=disclosure)
    scores = DEFAULT.publishing(disclosure).score_int(WINDOW)

    async def prove() -> Proof:
        async with LocalProver(made) as prover:
            return await prover.prove(ProofJob((WINDOW,), (scores,)))

    return made, asyncio.run(prove())


@pytest.fixture(scope="module")
def deployed(chain: Anvil, proven: tuple[Artifact, Proof]) -> Deployed:
    return Deployed(chain, proven[0])


def test_the_chain_has_the_code_that_the_manifest_states(deployed: Deployed, proven: tuple[Artifact, Proof]) -> None:
    assert deployed.code == proven[0].verifier().runtime
    assert len(deployed.code) <= verifier.MAX_RUNTIME_BYTES


def test_the_verifier_accepts_the_proof(deployed: Deployed, proven: tuple[Artifact, Proof]) -> None:
    _, proof = proven
    assert deployed.accepts(canonical(proof.proof, proof.instances))


@pytest.mark.attack
def test_the_verifier_refuses_what_is_changed(deployed: Deployed, proven: tuple[Artifact, Proof]) -> None:
    _, made = proven
    for at in (0, 900, len(made.proof) - 1):
        altered = bytearray(made.proof)
        altered[at] ^= 1
        assert not deployed.accepts(canonical(bytes(altered), made.instances)), f"bit of byte {at}"
    for at, value in enumerate(made.instances):
        for other in ((value + 1) % FIELD_MODULUS, value + FIELD_MODULUS):
            changed = (*made.instances[:at], other, *made.instances[at + 1 :])
            assert not deployed.accepts(canonical(made.proof, changed)), f"instance {at}"
    for proof, instances in (
        (made.proof + bytes(32), made.instances),
        (made.proof[:-32], made.instances),
        (made.proof, (*made.instances, 0)),
        (made.proof, made.instances[:-1]),
    ):
        assert not deployed.accepts(canonical(proof, instances))


@pytest.mark.attack
def test_the_verifier_refuses_other_encodings_of_a_valid_proof(
    deployed: Deployed, proven: tuple[Artifact, Proof]
) -> None:
    """Each encoding decodes to the same arguments, but the generated code would read other words."""
    _, made = proven
    proof = word(len(made.proof)) + made.proof
    instances = b"".join(word(value) for value in (len(made.instances), *made.instances))
    other_instances = b"".join(word(value) for value in (len(made.instances), *((0,) * len(made.instances))))
    encodings = {
        "instances before the proof": word(0x40 + len(instances)) + word(0x40) + instances + proof,
        "a word between the heads and the proof": word(0x60) + word(0x60 + len(proof)) + word(0) + proof + instances,
        "a word between the proof and the instances": word(0x40)
        + word(0x60 + len(proof))
        + proof
        + word(0)
        + instances,
        "another proof at the fixed position": word(0x40 + len(proof) + len(instances))
        + word(0x40 + len(proof))
        + word(len(made.proof))
        + bytes(len(made.proof))
        + instances
        + proof,
        "other instances read than decoded": word(0x40)
        + word(0x40 + len(proof) + len(other_instances))
        + proof
        + other_instances
        + instances,
        "something after the arguments": canonical(made.proof, made.instances) + word(0),
    }
    for what, arguments in encodings.items():
        assert not deployed.accepts(arguments), what
