"""Tests of a daemon whose feeds share proofs, beside one whose feeds don't."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from oracle.bench import batched
from oracle.config import load
from oracle.core.errors import Fatal
from oracle.core.types import Outcome
from oracle.feeds.journal import Entry, StageName


def entry(feed: int, round_id: int, at: float, gas: int, tx_hash: bytes) -> Entry:
    return Entry(
        f"{feed}@{round_id}", f"series-{feed}", b"", 1, round_id, StageName.CONFIRMED, 1, at, Outcome.ACCEPTED, "",
        at + 1, round_id, (), 0.1, tx_hash, 1, gas,
    )  # fmt: skip


def test_feeds_that_share_a_proof_are_compared_with_those_that_do_not() -> None:
    first = [entry(feed, 1, 0, 900, b"first") for feed in range(4)]  # these are on cold storage, and not counted
    together = [entry(feed, at, at, 200, bytes([at])) for at in (4, 5) for feed in range(4)]
    assert batched._figures([*first, *together]) == {
        "observations_per_s": 4.0, "gas_per_feed": 200, "feeds_per_transaction": 4.0,
    }  # fmt: skip
    with pytest.raises(Fatal, match="no report on a warm feed"):
        batched._figures(first)


async def test_the_daemons_of_the_batched_case_are_configured_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def measure(folder: Path, size: int, *more: Any) -> dict[str, Any]:
        chain: Any = SimpleNamespace(rpc_url="http://127.0.0.1:1", chain_id=31337)
        (folder / "oracle.toml").write_text(batched._config(chain, size))
        config = load(folder / "oracle.toml", {})
        assert len(config.feeds) == 4 and config.prover.batch_sizes == ((1, 4) if size == 4 else (1,))
        return {"observations_per_s": float(size), "gas_per_feed": 400 // size, "feeds_per_transaction": float(size)}

    monkeypatch.setattr(batched, "_measure", measure)
    found = await batched.run(tmp_path, [], lambda line: None)
    assert (found["rate_over_singly"], found["singly_gas_over_gas"]) == (4.0, 4.0)
