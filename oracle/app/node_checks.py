"""The doctor's findings about nodes: what each can't do, and what follows from it. docs/chains.md has it all."""

from __future__ import annotations

from collections.abc import Iterator

from oracle.app.checks import Check
from oracle.chain.abilities import NodeAbilities, survey
from oracle.chain.deploy import Deployment, load_deployment
from oracle.chain.transport.endpoint import Endpoint
from oracle.config import Config
from oracle.core.errors import OracleError

__all__ = ["node_checks"]

_FEW_BLOCKS = 100


async def node_checks(config: Config) -> list[Check]:
    """Check what each configured endpoint can do. Nothing here keeps an oracle from working."""
    deployment = _deployment(config)
    found: list[Check] = []
    for url in config.chain.endpoints:
        endpoint = Endpoint(url, config.chain.chain_id, timeout=config.chain.rpc_timeout_s)
        try:
            abilities = await survey(
                endpoint, deployment.hub if deployment else None, deployment.block if deployment else 0
            )
        except OracleError as error:
            found.append(Check("node", ok=False, level="warning", where=endpoint.name, detail=str(error)))
        else:
            found += _findings(abilities, endpoint.name)
        finally:
            await endpoint.close()
    return found


def _deployment(config: Config) -> Deployment | None:
    try:
        return load_deployment(config.chain.deployment) if config.chain.deployment.exists() else None
    except OracleError:
        return None  # `hub_checks` says it


def _findings(can: NodeAbilities, where: str) -> Iterator[Check]:
    has = [
        name
        for name, is_there in (
            ("a pending block", can.has_pending),
            ("a finalized block", can.has_finalized),
            ("events as old as the hub", can.keeps_logs),
            ("state as old as the hub", can.keeps_state),
            (f"traces ({can.traces})", bool(can.traces)),
            ("storage proofs", can.has_proofs),
        )
        if is_there
    ]
    yield Check("node", ok=True, where=where, detail=f"has {', '.join(has)}" if has else "answers")
    for what, is_lacking, detail, remedy in _lacks(can):
        if is_lacking:
            yield Check(f"node: {what}", ok=False, level="info", where=where, detail=detail, remedy=remedy)


def _lacks(can: NodeAbilities) -> Iterator[tuple[str, bool, str, str]]:
    """Yield what a node may lack, whether it does, what follows, and what to do."""
    yield (
        "pending block", not can.has_pending,
        "none: calls are simulated on the latest block, whose clock is behind by up to the time between two blocks",
        "let the feeds' max_skew be longer than the time between two blocks",
    )  # fmt: skip
    yield (
        "finalized block", not can.has_finalized,
        "none: an audit can't be pinned to it", "pin an audit to a block's number",
    )  # fmt: skip
    yield (
        "events", can.log_limit == 0,
        "it gives none, not even of one block: whatever reads history fails", "use another endpoint",
    )  # fmt: skip
    yield (
        "events", can.log_limit is not None and 0 < can.log_limit < _FEW_BLOCKS,
        f"about {can.log_limit} at once, in blocks: reading a long history takes many requests",
        "for audits, use an endpoint that gives more",
    )  # fmt: skip
    yield (
        "old events", can.keeps_logs is False,
        "it lacks events as old as the hub: an audit through it finds that history is withheld",
        "for audits, use an archive node",
    )  # fmt: skip
    yield (
        "old state", can.keeps_state is False,
        "it lacks state as old as the hub: an audit at an old block is not possible through it",
        "for audits at an old block, use an archive node",
    )  # fmt: skip
    yield (
        "traces", not can.traces,
        "neither debug_traceTransaction nor trace_transaction: reports whose calldata a contract made stay unchecked",
        "for audits, use an endpoint with one of them",
    )  # fmt: skip
    yield (
        "storage proofs", not can.has_proofs,
        "no eth_getProof: an audit compares the hub's storage word by word, and not by its root",
        "for audits, use an endpoint with it",
    )  # fmt: skip
    yield (
        "fee history", not can.has_fee_history,
        "no eth_feeHistory: the tip is what the node suggests", "lower max_priority_fee_gwei if that is too much",
    )  # fmt: skip
