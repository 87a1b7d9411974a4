"""The distribution of test files to workers, and their order: one worker has the networks, while the others compute.

A network of reporters waits for its turns most of the time. With networks in all workers at once, the processors would
be idle; and members that have to answer within a turn should not share them with another network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from xdist.scheduler import LoadFileScheduling

NETWORKS = "tests/network/"

FOLDERS = ("tests/attack/", "tests/chaos/", "tests/contracts/", NETWORKS, "tests/integration/", "tests/unit/")
"""The folders in the order in which their tests run: networks take minutes, and what comes last should be short."""

T = TypeVar("T")


def in_order(items: Iterable[T], name: Callable[[T], str]) -> list[T]:
    """Return tests in the order of `FOLDERS`, those of one folder as they were, and all others after them.

    Args:
        items: The tests.
        name: Returns a test's name, which begins with its file's path.
    """
    places = {folder: place for place, folder in enumerate(FOLDERS)}
    return sorted(items, key=lambda item: places.get("/".join([*name(item).split("/")[:2], ""]), len(FOLDERS)))


class Distribution(LoadFileScheduling):
    """A distribution in which a file's tests run in one worker, and all networks in one, one after the other."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return NETWORKS if file.startswith(NETWORKS) else file
