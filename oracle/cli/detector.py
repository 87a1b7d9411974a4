"""`oracle detector …`: detectors of one's own data."""

from __future__ import annotations

import click


@click.group("detector")
def detector_group() -> None:
    """Detectors: the models that judge a feed's moves."""
