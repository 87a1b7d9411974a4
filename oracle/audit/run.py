"""The audit of a deployed hub, as a workflow: check the code, replay the history, compare the state, report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from oracle.audit.circuits import DeployedCircuits
from oracle.audit.fetch import read_history
from oracle.audit.history import AdminEvent, AuditedFeed, AuditedReport
from oracle.audit.judge import state_differences
from oracle.audit.proofs import ProofPool
from oracle.audit.readings import FetchReadings, ReadingsPlace, audit_readings
from oracle.audit.replay import Auditor
from oracle.audit.report import AuditReport, Problem, ProblemKind, ReportDraft
from oracle.chain.deploy import code_problems
from oracle.chain.hub import Hub
from oracle.chain.keys import signer
from oracle.chain.rpc import Rpc
from oracle.core.errors import DeploymentError
from oracle.core.formats import to_hex
from oracle.core.types import SECONDS_A_DAY


@dataclass(frozen=True)
class WantedReadings:
    """The readings that an audit looks at.

    Attributes:
        places: Where each reporter serves them, by its checksummed address.
        fetch: Fetches what is served.
        elsewhere: Where all other reporters serve them; None: that is not known.
        days: Reports that are older, by the chain's time, are not looked at: readings are not kept for ever.
    """

    places: Mapping[str, ReadingsPlace]
    fetch: FetchReadings
    elsewhere: ReadingsPlace | None
    days: float


async def audit_hub(
    rpc: Rpc, hub: str, folder: Path, from_block: int = 0, readings: WantedReadings | None = None
) -> AuditReport:
    """Audit a hub: its code, its verifiers, and every report that it ever took.

    Args:
        hub: Checksummed address.
        folder: Folder with the models' artifacts; files that only a prover needs may be missing from them.
        from_block: A block that is not after the hub's deployment.
        readings: The readings to look at; None: none.

    Raises:
        DeploymentError: There is no hub at the address.
        ChainUnavailable: The endpoint does not answer, or lacks the history.
    """
    draft = ReportDraft()
    circuits = DeployedCircuits(rpc, folder, draft)
    with ProofPool(circuits) as pool:
        # 1. The code at the address is this release's.
        chain_id = await rpc.chain_id()
        if not await rpc.code(hub):
            raise DeploymentError(f"there is no contract at {hub} on chain {chain_id}")
        draft.problems += [Problem(ProblemKind.CODE, text) for text in await code_problems(rpc, hub)]
        # 2. Every report is what the hub must have made of it.
        reports: list[AuditedReport] | None = None if readings is None else []
        auditor = Auditor(lambda *signed: signer.recover(chain_id, hub, *signed), reports)
        first, last = from_block, await rpc.block_number()
        # The first pass may take long, and the hub goes on meanwhile. The second one reads what came in that time.
        for _ in range(2):
            async for happened in read_history(rpc, hub, first, last):
                if isinstance(happened, AdminEvent):
                    await _administer(happened, auditor, circuits)
                else:
                    draft.problems += [Problem(ProblemKind.HISTORY, text) for text in auditor.transaction(happened)]
            first, read, last = last + 1, last, await rpc.block_number()
        async for task, result in pool.verify(auditor.tasks):
            auditor.settle(task, result)
        # 3. The hub's state is what its history leads to.
        await _compare_state(Hub(rpc, hub), auditor, draft, read)
        circuits.report_unreadable()
        # 4. Each answer follows from readings whose hash was signed with it.
        if readings is not None and reports is not None:
            since = (await rpc.block(read)).timestamp - readings.days * SECONDS_A_DAY
            young = [each for each in reports if each.block_time >= since]
            if len(young) < len(reports):
                left = len(reports) - len(young)
                draft.notes.append(
                    f"the readings of {left} reports of more than {readings.days:g} days ago were not looked at"
                )

            def place(reporter: str) -> ReadingsPlace | None:
                return readings.places.get(reporter, readings.elsewhere)

            draft.readings = await audit_readings(young, auditor.feeds, place, readings.fetch)
        return draft.finish(hub, chain_id, await rpc.block(read), auditor.findings)


async def _administer(event: AdminEvent, auditor: Auditor, circuits: DeployedCircuits) -> None:
    values = event.values
    if event.name == "ArchitectureAdded":
        circuits.add_architecture(values["architectureId"], values["architecture"])
    elif event.name == "ModelAdded":
        auditor.add_model(await circuits.audited_model(values["modelNumber"], values["model"]))
    elif event.name == "FeedAdded":
        auditor.add_feed(AuditedFeed.from_event(values))
    elif event.name in ("ModelActivated", "ModelRolledBack"):
        auditor.change_model(values["feedId"], values["modelNumber"])
    elif event.name == "ReportersActivated":
        auditor.change_reporters(values["committee"], values["epoch"], values["reporters"], values["quorum"])
    elif event.name == "CommitteeAdded":
        auditor.add_committee(values["committee"], values["reporters"], values["quorum"])


async def _compare_state(hub: Hub, auditor: Auditor, draft: ReportDraft, block: int) -> None:
    """Compare what the hub has at a block with the history up to it."""
    known = auditor.expected_states()
    for feed_id in await hub.feed_ids(block):
        if feed_id not in known:
            draft.problem(
                ProblemKind.STORAGE,
                f"feed {to_hex(feed_id)}: the hub has it, but its history does not: read from the block of the hub's "
                "deployment on, from a node that has all of it",
            )
    for feed_id, expected in known.items():
        if problem := state_differences(expected, await hub.feed_state(feed_id, block)):
            draft.problem(
                ProblemKind.STORAGE,
                f"feed {to_hex(feed_id)}: the hub's state is not what its history leads to: {problem}",
            )
    for (feed_id, round_id), round_ in auditor.expected_rounds().items():
        if (stored := await hub.round(feed_id, round_id, block)) != round_:
            draft.problem(
                ProblemKind.STORAGE, f"feed {to_hex(feed_id)}: round {round_id} is stored as {stored}, not {round_}"
            )
