"""A model that somebody brought, as proving takes it: an ONNX file, chosen scales, and the circuit's settings.

Callers that never meet an imported model import this module too. So onnx and numpy, which take a quarter of a second,
are imported only inside the functions that read a graph.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oracle.core import encoding
from oracle.core.errors import ModelError
from oracle.proving.artifact import MODEL, Artifact
from oracle.proving.artifact.circuit import table_args
from oracle.proving.interface import Approximation
from oracle.proving.reference.steps import MAX_BITS

if TYPE_CHECKING:
    from oracle.proving.reference.circuit import Circuit
    from oracle.proving.reference.steps import Reached


FLOAT_TYPES = ("float", "double", "float16", "bfloat16")
"""Types of inputs that hold any number."""


@dataclass(frozen=True, slots=True, order=True)
class Settings:
    """The settings of a circuit, which tuning chooses.

    Attributes:
        input_scale: A window's integer x means x / 2^input_scale.
        param_scale: Weights are multiples of 2^-param_scale.
        base: Base of the digits into which ReLU and comparisons take a number; the lookup table has as many rows.
        legs: Number of digits; base^legs exceeds every number that is taken apart.
        columns: Inner columns. More of them need fewer rows, but make a larger proof that costs more gas.
        k: The circuit has at least 2^k rows. If fewer would do, ezkl folds columns, and the proof grows.
        rebase: t: whatever gets a larger scale than t · param_scale is divided, and a prover may choose between two
            roundings. 0: nothing is divided, and there is nothing to choose.
        clip: Largest integer of an input, where it is less than what was asked for; else 0.
    """

    input_scale: int
    param_scale: int
    base: int
    legs: int
    columns: int = 1
    k: int = 0
    rebase: int = 0
    clip: int = 0


def legs_for(base: int, bound: int) -> int:
    """Return the fewest digits of `base` that hold every magnitude up to `bound`; at least 2, as ezkl requires."""
    legs = 2
    while base**legs <= bound:
        legs += 1
    return legs


def model_name(stem: str) -> str:
    """Return a file's name as a model's name: letters, digits and hyphens."""
    return re.sub(r"[^A-Za-z0-9]+", "-", stem).strip("-").lower() or "model"


@dataclass(frozen=True)
class ImportedModel:
    """An imported model at chosen scales. It is `Provable` and `Tuned`, so `artifact.build` takes it.

    It publishes its outputs as integers at the circuit's output scale: output = integer / score_unit. A circuit that
    was made to publish verdicts (`disclosure.py`) publishes 0 and 1.

    Attributes:
        name: Letters, digits and hyphens.
        circuit: The integer reference.
        settings: The circuit's settings.
        description: More facts for the manifest: the source's hash, fidelity.
        disclosure: "score", or "verdict" if the circuit publishes verdicts alone.
        salt: Integers that the hash of the weights commits to, and that change nothing.

    Raises:
        ModelError: The settings don't fit the circuit.
    """

    name: str
    circuit: Circuit
    settings: Settings
    description: Mapping[str, Any] = field(default_factory=dict)
    disclosure: str = "score"
    salt: tuple[int, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        scales = (self.circuit.input_scale, self.circuit.param_scale, self.circuit.rebase)
        if scales != (self.settings.input_scale, self.settings.param_scale, self.settings.rebase):
            raise ModelError(f"the circuit of {self.name} has the scales {scales}, and its settings have others")
        if self.settings.base**self.settings.legs <= self.circuit.decomposed:
            raise ModelError(
                f"{self.settings.legs} digits of base {self.settings.base} do not hold what ReLU and comparisons of "
                f"{self.name} take apart: up to 2^{self.circuit.decomposed.bit_length()}. Use more digits"
            )
        if self.circuit.clip > self.largest_input:
            raise ModelError(
                f"clip {self.circuit.clip} exceeds {self.largest_input}, the largest that a window may have"
            )

    @property
    def largest_input(self) -> int:
        """The largest magnitude that an integer of a window may have."""
        return encoding.CLIP

    @property
    def width(self) -> int:
        """Integers in a window."""
        return self.circuit.features

    @property
    def outputs(self) -> int:
        """Integers that are published for a window."""
        return self.circuit.outputs

    @property
    def param_scale(self) -> int:
        """Weights are multiples of 2^-param_scale."""
        return self.settings.param_scale

    @property
    def score_unit(self) -> int:
        """The published integer that stands for an output of 1."""
        return 1 << self.circuit.output_scale

    def score_int(self, features: Sequence[int]) -> tuple[int, ...]:
        """Return the integers that the circuit publishes for one window.

        Raises:
            ValueError: The window has another number of integers.
        """
        if len(features) != self.width:
            raise ValueError(f"{len(features)} integers; {self.name} takes {self.width}")
        return tuple(int(value) for value in self.circuit.evaluate([list(features)])[0])

    def score_many(self, windows: Any) -> Any:
        """Return the scores of many windows at once, as an array of integers [count, outputs]; see `score_int`."""
        return self.circuit.evaluate(windows)

    def score_bound(self) -> int:
        """Return a bound on every intermediate value, over all clipped windows."""
        return self.circuit.bound

    def to_onnx(self, batch: int) -> bytes:
        """Return the graph for `batch` windows of integers."""
        return self.circuit.to_onnx(batch, self.salt)

    def run_args(self) -> Mapping[str, Any]:
        """Return ezkl's arguments for digits, columns, k and rebase."""
        digits = {"decomp_base": self.settings.base, "decomp_legs": self.settings.legs}
        room = {"logrows": self.settings.k} if self.settings.k else {}
        rebase = {"scale_rebase_multiplier": self.settings.rebase} if self.settings.rebase else {}
        circuit = self.circuit
        table = table_args(circuit.level, circuit.looked_up) if circuit.program.looked_up else {}
        columns = {"num_inner_cols": self.settings.columns}
        return columns | room | (digits if circuit.decomposed else {}) | rebase | table

    def windows(self) -> Sequence[tuple[int, ...]]:
        """Return zeros for the probe, which anyone may see, then corners of the box of windows."""
        return corners(self.circuit)

    def facts(self) -> Mapping[str, Any]:
        """Return the facts about the model for the manifest."""
        from onnx import TensorProto  # heavy: only who builds asks for facts

        program = self.circuit.program
        types = [[each.size, TensorProto.DataType.Name(each.kind).lower()] for each in program.inputs]
        is_plain = all(name in FLOAT_TYPES for _, name in types)
        return {
            "input_scale": self.settings.input_scale,
            "output_scale": self.circuit.output_scale,
            "clip": self.circuit.clip,
            "rebase": self.circuit.rebase,
            "slack": self.circuit.slack,
            **({"input_shifts": list(program.shifts)} if any(program.shifts) else {}),
            **({"inputs": [list(each.shape) for each in program.inputs]} if len(program.inputs) > 1 else {}),
            **({} if is_plain else {"input_types": types}),
            **({"labels": list(program.labels)} if program.labels else {}),
            "input_shape": list(program.input_shape),
            "output_shape": list(program.output_shape),
            "weights": self.circuit.weights,
            "activation_left_off": program.dropped,
            "piecewise_linear": list(program.approximated),
            **self._looked_up(),
            **self.description,
        }

    def _looked_up(self) -> dict[str, Any]:
        """Return the facts about an approximate circuit's functions."""
        if not self.circuit.program.looked_up:
            return {}
        table = self.circuit.looked_up
        return {"looked_up": list(self.circuit.program.looked_up), "table": None if table is None else list(table)}

    def approximation(self) -> Approximation:
        """Return what the manifest says of the circuit's distance from the float model, and of its prover's freedom."""
        if not self.circuit.program.looked_up and not self.circuit.rebase:
            return Approximation()
        if self.disclosure == "verdict":
            # The band is within the circuit: a prover can leave a verdict undecided, and can't turn it around.
            return Approximation(False, (), (0,) * self.outputs)
        errors = self.measured_errors()
        ranges = errors or (0.0,) * self.outputs
        band = tuple(self.circuit.slack + math.ceil(each * self.score_unit) for each in ranges)
        return Approximation(False, errors, band)

    def measured_errors(self) -> tuple[float, ...]:
        """Return the largest error of each output on the samples; empty if outputs can't be compared."""
        return tuple(float(each) for each in self.description["fidelity"]["errors"])


