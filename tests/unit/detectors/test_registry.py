"""Tests of the table of detectors: every configurable type has a trainer, and every trainer's file has a reader."""

from __future__ import annotations

from typing import get_args

import pytest

from oracle.config.training import DetectorConfig
from oracle.detectors.registry import READERS, TRAINERS, trainer_class
from tests import fitted_detectors


def test_every_type_of_the_configuration_has_a_trainer() -> None:
    assert set(TRAINERS) == set(get_args(DetectorConfig.model_fields["type"].annotation))


@pytest.mark.parametrize("kind", TRAINERS)
def test_the_trainer_is_there(kind: str) -> None:
    assert callable(trainer_class(kind)) and hasattr(trainer_class(kind), "fit")


def test_every_trainer_passes_the_conformance_suite_and_every_reader_is_used() -> None:
    tried = fitted_detectors.TRAINERS
    assert {trainer_class(kind) for kind in TRAINERS} == {type(trainer) for trainer in tried.values()}
    assert {fitted_detectors.fitted(kind).format for kind in tried} | {"quadratic-v2"} == set(READERS)
