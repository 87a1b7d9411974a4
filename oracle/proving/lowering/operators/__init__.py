"""The operators, by family. Importing this package fills `OPERATORS`, the table of them all."""

from oracle.proving.lowering.operators import (
    activations,
    arithmetic,
    choosing,
    convolution,
    kernels,
    linear,
    looked_up,
    mixtures,
    moving,
    places,
    pooling,
    recurrent,
    reductions,
    rounding,
    scikit,
    shapes,
    trees,
)
from oracle.proving.lowering.table import OPERATORS

__all__ = [
    "OPERATORS",
    "activations",
    "arithmetic",
    "choosing",
    "convolution",
    "kernels",
    "linear",
    "looked_up",
    "mixtures",
    "moving",
    "places",
    "pooling",
    "recurrent",
    "reductions",
    "rounding",
    "scikit",
    "shapes",
    "trees",
]
