"""The outcome of `oracle source test`, and of `oracle config check --sources`."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from rich.text import Text

from oracle.app.source_tests import TrialOutcome, Tried, TriedFeed
from oracle.cli.render.json_output import print_json
from oracle.cli.render.tables import new_console
from oracle.core.errors import Retryable
from oracle.core.times import readable, span

_COLOURS = {TrialOutcome.OK: "green", TrialOutcome.FAILS: "red", TrialOutcome.SILENT: "yellow", TrialOutcome.WAITS: ""}
_LABEL = 10
_INDENT = 7


def exit_code(tried: Sequence[TriedFeed]) -> int:
    """Return the exit code: 1 if a person has to change something, 75 if a source is silent now, else 0."""
    outcomes = {each.outcome for each in tried}
    return 1 if TrialOutcome.FAILS in outcomes else Retryable.exit_code if TrialOutcome.SILENT in outcomes else 0


def as_document(tried: Sequence[TriedFeed]) -> list[dict[str, Any]]:
    """Return outcomes as JSON values. Numbers with a point are strings, which lose no digits."""
    return [{**asdict(each), "outcome": each.outcome} for each in tried]


def print_trials(tried: Sequence[TriedFeed], *, as_json: bool) -> None:
    """Print what each source said, and what its feed makes of it."""
    if as_json:
        print_json(as_document(tried))
        return
    console = new_console()
    for number, feed in enumerate(tried):
        if number:
            console.print()
        console.print(Text(feed.feed, "bold"), _summary(feed), soft_wrap=True)
        for each in feed.sources:
            kind = f" ({each.type}: {each.origin})" if each.origin != each.type else f" ({each.type})"
            console.print(Text(f"{each.outcome:<7}", _COLOURS[each.outcome]) + Text(each.source + kind), soft_wrap=True)
            for label, text in _facts(each):
                for line in _folded(label, text, console.width):
                    console.print(line, soft_wrap=True, markup=False)
        for reason in (*feed.problems, *feed.notes):
            for line in _folded("no value", reason, console.width):
                console.print(line, soft_wrap=True, markup=False)


def _summary(feed: TriedFeed) -> Text:
    if feed.value is None:
        return Text("no value")
    return Text(f"{feed.value:f}, as answer {feed.answer}: {feed.agreeing} source(s) agree")


def _facts(each: Tried) -> Iterator[tuple[str, str]]:
    if each.value is not None:
        yield "value", f"{each.value:f}" + ("" if each.answer is None else f", as answer {each.answer}")
    if each.observed_at is not None and each.age_s is not None:
        age = f"{span(each.age_s)} ago" if each.age_s >= 0 else f"in {span(-each.age_s)}"
        yield "time", f"{readable(each.observed_at)} UTC, {age}"
    for match in each.matched:
        yield "matched", f"{match.where} = {match.found}"
    if each.distance is not None and each.distance.is_finite():
        sigma = "" if each.distance_sigma is None else f", {each.distance_sigma:.2g} sigma"
        yield "others", f"{each.distance:,.6g}{' ppm' if each.is_relative else ''} away{sigma}"
    for note in each.notes:
        yield "note", note
    for problem in each.problems:
        yield "problem", problem
    if each.excerpt:
        yield "document", each.excerpt
    for suggestion in each.suggestions:
        yield "would fit", suggestion


def _folded(label: str, text: str, width: int) -> list[str]:
    """Return a fact in lines that fit, and no word of it is broken."""
    indent = " " * (_INDENT + _LABEL)
    room = max(20, width - len(indent))
    setting, mark, comment = text.partition("  # ")
    if mark and len(text) > room:
        lines = [setting, f"# {comment}"]  # a setting is copied: it stays in one piece
    else:
        lines = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)
    first, *more = lines or [""]
    return [f"{' ' * _INDENT}{label:<{_LABEL}}{first}", *(indent + line for line in more)]
