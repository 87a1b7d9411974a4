"""The model card for people, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from oracle.detectors.training.lies import SPIKED


def markdown(card: Mapping[str, Any]) -> str:
    """Return the card as Markdown."""
    model, budget, series = card["model"], card["budget"], card["series"]
    calibration = budget["calibration"]
    lines = [
        f"# Model card: {card['name']}",
        "",
        f"A detector of type `{card['detector']['type']}`, format `{model['format']}`, with {len(model['features'])} "
        f"features and the outputs {', '.join(model['outputs'])}. A report is held if one of them is above 0.",
        "",
        "| | |",
        "|---|---|",
        f"| series | {', '.join(each['name'] for each in series)} |",
        f"| features | {', '.join(card['features'])} |",
        f"| seed | {card['seed']} |",
        f"| SHA-256 of the model file | `{model['sha256']}` |",
        "",
        *_warnings(card["warnings"]),
        "## Budget",
        "",
        f"{budget['false_holds_per_10k']} false holds per 10,000 reports. On the windows that the thresholds were set "
        f"on the model objects to {calibration['per_10k']:g} per 10,000 ({calibration['count']} of "
        f"{calibration['reports']}, {calibration['episodes']} episodes); {_per_cent(budget['confidence'])} interval "
        f"{_range(calibration)}. {budget['method']}.",
        "",
        *(line for each in series for line in _series(each)),
        f"Trained with {', '.join(f'{name} {version}' for name, version in card['versions'].items())}.",
        "",
    ]
    return "\n".join(lines)


def _series(section: Mapping[str, Any]) -> list[str]:
    """Return what the card says of one series."""
    data = section["data"]
    unit = "ppm" if data["kind"] == "relative" else "answer units"
    peers = ", ".join(f"{each['name']} (sigma {each['sigma']})" for each in data["peers"]) or "none"
    return [
        f"## {section['name']}",
        "",
        "| | |",
        "|---|---|",
        f"| data | {data['source']}, {data['rows']} rows, {data['first']} to {data['last']} (UTC) |",
        f"| SHA-256 of the rows | `{data['sha256']}` |",
        f"| kind | {data['kind']}, {data['decimals']} decimals, columns {', '.join(data['value_columns'])} |",
        f"| sigma | {data['sigma']} {unit} over a heartbeat of {data['heartbeat']} s: set these in the feed |",
        f"| peers | {peers} |",
        *(f"| known to be wrong | {first} to {last} |" for first, last in data["bad"]),
        "",
        *(f"- {note}" for note in data["notes"]),
        *([""] if data["notes"] else []),
        "### Results",
        "",
        "Objections are on windows as if all before had been accepted; holds are of the whole gate, with what it "
        "accepted as history.",
        "",
        "| split | from | to | reports | objections per 10,000 | interval | holds per 10,000 | interval | longest "
        "| why | off while held: mean, most |",
        "|---|---|---|--:|--:|--:|--:|--:|--:|---|--:|",
        *(
            f"| {name} | {each['first']} | {each['last']} | {each['holds']['reports']} "
            f"| {each['objections']['per_10k']:g} | {_range(each['objections'])} "
            f"| {each['holds']['per_10k']:g} | {_range(each['holds'])} | {each['longest_hold']} "
            f"| {reasons_text(each['reasons'])} | {_off(each['error_while_held'], data['kind'])} |"
            for name, each in section["splits"].items()
        ),
        "",
        *_lies(section),
        "### Limits",
        "",
        *(f"- {limit}" for limit in section["limits"]),
        "",
    ]


def _warnings(warnings: Sequence[str]) -> list[str]:
    if not warnings:
        return []
    return ["## Warnings", "", *(f"- **{warning}**" for warning in warnings), ""]


def reasons_text(reasons: Mapping[str, int]) -> str:
    """Return why reports were held: "3 anomalous, 2 clipped"."""
    return ", ".join(f"{count} {why.replace('_', ' ')}" for why, count in reasons.items()) or "–"


def _off(error: Mapping[str, float], kind: str) -> str:
    if not error["worst"]:
        return "–"
    if kind == "relative":
        return f"{error['mean'] * 100:.2g} %, {error['worst'] * 100:.2g} %"
    return f"{error['mean']:.2g} σ, {error['worst']:.2g} σ"


def _lies(section: Mapping[str, Any]) -> list[str]:
    """Return what the card says of spikes, and of lies of the peer; what is not held is written as it is."""
    own = section["spikes"]
    beside = [each for each in ("joint_recall", "unseen_recall") if each in section]
    titles = {
        "joint_recall": "the first peer lies along",
        "unseen_recall": "the first peer isn't seen",
        "cap_spikes": "a cap with as many objections",
    }
    lines = [
        f"Of single-tick spikes put into the test split ({SPIKED} of each size, seeded) it objects to these shares; "
        "the rest is written:",
        "",
        f"| {' | '.join(['size', 'the feed alone lies', *(titles[each] for each in beside), titles['cap_spikes']])} |",
        f"|{'--:|' * (3 + len(beside))}",
        *(
            f"| {' | '.join([size, *(f'{section[each][size]:.3f}' for each in ('spikes', *beside, 'cap_spikes'))])} |"
            for size in own
        ),
        "",
    ]
    if "peer_lie_holds_own" in section:
        told = "; ".join(
            f"{what}: {share:.3f}" if what in ("clipped", "missing") else f"it lies by {what}: {share:.3f}"
            for what, share in section["peer_lie_holds_own"].items()
        )
        lines += [f"While the feed is honest and only its first peer is wrong, it is held in these shares: {told}.", ""]
    return lines


def _range(found: Mapping[str, Any]) -> str:
    low, high = found["interval_per_10k"]
    return f"{low:.3g} to {high:.3g}"


def _per_cent(share: str) -> str:
    return f"{float(share) * 100:g} %"
