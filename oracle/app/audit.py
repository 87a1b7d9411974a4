"""`oracle audit`: every round of a hub, verified again."""

from __future__ import annotations

from pathlib import Path

from oracle.audit import AuditReport, audit_hub
from oracle.chain.addresses import require_address
from oracle.chain.rpc import Rpc

__all__ = ["audit"]


async def audit(hub: str, rpc_url: str, artifacts: Path, from_block: int = 0) -> AuditReport:
    """Verify every round of a hub again, from calldata and history alone. See `oracle.audit`.

    Args:
        hub: The hub's address.
        rpc_url: An endpoint of its chain.
        artifacts: The folder that has the artifacts of its models.
        from_block: The first block to read.
    """
    async with Rpc(rpc_url) as rpc:
        return await audit_hub(rpc, require_address(hub, "HUB"), artifacts, from_block)
