"""Fairness that anyone can check: on which rows of a public set a claim would hold of a private model, each proven.

    row       = features, 2 lo − 1, 2 hi + 1     integers, public: of the audit set, and a claim's bounds as odd halves
    verdict   = [lo ≤ score ≤ hi]                published; the score is not
    instances = [ H(model) ] ++ row × B ++ verdict × B

It is the claim's circuit without salt and subject, for B rows at once, so the hash is that of the model which claims
are proven of. Rates by group are counted from the proven verdicts. Who verifies has the set, the proofs, the model's
hash, and the auditor's files of the circuit, in which no weights are.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from oracle.claims.audit_set import AuditSet
from oracle.claims.constraints import Constraint
from oracle.claims.models import Feature, ModelSpec
from oracle.claims.statement import ClaimCircuit, edges
from oracle.core import encoding
from oracle.core.documents import read_json, write_json
from oracle.core.errors import ArtifactError, DataError, ModelError
from oracle.core.statistics import clopper_pearson, newcombe, wilson
from oracle.proving import artifact as artifacts
from oracle.proving.artifact import AUDIT_FILES, MANIFEST, VK, Artifact, Visibility, rebuilt_key
from oracle.proving.batches import ProvenBatch, Verifier, Windows, batch_problem, prove_batches
from oracle.proving.imported import corners
from oracle.proving.reference import IR_VERSION, OPSET
from oracle.proving.srs import SrsSource
from oracle.proving.verifier import Compiler

FORMAT = "claim-audit-v1"
CONFIDENCE = 0.95

_BOUNDS = 2


@dataclass(frozen=True)
class AuditCircuit:
    """A claim's model on public rows: `Provable` and `Tuned`, so that `artifact.build` takes it.

    Attributes:
        claim: The claim's circuit.
    """

    claim: ClaimCircuit

    @property
    def name(self) -> str:
        return f"audit-{self.claim.model.name}"

    @property
    def features(self) -> int:
        return self.claim.model.features + _BOUNDS

    @property
    def outputs(self) -> int:
        return 1

    @property
    def param_scale(self) -> int:
        return self.claim.param_scale

    @property
    def score_unit(self) -> int:
        return self.claim.score_unit

    @property
    def disclosure(self) -> str:
        return "verdict"

    def score_int(self, features: Sequence[int]) -> tuple[int, ...]:
        """What the circuit publishes of one row."""
        *data, lower, upper = features
        return (int(lower < 2 * self.score(data) < upper),)

    def score(self, data: Sequence[int]) -> int:
        """The score of one row in integers: the claim's, of all encoded data. It stays with who proves."""
        return self.claim.model.score_int(data)[0]

    def score_bound(self) -> int:
        return self.claim.score_bound()

    def run_args(self) -> Mapping[str, Any]:
        """The claim's, but that rows are public."""
        return {**self.claim.run_args(), "input_visibility": "public"}

    def windows(self) -> Sequence[tuple[int, ...]]:
        """Corners of the model's box, at bounds on both sides of their scores."""
        most = self.claim.limit
        found = []
        for data in corners(self.claim.circuit):
            score = self.score(data)
            for lo, hi in ((0, 0), (score, score), (score + 1, most), (-most, score - 1), (-most, most)):
                found.append((*data, *edges(lo, hi)))
        return found[:8]

    def facts(self) -> Mapping[str, Any]:
        """For the manifest, which auditors have. Of the weights it tells a power of two over their scores."""
        return {**self.claim.model.facts(), "audit": {"limit": self.claim.limit, **self.claim.metadata}}

    def to_onnx(self, batch: int) -> bytes:
        """The graph: input `rows` [batch, n + 2], output `verdicts` [batch, 1]."""
        import numpy as np
        import onnx
        from onnx import TensorProto, helper, numpy_helper

        count = self.claim.model.features
        inner = onnx.load_from_string(self.claim.circuit.to_onnx(batch))
        onnx.compose.add_prefix_graph(inner.graph, "m_", inplace=True)
        numbers = {"axis": [1], "first": [0], "lo_at": [count], "hi_at": [count + 1], "end": [count + _BOUNDS]}
        constants = [numpy_helper.from_array(np.array(value, dtype=np.int64), name) for name, value in numbers.items()]
        # As in a claim, halves of the score's unit: a product with a power of two is a matter of scale, no weight.
        unit = np.array([[2.0 ** -(self.claim.circuit.output_scale + 1)]], dtype=np.float32)
        constants.append(numpy_helper.from_array(unit, "unit"))
        nodes = [
            helper.make_node("Slice", ["rows", "first", "lo_at", "axis"], ["m_x"], name="m_x"),
            *inner.graph.node,
            helper.make_node("Slice", ["rows", "lo_at", "hi_at", "axis"], ["lo"], name="lo"),
            helper.make_node("Slice", ["rows", "hi_at", "end", "axis"], ["hi"], name="hi"),
            helper.make_node("Mul", ["lo", "unit"], ["lo_scaled"], name="lo_scaled"),
            helper.make_node("Mul", ["hi", "unit"], ["hi_scaled"], name="hi_scaled"),
            helper.make_node("Greater", ["m_s", "lo_scaled"], ["above"], name="above"),
            helper.make_node("Less", ["m_s", "hi_scaled"], ["below"], name="below"),
            helper.make_node("Cast", ["above"], ["is_above"], name="is_above", to=TensorProto.FLOAT),
            helper.make_node("Cast", ["below"], ["is_below"], name="is_below", to=TensorProto.FLOAT),
            helper.make_node("Mul", ["is_above", "is_below"], ["verdicts"], name="verdicts"),
        ]
        graph = helper.make_graph(
            nodes,
            "audit",
            [helper.make_tensor_value_info("rows", TensorProto.FLOAT, [batch, self.features])],
            [helper.make_tensor_value_info("verdicts", TensorProto.FLOAT, [batch, 1])],
            [*inner.graph.initializer, *constants],
        )
        proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        onnx.checker.check_model(proto)
        return bytes(proto.SerializeToString(deterministic=True))


