"""The tables [[committees]]: who signs the reports of which feeds, and how many of them have to."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from oracle.core.report import MAX_REPORTERS
from oracle.core.settings import Address, Section, wrong_each

__all__ = ["DEFAULT_COMMITTEE", "CommitteeConfig", "Name", "reporters_problems", "unreachable"]

DEFAULT_COMMITTEE = "default"

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
"""A name that only this machine uses."""


class CommitteeConfig(Section):
    """A committee: the reporters that sign the reports of its feeds.

    Attributes:
        name: The committee's name here. In the contract it has a number.
        reporters: Addresses that may sign. Empty: those of the members of its network; without one, only that of the
            reporter key.
        quorum: How many of them must have an answer for a feed. It is odd, so that the median is one of the answers.
    """

    name: Name
    reporters: Annotated[tuple[Address, ...], Field(max_length=MAX_REPORTERS)] = ()
    quorum: Annotated[int, Field(ge=1, le=MAX_REPORTERS)] = 1

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        # Without reporters there are those of a network, or one: the whole file shows it.
        problems = reporters_problems(self.reporters, len(self.reporters) or MAX_REPORTERS, self.quorum)
        if problems:
            raise wrong_each(problems)
        return self


def reporters_problems(reporters: tuple[str, ...], count: int, quorum: int) -> list[tuple[tuple[str, ...], str]]:
    """List what the contract would refuse of a committee's reporters and quorum.

    Args:
        reporters: Their addresses.
        count: How many they are.
        quorum: The quorum.

    Returns:
        The key and a sentence for each problem.
    """
    problems: list[tuple[tuple[str, ...], str]] = []
    if len(set(reporters)) != len(reporters):
        problems.append((("reporters",), "names an address twice: each reporter counts once"))
    if count > MAX_REPORTERS:
        problems.append((("reporters",), f"{count} are more than the {MAX_REPORTERS} that the contract allows"))
    if quorum > count:
        problems.append((("quorum",), f"is {quorum}, but there are {count} reporters"))
    if quorum % 2 == 0:
        problems.append(
            (("quorum",), f"is {quorum}, but has to be odd: of an even number, half can lie and shift the median")
        )
    return problems


def unreachable(keys: int, quorum: int) -> str | None:
    """Return why this process can't meet a quorum by itself; None if it can.

    Args:
        keys: How many reporter keys of its own it can sign with.
        quorum: The quorum.
    """
    if quorum <= keys:
        return None
    return (
        f"this process has {keys} reporter key{'' if keys == 1 else 's'} for it, the quorum is {quorum}: no report "
        "would ever be accepted. Name all reporters and their URLs in [[network.members]], so that they sign, too"
    )
