"""A model's proposal, looked at before it is made: whether its terms can be met, and which terms were measured."""

from __future__ import annotations

from dataclasses import dataclass, replace

from oracle.app.comparing import ModelComparison, compare_models
from oracle.chain.connect import connect
from oracle.chain.deploy import load_deployment
from oracle.chain.hub import CHANGE_WINDOW, Hub, ShadowTally
from oracle.chain.overview import FeedOverview, overview
from oracle.config import Config
from oracle.core.disagreement import LIKELY, Disagreement
from oracle.core.errors import DataError, OracleError
from oracle.core.times import utc
from oracle.core.types import SECONDS_A_DAY

__all__ = ["ProposalTerms", "prepare_proposal", "require_terms", "terms_of"]

_HOPELESS = 0.5
"""Terms that are met with less than this probability are refused."""

_MOST_DERIVED = 1_000_000
"""The most reports for which the number of disagreements is computed. More hardly come within thirty days."""


@dataclass(frozen=True, slots=True)
class ProposalTerms:
    """The terms of a model's proposal, and what is to be said of them.

    Attributes:
        min_compared: How many reports both models have to judge.
        max_disagreements: How many of these only one of them may accept.
        comparison: The models' verdicts on the feed's latest reports; None: they could not be compared.
        expected_at: When the proposal can be activated, if reports come as before, unix seconds; None: nobody knows.
        notes: What whoever proposes should know, a line each.
        problems: Why these terms can't be met, a line each.
    """

    min_compared: int
    max_disagreements: int
    comparison: ModelComparison | None
    expected_at: int | None
    notes: tuple[str, ...]
    problems: tuple[str, ...]


async def prepare_proposal(
    config: Config, feed: str, number: int, min_compared: int, max_disagreements: int | None
) -> ProposalTerms:
    """Return the terms of a proposal: those that are given, and for the others what the latest reports show.

    Args:
        config: The configuration.
        feed: The feed's name.
        number: The proposed model's number.
        min_compared: How many reports both models have to judge; 0: none.
        max_disagreements: How many of these only one of them may accept; None: it follows from what is measured.

    Raises:
        ConfigError: There is no such feed.
        DataError: Nothing shows how many disagreements to allow.
        ChainUnavailable: No answer.
    """
    deployment = load_deployment(config.chain.deployment)
    async with connect(config.chain) as rpc:
        hub = Hub(rpc, deployment.hub)
        found, models = await overview(hub, deployment, feed), await hub.model_count()
    comparison, why = None, ""
    if number > models:
        why = f"the hub has no model {number}, but {models}: `oracle deploy --add-model` adds one"
    elif number == found.model:
        why = f"model {number} is the feed's active one already"
    has_sense = not why
    if has_sense:
        try:
            comparison = await compare_models(config, feed, number)
        except OracleError as error:
            why = str(error)
    has_shadows = config.keys.shadow is not None
    terms = terms_of(found, number, comparison, why, min_compared, max_disagreements, has_shadows=has_shadows)
    return terms if has_sense else replace(terms, problems=(why, *terms.problems))


def terms_of(
    found: FeedOverview,
    number: int,
    comparison: ModelComparison | None,
    why_not: str,
    min_compared: int,
    max_disagreements: int | None,
    *,
    has_shadows: bool,
) -> ProposalTerms:
    """Judge the terms of a proposal by what was read and measured. Pure; see `prepare_proposal`.

    Args:
        found: The feed, with what is proposed for it.
        number: The proposed model's number.
        comparison: The models' verdicts on the latest reports; None: they could not be compared.
        why_not: Why they could not.
        min_compared: See `prepare_proposal`.
        max_disagreements: Likewise.
        has_shadows: True if an account is configured that pays for shadow reports.
    """
    problems = _replaced(found)
    notes = [
        f"the models could not be compared here: {why_not}" if comparison is None else _told(comparison),
    ]
    if not min_compared:
        expected = found.now + found.change_delay
        return ProposalTerms(0, 0, comparison, expected, tuple(notes), tuple(problems))
    measured = _measured(comparison, found.shadow if found.proposals.model == number else None)
    if max_disagreements is not None:
        allowed = max_disagreements
        told, is_hopeless = _judged(min_compared, allowed, measured)
        (problems if is_hopeless else notes).extend(told)
    elif measured is not None and measured.reports:
        allowed = _derived(min_compared, measured)
        notes.append(
            f"so --max-disagreements {allowed:,}: of {min_compared:,} reports no more differ, with a probability of "
            f"{LIKELY:.0%}"
        )
        if 2 * allowed > min_compared:
            notes.append(
                f"that allows nearly anything, as {measured.reports:,} reports tell little: wait for more, or say with "
                "--max-disagreements how many may differ"
            )
    else:
        reason = "it has no reports yet" if comparison is not None else f"the models could not be compared ({why_not})"
        raise DataError(
            f"feed {found.name}: nothing shows how many disagreements to allow, for {reason}: say it with "
            "--max-disagreements"
        )
    if not has_shadows:
        problems.append(
            f"no shadow report is made from here, and {min_compared:,} have to be: name an account that pays for them "
            "in [keys] shadow"
        )
    ready, late = _expected(found, min_compared, None if comparison is None else comparison.pace_s)
    problems += late
    return ProposalTerms(min_compared, allowed, comparison, ready, tuple(notes), tuple(problems))