def corners(circuit: Circuit) -> list[tuple[int, ...]]:
    """Return zeros, then corners of the box that a circuit's windows are in."""
    most, count = circuit.clip, circuit.features
    alternating = tuple(most if index % 2 else -most for index in range(count))
    return [
        (0,) * count,
        (most,) * count,
        (-most,) * count,
        alternating,
        tuple(-value for value in alternating),
        (most, *(0,) * (count - 1)),
        (*(0,) * (count - 1), -most),
    ]


DIGITS = 256
"""Base of the digits of a network that was not tuned. A table of this many rows fits beside the hash of its weights."""


def at_scales(
    name: str, onnx: bytes, input_scale: int, param_scale: int, verdict: bool = False, salt: tuple[int, ...] = ()
) -> ImportedModel:
    """Return an imported model at given scales, with enough digits for every number that it takes apart.

    Args:
        name: Letters, digits and hyphens.
        onnx: The ONNX file.
        input_scale: A window's integer x means x / 2^input_scale.
        param_scale: Weights are multiples of 2^-param_scale.
        verdict: True: the model publishes one number, 1 if any output is above 0, else 0, instead of the outputs.
        salt: Integers that the hash of the weights commits to, and that change nothing.

    Raises:
        ModelError: The model can't be proven, or its values can exceed the circuit's integers.
    """
    from oracle.proving.disclosure import any_above
    from oracle.proving.lowering.driver import lower
    from oracle.proving.lowering.loading import read_model
    from oracle.proving.lowering.program import told
    from oracle.proving.reference.instantiate import instantiate

    program, problems = lower(read_model(onnx, name))
    if program is None:
        raise ModelError(f"{name} can't be proven as it is: {'; '.join(told(problems))}")
    if verdict:
        program = any_above(program)
    circuit = instantiate(program, input_scale, param_scale, encoding.CLIP)
    settings = Settings(input_scale, param_scale, DIGITS, legs_for(DIGITS, circuit.decomposed))
    description = {"source_sha256": hashlib.sha256(onnx).hexdigest()}
    return ImportedModel(name, circuit, settings, description, "verdict" if verdict else "score", salt)


