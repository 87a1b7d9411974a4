"""The contracts and feeds that `oracle deploy` has deployed."""

from __future__ import annotations

from rich.console import Console

from oracle.chain.deploy import Deployment
from oracle.cli.render.tables import new_table


def print_deployment(deployment: Deployment) -> None:
    """Print the addresses of the hub and the feeds, and the models' artifacts."""
    table = new_table("what", "where")
    table.add_row(f"hub on chain {deployment.chain_id}", deployment.hub)
    for number, model in sorted(deployment.models.items()):
        table.add_row(f"model {number}", model.artifact_hash)
    for feed in deployment.feeds.values():
        table.add_row(feed.description, feed.aggregator or "")
    if deployment.registry is not None:
        table.add_row("registry of feeds by pair", deployment.registry)
    Console().print(table)