@dataclass(frozen=True)
class Audit:
    """What a model's owner gives out: a claim, until it is verified. No weights and no scores are in it.

    Attributes:
        model: Its name, for people.
        model_hash: Poseidon hash of the weights, a field element: that of the model's claims.
        artifact_hash: Of the circuit.
        fingerprint: Of the audit set.
        lo, hi: Bounds, both included, in integers of 1/unit (before the Sigmoid, where the model ends with one).
        unit: What an output of 1 is.
        batches: Verdicts of B rows, in the set's order, with their proof.
    """

    model: str
    model_hash: int
    artifact_hash: str
    fingerprint: str
    lo: int
    hi: int
    unit: int
    batches: tuple[ProvenBatch, ...]

    def document(self) -> dict[str, Any]:
        """As JSON: 256-bit numbers as hex."""
        return {
            "format": FORMAT,
            **asdict(self),
            "model_hash": f"{self.model_hash:#066x}",
            "batches": [
                {"verdicts": [row[0] for row in batch.scores], "proof": "0x" + batch.proof.hex()}
                for batch in self.batches
            ],
        }

    def save(self, path: Path) -> None:
        """Write the file. Raises: DataError."""
        write_json(path, self.document())

    @staticmethod
    def load(path: Path) -> Audit:
        """Read a file. It may claim what it likes, in the right form.

        Raises:
            DataError: It is no audit.
        """
        document = read_json(path)
        try:
            values = dict(document)
            if values.pop("format") != FORMAT:
                raise ValueError(f"its format is not {FORMAT!r}")
            values["model_hash"] = int(values["model_hash"], 16)
            for name in ("lo", "hi", "unit"):
                if type(values[name]) is not int or abs(values[name]) > encoding.INT128_MAX:
                    raise ValueError(f"{name} is {values[name]!r}, no integer of the circuit")
            values["batches"] = tuple(
                ProvenBatch(
                    tuple((_verdict(each),) for each in batch["verdicts"]),
                    bytes.fromhex(batch["proof"].removeprefix("0x")),
                )
                for batch in values["batches"]
            )
            return Audit(**values)
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            what = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else error
            raise DataError(f"{path} is no audit, or not all of one: {what}") from error


@dataclass(frozen=True, slots=True)
class GroupRate:
    """How often a claim would hold in one group.

    Attributes:
        rows: Of the group.
        within: Of which the claim would hold.
        low, high: Clopper and Pearson's interval of the share, at `CONFIDENCE`.
    """

    group: str
    rows: int
    within: int
    low: float
    high: float

    @property
    def share(self) -> float:
        return self.within / self.rows


@dataclass(frozen=True, slots=True)
class Difference:
    """Of a group's share and the largest group's, with Newcombe's interval at `CONFIDENCE`."""

    group: str
    reference: str
    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class AuditReport:
    """What verifying an audit found.

    Attributes:
        rows: Of the set.
        verified: Batches, of `batches`, whose proofs hold.
        rates: Counted from what is proven, in the order of groups' names; none if not all of it is.
        differences: From the largest group.
        problems: What is wrong; none if the audit is what it says.
        notes: What the reader has to know to use it.
    """

    model_hash: int
    rows: int
    batches: int
    verified: int
    rates: tuple[GroupRate, ...]
    differences: tuple[Difference, ...]
    problems: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.problems


