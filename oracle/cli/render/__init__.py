"""What the command line shows: tables for people, JSON for machines. Only this module and `cli` print."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from oracle.app.doctor import Check
    from oracle.app.explain import Account
    from oracle.app.models import BuiltModel
    from oracle.app.status import OracleStatus
    from oracle.audit import AuditReport
    from oracle.chain.admin import Call
    from oracle.chain.deploy import Deployment
    from oracle.detectors.drift import Finding
    from oracle.proving.graph import GraphReport
    from oracle.proving.inspect import Inspection, SrsFinding
    from oracle.proving.split import Chain, ModelProof
    from oracle.proving.split.cutting import Plan
    from oracle.proving.srs import SrsStatus


def print_json(value: Any) -> None:
    """One JSON document to standard output."""
    print(json.dumps(value, indent=2, default=str))


def print_call(wanted: Call, *, as_json: bool) -> None:
    """A call that another wallet is to sign."""
    if as_json:
        print_json({"what": wanted.what, "to": wanted.to, "value": 0, "data": "0x" + wanted.data.hex()})
        return
    print(f"{wanted.what}\nto    {wanted.to}\ndata  0x{wanted.data.hex()}")


def finished_steps(show: Callable[[str], None]) -> Callable[[str], None]:
    """Of the lines that a deployment tells, those that a person wants to see: what is done, and what is special."""

    def progress(line: str) -> None:
        if not re.search(r": (sending|sent|signed 0x[0-9a-f]+|mined in block \d+)$", line):
            show(line.removesuffix(": done"))

    return progress


def print_checks(checks: Sequence[Check], *, as_json: bool) -> None:
    """The doctor's findings, with what to do about those that will not work."""
    if as_json:
        print_json([asdict(check) for check in checks])
        return
    table = _table("", "tool", "version", "where", "finding")
    for check in checks:
        mark = "[green]ok[/]" if check.ok else {"error": "[red]fails[/]"}.get(check.level, "[yellow]note[/]")
        table.add_row(mark, check.name, check.version, check.where, check.detail)
    console = Console()
    console.print(table)
    for check in checks:
        if not check.ok and check.remedy:
            console.print(f"{check.name}: {check.remedy}", markup=False, highlight=False)


def print_deployment(deployment: Deployment) -> None:
    """Where everything is."""
    table = _table("what", "where")
    table.add_row(f"hub on chain {deployment.chain_id}", deployment.hub)
    for number, model in sorted(deployment.models.items()):
        table.add_row(f"model {number}", model.artifact_hash)
    for feed in deployment.feeds.values():
        table.add_row(feed.description, feed.aggregator or "")
    if deployment.registry is not None:
        table.add_row("registry of feeds by pair", deployment.registry)
    Console().print(table)


def print_account(account: Account, *, as_json: bool) -> None:
    """Why a report was accepted or is held: a line for each thing to know."""
    if as_json:
        print_json(asdict(account))
        return
    for line in account.lines:
        print(line)


def print_monitor(finding: Finding, files: Mapping[str, Path] | None, *, as_json: bool) -> None:
    """Whether a model should be retrained, and where the proposed one is."""
    from oracle.detectors.drift import lines

    if as_json:
        print_json({**asdict(finding), "retrain": finding.retrain, "proposed": files})
        return
    for line in lines(finding):
        print(line)
    if files is not None:
        print(f"proposed, and not active: {files['model']}; its card: {files['text']}")
        print(
            f'next: compare the cards; then set model = "{files["model"]}" in [prover], and run `oracle deploy`, which '
            "adds the model to the hub; the hub's admin proposes it for the feed"
        )


def print_card(card: Mapping[str, Any], files: Mapping[str, Path], *, as_json: bool) -> None:
    """What a trained detector does on each split, and where its files are."""
    if as_json:
        print_json({"card": card, "files": files})
        return
    table = _table("split", "reports", "objections / 10,000", "interval", "holds / 10,000", "longest hold")
    for name, each in card["splits"].items():
        low, high = each["objections"]["interval_per_10k"]
        table.add_row(
            name,
            str(each["holds"]["reports"]),
            f"{each['objections']['per_10k']:g}",
            f"{low:.3g} to {high:.3g}",
            f"{each['holds']['per_10k']:g}",
            str(each["longest_hold"]),
        )
    console = Console()
    console.print(table)
    data = card["data"]
    console.print(f"sigma = {data['sigma']}, heartbeat = {data['heartbeat']}", markup=False, highlight=False)
    for path in files.values():
        print(path)


