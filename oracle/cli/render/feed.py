"""A feed's terms on the chain."""

from __future__ import annotations

from dataclasses import asdict

from oracle.chain.admin import FeedOverview, lines
from oracle.cli.render.json_output import print_json


def print_feed(found: FeedOverview, *, as_json: bool) -> None:
    """Print what a feed has on the chain, and what is proposed for it."""
    if as_json:
        print_json(asdict(found) | {"feed_id": "0x" + found.feed_id.hex()})
        return
    told = lines(found)
    width = max(len(what) for what in told) + 2
    for what, text in told.items():
        print(f"{what:<{width}}{text}")
