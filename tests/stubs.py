"""Stand-ins of what a deployment needs: a feed's terms, a reporter, and circuits without a model.

`StubArtifact` is a circuit whose verifier, real code on a real chain, accepts any proof that does not start with a zero
byte.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from eth_account import Account
from eth_utils.crypto import keccak

from oracle.chain.hub import HubFeedConfig
from oracle.chain.keys.signer import LocalReporter
from oracle.core import encoding
from oracle.core.encoding import Feature
from oracle.core.types import Kind
from oracle.proving.interface import Probe

CHAIN_ID = 31337
HUB_ADDRESS = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
REPORTER_KEY = "0x" + "11" * 32
WINDOW = encoding.window_features(14)


def feed_config(description: str = "ETH / USD", **changes: object) -> HubFeedConfig:
    """Return a relative feed with a sigma of 1 %, a heartbeat of an hour, and two confirmations."""
    config = HubFeedConfig(
        description=description,
        kind=Kind.RELATIVE,
        decimals=8,
        confirmations=2,
        max_repeats=0,
        heartbeat=3_600,
        max_age=3_600,
        max_skew=60,
        confirm_delay=7_200,
        tolerance=3_000,
        max_spread=0,
        sigma=10_000,
        committee=1,
    )
    return replace(config, **changes)  # type: ignore[arg-type]


def reporter(key: str = REPORTER_KEY, chain_id: int = CHAIN_ID, hub: str = HUB_ADDRESS) -> LocalReporter:
    """Return a reporter with a key of its own."""
    return LocalReporter(Account.from_key(key), chain_id, hub)


@dataclass(frozen=True)
class StubManifest:
    """The part of a manifest that deployment reads."""

    batch: int
    features: tuple[str, ...]
    outputs: int
    score_unit: int
    srs_origin: str
    verifier_code_hash: str
    artifact_hash: str


@dataclass(frozen=True)
class StubVerifier:
    """A verifier's creation code and runtime code."""

    bytecode: bytes
    runtime: bytes


@dataclass(frozen=True)
class StubArtifact:
    """A circuit for tests of everything but proving."""

    path: Path
    manifest: StubManifest
    model_hash: int | None
    compiled: StubVerifier
    evidence: Probe

    def verifier(self) -> StubVerifier:
        return self.compiled

    def probe(self) -> Probe:
        return self.evidence


def stub_artifact(
    *,
    model_hash: int | None = 7,
    batch: int = 1,
    features: Sequence[Feature] = WINDOW,
    outputs: int = 2,
    tag: bytes = b"",
    ceremony: bool = False,
    name: str = "stub",
) -> StubArtifact:
    """Return a circuit with a verifier that answers whether the proof's first byte is not zero.

    Args:
        tag: Makes the code of different verifiers different.
        ceremony: Whether its SRS is the public ceremony's.
    """
    # CALLDATALOAD(0x64) >> 248 != 0: the proof's first byte in the canonical encoding.
    answer = bytes.fromhex("60643560f81c15155f5260205ff3")
    runtime = answer + b"\x00" + tag + batch.to_bytes(2)
    creation = bytes.fromhex("61") + len(runtime).to_bytes(2) + bytes.fromhex("80600a5f395ff3") + runtime
    names = encoding.feature_names(features)
    parts = [name, model_hash, batch, names, outputs, runtime.hex()]
    manifest = StubManifest(
        batch=batch,
        features=names,
        outputs=outputs,
        score_unit=1_000,
        srs_origin="public-ceremony" if ceremony else "insecure-local",
        verifier_code_hash=keccak(runtime).hex(),
        artifact_hash=hashlib.sha256(json.dumps(parts).encode()).hexdigest(),
    )
    calm = Probe(encoding.calm_window(features), (-1_000,) * outputs, b"\1probe")
    path = Path(f"/artifacts/{name}-b{batch}")
    return StubArtifact(path, manifest, model_hash, StubVerifier(creation, runtime), calm)
