"""A feed's and a committee's terms on the chain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from oracle.chain.overview import CommitteeOverview, FeedOverview, committee_lines, lines
from oracle.cli.render.json_output import print_json


def print_feeds(found: Sequence[FeedOverview], *, as_json: bool) -> None:
    """Print what feeds have on the chain, and what is proposed for them. JSON is a list, and for one feed an object."""
    if as_json:
        documents = [asdict(each) | {"feed_id": "0x" + each.feed_id.hex()} for each in found]
        print_json(documents[0] if len(documents) == 1 else documents)
        return
    for index, each in enumerate(found):
        if index:
            print()
        _print(lines(each))


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
