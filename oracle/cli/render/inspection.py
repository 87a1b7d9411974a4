"""The report of `oracle model inspect` on an artifact of one circuit."""

from __future__ import annotations

from dataclasses import asdict

from rich.table import Table
from rich.text import Text

from oracle.cli.render.json_output import print_json
from oracle.cli.render.tables import new_console, new_table
from oracle.proving.inspect.views import Inspection


def print_inspection(found: Inspection, *, as_json: bool) -> None:
    """Print an artifact's circuit, its cost, what it publishes, and who may have its files."""
    if as_json:
        print_json(asdict(found))
        return
    console = new_console()
    circuit, cost, graph = found.circuit, found.cost, found.graph
    facts = Table(box=None, pad_edge=False, show_header=False)
    facts.add_column(style="bold")
    facts.add_column(overflow="fold")

    def row(name: str, *values: str) -> None:
        facts.add_row(name, Text("\n".join(values)))

    copy = "with the prover's files" if found.complete else "a copy without all of the prover's files"
    row("artifact", found.name, found.path, copy)
    windows = "window" if found.batch == 1 else "windows"
    row("statement", f"{found.batch} {windows} of {found.width} integers, {found.outputs} {found.disclosure}(s) each")
    if found.features:
        row("features", ", ".join(found.features))
    row("inputs", *graph.inputs)
    row("outputs", *graph.outputs)
    row("operators", ", ".join(f"{count} {name}" for name, count in graph.operators.items()))
    weights = [each for each in graph.initializers if ": int" not in each]
    others = len(graph.initializers) - len(weights)
    more = f" and {others} of integers, for shapes and slices" if others else ""
    row("initializers", *weights, f"{len(weights)} tensors{more}: {graph.parameters:,} numbers, opset {graph.opset}")
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
    own = ", ".join(f"2^{-circuit.input_scale - each}" for each in circuit.input_shifts)
    row(
        "scales",
        f"inputs 2^-{circuit.input_scale}, weights 2^-{circuit.param_scale}; score unit {found.score_unit:,}",
        *([f"each feature has its own: {own}"] if own else []),
    )
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
    table = new_table("hash", "value")
    for name, value in found.hashes.items():
        table.add_row(name, value)
    console.print()
    console.print(table)
    table = new_table("file", "bytes", "for", "what it is")
    for file in found.files:
        table.add_row(file.name, "not here" if file.bytes is None else f"{file.bytes:,}", file.readers, file.why)
    console.print()
    console.print(table)
    for warning in found.warnings:
        console.print(f"note: {warning}", style="yellow", markup=False, highlight=False)
