"""The contracts and feeds that `oracle deploy` has deployed."""

from __future__ import annotations

from rich.markup import escape

from oracle.chain.deploy import Deployment
from oracle.cli.render.tables import new_console, new_table


def print_deployment(deployment: Deployment) -> None:
    """Print the addresses of the hub and the feeds, and the models' artifacts."""
    table = new_table("what", "where")
    table.add_row(f"hub on chain {deployment.chain_id}", deployment.hub)
    for number, model in sorted(deployment.models.items()):
        table.add_row(f"model {number}", model.artifact_hash)
    for feed in deployment.feeds.values():
        table.add_row(escape(feed.description), feed.aggregator)
        for adapter in feed.adapters:
            bound = f" {adapter.bound} s" if adapter.bound else ""
            guard = ", guarded" if adapter.uptime_feed else ""
            table.add_row(escape(f"{feed.description}, {adapter.mode}{bound}{guard}"), adapter.address)
    if deployment.registry is not None:
        table.add_row("registry of feeds by pair", deployment.registry)
    new_console().print(table)
