"""Callers of a server that only known ones may ask, each with a bearer token in a file of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from oracle.config.committees import Name
from oracle.core.settings import ConfigPath, Problem, Section

__all__ = ["CallerConfig", "callers_problems"]


class CallerConfig(Section):
    """Somebody who may ask.

    Attributes:
        name: The caller's name here, for the log.
        token_file: File with the bearer token that the caller sends. Only its owner may be able to read it.
    """

    name: Name
    token_file: ConfigPath


def callers_problems(callers: Sequence[CallerConfig]) -> Iterator[Problem]:
    """Find names that are there twice."""
    names = [each.name for each in callers]
    for index, name in enumerate(names):
        if names.index(name) < index:
            yield ("callers", index, "name"), f"callers[{names.index(name)}] has the same name {name!r}"
