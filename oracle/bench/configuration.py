"""The part of a configuration that all daemons of the benchmark share."""

from __future__ import annotations

from oracle.chain.local.anvil import Anvil


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