def print_status(status: OracleStatus, *, as_json: bool) -> None:
    """The chain, the payer, the journal, and each feed."""
    if as_json:
        print_json(asdict(status))
        return
    console = Console()
    left = "" if status.reports_left is None else f", enough for {status.reports_left:,} reports at the present price"
    console.print(
        f"chain {status.chain_id}, block {status.head:,} of {status.head_at}; hub {status.hub}", highlight=False
    )
    dry = " – [yellow]it runs dry[/]" if status.is_dry else ""
    console.print(f"payer {status.payer} has {status.balance} ether{left}{dry}", highlight=False)
    for endpoint in status.endpoints:
        mark = "[yellow]left alone[/]" if endpoint.problem else "[green]well[/]"
        use = ", in use" if endpoint.in_use and len(status.endpoints) > 1 else ""
        at = "" if endpoint.head is None else f", block {endpoint.head:,}"
        console.print(f"endpoint {escape(endpoint.name)}: {mark}{use}{at}", highlight=False)
        if endpoint.problem:
            console.print(f"  {endpoint.problem}", markup=False, highlight=False)
    if status.journal:
        ends = ", ".join(f"{count:,} {outcome}" for outcome, count in status.journal.items())
        console.print(f"journal: {ends}; written by {status.leader or 'nobody now'}", highlight=False)
    table = _table("feed", "status", "round", "answer", "observed", "age", "held", "open")
    for feed in status.feeds:
        age = "" if feed.age_s is None else f"{feed.age_s:,} s"
        table.add_row(
            feed.name, feed.status, str(feed.round_id), feed.answer, feed.observed_at, age, feed.held, str(feed.open)
        )
    console.print(table)
    for feed in status.feeds:
        if feed.shadow:
            console.print(f"proposed for {feed.name}: {feed.shadow}", markup=False, highlight=False)
    if status.daemon is None:
        console.print("sources: a daemon with [web] listen tells what each said", highlight=False)
    elif not status.daemon:
        console.print("sources: the daemon does not answer", highlight=False)
    else:
        said = _table("feed", "source", "", "value", "detail")
        for feed in status.feeds:
            for each in feed.sources:
                state = each["state"] if each["state"] == "agrees" else f"[red]{each['state']}[/]"
                said.add_row(feed.name, escape(each["source"]), state, each["value"], escape(each["detail"]))
        console.print(said)


def print_srs_findings(findings: Sequence[SrsFinding], *, as_json: bool) -> None:
    """Each SRS as it was checked."""
    if as_json:
        print_json([asdict(finding) for finding in findings])
        return
    table = _table("", "k", "origin", "file", "sha256", "used by")
    for finding in findings:
        mark = "[red]fails[/]" if finding.problem else "[green]ok[/]"
        origin = finding.origin if finding.origin == "public-ceremony" else f"[yellow]{finding.origin}[/]"
        where = finding.path if finding.cached else f"{finding.path} (not in the cache)"
        table.add_row(mark, str(finding.k), origin, where, finding.sha256[:16], "\n".join(finding.used_by) or "–")
    console = Console()
    console.print(table)
    for finding in findings:
        if finding.problem:
            console.print(f"{finding.path} {finding.problem}", markup=False, highlight=False)
    if any(finding.origin != "public-ceremony" for finding in findings):
        console.print("insecure-local: whoever generated it can forge proofs; for local chains only", highlight=False)


