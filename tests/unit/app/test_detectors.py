"""Tests of the detector that a configuration names, and of what is said of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from oracle.app.detectors import configured_detector
from oracle.app.doctor import diagnose
from oracle.config import Config, load
from oracle.core.errors import ConfigError, DataError
from oracle.detectors.interface import Disclosure
from oracle.detectors.registry import packaged
from tests.integration.workspace import OWN
from tests.unit.config.texts import MINIMAL


def configured(folder: Path, prover: str = "") -> Config:
    (folder / "oracle.toml").write_text(f"{MINIMAL}\n[prover]\n{prover}\n")
    return load(folder / "oracle.toml", {})


def test_the_packaged_model_publishes_scores_and_ones_own_verdicts(tmp_path: Path) -> None:
    (tmp_path / "own.json").write_text(OWN.to_json())
    assert configured_detector(configured(tmp_path)).to_json() == packaged().to_json()
    assert configured_detector(configured(tmp_path)).disclosure is Disclosure.SCORE
    own = configured_detector(configured(tmp_path, 'model = "own.json"'))
    assert (own.name, own.disclosure) == (OWN.name, Disclosure.VERDICT)
    public = configured_detector(configured(tmp_path, 'model = "own.json"\nvisibility = "public"'))
    assert public.disclosure is Disclosure.SCORE


def test_a_copy_of_the_packaged_model_is_not_taken_for_a_private_one(tmp_path: Path) -> None:
    """Whitespace and the order of keys don't make it another model."""
    document = json.loads(packaged().to_json())
    for text in (packaged().to_json(), json.dumps(dict(reversed(document.items())))):
        (tmp_path / "copy.json").write_text(text)
        with pytest.raises(ConfigError, match=r"copy\.json is a copy of the packaged model: .* hides nothing"):
            configured_detector(configured(tmp_path, 'model = "copy.json"'))
        public = configured(tmp_path, 'model = "copy.json"\nvisibility = "public"')
        assert configured_detector(public).name == packaged().name


def test_the_doctor_says_what_the_model_hides_or_why_it_can_not_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oracle.app.doctor.examine", lambda **given: [])
    monkeypatch.setattr("oracle.app.doctor.hub_checks", lambda config, env: nothing())
    monkeypatch.setattr("oracle.app.doctor.node_checks", lambda config: nothing())
    monkeypatch.setattr("oracle.app.doctor.readiness_checks", lambda config, env: nothing())
    (tmp_path / "own.json").write_text(OWN.to_json())
    (tmp_path / "copy.json").write_text(packaged().to_json())
    for prover, ok, says in (
        ("", True, "public, publishes scores: the model ships with the package"),
        ('model = "own.json"', True, "other: private, publishes verdicts: the model is your own"),
        ('model = "copy.json"', False, "is a copy of the packaged model"),
        ('model = "none.json"', False, "no such model file"),
    ):
        config = configured(tmp_path, prover)
        [check] = [check for check in diagnose(config) if check.name == "model"]
        assert check.ok is ok and says in check.detail, check
        assert ok or check.remedy
    with pytest.raises(DataError, match="no such model file"):
        configured_detector(config)


async def nothing() -> list[object]:
    return []
