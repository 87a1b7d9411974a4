"""The installed ezkl's version."""

from __future__ import annotations

from importlib.metadata import version


def ezkl_version() -> str:
    """Return the installed ezkl's version, without loading it."""
    return version("ezkl")
