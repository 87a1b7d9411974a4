"""Play a hub's history to the auditor, event by event, and have its proofs verified while more of it is fetched."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence

from oracle.audit.choice import Choice
from oracle.audit.circuits import DeployedCircuits
from oracle.audit.fetch import HistoryReader, ReadEvent
from oracle.audit.history import AdminEvent, ReportEvents, shadow_scored
from oracle.audit.proofs import ProofPool, ProofTask
from oracle.audit.replay import Auditor
from oracle.audit.report import AuditProblem, ProblemKind
from oracle.audit.storage import StoredHub
from oracle.chain.hub import ShadowScored
from oracle.core.errors import DataError


class HistoryPlayer:
    """Plays a hub's history, once.

    Args:
        reader: Fetches the transactions behind the events.
        auditor: Judges the reports, and says which proofs they need.
        circuits: Learns the architectures, and finds the circuits of the models.
        stored: Learns every event that leaves a word in the hub's storage.
        choice: The reports that are proven.
    """

    def __init__(
        self,
        reader: HistoryReader,
        auditor: Auditor,
        circuits: DeployedCircuits,
        stored: StoredHub,
        choice: Choice,
    ) -> None:
        self._reader = reader
        self._auditor = auditor
        self._circuits = circuits
        self._stored = stored
        self._choice = choice

    async def play(self, added: Sequence[AdminEvent], events: Sequence[ReadEvent], pool: ProofPool) -> int:
        """Play everything, and verify the proofs; return how many hold.

        Args:
            added: Events that the logs lack, as they follow from the hub's storage.
            events: The hub's events.
            pool: Verifies proofs.

        Raises:
            ChainUnavailable: No endpoint answers at all.
        """
        proofs = await self._settle(pool, self._proofs(added, events))
        # A proof that did not hold may have another candidate, and of a relay's a trace shows more.
        while self._auditor.tasks or self._auditor.doubts:
            await self._clear_up()
            tasks, self._auditor.tasks = self._auditor.tasks, []
            proofs += await self._settle(pool, tasks)
        return proofs

    # --- proofs ------------------------------------------------------------------------------------------------

    async def _settle(self, pool: ProofPool, tasks: Iterable[ProofTask] | AsyncIterator[ProofTask]) -> int:
        """Verify proofs, and tell the auditor the results; return how many hold."""
        verified = 0
        async for task, result in pool.verify(tasks):
            self._auditor.settle(task, result)
            verified += result is True
        return verified

    async def _proofs(self, added: Sequence[AdminEvent], events: Sequence[ReadEvent]) -> AsyncIterator[ProofTask]:
        """Play the history, and yield the proofs of what was chosen as they come."""
        waiting = [*added]
        await self._supply(waiting)
        async for entry in self._reader.entries(events):
            if isinstance(entry, AdminEvent):
                await self._administer(entry)
                if waiting and entry.name == "ArchitectureAdded":
                    await self._supply(waiting)
            else:
                for judged in entry.events:
                    if isinstance(judged, ShadowScored):
                        self._stored.event(shadow_scored(judged))
                await self._report(entry)
            tasks, self._auditor.tasks = self._auditor.tasks, []
            for task in tasks:
                if any(self._choice.takes(self._auditor.findings[at]) for at in task.findings):
                    yield task

    async def _clear_up(self) -> None:
        """Add the proofs that traces show of relayed reports whose proofs did not hold."""
        for doubt in self._auditor.doubts:
            if (traced := await self._reader.traced(doubt.entry)) is not None:
                self._auditor.try_traced(doubt, traced)
        self._auditor.doubts.clear()

    # --- events ------------------------------------------------------------------------------------------------

    async def _report(self, entry: ReportEvents) -> None:
        """Play a transaction; once more with its trace if what its input shows does not hold."""
        before = None if entry.calls.is_certain else self._auditor.mark()
        self._auditor.play(entry)
        if before is None or not self._auditor.is_in_doubt_since(before):
            return
        if (traced := await self._reader.traced(entry)) is not None:
            self._auditor.reset(before)
            self._auditor.play(traced)

    async def _supply(self, waiting: list[AdminEvent]) -> None:
        """Play events that the logs lack, except those of models whose architecture is not there yet."""
        for event in [*waiting]:
            if event.name != "ModelAdded" or self._circuits.knows(event.values["model"]["architectureId"]):
                waiting.remove(event)
                await self._administer(event)

    async def _administer(self, event: AdminEvent) -> None:
        """Play any event that is not about a report."""
        values, hub = event.values, self._auditor.hub
        try:
            self._stored.event(event)
            if event.name == "ArchitectureAdded":
                self._circuits.add_architecture(values["architectureId"], values["architecture"])
            elif event.name != "ModelAdded":
                hub.administer(event)
            elif self._circuits.knows(values["model"]["architectureId"]):
                hub.add_model(await self._circuits.audited_model(values["modelNumber"], values["model"]))
        except (DataError, ArithmeticError, LookupError, ValueError) as error:
            text = f"the {event.name} of block {event.block_number} is no event of this release's hub: {error}"
            hub.problems.append(AuditProblem(ProblemKind.HISTORY, text))