# --- the owner's part ----------------------------------------------------------------------------------------------


def build(
    model: ModelSpec,
    batch: int,
    *,
    srs: SrsSource,
    compile_standard: Compiler,
    cache: Path,
    progress: Callable[[str], None] = lambda step: None,
) -> Artifact:
    """The circuit for B rows of a model, built or found again; arguments and errors as of `artifact.build`."""
    return artifacts.build(
        AuditCircuit(model.circuit()),
        batch,
        visibility=Visibility.PRIVATE,
        srs=srs,
        compile_standard=compile_standard,
        cache=cache,
        progress=progress,
    )


async def prove(
    model: ModelSpec,
    artifact: Artifact,
    rows: AuditSet,
    constraint: Constraint,
    *,
    proofs: Path | None = None,
    workers: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Audit:
    """Prove of which rows a claim would hold.

    Args:
        artifact: Of `build`.
        constraint: The claim's, in the model's own units.
        proofs: Folder where proofs are kept, so that what was interrupted goes on; None: they are not.
        workers: Proofs at once.
        progress: Told how many batches of how many are proven.

    Raises:
        DataError: A row is not the model's, or no output fulfils the constraint.
        ProverUnavailable: Proving failed for now.
    """
    circuit = model.circuit()
    lo, hi = model.bounds(constraint, circuit.score_unit, circuit.limit)
    batches = _windows(rows.encode(model.features), lo, hi, artifact.manifest.batch)
    proven = await prove_batches(batches, artifact, proofs, workers=workers, progress=progress)
    return Audit(
        model=model.name,
        model_hash=artifact.manifest.model_hash,
        artifact_hash=artifact.artifact_hash,
        fingerprint=rows.fingerprint(model.features),
        lo=lo,
        hi=hi,
        unit=circuit.score_unit,
        batches=proven,
    )


def auditors_copy(artifact: Artifact, folder: Path) -> Artifact:
    """Copies what who verifies needs of a circuit: keys and contract, neither graph nor weights.

    Raises:
        ArtifactError: The folder exists, or can't be written.
    """
    try:
        folder.mkdir(parents=True)
        for name in (*AUDIT_FILES, MANIFEST):
            shutil.copyfile(artifact.file(name), folder / name)
    except OSError as error:
        raise ArtifactError(f"no auditor's copy can be written to {folder}: {error.strerror}") from error
    return artifacts.load(folder, prover=False)


# --- everybody else's ----------------------------------------------------------------------------------------------


def reweighted(model: ModelSpec, seed: int = 0) -> ModelSpec:
    """A model's architecture with other weights, drawn at random: what a key is made again from."""
    import numpy as np
    import onnx
    from onnx import numpy_helper

    proto, draw = onnx.load_from_string(model.onnx), np.random.default_rng(seed)
    for each in proto.graph.initializer:
        array = numpy_helper.to_array(each)
        if array.dtype.kind == "f":
            each.CopyFrom(numpy_helper.from_array(draw.uniform(-1, 1, array.shape).astype(array.dtype), each.name))
    return replace(model, onnx=proto.SerializeToString(deterministic=True))


def features_of(artifact: Artifact) -> tuple[Feature, ...]:
    """How rows are encoded for an audit's circuit: as issuers encode data for claims.

    Raises:
        ArtifactError: It is another circuit.
    """
    try:
        described = (artifact.manifest.imported or {})["audit"]["features"]
        return tuple(Feature(**{**each, "categories": tuple(each["categories"])}) for each in described)
    except (KeyError, TypeError, ModelError) as error:
        raise ArtifactError(f"{artifact.path} is not the circuit of an audit") from error


def verify(
    audit: Audit,
    artifact: Artifact,
    verifier: Verifier,
    rows: AuditSet,
    model_hash: int | None,
    architecture: ModelSpec | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> AuditReport:
    """Verify an audit, and count rates from what is proven; nothing that it says is believed.

    Args:
        artifact: The circuit; an auditor's copy will do.
        verifier: Of that circuit.
        rows: The set, as who verifies has it.
        model_hash: Of the model whose claims are relied on, from the registry; None: he has only the audit's.
        architecture: A model of the same features and layers, with any weights, from which the key is made again; None:
            the circuit is what its maker says.

    Raises:
        ArtifactError: The circuit is not an audit's.
        DataError: The set does not fit the circuit's features.
        ProverUnavailable: The verifying process failed; nothing is known.
    """
    problems: list[str] = []
    notes: list[str] = []
    # 1 The model is the one that claims are proven of.
    if model_hash is None:
        notes.append(
            f"the model's hash was taken from the audit: compare it with the registry's {audit.model_hash:#066x}"
        )
    elif model_hash != audit.model_hash:
        problems.append(f"it is of the model {audit.model_hash:#066x}, not {model_hash:#066x}")
    # 2 The circuit is the audit's, and binds that model.
    features = features_of(artifact)
    if artifact.artifact_hash != audit.artifact_hash or artifact.model_hash != audit.model_hash:
        problems.append("it was made with another circuit, or of another model than the circuit's")
    if architecture is None:
        notes.append(
            "the key was not made again from the architecture: one of another circuit may say yes to every row"
        )
    elif rebuilt_key(AuditCircuit(architecture.circuit()), artifact) != artifact.manifest.files[VK]:
        problems.append(f"the circuit's key is not that of the architecture of {architecture.name}")
    if artifact.manifest.srs_origin.value != "public-ceremony":
        notes.append("the circuit is keyed with a local reference string: whoever made it can forge proofs")
    # 3 Bounds and units for which the circuit is sound.
    limit = _limit(artifact)
    if audit.unit != artifact.manifest.score_unit:
        problems.append(f"its unit is {audit.unit}, the circuit's {artifact.manifest.score_unit}")
    if not -limit <= audit.lo <= audit.hi <= limit:
        problems.append(f"its bounds {audit.lo} and {audit.hi} are not in order within ±{limit}")
    # 4 The set is the one that was audited: all of it, in order.
    encoded = rows.encode(features)
    if rows.fingerprint(features) != audit.fingerprint:
        problems.append("it is of another audit set")
    batches = _windows(encoded, audit.lo, audit.hi, artifact.manifest.batch)
    if len(audit.batches) != len(batches):
        problems.append(f"it has {len(audit.batches)} batches, the set {len(batches)}")
    # 5 Each batch's verdicts are proven of these very rows.
    verified = 0
    for index, (windows, batch) in enumerate(zip(batches, audit.batches, strict=False)):
        problem = batch_problem(artifact, verifier, windows, batch)
        if problem:
            problems.append(f"batch {index}: {problem}")
        verified += not problem
        progress(index + 1, len(batches))
    # 6 Rates follow from what is proven, and from nothing else.
    found: tuple[GroupRate, ...] = ()
    if not problems:
        found = rates(rows.groups, [row[0] for batch in audit.batches for row in batch.scores])
    return AuditReport(
        audit.model_hash,
        len(rows.rows),
        len(batches),
        verified,
        found,
        differences(found),
        tuple(problems),
        tuple(notes),
    )


def rates(groups: Sequence[str], verdicts: Sequence[int]) -> tuple[GroupRate, ...]:
    """Shares by group, in the order of names.

    Raises:
        ToolMissing: scipy is not installed.
    """
    found = []
    for group in sorted(set(groups)):
        of = [verdict for each, verdict in zip(groups, verdicts, strict=True) if each == group]
        found.append(GroupRate(group, len(of), sum(of), *clopper_pearson(sum(of), len(of), CONFIDENCE)))
    return tuple(found)


def differences(found: Sequence[GroupRate]) -> tuple[Difference, ...]:
    """Each group's share less that of the largest group; intervals by Newcombe (1998, method 10), from Wilson's."""
    if not found:
        return ()
    reference = max(found, key=lambda each: each.rows)
    other = wilson(reference.within, reference.rows)
    told = []
    for each in found:
        if each is not reference:
            told.append(Difference(each.group, reference.group, *newcombe(wilson(each.within, each.rows), other)))
    return tuple(told)


def _windows(encoded: Sequence[tuple[int, ...]], lo: int, hi: int, batch: int) -> list[Windows]:
    rows = [(*row, *edges(lo, hi)) for row in encoded]
    return [tuple(rows[at : at + batch]) for at in range(0, len(rows), batch)]


def _limit(artifact: Artifact) -> int:
    limit = (artifact.manifest.imported or {})["audit"].get("limit")
    if type(limit) is not int or limit < 1:
        raise ArtifactError(f"{artifact.path} states no limit of its bounds")
    return limit


def _verdict(value: Any) -> int:
    if type(value) is not int or value not in (0, 1):
        raise ValueError(f"{value!r} is no verdict")
    return value
