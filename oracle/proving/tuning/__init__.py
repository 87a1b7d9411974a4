"""The search for the cheapest circuit whose verdicts are those of the float model.

    1 scales      every pair of scales is tried on all samples with the integer reference: cheap, and exact
    2 digits      base, digits, columns and k of what passed; the bounds of the reference say how many digits are enough
    3 cost model  rows from ezkl's settings, cost estimated, ranked
    4 measure     the few best are keyed and proven

ezkl's own calibration chooses scales by numerical error on one sample, and leaves a table of 16,384 rows in every
circuit that has a ReLU. Here every window within the clip has a witness by construction: the digits hold the largest
value that interval arithmetic allows.
"""

from oracle.proving.tuning.fidelity import Fidelity, flips
from oracle.proving.tuning.float_model import float_outputs
from oracle.proving.tuning.plotting import plot
from oracle.proving.tuning.request import (
    Objective,
    Request,
    Rule,
    VerdictRule,
)
from oracle.proving.tuning.result import Candidate, Tuning, describe
from oracle.proving.tuning.search import has_weights
from oracle.proving.tuning.tuner import apply, coarsest, held_out, tune

__all__ = [
    "Candidate",
    "Fidelity",
    "Objective",
    "Request",
    "Rule",
    "Tuning",
    "VerdictRule",
    "apply",
    "coarsest",
    "describe",
    "flips",
    "float_outputs",
    "has_weights",
    "held_out",
    "plot",
    "tune",
]
