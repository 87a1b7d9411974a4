"""The audit of a deployed hub, as a workflow: pin a block, read the history, replay it, prove it, compare, report."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from oracle.audit.choice import Choice
from oracle.audit.circuits import DeployedCircuits
from oracle.audit.fetch import HistoryReader, ReadEvent, pin
from oracle.audit.history import AdminEvent, AuditedReport, ReportEvents, shadow_scored
from oracle.audit.memory import AuditMemory
from oracle.audit.pinned import read_pinned, read_rounds, supplied
from oracle.audit.progress import AuditStep, Progress, unwatched
from oracle.audit.proofs import ProofPool, ProofTask
from oracle.audit.readings import FetchReadings, ReadingsPlace, audit_readings
from oracle.audit.replay import Auditor
from oracle.audit.report import AuditProblem, AuditReport, Checked, Finding, ProblemKind, ReportDraft
from oracle.audit.storage import StoredHub, storage_problems
from oracle.audit.withheld import Holes, PinnedHub, find_holes
from oracle.chain.deploy import code_problems
from oracle.chain.hub import Hub, RoundAccepted, RoundHeld, ShadowScored
from oracle.chain.keys import signer
from oracle.chain.rpc import BlockTag, Rpc
from oracle.chain.transport.answers import Block
from oracle.chain.transport.interface import NodeError
from oracle.core.errors import AnswerNotBelieved, ChainUnavailable, ContractRejected, DataError, DeploymentError
from oracle.core.formats import to_hex
from oracle.core.types import SECONDS_A_DAY

_UNREADABLE = (DeploymentError, ContractRejected, NodeError, AnswerNotBelieved)
"""Errors by which the hub's state can't be read, but the history can be replayed all the same."""


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


@dataclass(frozen=True)
class AuditOptions:
    """The way in which a hub is audited.

    Attributes:
        from_block: A block that is not after the hub's creation, to begin at; None: it is looked for.
        block: The block whose state is audited, with all history up to it: a number or a name, such as "finalized".
        readings: The readings to look at; None: none.
        jobs: Proofs at once; None: as many as there are cores.
        memory: Knows what an earlier audit has done; None: there was none.
        progress: Is told how far the audit is.
        choice: The reports that are proven and listed.
    """

    from_block: int | None = None
    block: BlockTag = "latest"
    readings: WantedReadings | None = None
    jobs: int | None = None
    memory: AuditMemory | None = None
    progress: Progress = unwatched
    choice: Choice = field(default_factory=Choice)


async def audit_hub(rpcs: Sequence[Rpc], hub: str, folder: Path, options: AuditOptions | None = None) -> AuditReport:
    """Audit a hub: its code, its verifiers, and every report that it ever took.

    Args:
        rpcs: Endpoints of its chain. Their logs are united; all have to agree on the pinned block.
        hub: Checksummed address.
        folder: Folder with the models' artifacts; files that only a prover needs may be missing from them.
        options: The way in which it is audited.

    Raises:
        DeploymentError: There is no hub at the address.
        ChainUnavailable: No endpoint answers.
        DataError: A report was chosen that there is not.
    """
    options = options or AuditOptions()
    draft = ReportDraft()
    if options.memory is not None and options.memory.note:
        draft.notes.append(options.memory.note)
    # 1. Everything is read at one block.
    block, agreeing = await pin(rpcs, options.block, draft)
    rpc = agreeing[0]
    chain_id = await rpc.chain_id()
    code = await _check_code(agreeing, hub, chain_id, block, draft)
    # 2. The history is whole.
    reader = HistoryReader(
        agreeing, Hub(rpc, hub), block, draft, options.memory or AuditMemory(None, chain_id, hub), options.progress
    )
    events = await reader.events(options.from_block)
    pinned, holes, added = await _whole(agreeing, hub, block, events, draft)
    # 3. Every report is what the hub must have made of it, and is proven.
    reports: list[AuditedReport] | None = None if options.readings is None else []
    auditor = Auditor(lambda *signed: signer.recover(chain_id, hub, *signed), reports, pinned, holes)
    circuits, stored = DeployedCircuits(rpc, folder, draft, block.number, progress=options.progress), StoredHub()
    with ProofPool(circuits, jobs=options.jobs, memory=options.memory, progress=options.progress) as pool:
        history = _replayed(reader, added, events, auditor, circuits, stored, options.choice)
        proofs = await _settle(pool, history, auditor)
        while auditor.tasks or auditor.doubts:  # a proof that did not hold may have another candidate
            for doubt in auditor.doubts:
                if (traced := await reader.traced(doubt.entry)) is not None:
                    auditor.try_traced(doubt, traced)
            auditor.doubts.clear()
            tasks, auditor.tasks = auditor.tasks, []
            proofs += await _settle(pool, tasks, auditor)
    draft.problems += auditor.hub.problems
    circuits.report_unreadable()
    _check_choice(options.choice, auditor, draft)
    # 4. The hub's state is what its history leads to.
    people = {each.event.submitter for each in events if isinstance(each.event, RoundAccepted | RoundHeld)}
    options.progress(AuditStep.STORAGE, 0, None)
    compared = await storage_problems(agreeing, hub, block, stored, auditor.hub.written(people), code)
    draft.problems += compared.problems
    draft.notes += compared.notes
    draft.storage = compared.storage
    if compared.storage is not None:
        options.progress(AuditStep.STORAGE, compared.storage.words, compared.storage.words)
    # 5. Each answer follows from readings whose hash was signed with it.
    if options.readings is not None and reports is not None:
        options.progress(AuditStep.READINGS, 0, len(reports))
        await _look_at_readings(options.readings, reports, auditor, block, draft)
        options.progress(AuditStep.READINGS, len(reports), len(reports))
    # 6. It was one chain all the time.
    findings = auditor.findings
    if reader.contradiction or not await reader.is_still_there():
        findings = _reorganised(draft, findings, block, reader.contradiction)
    chosen, not_proven = _chosen(findings, options.choice)
    report = draft.finish(
        hub, chain_id, block, chosen, choice=str(options.choice), not_proven=not_proven, proofs=proofs
    )
    return replace(report, endpoints=tuple(each.name for each in agreeing))


# --- the steps -----------------------------------------------------------------------------------------------------


async def _check_code(rpcs: Sequence[Rpc], hub: str, chain_id: int, block: Block, draft: ReportDraft) -> bytes:
    """Check the hub's code and the code that it names, at each endpoint; return it as the first one gives it."""
    first = b""
    for rpc in rpcs:
        try:
            code = await rpc.code(hub, block.number)
        except ChainUnavailable as error:
            if rpc is rpcs[0] and not isinstance(error, NodeError):
                raise
            draft.problem(ProblemKind.NODE, f"the code at block {block.number} can't be read: {error}")
            continue
        if not code and rpc is rpcs[0]:
            raise DeploymentError(f"there is no contract at {hub} on chain {chain_id} at block {block.number}")
        first = first or code
        if code != first:
            text = f"{rpcs[0].name} and {rpc.name} give other code of the hub at block {block.number}"
            draft.problem(ProblemKind.CHAIN, f"the endpoints contradict each other: {text}")
        try:
            for text in await code_problems(rpc, hub, block=block.number, code=code):
                draft.problem(ProblemKind.CODE, text)
        except (DeploymentError, ContractRejected, ChainUnavailable) as error:
            if rpc is rpcs[0] and not isinstance(error, _UNREADABLE):
                raise
            draft.problem(ProblemKind.CODE, f"the hub's code can't be compared: {error}")
    return first


