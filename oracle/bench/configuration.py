"""The parts of a configuration that daemons of the benchmark share."""

from __future__ import annotations

from pathlib import Path

from oracle.chain.local.anvil import Anvil
from oracle.detectors.interface import Detector


def chain_and_keys(chain: Anvil) -> str:
    """Return the tables of the chain and of the keys, of a daemon that reports by Anvil's accounts."""
    return f"""# Written by `oracle bench`.
[chain]
rpc_url = "{chain.rpc_url}"
chain_id = {chain.chain_id}
deployment = "deployment.json"

[keys]
reporter = {{ anvil_account = 1 }}
submitter = {{ anvil_account = 0 }}
"""


def model_of(detector: Detector, visibility: str, folder: Path) -> str:
    """Return the lines of [prover] for one of the benchmark's detectors, whose file is written into the folder."""
    path = folder / f"{detector.name}.json"
    path.write_text(detector.to_json(), encoding="utf-8")
    return f"""model = "{path}"
visibility = "{visibility}"
disclosure = "{detector.disclosure.value}\""""
