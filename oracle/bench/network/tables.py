"""The tables about networks, in Markdown, from the report `build/network.json`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from oracle.bench.network.rounds import EXPECTED_BEYOND_S, EXPECTED_TIMES

__all__ = ["TABLES"]

Report = Mapping[str, Any]


def collusion(report: Report) -> str:
    """Return the table of how far liars move the answer, expected and observed."""
    part = report["collusion"]
    columns = {"n, q": "---", "liars": "--:"} | dict.fromkeys(
        (
            "nobody lies",
            "a liar transmits",
            "honest turn, all answer",
            "honest turn, a quorum answers",
            "mean of all turns",
            "outside the honest range",
        ),
        "--:",
    )
    rows = []
    for of in (*part["sizes"], *part["too_many"]):
        cells = [_moved(of, name) for name in ("liars_transmit", "all_answer", "quorum_answers", "all_turns")]
        outside = "never" if of["outside"] == 0 else f"in {of['outside'] / of['games']:.0%} of turns"
        size = f"{of['members']}, {of['quorum']}"
        rows.append([size, str(of["liars"]), f"{of['nobody_lies'] + 0.0:.2f}", *cells, outside])
    said = (
        f"Each cell: what is expected; what was observed when they push up, and down: means of {part['rounds']:,} "
        f"rounds. The feed's spread is {part['spread']:g} standard deviations. Seed {part['seed']}, "
        f"`{part['measured']['command']}`."
    )
    return f"{_rows(columns, rows)}\n\n{said}"


def _moved(of: Mapping[str, Any], name: str) -> str:
    expected = "–" if of["expected"] is None else f"{of['expected'][name]:.2f}"
    return f"{expected}; {of['up'][name]:.2f}, {of['down'][name]:.2f}"


def rounds(report: Report) -> str:
    """Return the table of rounds with delays on the links."""
    columns = {"n, q": "---", "feeds": "--:", "members as": "---"} | dict.fromkeys(
        (
            "reports",
            "due → confirmed, p50, p95",
            "slowest needed round trip",
            "a quorum has answered, p50, p95",
            "as expected",
            "collecting, p50, p95",
            "as expected ",
            "share of due → confirmed",
            "asked, told",
            "kB a round",
            "CPU of a reporter",
        ),
        "--:",
    )
    rows = []
    for of in report["rounds"]["cases"]:
        due, collecting, needed = (of[name] for name in ("due_to_confirmed_s", "collecting_s", "needed_round_trip_s"))
        rows.append(
            [
                f"{of['members']}, {of['quorum']}",
                str(of["feeds"]),
                of["placement"],
                str(due["count"]),
                _pair(due),
                f"{needed['mean']:.2f} s" if needed["count"] else "–",
                _pair(of["until_quorum_s"]),
                f"{of['until_quorum_within_expected']} of {of['until_quorum_s']['count']}",
                _pair(collecting),
                f"{of['collecting_within_expected']} of {collecting['count']}",
                f"{collecting['mean'] / due['mean']:.0%}" if due["count"] else "–",
                f"{of['messages_per_round'].get('/v1/report', 0):g}, {of['messages_per_round'].get('/v1/answer', 0):g}",
                f"{of['bytes_per_round'] / 1_000:,.0f}",
                f"{of['reporter_cpu_ms_per_round']:g} ms" if "reporter_cpu_ms_per_round" in of else "–",
            ]
        )
    beyond = f"{EXPECTED_BEYOND_S * 1_000:g} ms"
    expected = f"Expected: at most {EXPECTED_TIMES:g} × the slowest needed round trip + {beyond}."
    return f"{_rows(columns, rows)}\n\n{expected} {measured(report, 'rounds')}"


def loopback(report: Report) -> str:
    """Return the table of a network beside one operator, in one run."""
    part = report["loopback"]
    network, operator = part["network"], part["operator"]
    steps = dict.fromkeys((*operator["steps_s"], *network["steps_s"]))
    rows = [
        ["due → confirmed, p50", *(f"{of['due_to_confirmed_s']['p50']:.3f} s" for of in (network, operator))],
        ["due → confirmed, p95", *(f"{of['due_to_confirmed_s']['p95']:.3f} s" for of in (network, operator))],
        ["reports", *(str(of["due_to_confirmed_s"]["count"]) for of in (network, operator))],
        *(
            [
                f"{step}, mean",
                *(
                    f"{of['steps_s'][step] * 1_000:.0f} ms" if step in of["steps_s"] else "–"
                    for of in (network, operator)
                ),
            ]
            for step in steps
        ),
        [f"p95, network over operator (at most {part['expected']:g} expected)", f"**{part['ratio']:.2f}**", ""],
    ]
    columns = {"": "---", "(4, 3) on loopback": "--:", "one operator": "--:"}
    return f"{_rows(columns, rows)}\n\n{measured(report, 'loopback')}"


def reporter(report: Report) -> str:
    """Return the table of what a plain reporter takes."""
    columns = {"feeds": "--:"} | dict.fromkeys(
        ("start until it answers", "memory", "CPU of looking at its sources"), "--:"
    )
    rows = [
        [
            str(of["feeds"]),
            f"{of['start_s']:.2f} s",
            f"{of['rss_mb']:.0f} MB",
            f"{of['looking_cpu_share']:.1%} of a core",
        ]
        for of in report["reporter"]["cases"]
    ]
    return f"{_rows(columns, rows)}\n\n{measured(report, 'reporter')}"


def scale(report: Report) -> str:
    """Return the table of very large networks, and where their time goes."""
    columns = {"n, q": "---", "feeds": "--:"} | dict.fromkeys(
        (
            "reports of a turn",
            "messages",
            "an answer",
            "sent and received by a member",
            "rows and commits of a member",
            "CPU of a member",
            "share of a core, in turns of a minute",
        ),
        "--:",
    )
    cases = report["scale"]["cases"]
    rows = [
        [
            f"{of['members']}, {of['quorum']}",
            f"{of['feeds']:,}",
            str(of["reports"]),
            f"{of['messages']:,}",
            f"{of['answer_bytes']:,} B",
            f"{of['mb_per_member']:.1f} MB",
            f"{of['rows_per_member']:,}, {of['commits_per_member']:.0f}",
            f"{of['cpu_s_per_member']:.2f} s",
            f"{of['share_of_a_core']:.1%}",
        ]
        for of in cases
    ]
    places = list(dict.fromkeys(place for of in cases for place in of["where"]))
    where = [
        [f"{of['members']}, {of['feeds']:,}", *(f"{of['where'].get(each, 0):.0%}" for each in places)] for of in cases
    ]
    goes = _rows({"n, feeds": "---"} | dict.fromkeys(places, "--:"), where)
    return f"{_rows(columns, rows)}\n\nWhere a member's time goes:\n\n{goes}\n\n{measured(report, 'scale')}"


def gas(report: Report) -> str:
    """Return the table of gas by size of the network."""
    columns = {"n, q": "---", "feeds": "--:"} | dict.fromkeys(
        ("gas per feed, one signature", "with a quorum", "with all members'", "gas of the report with all"), "--:"
    )
    rows = [
        [
            f"{of['members']}, {of['quorum']}",
            str(of["feeds"]),
            f"{of['one_signature'] / of['feeds']:,.0f}",
            f"{of['per_feed_with_quorum']:,}",
            f"{of['per_feed_with_all']:,}",
            f"{of['with_all']:,}",
        ]
        for of in report["gas"]["cases"]
    ]
    return f"{_rows(columns, rows)}\n\n{measured(report, 'gas', 'the gas is right')}"


def soak(report: Report) -> str:
    """Return the table of a long run of a network."""
    of = report["soak"]
    kinds, evidence, of_killed = (_counted(of.get(name, {})) for name in ("faults", "evidence", "evidence_of_killed"))
    ends = ", ".join(f"{count} {end}" for end, count in sorted(of["outcomes"].items()) if end != "accepted")
    rows = [
        ["rounds delivered", f"{of['rounds']:,} over {of['feeds']} feeds, in {of['reports']:,} reports"],
        ["turns, of which had a report", f"{of['turns']:,}, {of['turns_with_report']:,}"],
        ["other outcomes at honest members", ends or "none"],
        ["faults of one member, in turn", kinds],
        ["kills (SIGKILL) of the others", str(of["kills"])],
        ["observations lost", str(of["lost"])],
        ["rounds twice", str(of["double"])],
        ["answers outside the honest range", str(of["outside"])],
        ["evidence that honest members have of the faulty one", evidence],
        ["evidence that they have of each other: whoever is killed is silent, and brings nothing", of_killed],
        ["time", f"{of['seconds']:,.0f} s, turns of {of['turn_s']} s"],
        ["due → confirmed, p50, p95", _pair(of["due_to_confirmed_s"])],
        ["memory of a member", f"{of['memory_first_mb']:.0f} → {of['memory_last_mb']:.0f} MB"],
    ]
    return f"{_rows({'': '---', ' ': '---'}, rows)}\n\n{measured(report, 'soak', 'the counts are right')}"


def measured(report: Report, part: str, holds: str = "the counts hold") -> str:
    """Return the machine of a part, and the command that measures it again."""
    of = report[part]["measured"]
    about, versions = of["machine"], of["versions"]
    busy = about["load_before"] > 0.5
    return (
        f"{about['cpu']}, {about['cores']} cores, {about['memory_gb']} GB, Python {versions['python']}; "
        f"commit {versions.get('commit', 'unknown')}, {of['at'][:10]}, `{of['command']}`, "
        f"{of['seconds'] / 60:.1f} minutes. "
        + (
            f"Other work was running (load {about['load_before']} at the start): {holds}, but the seconds are too long."
            if busy
            else "Nothing else was running."
        )
    )


def _counted(of: Mapping[str, int]) -> str:
    return ", ".join(f"{count} × {kind.replace('_', ' ')}" for kind, count in sorted(of.items())) or "none"


def _pair(of: Mapping[str, Any]) -> str:
    return f"{of['p50']:.2f}, {of['p95']:.2f} s" if of["count"] else "–"


def _rows(columns: Mapping[str, str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(each.strip() for each in columns) + " |", "|" + "|".join(columns.values()) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


TABLES: Mapping[str, Callable[[Report], str]] = {
    each.__name__: each for each in (collusion, rounds, loopback, reporter, gas, scale, soak)
}
"""The tables by the names of their markers."""
