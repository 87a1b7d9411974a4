"""Tests of which visibilities of weights a feed may use, and of the messages about the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from oracle.app.models import ModelOptions
from oracle.cli import oracle as command_line
from oracle.core.errors import ConfigError
from oracle.core.privacy import (
    RETRAINED,
    VISIBILITIES,
    privacy_of,
    refusal,
    refused_word,
    settings_problem,
    statement,
)

HASHED = {"Hashed": {"hash_is_public": True, "outlets": []}}
"""A hashed visibility, as it stands in ezkl's settings."""


def arguments(**changes: Any) -> dict[str, Any]:
    public = {"input_visibility": "Public", "output_visibility": "Public", "param_visibility": HASHED}
    return {"run_args": public | changes}


@pytest.mark.parametrize("word", ["hashed", "hashed/public", "fixed", "Fixed", HASHED])
def test_what_binds_and_is_offered(word: object) -> None:
    assert refusal(word) == ""


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("private", "binds the proof to no model"),
        ("Private", "binds the proof to no model"),
        ("polycommit", "without blinding"),
        ("KZGCommit", "without blinding"),
        ("hashed/private/0", "no constraint ties"),
        ("hashed/private/0,1", "no constraint ties"),
        ({"Hashed": {"hash_is_public": False, "outlets": [0]}}, "no constraint ties"),
        ({"Hashed": {"hash_is_public": True, "outlets": [0]}}, "no constraint ties"),
        ({"Hashed": None}, "no constraint ties"),
        ("Public", "every weight among the instances"),
        ("encrypted", "none that this release knows"),
        ({"Fixed": {}}, "none that this release knows"),
        (None, "none that this release knows"),
        (7, "none that this release knows"),
    ],
)
def test_what_is_refused_and_why(word: object, says: str) -> None:
    assert says in refusal(word)


def test_a_circuit_of_settings_that_are_ours_is_not_refused() -> None:
    assert settings_problem(arguments(), "private") == ""
    assert settings_problem(arguments(param_visibility="Fixed"), "public") == ""


@pytest.mark.parametrize(
    ("settings", "visibility", "says"),
    [
        (arguments(param_visibility="Private"), "private", "param_visibility is Private, which binds the proof to no"),
        (arguments(param_visibility="KZGCommit"), "public", "param_visibility is KZGCommit, which commits"),
        (arguments(param_visibility="Fixed"), "private", "is Fixed, but the manifest calls the weights private"),
        (arguments(), "public", "but the manifest calls the weights public"),
        (arguments(input_visibility="Private"), "private", "input_visibility is Private, not Public"),
        (arguments(input_visibility=HASHED), "private", "input_visibility is Hashed {"),
        (arguments(output_visibility="Private"), "public", "output_visibility is Private, not Public"),
        ({"run_args": {}}, "private", "input_visibility is missing"),
        ({"run_args": []}, "private", "no run arguments"),
        ({}, "private", "no run arguments"),
    ],
)
def test_a_circuit_of_other_settings_is_refused(settings: dict[str, Any], visibility: str, says: str) -> None:
    assert says in settings_problem(settings, visibility)


REFUSED = [
    ("polycommit", "'polycommit' is refused, because it commits to the weights without blinding"),
    ("hashed/private/0,1", "no constraint ties the two"),
    ("hashed", "'hashed' is called \"private\" here"),
    ("fixed", "'fixed' is called \"public\" here"),
    ("encrypted", "'encrypted' is not a visibility of weights: say \"private\""),
    ("", "'' is not a visibility of weights"),
]


@pytest.mark.parametrize(("word", "says"), REFUSED)
def test_a_users_word_that_is_not_taken(word: str, says: str) -> None:
    told = refused_word(word)
    assert told is not None and says in told and "\n" not in told


def test_our_words_are_taken() -> None:
    assert [refused_word(word) for word in VISIBILITIES] == [None, None]


@pytest.mark.parametrize(("word", "says"), REFUSED)
@pytest.mark.parametrize("command", [["model", "build"], ["deploy"]], ids=" ".join)
def test_the_command_line_says_why(command: list[str], word: str, says: str) -> None:
    result = CliRunner().invoke(command_line, [*command, "--visibility", word])
    assert isinstance(result.exception, ConfigError)
    assert str(result.exception).startswith("--visibility: ") and says in str(result.exception)


def test_two_words_for_the_weights_must_not_disagree(tmp_path: Any) -> None:
    (tmp_path / "model.onnx").write_bytes(b"")
    given = ["model", "build", str(tmp_path / "model.onnx"), "--public-model", "--visibility", "private", "--check"]
    result = CliRunner().invoke(command_line, given)
    assert isinstance(result.exception, ConfigError) and "exclude each other" in str(result.exception)


def test_a_private_model_in_onnx_publishes_verdicts_or_is_refused(tmp_path: Any) -> None:
    """All that would publish its scores is told at once, with both ways out, before anything is read."""
    for name in ("model.onnx", "samples.npy"):
        (tmp_path / name).write_bytes(b"")
    given = ["model", "build", str(tmp_path / "model.onnx"), "--data", str(tmp_path / "samples.npy")]
    leaking = ["--disclosure", "score", "--tolerance", "1"]
    result = CliRunner().invoke(command_line, [*given, *leaking])
    assert isinstance(result.exception, ConfigError)
    for part in (
        "give them away",
        "leave out --disclosure score",
        "--threshold",
        "--public-model",
    ):
        assert part in str(result.exception)
    for each in (leaking[:2], leaking[2:], ["--split", *leaking[2:]]):
        assert isinstance(CliRunner().invoke(command_line, [*given, *each]).exception, ConfigError), each
        public = CliRunner().invoke(command_line, [*given, *each, "--public-model"])
        assert not isinstance(public.exception, ConfigError), "the file is empty, which is told instead"
    assert ModelOptions(Path("m.onnx")).privacy.disclosure == "verdict"
    assert ModelOptions(Path("m.onnx"), public_model=True).privacy.disclosure == "score"


def test_what_training_again_finds_is_told_as_the_page_tells_it(project_root: Path) -> None:
    page = " ".join((project_root / "docs" / "privacy.md").read_text().split())
    for told in ("some 13 per cent of the room", "Data of one's own hide most"):
        assert told in page
    assert "some 13 per cent of the room" in RETRAINED and "nobody else has hide most" in RETRAINED
    assert RETRAINED in privacy_of(own=True).stranger
    for own in (False, True):
        [line] = privacy_of(own=own, visibility="public").stranger
        assert "can walk just below its limits" in line and ("Everybody has it" in line) is not own


def test_each_visibility_says_what_it_means() -> None:
    private, public = statement("private", "score"), statement("public", "verdict")
    assert (private["weights"]["hidden"], private["weights"]["bound_by"]) == (True, "model_hash")
    assert (public["weights"]["hidden"], public["weights"]["bound_by"]) == (False, "verifier_code_hash")
    assert (private["outputs"]["exact"], public["outputs"]["exact"]) == (True, False)
    for part in (*private.values(), *public.values()):
        assert len(part["means"]) > 30
