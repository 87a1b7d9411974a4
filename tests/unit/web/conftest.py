"""A fixture for the health of an oracle with one feed, at a time that tests set."""

from __future__ import annotations

import pytest

from oracle.web.health import Health


class Time:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def health(clock: Time) -> Health:
    return Health({"eth": 100.0}, {"eth": 30.0}, max_head_age=60.0, clock=clock)