def require_terms(feed: str, number: int, terms: ProposalTerms) -> None:
    """Refuse terms that can't be met.

    Raises:
        DataError: They can't be met, or the proposal would take the place of another one.
    """
    if terms.problems:
        told = "; ".join(terms.problems)
        raise DataError(
            f"model {number} is not proposed for feed {feed}: {told}. With --anyway it is proposed all the same"
        )


def _judged(compared: int, allowed: int, measured: Disagreement | None) -> tuple[list[str], bool]:
    """Return what is to be said of the number of disagreements that somebody allows, and if it is hopeless."""
    if measured is None or compared > _MOST_DERIVED:
        return [], False
    chance = measured.chance(compared, allowed)
    if chance >= LIKELY:
        return [], False
    told = (
        f"by what was measured, the shadow period passes with a probability of {chance:.0%} with --max-disagreements "
        f"{allowed:,}, and of {LIKELY:.0%} with {measured.allowance(compared):,}"
    )
    return [told], chance < _HOPELESS


def _derived(compared: int, measured: Disagreement) -> int:
    """Return the number of disagreements to allow: as measured, and at least one in a hundred."""
    return max(compared // 100, measured.allowance(compared) if compared <= _MOST_DERIVED else 0)


def _expected(found: FeedOverview, compared: int, pace_s: float | None) -> tuple[int | None, list[str]]:
    """Return when so many reports are compared, if it is known, and why they can't be in time."""
    if found.paused:
        return None, ["the feed is paused, so no report comes that could be compared: unpause it first"]
    if pace_s is None:
        return None, []
    active_from = found.now + found.change_delay
    ready, until = found.now + round(compared * pace_s), active_from + CHANGE_WINDOW
    if ready <= until:
        return max(ready, active_from), []
    most = int((until - found.now) / pace_s)
    return None, [
        f"{compared:,} reports take {(ready - found.now) / SECONDS_A_DAY:,.0f} days at the feed's pace, and the "
        f"proposal expires at {utc(until)}: demand {most:,} at most"
    ]


def _measured(comparison: ModelComparison | None, tally: ShadowTally | None) -> Disagreement | None:
    """Return the larger of two rates: that of the latest reports, and that of a shadow period of the same model."""
    found = [] if comparison is None else [comparison.disagreement]
    if tally is not None and tally.compared:
        found.append(Disagreement(tally.compared, tally.disagreements))
    return max(found, key=lambda each: (each.differing + 0.5) / (each.reports + 1), default=None)


def _replaced(found: FeedOverview) -> list[str]:
    """Return a line if a proposal would be lost that can still be activated."""
    tried = found.model_activation
    if tried is None or not (tried.is_possible or tried.expected_at is not None):
        return []
    shadow = found.shadow
    counted = f" with {shadow.compared:,} compared reports" if shadow is not None and shadow.compared else ""
    return [f"model {found.proposals.model} is proposed already{counted}, and {tried}: a new proposal takes its place"]


def _told(comparison: ModelComparison) -> str:
    """Return the comparison in a line."""
    differing = comparison.differing
    by_other = sum(each.held_by == comparison.other for each in differing)
    left_out = f"; {comparison.left_out:,} could not be judged again here" if comparison.left_out else ""
    told = f"of the latest {comparison.reports:,} reports, models {comparison.active} and {comparison.other} differ on "
    told += f"{len(differing):,}{left_out}"
    if differing:
        told += f": {by_other:,} held by model {comparison.other} alone, {len(differing) - by_other:,} by model "
        told += str(comparison.active)
    return told
