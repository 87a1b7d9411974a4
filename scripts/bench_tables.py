"""Write the benchmark's tables into documents, from `build/bench.json`, so that no figure is copied by hand.

    python -m scripts.bench_tables build/bench.json docs/performance.md
    python -m scripts.bench_tables --table private_claims build/bench-claims.json docs/performance.md   # one only

A document has a line `<!-- bench:NAME -->` before each table and `<!-- /bench:NAME -->` after it; NAME is one of
`TABLES`.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from oracle.bench import audits as audited
from oracle.bench import baselines as beside
from oracle.bench import claims, estimates
from oracle.bench import submissions as submitted
from oracle.bench import targets as wanted
from oracle.bench import worth as worthwhile
from oracle.bench.cases import (
    BESIDE,
    CLAIMS,
    DEFAULT,
    DEFAULT_VERDICT,
    DEFAULTS,
    GROUPS,
    LARGE,
    MODELS,
    OWN,
    SUBMISSIONS,
    SUBMITTED_BATCHES,
    THROUGHPUT,
    TUNED,
)
from oracle.bench.ezkl_defaults import reason_of

Report = Mapping[str, Any]


class TablesError(Exception):
    """A document lacks markers of tables, or a report lacks what a table shows."""


def rows_of(columns: Mapping[str, str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown.

    Args:
        columns: The alignment by title: `---` or `--:`.
        rows: The cells of each row.
    """
    lines = ["| " + " | ".join(columns) + " |", "|" + "|".join(columns.values()) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def machine(report: Report) -> str:
    """Return the machine, the versions, and the command that measures again."""
    return _machine(report, f"--repeat {report['repeat']}")


def _machine(report: Report, arguments: str, holds: str = "the ratios hold") -> str:
    about, versions = report["machine"], report["versions"]
    busy = about["load_before"] > 0.5
    return (
        f"{about['cpu']}, {about['cores']} cores, {about['memory_gb']} GB, {about['system']}; "
        f"Python {versions['python']}, ezkl {versions['ezkl']}, Anvil {versions['anvil']}, solc {versions['solc']}; "
        f"commit {versions.get('commit', 'unknown')}, {report['measured_at'][:10]}, "
        f'`make bench ARGS="{arguments}"`, {report["seconds"] / 60:.0f} minutes. '
        + (
            f"Other work was running (load {about['load_before']} at the start): {holds}, but the seconds are too long."
            if busy
            else "Nothing else was running."
        )
    )


def proving(report: Report) -> str:
    """Return the table of circuits, each with ezkl's defaults."""
    columns = {"case": "---"} | dict.fromkeys(
        ("k", "prove", "share of ezkl's time", "gas to verify", "proof", "memory", "set-up", "flips in 10,000"), "--:"
    )
    rows = []
    for case in _in_groups(report):
        of = report[case]
        ratio = f"1/{of['default_over_prove']:g}" if "default_over_prove" in of else "1" if case in DEFAULTS else "–"
        rows.append(
            [
                f"`{case}`",
                str(of["k"]),
                f"{of['prove_s']:.3f} s",
                ratio,
                f"{of['verify_gas']:,}",
                f"{of['proof_bytes']:,} B",
                f"{of['rss_mb']:.0f} MB",
                f"{of['setup_s']:.1f} s",
                _flips(of),
            ]
        )
    return rows_of(columns, rows)


def _in_groups(report: Report) -> list[str]:
    """Return the cases by group: ours, then ezkl's."""
    found = []
    for group in (OWN, *MODELS):
        cases = [case for case in GROUPS if GROUPS[case] == group and case in report]
        found += sorted(cases, key=lambda case: case in DEFAULTS)
    return found


def _flips(of: Report) -> str:
    if "flips_per_10k" not in of:
        return "–"
    text = f"{of['flips_per_10k']:g}"
    if of["flips_samples"] < 10_000:
        text += f" (of {of['flips_samples']:,})"
    if of["unprovable_per_10k"]:
        text += f"; {of['unprovable_per_10k']:g} without a proof"
    return text


def settings(report: Report) -> str:
    """Return the table of settings: those that tuning chose, and those of ezkl's calibration."""
    columns = {"case": "---"} | dict.fromkeys(
        ("rows", "k", "input scale", "parameter scale", "digits", "columns", "rebased"), "--:"
    )
    rows = []
    for case in _in_groups(report):
        of = report[case]
        if case in TUNED:
            chosen = of["settings"]
            digits = f"{chosen['legs']} of base {chosen['base']}" if chosen["base"] > 2 else "none"
            scales = (chosen["input_scale"], chosen["param_scale"], digits, chosen["columns"], "no")
        elif case in DEFAULTS:
            chosen = of["run_args"]
            digits = f"{chosen['decomp_legs']} of base {chosen['decomp_base']}"
            rebased = "yes" if chosen["scale_rebase_multiplier"] < _NEVER else "no"
            scales = (chosen["input_scale"], chosen["param_scale"], digits, chosen["num_inner_cols"], rebased)
        else:
            continue
        rows.append([f"`{case}`", f"{of['rows']:,}", str(of["k"]), *map(str, scales)])
    return rows_of(columns, rows)


_NEVER = 1_000


def refusals(report: Report) -> str:
    """Return the table of limbs that are too few for ezkl's defaults on the default's graphs, and of enough."""
    columns = {"graph": "---", "`decomp_legs`": "--:", "what ezkl says": "---"}
    rows = []
    for case in (case for case in (DEFAULT, DEFAULT_VERDICT) if case in report):
        tried = report[case]["refused"]
        rows += [[f"`{case}`", str(each["decomp_legs"]), reason_of(each["refusal"])] for each in tried]
        taken = report[case]["run_args"]
        rows.append(
            [
                f"`{case}`",
                str(taken["decomp_legs"]),
                f"taken: `input_scale = {taken['input_scale']}`, `param_scale = {taken['param_scale']}`, "
                f"`scale_rebase_multiplier = {taken['scale_rebase_multiplier']}`, k = {report[case]['k']}, "
                f"{report[case]['rows']:,} rows",
            ]
        )
    if not rows:
        raise KeyError(DEFAULT)
    return rows_of(columns, rows)


def throughput(report: Report) -> str:
    """Return the table of proofs per second."""
    columns = {"case": "---"} | dict.fromkeys(("proofs per second", "windows per second", "processes", "memory"), "--:")
    rows = [
        [
            f"`{case}`",
            f"{of['proofs_per_s']:g}",
            f"{of['windows_per_s']:g}",
            str(of["processes"]),
            f"{of['rss_mb']:.0f} MB each",
        ]
        for case, of in ((case, report[case]) for case in THROUGHPUT if case in report)
    ]
    return rows_of(columns, rows)


def estimator(report: Report) -> str:
    """Return the table of the cost model's errors, case by case, and the largest."""
    columns = {"case": "---", "k, estimated and measured": "--:"} | dict.fromkeys(
        ("rows", "proof", "gas", "memory", "seconds"), "--:"
    )
    rows = []
    for case in _in_groups(report):
        of = report[case]
        if "estimate_error" not in of:
            continue
        by_graph, by_rows = (of["estimate_error"][stage] for stage in estimates.STAGES)
        cells = [f"{by_graph['rows']:+.0%}", *(f"{by_rows[name]:+.0%}" for name in list(estimates.QUANTITIES)[1:])]
        rows.append([f"`{case}`", f"{of['estimated']['graph']['k']} {of['k']}", *cells])
    of = report["estimator"]
    largest = [f"{of['graph']['rows']['max']:.0%}"]
    largest += [f"{of['settings'][name]['max']:.0%}" for name in list(estimates.QUANTITIES)[1:]]
    rows.append(["**largest**", "", *(f"**{cell}**" for cell in largest)])
    return rows_of(columns, rows)


def private_claims(report: Report) -> str:
    """Return the table of claims, and the machine: the claims may be of another run than the rest."""
    columns = {"case": "---"} | dict.fromkeys(claims.COLUMNS, "--:")
    rows = [[f"`{case}`", *claims.cells(report[case])] for case in CLAIMS if case in report]
    if not rows:
        raise KeyError("claim-*")
    where = _machine(report, f"--cases 'claim-*' --repeat {report['repeat']}")
    return f"{rows_of(columns, rows)}\n\n{where}"


def building(report: Report) -> str:
    """Return the table of builds, from the ONNX file to the compiled verifier, beside ezkl's own pipeline."""
    columns = {"case": "---"} | dict.fromkeys(
        ("build", "of which tuning, with keys and a proof", "ezkl's own pipeline", "share of its time"), "--:"
    )
    rows = []
    for case in (case for case in TUNED if case in report and BESIDE[case] in report):
        of, theirs = report[case], report[BESIDE[case]]
        rows.append(
            [
                f"`{case}`",
                f"{of['setup_s']:.1f} s",
                f"{of['setup_steps_s']['tuning']:.1f} s",
                f"{theirs['setup_s']:.1f} s",
                f"{of['setup_s'] / theirs['setup_s']:.2f}",
            ]
        )
    return f"{rows_of(columns, rows)}\n\n{machine(report)}"


def large(report: Report) -> str:
    """Return the table of models that are split, and the machine."""
    titles = ("weights", "limit", "segments, k", "build", "its memory", "proof, estimated", "proof", "its memory then")
    columns = {"case": "---"} | dict.fromkeys((*titles, "verification", "bytes"), "--:")
    rows = []
    for case in (case for case in LARGE if case in report):
        of = report[case]
        rows.append(
            [
                f"`{case}`",
                f"{of['weights']:,}",
                f"{of['memory_limit_gib']:g} GiB",
                ", ".join(str(each["k"]) for each in of["segments"]),
                f"{of['build_s'] / 60:.0f} min",
                f"{of['build_memory_mb'] / 1e3:.1f} GB",
                f"{of['planned']['seconds']:.0f} s",
                f"{of['prove_s']:.0f} s",
                f"{of['prove_memory_mb'] / 1e3:.1f} GB",
                f"{of['verify_s']:.1f} s",
                f"{of['proof_bytes']:,} B",
            ]
        )
    return f"{rows_of(columns, rows)}\n\n{machine(report)}"


def audits(report: Report) -> str:
    """Return the table of audits, in rounds a second, and the machine."""
    columns = {"case": "---"} | dict.fromkeys(audited.COLUMNS, "--:")
    rows = [[f"`{case}`", *cells] for case, *cells in audited.rows(report)]
    if not rows:
        raise KeyError("audit-*")
    where = _machine(report, f"--cases 'audit-*' --repeat {report['repeat']}")
    return f"{rows_of(columns, rows)}\n\n{where}"


def baselines(report: Report) -> str:
    """Return the table of the default model's proofs and of what does without them, and the machine."""
    columns = {"case": "---"} | dict.fromkeys(beside.COLUMNS, "--:")
    table = rows_of(columns, [[f"`{case}`", *cells] for case, *cells in beside.rows(report)])
    where = _machine(report, f"--cases 'onchain-*,groth16-*' --repeat {report['repeat']}", "the gas is right")
    return f"{table}\n\n{where}"


def submissions(report: Report) -> str:
    """Return the table of the default's submissions, the size of the hub, and the machine."""
    columns = {"case": "---"} | dict.fromkeys(submitted.COLUMNS, "--:")
    table = rows_of(
        columns, [[f"`{case}`", *(cell or "–" for cell in cells)] for case, *cells in submitted.rows(report)]
    )
    if not any(case in report for case in SUBMISSIONS):
        raise KeyError("submit-*")
    where = _machine(report, f"--cases 'submit-default-*' --repeat {report['repeat']}", "the gas is right")
    return f"{table}\n\nThe hub has {report['hub_bytes']:,} bytes of code. {where}"


_WORTH = "--cases 'submit-*-q1,onchain-*,groth16-peers'"


def daemon(report: Report) -> str:
    """Return the table of a daemon's latencies and memory, with the default's private model."""
    two, one = report["end_to_end"], report["end_to_end_one_worker"]
    steps = ", ".join(f"{step} {1_000 * seconds:.0f} ms" for step, seconds in one["mean_steps_s"].items())
    rows = [
        [f"from observation to confirmation, {two['workers']} provers of one thread", _latency(two)],
        ["the same with `workers = 1`: one prover of all cores", _latency(one)],
        ["where that goes, mean of each step", steps],
        [
            f"peak resident memory of the daemon with its {two['workers']} provers",
            f"{report['daemon_rss_mb']:.0f} MB (the daemon alone has {report['daemon_parent_rss_mb']:.0f} MB)",
        ],
        ["`oracle --help`", f"{report['cli_help_s']:.2f} s"],
    ]
    return rows_of({f"`{two['case']}`": "---", "": "--:"}, rows)


def _latency(of: Report) -> str:
    return f"p50 {of['p50_s']} s, p95 {of['p95_s']} s: {of['p50_over_proof']} × the proof's own p50"


def gas_parts(report: Report) -> str:
    """Return the parts of a submission's gas per feed, with one feed and with sixteen."""
    cases = [report[f"submit-default-private-b{batch}-q1"] for batch in (1, 16)]
    names = {
        "sstore": "storage written",
        "sload": "storage read",
        "log": "the hub's events",
        "ecrecover": "ecrecover",
        "accounts": "accounts that are called",
        "computing": "computing: decoding, digest, medians, features, instances, packing",
    }
    profiles = [of["profile"] for of in cases]
    rows = [
        [name, *(f"{profile['hub_per_feed'].get(part, 0):,}" for profile in profiles)] for part, name in names.items()
    ]
    rows.append(["the adapter: its two events", *(f"{profile['adapter_per_feed']:,}" for profile in profiles)])
    sums = [sum(profile["hub_per_feed"].values()) + profile["adapter_per_feed"] for profile in profiles]
    rows.append(["**hub and adapters**", *(f"**{total:,}**" for total in sums)])
    return rows_of({"part": "---", "B = 1": "--:", "B = 16": "--:"}, rows)


def targets(report: Report) -> str:
    """Return the table of what the default should reach, and the machine."""
    rows = [list(row) for row in wanted.rows(report)]
    if len(rows) < len(wanted.TARGETS):
        raise KeyError(next(target.what for target in wanted.TARGETS if target.what not in {row[0] for row in rows}))
    table = rows_of({"": "---", "wanted": "--:", "measured": "--:", " ": "---"}, rows)
    cases = "--cases 'default-*,ezkl-default-peers*,groth16-peers,throughput-*,submit-default-*'"
    where = _machine(report, f"{cases} --repeat {report['repeat']}")
    return f"{table}\n\n{where}"


def worth(report: Report) -> str:
    """Return the table of what a check costs per feed: proven, evaluated by a contract, and by Groth16."""
    columns = {"model": "---"} | {f"proof, B = {batch}": "--:" for batch in SUBMITTED_BATCHES}
    columns |= {"a contract evaluates it": "--:", "Groth16": "--:"}
    table = rows_of(columns, _required(worthwhile.rows(report)))
    where = _machine(report, f"{_WORTH} --repeat {report['repeat']}", "the gas is right")
    return f"{table}\n\n{where}"


def worth_whole(report: Report) -> str:
    """Return the table of what a whole submission costs per feed."""
    columns = {"model": "---"} | {f"B = {batch}": "--:" for batch in SUBMITTED_BATCHES}
    return rows_of(columns, _required(worthwhile.prices(report, "gas_per_feed")))


def worth_even(report: Report) -> str:
    """Return the table of the sizes from which on a contract is dearer than a proof."""
    columns = dict.fromkeys(("gas of a weight", *(f"B = {batch}" for batch in SUBMITTED_BATCHES)), "--:")
    return rows_of(columns, [worthwhile.even(report)])


def worth_recall(report: Report) -> str:
    """Return the table of what kinds of models see, from the detector report."""
    columns = {"series and spike": "---"} | dict.fromkeys(("a cap", *worthwhile.RECALLED), "--:")
    return rows_of(columns, _required(worthwhile.recalls(report["detectors"])))


def _required(rows: list[list[str]]) -> list[list[str]]:
    if not rows:
        raise KeyError("submit-*-q1")
    return rows


TABLES: dict[str, Callable[[Report], str]] = {
    each.__name__: each
    for each in (
        machine,
        proving,
        settings,
        refusals,
        throughput,
        estimator,
        submissions,
        baselines,
        targets,
        daemon,
        gas_parts,
        worth,
        worth_whole,
        worth_even,
        worth_recall,
        private_claims,
        audits,
        building,
        large,
    )
}


def fill(
    text: str,
    report: Report,
    name: str = "the document",
    only: Sequence[str] = (),
    *,
    tables: Mapping[str, Callable[[Report], str]] = TABLES,
    marker: str = "bench",
) -> str:
    """Return the document with its tables written anew.

    Args:
        text: The document.
        report: The figures.
        name: The document's name, for messages.
        only: Write these tables; none: all.
        tables: The tables by name.
        marker: The word before a table's name in the document.

    Raises:
        TablesError: A marker is missing, unknown or has no end, or the report lacks what a table shows.
    """
    opened = re.findall(rf"^<!-- {marker}:(\w+) -->$", text, re.MULTILINE)
    if not opened:
        raise TablesError(f"{name} has no line <!-- {marker}:NAME -->; NAME is one of {', '.join(tables)}")
    for table in opened:
        if only and table not in only:
            continue
        if table not in tables:
            raise TablesError(f"{name}: there is no table {table!r}, only {', '.join(tables)}")
        start, end = f"<!-- {marker}:{table} -->\n", f"<!-- /{marker}:{table} -->"
        before, _, rest = text.partition(start)
        _, closed, after = rest.partition(end)
        if not closed:
            raise TablesError(f"{name}: {start.strip()} has no {end}")
        try:
            written = tables[table](report)
        except KeyError as error:
            raise TablesError(f"the report lacks {error}, which the table {table!r} shows: run all cases") from error
        text = f"{before}{start}{written}\n{end}{after}"
    return text


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the tables that the arguments ask for; return the exit code."""
    parser = argparse.ArgumentParser(description="Write the benchmark's tables into documents.")
    parser.add_argument(
        "--table", action="append", default=[], choices=TABLES, help="write only this one; may be repeated"
    )
    parser.add_argument("--detectors", type=Path, help="the detector report's summary.json, for the table worth_recall")
    parser.add_argument("report", type=Path, help="the figures: build/bench.json")
    parser.add_argument("documents", type=Path, nargs="+", help="the documents to write into")
    given = parser.parse_args(arguments)
    try:
        report = json.loads(given.report.read_text(encoding="utf-8"))
        if given.detectors is not None:
            report["detectors"] = json.loads(given.detectors.read_text(encoding="utf-8"))
        for document in given.documents:
            text = document.read_text(encoding="utf-8")
            document.write_text(fill(text, report, str(document), given.table), encoding="utf-8")
    except (OSError, ValueError, TablesError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
