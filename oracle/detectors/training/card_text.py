"""The model card for people, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oracle.detectors.training.model_card import SPIKED


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
        "| split | from | to | reports | objections per 10,000 | interval | holds per 10,000 | interval | longest |",
        "|---|---|---|--:|--:|--:|--:|--:|--:|",
        *(
            f"| {name} | {each['first']} | {each['last']} | {each['holds']['reports']} "
            f"| {each['objections']['per_10k']:g} | {_range(each['objections'])} "
            f"| {each['holds']['per_10k']:g} | {_range(each['holds'])} | {each['longest_hold']} |"
            for name, each in section["splits"].items()
        ),
        "",
        f"Of single-tick spikes put into the test split ({SPIKED} of each size, seeded) it objects to:",
        "",
        "| size | share |",
        "|--:|--:|",
        *(f"| {size} | {share:.3f} |" for size, share in section["spikes"].items()),
        "",
        "### Limits",
        "",
        *(f"- {limit}" for limit in section["limits"]),
        "",
    ]


def _range(found: Mapping[str, Any]) -> str:
    low, high = found["interval_per_10k"]
    return f"{low:.3g} to {high:.3g}"


def _per_cent(share: str) -> str:
    return f"{float(share) * 100:g} %"