async def _whole(
    rpcs: Sequence[Rpc], hub: str, block: Block, events: Sequence[ReadEvent], draft: ReportDraft
) -> tuple[PinnedHub, Holes, list[AdminEvent]]:
    """Compare the history with the hub's own counts and heads; return what is missing, and what can be supplied."""
    of_first = Hub(rpcs[0], hub)
    try:
        pinned = await read_pinned(of_first, block.number)
        await _check_agreement(rpcs, hub, block, pinned, draft)
        holes = find_holes([each.event for each in events], pinned)
        draft.problems += holes.problems
        missing = [(feed_id, number) for feed_id, numbers in holes.rounds.items() for number in numbers]
        pinned = replace(pinned, rounds=await read_rounds(of_first, missing, block.number))
        return pinned, holes, await supplied(of_first, holes, pinned, block.number)
    except _UNREADABLE as error:
        draft.problem(
            ProblemKind.STORAGE, f"the hub's state can't be read, so nothing shows that the history is whole: {error}"
        )
        return PinnedHub(), Holes(), []


async def _check_agreement(rpcs: Sequence[Rpc], hub: str, block: Block, pinned: PinnedHub, draft: ReportDraft) -> None:
    """Check that the further endpoints give the same state of the hub as the first one."""
    for rpc in rpcs[1:]:
        try:
            if await read_pinned(Hub(rpc, hub), block.number) != pinned:
                text = f"{rpcs[0].name} and {rpc.name} give other states of the hub at block {block.number}"
                draft.problem(ProblemKind.CHAIN, f"the endpoints contradict each other: {text}")
        except _UNREADABLE as error:
            draft.problem(ProblemKind.NODE, f"{rpc.name} does not give the hub's state: {error}")


async def _replayed(
    reader: HistoryReader,
    added: Sequence[AdminEvent],
    events: Sequence[ReadEvent],
    auditor: Auditor,
    circuits: DeployedCircuits,
    stored: StoredHub,
    choice: Choice,
) -> AsyncIterator[ProofTask]:
    """Replay the history, and yield the proofs of what was chosen as they come."""
    waiting = [*added]
    await _supply(waiting, auditor, circuits, stored)
    async for entry in reader.entries(events):
        if isinstance(entry, AdminEvent):
            await _administer(entry, auditor, circuits, stored)
            if waiting and entry.name == "ArchitectureAdded":
                await _supply(waiting, auditor, circuits, stored)
        else:
            for judged in entry.events:
                if isinstance(judged, ShadowScored):
                    stored.event(shadow_scored(judged))
            await _play(entry, auditor, reader)
        tasks, auditor.tasks = auditor.tasks, []
        for task in tasks:
            if any(choice.takes(auditor.findings[at]) for at in task.findings):
                yield task


