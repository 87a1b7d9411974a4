"""The account of a report that `oracle explain` gives."""

from __future__ import annotations

from dataclasses import asdict

from oracle.app.explanation import Account
from oracle.cli.render.json_output import print_json


def print_account(account: Account, *, as_json: bool) -> None:
    """Print why a report was accepted or is held: a line for each thing to know."""
    if as_json:
        print_json(asdict(account))
        return
    for line in account.lines:
        print(line)
