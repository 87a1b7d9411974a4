"""A tuning request: the model, its samples, the rule for equal verdicts, and the quantity that should be small."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np

from oracle.core import encoding
from oracle.proving.artifact import Visibility
from oracle.proving.cost import COLUMNS
from oracle.proving.engine.version import ezkl_version

BASES = (64, 128, 256, 512, 1024)
SEGMENTS = (8, 16, 32)
PARAM_SCALES = range(3, 15)
"""The grid of the search, beside inner columns: bases of digits, pieces of smooth activations, scales of weights."""

REBASES = (2, 3, 4, 6, 8)
"""Tried in this order if no scales fit without a division. A smaller one needs fewer digits and leaves more slack."""

LEVELS = (8, 10, 12, 14)
"""Scales of an approximate circuit's parameters, arguments and results. Its tables have 2^scale rows for each unit."""

TABLE_BASES = (64, 1024, 4096)
"""Bases of the digits of an approximate circuit, in which tables need rows anyway."""

FINALISTS = 3
"""Candidates that are keyed and proven."""


FEW_SAMPLES = 100
"""Fewer samples than this say little about the verdicts on others."""


class Objective(StrEnum):
    """The quantity that should be small."""

    TIME = "time"
    GAS = "gas"
    BOTH = "both"


class Rule(StrEnum):
    """The ways to read outputs as a verdict."""

    THRESHOLD = "threshold"
    ARGMAX = "argmax"
    TOLERANCE = "tolerance"
    LABEL = "label"


@dataclass(frozen=True, slots=True)
class VerdictRule:
    """A rule with its number.

    Attributes:
        rule: THRESHOLD: each output is above `value` or not. ARGMAX: the index of the largest output. TOLERANCE: no
            verdict; an output that is further than `value` from the float model's counts as a flip. LABEL: the output
            says itself what was chosen.
        value: In units of the model's output, final activation included.
    """

    rule: Rule
    value: float = 0.0


@dataclass(frozen=True, slots=True)
class Request:
    """A request to tune a model.

    Attributes:
        name: The model's name.
        data: The ONNX file.
        samples: Floats, [count, …].
        verdict: How outputs are read. None: a threshold on one output, the largest of several, a label as it is.
        max_flips_per_10k: Flips per 10,000 samples that the gate allows.
        visibility: Where the weights are.
        objective: The quantity that should be small.
        output: The output that is published; needed if there are several.
        keep_activation: Keep a final monotone activation.
        clip: Largest magnitude of a window's integers.
        memory: Bytes that proving may take; None: as much as the machine has.
        disclosure: "score", or "verdict" if the circuit publishes verdicts alone.
        approximate: True if functions may be looked up where no exact circuit has them.
        whole: True if one circuit is to hold the model; a split model may be larger than any circuit.
    """

    name: str
    data: bytes = field(repr=False)
    samples: Any = field(repr=False)
    verdict: VerdictRule | None = None
    max_flips_per_10k: float = 1.0
    visibility: Visibility = Visibility.PRIVATE
    objective: Objective = Objective.TIME
    output: str | None = None
    keep_activation: bool = False
    clip: int = encoding.CLIP
    memory: int | None = None
    disclosure: str = "score"
    approximate: bool = False
    whole: bool = True

    def digest(self) -> str:
        """Return a hash of everything that the choice depends on."""
        samples = np.ascontiguousarray(self.samples, dtype=np.float64)
        document = {
            "onnx": hashlib.sha256(self.data).hexdigest(),
            "samples": [hashlib.sha256(samples.tobytes()).hexdigest(), list(samples.shape)],
            "verdict": self.verdict and asdict(self.verdict),
            "gate": self.max_flips_per_10k,
            "visibility": self.visibility,
            "objective": self.objective,
            "graph": [self.name, self.output, self.keep_activation, self.clip],
            "ezkl": ezkl_version(),
            "approximate": self.approximate,
            "search": [BASES, COLUMNS, SEGMENTS, list(PARAM_SCALES), REBASES, FINALISTS],
        } | ({"disclosure": self.disclosure} if self.disclosure == "verdict" else {})
        return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
