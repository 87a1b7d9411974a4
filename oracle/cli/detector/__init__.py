"""`oracle detector …`: train, monitor and evaluate the models that judge a feed's moves."""

from __future__ import annotations

import click

from oracle.cli.detector.evaluation import evaluate, nab
from oracle.cli.detector.training import monitor, train


@click.group("detector")
def detector_group() -> None:
    """Detectors: the models that judge a feed's moves."""


for _command in (train, monitor, evaluate, nab):
    detector_group.add_command(_command)
