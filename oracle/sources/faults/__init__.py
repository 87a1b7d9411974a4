"""Faults as they happen in the field, which are put into recorded series deterministically.

Faults are put into the data before anything sees it, and never twice in the same place, so that each verdict belongs
to one fault. The same series, seed and rate give the same faults on every machine.

`fault` says what a fault is, `catalogue` has the faults of the package, `file` reads a user's own faults from a TOML
file, `formula` computes their values, and `injection` puts faults into recordings.
"""

from __future__ import annotations

from oracle.sources.faults.catalogue import CATALOGUE, FAULTS, choose
from oracle.sources.faults.fault import Fault, Surroundings
from oracle.sources.faults.file import load_faults
from oracle.sources.faults.formula import MAX_EARLIER
from oracle.sources.faults.injection import SPACING, Injection, inject

__all__ = [
    "CATALOGUE",
    "FAULTS",
    "MAX_EARLIER",
    "SPACING",
    "Fault",
    "Injection",
    "Surroundings",
    "choose",
    "inject",
    "load_faults",
]
