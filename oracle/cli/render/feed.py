"""A feed's and a committee's terms on the chain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from oracle.chain.overview import CommitteeOverview, FeedOverview, committee_lines, lines
from oracle.cli.render.json_output import print_json


def print_feed(found: FeedOverview, *, as_json: bool) -> None:
    """Print what a feed has on the chain, and what is proposed for it."""
    if as_json:
        print_json(asdict(found) | {"feed_id": "0x" + found.feed_id.hex()})
        return
    _print(lines(found))


def print_committee(found: CommitteeOverview, *, as_json: bool) -> None:
    """Print what a committee is on the chain, and what is proposed for it."""
    if as_json:
        print_json(asdict(found))
        return
    _print(committee_lines(found))


def _print(told: Mapping[str, str]) -> None:
    width = max(len(what) for what in told) + 2
    for what, text in told.items():
        print(f"{what:<{width}}{text}")