async def _play(entry: ReportEvents, auditor: Auditor, reader: HistoryReader) -> None:
    """Play a transaction; once more with its trace if what its input shows does not hold."""
    before = None if entry.calls.is_certain else auditor.mark()
    auditor.play(entry)
    if before is None or not auditor.is_in_doubt_since(before):
        return
    if (traced := await reader.traced(entry)) is not None:
        auditor.reset(before)
        auditor.play(traced)


async def _supply(waiting: list[AdminEvent], auditor: Auditor, circuits: DeployedCircuits, stored: StoredHub) -> None:
    """Play events that the logs lack, except those of models whose architecture is not there yet."""
    for event in [*waiting]:
        if event.name != "ModelAdded" or circuits.knows(event.values["model"]["architectureId"]):
            waiting.remove(event)
            await _administer(event, auditor, circuits, stored)


async def _settle(pool: ProofPool, tasks: Iterable[ProofTask] | AsyncIterator[ProofTask], auditor: Auditor) -> int:
    """Verify proofs, and tell the auditor the results; return how many hold."""
    verified = 0
    async for task, result in pool.verify(tasks):
        auditor.settle(task, result)
        verified += result is True
    return verified


async def _administer(event: AdminEvent, auditor: Auditor, circuits: DeployedCircuits, stored: StoredHub) -> None:
    values = event.values
    try:
        stored.event(event)
        if event.name == "ArchitectureAdded":
            circuits.add_architecture(values["architectureId"], values["architecture"])
        elif event.name != "ModelAdded":
            auditor.hub.administer(event)
        elif circuits.knows(values["model"]["architectureId"]):
            auditor.hub.add_model(await circuits.audited_model(values["modelNumber"], values["model"]))
    except (DataError, ArithmeticError, LookupError, ValueError) as error:
        text = f"the {event.name} of block {event.block_number} is no event of this release's hub: {error}"
        auditor.hub.problems.append(AuditProblem(ProblemKind.HISTORY, text))


async def _look_at_readings(
    wanted: WantedReadings, reports: Sequence[AuditedReport], auditor: Auditor, block: Block, draft: ReportDraft
) -> None:
    since = block.timestamp - wanted.days * SECONDS_A_DAY
    young = [each for each in reports if each.block_time >= since]
    if len(young) < len(reports):
        left = len(reports) - len(young)
        draft.notes.append(f"the readings of {left} reports of more than {wanted.days:g} days ago were not looked at")

    def place(reporter: str) -> ReadingsPlace | None:
        return wanted.places.get(reporter, wanted.elsewhere)

    draft.readings = await audit_readings(young, auditor.hub.feeds, place, wanted.fetch)


def _reorganised(draft: ReportDraft, findings: Sequence[Finding], block: Block, contradiction: str) -> list[Finding]:
    """Say that the chain was reorganised, and take back what it may have caused."""
    why = contradiction or f"block {block.number} is no longer {to_hex(block.hash)}"
    lasting = (ProblemKind.CODE, ProblemKind.ARTIFACT, ProblemKind.SRS)
    draft.problems = [each for each in draft.problems if each.kind in lasting]
    draft.problem(
        ProblemKind.CHAIN,
        f"the chain was reorganised during the audit ({why}): what was read is of two chains, so nothing is said of "
        "the hub's state, nor of reports that seem wrong. Audit it again, best at a final block: --block finalized",
    )
    told = "the chain was reorganised during the audit; before that, it seemed that {}"

    def taken_back(finding: Finding) -> Finding:
        if finding.check is not Checked.FAILED:
            return finding
        return replace(finding, check=Checked.UNCHECKED, problem=told.format(finding.problem))

    return [taken_back(finding) for finding in findings]


def _check_choice(choice: Choice, auditor: Auditor, draft: ReportDraft) -> None:
    """Check that what was chosen is there. Where the history has gaps, it may be in one: that is no user's error."""
    try:
        choice.check(auditor.findings, auditor.hub.feeds)
    except DataError as error:
        if all(each.kind is not ProblemKind.HISTORY for each in draft.problems):
            raise
        draft.problem(ProblemKind.HISTORY, f"{error}; the history has gaps, and it may be in one of them")


def _chosen(findings: Sequence[Finding], choice: Choice) -> tuple[list[Finding], int]:
    """Return the findings to list, and the number of the others, which were replayed but not proven."""
    if choice.is_all:
        return list(findings), 0
    listed = [each for each in findings if each.check is Checked.FAILED or choice.takes(each)]
    return listed, len(findings) - len(listed)
