"""Tests that sources are made as they are configured."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from oracle.app.sources import make_source
from oracle.config import FeedConfig
from oracle.core.errors import DataError

HEAD = "time,value\n1200000000,1.5\n"


def write(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "series.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def feed(*sources: dict[str, Any]) -> FeedConfig:
    return FeedConfig.model_validate(
        {
            "name": "oil",
            "description": "WTI / USD",
            "kind": "relative",
            "decimals": 2,
            "sigma": 20_000,
            "heartbeat": 86_400,
            "deviation_ppm": 10_000,
            "min_sources": min(2, len(sources)),
            "sources": tuple(sources),
        }
    )


async def test_sources_are_built_as_configured(tmp_path: Path) -> None:
    configured = feed(
        {"type": "packaged", "series": "wti", "speed": "max", "start": "2008-01-02"},
        {"type": "replay", "file": write(tmp_path, HEAD), "name": "mine"},
        {"type": "http", "url": "https://prices.example/wti", "path": "$.price", "name": "web"},
    )
    sources = [make_source(configured, index) for index in range(3)]
    assert [each.name for each in sources[1:]] == ["mine", "web"]
    assert (await sources[0].read()).value == Decimal("99.64")
    assert (await sources[1].read()).value == Decimal("1.5")
    for each in sources:
        await each.close()


def test_a_bad_recording_is_found_before_anything_starts(tmp_path: Path) -> None:
    path = write(tmp_path, HEAD + "1200000001,NaN\n")
    with pytest.raises(DataError, match=r"series\.csv:3: column 'value'"):
        make_source(feed({"type": "replay", "file": path}), 0)
