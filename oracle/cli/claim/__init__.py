"""`oracle claim …`: claims on private data, the registry that records them, and audits by group."""

from __future__ import annotations

import click

from oracle.cli.claim import claims, registry, service
from oracle.cli.claim.fairness import fairness_group


@click.group("claim")
def claim_group() -> None:
    """Private claims: a committed model gave an output in a range on private data, and nothing else is revealed."""


for _command in (*claims.COMMANDS, *registry.COMMANDS, *service.COMMANDS, fairness_group):
    claim_group.add_command(_command)