def read_onnx(path: Path) -> bytes:
    """Return an ONNX file with the data that lie beside it; see `lowering.loading.read_file`.

    Raises:
        ModelError: The file or its data can't be read.
    """
    from oracle.proving.lowering.loading import read_file

    return read_file(path)


def reference_of(artifact: Artifact, within: Reached | None = None, file: str = MODEL) -> Circuit:
    """Return the integer reference of an imported model's artifact, made from the artifact's own graph.

    Args:
        artifact: The artifact.
        within: The numbers that a segment's window can have; None: those of the manifest's clip.
        file: The file of the graph. A public model's architecture is its graph, too.

    Raises:
        ModelError: The artifact is of a detector, or has several windows.
    """
    from oracle.proving.lowering.driver import lower
    from oracle.proving.lowering.loading import read_model
    from oracle.proving.reference.instantiate import instantiate

    facts, manifest = artifact.manifest.imported, artifact.manifest
    if facts is None:
        raise ModelError(f"{artifact.path} is the circuit of a detector, not of an imported model")
    if manifest.batch != 1:
        raise ModelError(f"{artifact.path} has {manifest.batch} windows; take the artifact of one window")
    program, problems = lower(
        read_model((artifact.path / file).read_bytes(), str(artifact.path)),
        keep_activation=True,
        approximate=not manifest.exact,
    )
    if program is None:
        raise ModelError(f"{artifact.path}: its graph is of another release: {problems[0]}")
    # The graph takes integers, and scales them itself; only `quantise` has to know by how much (below).
    # A segment's bounds come from the whole model, and are narrower than those of the box of its inputs.
    bits = 1 << 20 if "input" in manifest.hashed else MAX_BITS
    rebase = int(facts["rebase"])
    clip = int(facts["clip"])
    if within is not None:
        clip = max(1, int(abs(within.low).max()), int(abs(within.high).max()))
    circuit = instantiate(program, 0, manifest.param_scale, clip, rebase, most_bits=bits, within=within)
    shifts = tuple(int(each) for each in facts.get("input_shifts", ()))
    return replace(circuit, input_scale=int(facts["input_scale"]), program=replace(circuit.program, shifts=shifts))
