"""Files of the product that point to an attacked chain: its configuration, and a folder for the auditor."""

from __future__ import annotations

from pathlib import Path

from oracle.chain.local.anvil import Anvil
from oracle.config import Config, load
from oracle.proving.artifact import Artifact
from tests.attack.node import DEPLOYER
from tests.attack.proofs import Proofs
from tests.attack.rig import HEARTBEAT, REPORTER, SIGMA_PPM


def configure(proofs: Proofs, chain: Anvil, folder: Path, keys: str = "") -> Config:
    """Write the configuration file of one feed on a chain, and return it as it is loaded.

    Args:
        keys: The section of keys; Anvil's by default.
    """
    keys = keys or f"reporter = {{ anvil_account = {REPORTER} }}\nsubmitter = {{ anvil_account = {DEPLOYER} }}"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "oracle.toml"
    path.write_text(
        f"""[chain]
rpc_url = "{chain.rpc_url}"
chain_id = {chain.chain_id}
deployment = "deployment.json"

[keys]
{keys}

[prover]
artifacts = "{proofs.artifact().path.parent}"
srs = "insecure-local"
workers = 1

[journal]
path = "journal.db"

[deploy]
change_delay = 0

[[feeds]]
name = "solo"
description = "solo / USD"
kind = "relative"
decimals = 8
sigma = {SIGMA_PPM}
deviation_ppm = 1
heartbeat = {HEARTBEAT}
confirmations = 2
confirm_delay = 60
min_sources = 1
sources = [{{ type = "packaged", series = "sp500" }}]
""",
        encoding="utf-8",
    )
    return load(path, {})


def audit_folder(folder: Path, *found: Artifact) -> Path:
    """Return a folder with just these artifacts."""
    folder.mkdir(parents=True, exist_ok=True)
    for each in found:
        (folder / each.path.name).symlink_to(each.path)
    return folder
