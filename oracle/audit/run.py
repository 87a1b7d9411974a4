"""The audit of a deployed hub, as a workflow: pin a block, read the history, replay it, prove it, compare, report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from oracle.audit.choice import Choice
from oracle.audit.circuits import DeployedCircuits
from oracle.audit.endpoints import check_code, pin, read_agreed
from oracle.audit.fetch import HistoryReader
from oracle.audit.history import AuditedReport
from oracle.audit.playing import HistoryPlayer
from oracle.audit.progress import AuditStep, Progress, unwatched
from oracle.audit.proofs import ProofPool
from oracle.audit.readings import FetchReadings, ReadingsPlace, audit_readings
from oracle.audit.record import AuditRecord
from oracle.audit.replay import Auditor
from oracle.audit.report import AuditReport, Checked, Finding, ProblemKind, ReportDraft
from oracle.audit.storage import StoredHub, storage_problems
from oracle.chain.hub import Hub, RoundAccepted, RoundHeld
from oracle.chain.keys import signer
from oracle.chain.rpc import BlockTag, Rpc
from oracle.chain.transport.answers import Block
from oracle.core.errors import DataError
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


@dataclass(frozen=True)
class AuditOptions:
    """The way in which a hub is audited.

    Attributes:
        from_block: A block that is not after the hub's creation, to begin at; None: it is looked for.
        block: The block whose state is audited, with all history up to it: a number or a name, such as "finalized".
        readings: The readings to look at; None: none.
        jobs: Proofs at once; None: as many as there are cores.
        record: The record of what earlier audits verified and fetched, which goes on; None: there is none.
        progress: Is told how far the audit is.
        choice: The reports that are proven and listed.
    """

    from_block: int | None = None
    block: BlockTag = "latest"
    readings: WantedReadings | None = None
    jobs: int | None = None
    record: AuditRecord | None = None
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
    if options.record is not None and options.record.note:
        draft.notes.append(options.record.note)
    # 1. Everything is read at one block.
    block, agreeing = await pin(rpcs, options.block, draft)
    rpc = agreeing[0]
    chain_id = await rpc.chain_id()
    code = await check_code(agreeing, hub, chain_id, block, draft)
    # 2. The history is whole.
    reader = HistoryReader(
        agreeing, Hub(rpc, hub), block, draft, options.record or AuditRecord(None, chain_id, hub), options.progress
    )
    events = await reader.events(options.from_block)
    pinned, holes, added = await read_agreed(agreeing, hub, block, events, draft)
    # 3. Every report is what the hub must have made of it, and is proven.
    reports: list[AuditedReport] | None = None if options.readings is None else []
    auditor = Auditor(lambda *signed: signer.recover(chain_id, hub, *signed), reports, pinned, holes)
    circuits, stored = DeployedCircuits(rpc, folder, draft, block.number, progress=options.progress), StoredHub()
    player = HistoryPlayer(reader, auditor, circuits, stored, options.choice)
    with ProofPool(circuits, jobs=options.jobs, record=options.record, progress=options.progress) as pool:
        proofs = await player.play(added, events, pool)
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
