"""Faults that are put into recorded series, deterministically: data that goes wrong as it does in the field.

`catalogue` has the faults that the package knows, `file` reads a user's own from a TOML file, `formula` evaluates what
such a file says, and `injection` puts faults into recordings.
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
