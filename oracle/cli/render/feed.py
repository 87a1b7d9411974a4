"""A feed's and a committee's terms on the chain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import click

from oracle.app.proposing import ProposalTerms
from oracle.chain.overview import CommitteeOverview, FeedOverview, committee_lines, lines
from oracle.cli.render.json_output import print_json
from oracle.cli.render.marks import fact_mark
from oracle.cli.render.tables import new_console
from oracle.core.times import utc


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


def print_terms(terms: ProposalTerms, *, as_json: bool) -> None:
    """Print how two models compare on a feed's latest reports, and what follows for a proposal's terms."""
    if as_json:
        print_json(asdict(terms))
        return
    print_notes(terms)
    for problem in terms.problems:
        click.echo(f"can't be met: {problem}", err=True)
    for each in () if terms.comparison is None else terms.comparison.differing:
        print(f"round {each.round_id}, {each.answer} of {utc(each.observed_at)}: held by model {each.held_by} alone")
    if terms.min_compared:
        print(f"--min-compared {terms.min_compared} --max-disagreements {terms.max_disagreements}")


def print_notes(terms: ProposalTerms) -> None:
    """Tell whoever proposes a model what was measured, and when the proposal can be expected to be over."""
    for each in terms.notes:
        click.echo(each, err=True)
    if terms.min_compared and terms.expected_at is not None:
        click.echo(f"the proposal can be activated at about {utc(terms.expected_at)}", err=True)


def _print(told: Mapping[str, str]) -> None:
    console = new_console()
    width = max(len(what) for what in told) + 2
    for what, text in told.items():
        console.print(f"{what:<{width}}{fact_mark(what, text)}", soft_wrap=True)