@contextlib.contextmanager
def download_progress() -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error; where that is no terminal, nothing."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    console = Console(stderr=True)
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("download", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def print_split(chain: Chain, plan: Plan | None = None, *, as_json: bool) -> None:
    """A split model: its segments, in order; with a plan, what was estimated of them."""
    from oracle.proving.split import estimate

    costs = [estimate(each) for each in chain.artifacts]
    if as_json:
        manifest = chain.manifest.document() if chain.manifest is not None else {}
        planned = {} if plan is None else {"proofs_at_once": plan.lanes, "seconds": plan.seconds, "memory": plan.memory}
        estimated = [asdict(each) for each in costs]
        print_json({"path": str(chain.path), "manifest": manifest, "estimated": estimated, "plan": planned})
        return
    console = Console()
    table = _table("", "from", "to", "takes", "gives", "rows", "k", "proof", "gas", "seconds", "memory")
    assert chain.manifest is not None
    for at, (link, each, cost) in enumerate(zip(chain.manifest.segments, chain.artifacts, costs, strict=True), 1):
        hashed = each.manifest.hashed
        table.add_row(
            str(at),
            *link.nodes,
            f"{link.inputs:,}{' hashed' * ('input' in hashed)}",
            f"{link.outputs:,}{' hashed' * ('output' in hashed)}",
            f"{cost.rows:,}",
            str(cost.k),
            f"{each.manifest.proof_bytes:,} B",
            f"{cost.gas:,}",
            f"{cost.seconds:,.1f}",
            f"{cost.memory / 2**20:,.0f} MiB",
        )
    facts = chain.manifest.facts.get("fidelity") or {}
    lines = [
        f"{chain.name}: {chain.manifest.weights:,} {chain.manifest.visibility.value} weights in {len(costs)} segments",
        f"input x / 2^{chain.input_scale} within ±{chain.clip}, output s / 2^{chain.output_scale}",
    ]
    if facts:
        lines.append(f"{facts['flips']} of {facts['samples']} verdicts flip against the float model")
    if plan is not None:
        lines.append(
            f"estimated: {plan.seconds:,.0f} s with {plan.lanes} at once, {plan.memory / 2**30:.1f} GiB; gas without a "
            f"contract around it {sum(cost.gas for cost in costs):,}"
        )
    for line in lines:
        console.print(line, markup=False, highlight=False)
    console.print(table)
    for name, value in (("artifact", chain.artifact_hash), ("model", chain.model_hash), ("folder", str(chain.path))):
        console.print(f"{name} {value}", markup=False, highlight=False, soft_wrap=True)
    if any(each.manifest.srs_origin == "insecure-local" for each in chain.artifacts):
        console.print("INSECURE: the SRS was generated locally; for local chains only", highlight=False)


def print_inference(chain: Chain, proof: ModelProof) -> None:
    """What a proof says, in the model's units."""
    outputs = ", ".join(f"{value / 2**chain.output_scale:.6g}" for value in proof.outputs)
    count = len(proof.proofs)
    size = sum(len(each) for each in proof.proofs)
    made = f", made in {proof.seconds:.1f} s" if proof.seconds else ""
    print(f"{chain.name}: [{outputs}], {count} proof{'s' * (count > 1)} of {size:,} B{made}")


def print_inspection(found: Inspection, *, as_json: bool) -> None:
    """An artifact: what it is, what it costs, what it publishes, and who may have it."""
    if as_json:
        print_json(asdict(found))
        return
    console = Console()
    circuit, cost, graph = found.circuit, found.cost, found.graph
    facts = Table(box=None, pad_edge=False, show_header=False)
    facts.add_column(style="bold")
    facts.add_column(overflow="fold")

    def row(name: str, *values: str) -> None:
        facts.add_row(name, Text("\n".join(values)))

    copy = "with the prover's files" if found.complete else "a copy without all of the prover's files"
    row("artifact", found.name, found.path, copy)
    windows = "window" if found.batch == 1 else "windows"
    row(
        "statement", f"{found.batch} {windows} of {found.features} features, {found.outputs} {found.disclosure}(s) each"
    )
    if graph is None:
        row("graph", "not in this copy: model.onnx is the prover's")
    else:
        row("inputs", *graph.inputs)
        row("outputs", *graph.outputs)
        row("operators", ", ".join(f"{count} {name}" for name, count in graph.operators.items()))
        weights = [each for each in graph.initializers if ": int" not in each]
        others = len(graph.initializers) - len(weights)
        more = f" and {others} of integers, for shapes and slices" if others else ""
        row(
            "initializers", *weights, f"{len(weights)} tensors{more}: {graph.parameters:,} numbers, opset {graph.opset}"
        )
    used = circuit.rows_used / circuit.rows_available
    row(
        "rows",
        f"{circuit.rows_used:,} of {circuit.rows_available:,} ({used:.0%}), k = {circuit.k}",
        f"the weights' hash needs {circuit.rows_of_hash:,}; the model fills {circuit.assignments:,} cells",
    )
    columns = ", ".join(f"{count} {name}" for name, count in circuit.columns.items())
    row("columns", f"{circuit.inner_columns} inner; {columns}")
    row("lookups", *(circuit.lookups or ("none",)))
    ranges = ", ".join(f"{low} to {high}" for low, high in circuit.range_checks)
    limbs = f"; limbs of base {circuit.decomposition['base']}, {circuit.decomposition['legs']} legs" if ranges else ""
    row("range checks", f"{ranges}{limbs}" if ranges else "none")
    row("scales", f"inputs 2^-{circuit.input_scale}, weights 2^-{circuit.param_scale}; score unit {found.score_unit:,}")
    row("proof", f"{cost.proof_bytes:,} bytes, {cost.instances} instances")
    row("verifier", f"{cost.verifier_bytes:,} bytes of code; a chain takes {cost.verifier_bytes_limit:,}")
    row("calldata", f"{cost.calldata_bytes:,} bytes, {cost.calldata_gas:,} to {cost.calldata_gas_most:,} gas")
    points = cost.commitments
    row(
        "gas of verifyProof",
        f"about {cost.verify_gas_estimate:,} to {cost.verify_gas_estimate_most:,} (estimated), as its own transaction",
        f"at least {cost.floor_gas:,} (computed): calldata, a pairing check, "
        f"{points['in_proof']} + {points['in_key']} commitments",
    )
    measured = cost.measured or {}
    row("measured", *([f"{name}: {value}" for name, value in measured.items()] or ["nothing in this artifact"]))
    row("visibility", f"{found.visibility}: {found.visibility_means}")
    row("disclosure", f"{found.disclosure}: {found.disclosure_means}")
    row("SRS", f"{found.srs_origin}: {found.srs_means}")
    fidelity = found.fidelity or {}
    row("fidelity", *([f"{name}: {value}" for name, value in fidelity.items()] or ["not recorded in this artifact"]))
    row("built with", ", ".join(f"{name} {version}" for name, version in found.tools.items()))
    console.print(facts)
    table = _table("hash", "value")
    for name, value in found.hashes.items():
        table.add_row(name, value)
    console.print()
    console.print(table)
    table = _table("file", "bytes", "for", "what it is")
    for file in found.files:
        table.add_row(file.name, "not here" if file.bytes is None else f"{file.bytes:,}", file.readers, file.why)
    console.print()
    console.print(table)
    for warning in found.warnings:
        console.print(f"note: {warning}", style="yellow", markup=False, highlight=False)


def print_srs(entries: Sequence[SrsStatus], *, as_json: bool) -> None:
    """The SRS cache."""
    if as_json:
        print_json([asdict(entry) for entry in entries])
        return
    table = _table("k", "origin", "file", "sha256")
    for entry in entries:
        table.add_row(str(entry.k), str(entry.origin), str(entry.path), entry.sha256)
    Console().print(table)


def print_graph(report: GraphReport, *, as_json: bool) -> None:
    """What is in a model, what it would cost, and why it can't be proven."""
    if as_json:
        print_json(report.document())
        return
    console = Console()
    operators = ", ".join(f"{count} {name}" for name, count in sorted(report.operators.items()))
    console.print(f"{report.name}: {operators}", markup=False, highlight=False)
    for problem in report.problems:
        console.print(f"- {problem.node}: {problem.what}\n  {problem.change}", markup=False, highlight=False)
    program = report.program
    if program is None or report.public is None or report.private is None:
        return
    console.print(f"{program.features} features, {program.outputs} outputs, {program.weights} weights", highlight=False)
    for line in program.approximated:
        console.print(f"piecewise linear: {line}", markup=False, highlight=False)
    if program.dropped:
        console.print(f"left off: the final {program.dropped}; the value before it is published", highlight=False)
    table = _table("weights", "rows, about", "k", "proof", "gas", "seconds", "memory")
    for name, cost in (("public", report.public), ("private", report.private)):
        table.add_row(
            name,
            f"{cost.rows:,}",
            str(cost.k),
            f"{cost.proof_bytes:,} B",
            f"{cost.gas:,}",
            f"{cost.seconds:.2g}",
            f"{cost.memory / 2**20:,.0f} MiB",
        )
    console.print(table)


def print_model(built: BuiltModel, *, as_json: bool) -> None:
    """An artifact of a brought model, with the settings that were weighed."""
    manifest, path = built.artifact.manifest, built.artifact.path
    if as_json:
        print_json({"path": path, "manifest": manifest.document(), "tuning": built.tuning})
        return
    console = Console()
    table = _table("", "scales", "digits", "columns", "k", "gas, about", "seconds", "measured", "proof")
    for each in built.tuning["candidates"]:
        chosen, estimated = each["settings"], each["estimated"]
        table.add_row(
            "[green]chosen[/]" if each["chosen"] else "",
            f"{chosen['input_scale']}/{chosen['param_scale']}",
            f"{chosen['base']}^{chosen['legs']}" if chosen["base"] > 2 else "none",
            str(chosen["columns"]),
            str(estimated["k"]),
            f"{each['gas']:,}",
            f"{estimated['seconds']:.2g}",
            "" if each["seconds"] is None else f"{each['seconds']:.2g}",
            "" if each["proof_bytes"] is None else f"{each['proof_bytes']:,} B",
        )
    console.print(table)
    facts = manifest.imported or {}
    fidelity = facts["fidelity"]
    error = fidelity["largest_error"]
    published = f"outputs: integers y · 2^{facts['output_scale']}"
    if manifest.disclosure == "verdict":
        limit = facts["verdict"].get("threshold")
        published = "verdicts: 1 for " + (
            "each output that none exceeds" if limit is None else f"each output above {limit:g}"
        )
    lines = [
        f"fidelity: {fidelity['flips']} of {fidelity['samples']} verdicts flip ({fidelity['rule']} "
        f"{fidelity['value']:g})" + ("" if error is None else f", largest error {error:.2g}"),
        f"inputs: integers x · 2^{facts['input_scale']} in ±{facts['clip']:,}; {published}",
        f"weights: {manifest.visibility}; model hash {manifest.model_hash:#066x}",
        f"artifact: {manifest.artifact_hash}",
    ]
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    console.print(str(path), markup=False, highlight=False, soft_wrap=True)


def print_audit(report: AuditReport, *, as_json: bool) -> None:
    """Each round as verified or not, and what is wrong."""
    if as_json:
        document = asdict(report)
        document |= {"verified": report.verified, "failed": report.failed, "ok": report.ok}
        print_json(document)
        return
    console = Console()
    table = _table("feed", "round", "outcome", "answer", "observed at", "verified")
    for finding in report.findings:
        mark = "[green]yes[/]" if finding.verified else f"[red]no: {finding.problem}[/]"
        cells = (finding.round_id, finding.outcome.value, finding.answer, finding.observed_at)
        table.add_row(finding.feed, *(str(cell) for cell in cells), mark)
    console.print(table)
    for note in report.notes:
        console.print(f"note: {note}", markup=False, highlight=False)
    for problem in report.problems:
        console.print(f"[red]problem:[/] {problem}", highlight=False)
    console.print(
        f"{report.verified} of {len(report.findings)} reports verified, {report.failed} failed, "
        f"{len(report.problems)} other problems: hub {report.hub} on chain {report.chain_id}",
        highlight=False,
    )


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
