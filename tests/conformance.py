"""Conformance suites, one for each family of implementations of an interface.

A test of an implementation calls the suite with a function that makes one, ready to be read twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal

import pytest

from oracle.core.errors import SourceUnavailable
from oracle.sources.interface import Reading, Source, collect


async def check_source(make: Callable[[], Source]) -> None:
    """Check a source against the interface.

    Args:
        make: Makes a source that can be read at least twice.
    """
    source = make()
    assert isinstance(source, Source)
    assert source.name
    assert source.name.isprintable()

    first = await source.read()
    _check_reading(first, source)
    second = await source.read()
    _check_reading(second, source)
    assert second.observed_at >= first.observed_at
    assert source.name == first.source == second.source

    await source.close()
    await source.close()
    with pytest.raises(SourceUnavailable, match="closed"):
        await source.read()

    # A source that was never read can be closed, and a failing source does not hinder another.
    other = make()
    collected = await collect([source, other])
    assert [reading.source for reading in collected.readings] == [other.name]
    assert list(collected.failures) == [source.name]
    assert [type(error) for error in collected.errors] == [SourceUnavailable]
    await other.close()
    unread = make()
    await unread.close()

    # A cancelled read does not break the source.
    cancelled = make()
    task = asyncio.ensure_future(cancelled.read())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    _check_reading(await cancelled.read(), cancelled)
    await cancelled.close()


def _check_reading(reading: Reading, source: Source) -> None:
    assert isinstance(reading, Reading)
    assert type(reading.value) is Decimal
    assert reading.value.is_finite()
    assert type(reading.observed_at) is int
    assert 0 < reading.observed_at < 2**32
    assert reading.source == source.name
