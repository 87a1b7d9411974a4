"""`oracle feed …`: what a hub's admin and guardian do to a feed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from oracle.cli.completion import complete_feed, complete_model
from oracle.cli.options import config_option, json_option, load_config
from oracle.cli.signing import Signing, act, signing_options

# Commands import what they need when they run, so that `oracle --help` answers at once.
if TYPE_CHECKING:
    from oracle.chain.overview import FeedOverview
    from oracle.config import Config

F = TypeVar("F", bound=Callable[..., Any])


@click.group("feed")
def feed_group() -> None:
    """Administration of a feed: its model, its pause."""


@feed_group.command("show")
@click.argument("feed", shell_complete=complete_feed)
@config_option
@json_option
def feed_show(feed: str, config_path: Path, as_json: bool) -> None:
    """Show what the FEED has on-chain, and what is proposed for it."""
    _show(config_path, [feed], as_json)


def _signed(function: F) -> F:
    """Add the options of a command that signs."""
    return click.argument("feed", shell_complete=complete_feed)(signing_options(function))


_model_argument = click.argument("model", type=click.IntRange(1, 65_535), shell_complete=complete_model)
_compared_option = click.option(
    "--min-compared",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default=True,
    help="Reports that both models must have judged before the proposed one can be activated.",
)
_disagreements_option = click.option(
    "--max-disagreements",
    type=click.IntRange(0, 2**32 - 1),
    default=None,
    help="How many of the compared reports one of the two models may hold while the other accepts them.  [default: as "
    "the feed's latest reports show, and at least 1 %]",
)


@feed_group.command("compare-model")
@click.argument("feed", shell_complete=complete_feed)
@_model_argument
@_compared_option
@_disagreements_option
@config_option
@json_option
def compare_model(
    feed: str, model: int, min_compared: int, max_disagreements: int | None, config_path: Path, as_json: bool
) -> None:
    """Judge the FEED's latest reports again by its active model and by the MODEL of this number, here and for nothing.

    It says how often they differ, which terms of a proposal follow from that, and exits with 1 if terms can't be met.
    """
    import asyncio
    import sys

    from oracle.app.proposing import prepare_proposal
    from oracle.cli.render.feed import print_terms

    _check_terms(min_compared, max_disagreements)
    terms = asyncio.run(prepare_proposal(load_config(config_path), feed, model, min_compared, max_disagreements))
    print_terms(terms, as_json=as_json)
    sys.exit(1 if terms.problems else 0)


@feed_group.command("propose-model")
@_signed
@_model_argument
@_compared_option
@_disagreements_option
@click.option("--anyway", is_flag=True, help="Propose it even if these terms can hardly be met.")
def propose_model(
    model: int, min_compared: int, max_disagreements: int | None, anyway: bool, feed: str, config_path: Path, **how: Any
) -> None:
    """Propose for the FEED the MODEL of this number, which `oracle deploy` has added.

    First the feed's latest reports are judged again by both models, here. Terms that can't be met are refused.
    """
    import asyncio

    from oracle.app.proposing import prepare_proposal, require_terms
    from oracle.cli.render.feed import print_notes

    _check_terms(min_compared, max_disagreements)
    terms = asyncio.run(prepare_proposal(load_config(config_path), feed, model, min_compared, max_disagreements))
    print_notes(terms)
    if not anyway:
        require_terms(feed, model, terms)
    _act("proposeModel", model, terms.min_compared, terms.max_disagreements, feed=feed, config_path=config_path, **how)


def _check_terms(min_compared: int, max_disagreements: int | None) -> None:
    if max_disagreements is not None and not min_compared:
        raise click.UsageError(
            "--max-disagreements counts compared reports: say with --min-compared how many there are"
        )


def _plain(name: str, action: str, text: str) -> None:
    """Add a command that takes nothing but the feed."""

    @feed_group.command(name, help=text)
    @_signed
    def run(**common: Any) -> None:
        _act(action, **common)


_plain("activate-model", "activateModel", "Activate the proposed model, once its delay and its shadow period are over.")
_plain("cancel-model", "cancelModel", "Take the proposed model back.")
_plain("rollback-model", "rollbackModel", "Return to the model before the active one, at once.")


def _of_several(name: str, action: str, text: str) -> None:
    """Add a command that takes feeds: by their names, or all of them."""

    @feed_group.command(name, help=text)
    @click.argument("feeds", nargs=-1, metavar="[FEED]...", shell_complete=complete_feed)
    @click.option("--all", "every", is_flag=True, help="All feeds of the deployment.")
    @signing_options
    def run(feeds: tuple[str, ...], every: bool, **common: Any) -> None:
        if bool(feeds) == every:
            raise click.UsageError("name feeds, or --all of the deployment")
        _act(action, feeds=feeds or None, **common)


_of_several(
    "pause",
    "pause",
    "Refuse reports of each FEED from now on; consumers are told. On a paused feed: cancel an unpause.",
)
_of_several("propose-unpause", "proposeUnpause", "Propose to take reports of each FEED again.")
_of_several("unpause", "unpause", "Take reports of each FEED again, once the delay is over.")


def _act(
    action: str,
    *arguments: Any,
    config_path: Path,
    feed: str | None = None,
    feeds: Sequence[str] | None = None,
    **how: Any,
) -> None:
    """Make a call for one feed, or for each of several; without names, for all."""
    from oracle.chain import admin
    from oracle.chain.deploy import load_deployment
    from oracle.core.errors import ContractRejected

    config, signing = load_config(config_path), Signing(**how)
    deployment = load_deployment(config.chain.deployment)
    named = [feed] if feed is not None else list(dict.fromkeys(feeds or sorted(deployment.feeds)))
    wanted = [admin.call(deployment, each, action, *arguments) for each in named]
    try:
        is_sent = act(config, wanted, signing)
    except ContractRejected as error:
        missing = _missing(config, named[0], action) if len(named) == 1 else ""
        raise ContractRejected(f"{error}{missing}", error.name) from error
    if is_sent:
        _show(config_path, named, signing.as_json)


def _missing(config: Config, feed: str, action: str) -> str:
    """Return what an activation that was refused still needs, as the end of its message; empty for other actions."""
    (found,) = _look(config, [feed])
    tried = {"activateModel": found.model_activation, "unpause": found.unpause_activation}.get(action)
    return "" if tried is None or tried.is_possible else f". It {tried}"


def _show(config_path: Path, feeds: Sequence[str], as_json: bool) -> None:
    from oracle.cli.render.feed import print_feeds

    print_feeds(_look(load_config(config_path), feeds), as_json=as_json)


def _look(config: Config, feeds: Sequence[str]) -> list[FeedOverview]:
    import asyncio

    from oracle.chain.connect import connect
    from oracle.chain.deploy import load_deployment
    from oracle.chain.hub import Hub
    from oracle.chain.overview import overview

    async def look() -> list[FeedOverview]:
        deployment = load_deployment(config.chain.deployment)
        async with connect(config.chain) as rpc:
            return [await overview(Hub(rpc, deployment.hub), deployment, feed) for feed in feeds]

    return asyncio.run(look())
