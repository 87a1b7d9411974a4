"""Tests of the table [prover]: batches, backends, visibilities."""

from __future__ import annotations

from typing import Any

import pytest

from oracle.core.errors import ConfigError
from tests.unit.config.texts import MINIMAL, Load


def test_batch_sizes_are_ascending_and_what_the_contract_takes(read: Load) -> None:
    def sizes(text: str) -> tuple[int, ...]:
        return read(MINIMAL, ("[journal]", f"[prover]\nbatch_sizes = {text}\n[journal]")).prover.batch_sizes

    assert read().prover.batch_sizes == (1,)
    assert sizes("[16, 1, 4]") == (1, 4, 16)
    for text, says in (
        ("[]", "1 or more are needed"),
        ("[1, 1]", "has a batch size twice"),
        ("[0]", "from 1 to 64"),
        ("[65]", "from 1 to 64"),
        ("[true]", "whole number"),
        ("[1, 2, 3, 4, 5, 6, 7, 8, 9]", "at most 8"),
        ("4", "list"),
    ):
        with pytest.raises(ConfigError, match=rf"prover\.batch_sizes.*{says}"):
            sizes(text)


def test_provers_are_on_this_machine_or_on_a_cluster(read: Load) -> None:
    def prover(text: str) -> Any:
        return read(MINIMAL, ("[journal]", f"[prover]\n{text}\n[journal]")).prover

    default = read().prover
    assert (default.backend, default.ray_address, default.memory_mb, default.queue) == ("local", None, None, 64)
    assert default.proof_cache is None
    cluster = prover('backend = "ray"\nray_address = "10.0.0.1:6379"\nmemory_mb = 2048\nqueue = 0')
    assert (cluster.backend, cluster.ray_address, cluster.memory_mb, cluster.queue) == (
        "ray",
        "10.0.0.1:6379",
        2_048,
        0,
    )
    for text, says in (
        ('ray_address = "10.0.0.1:6379"', "is for backend"),
        ('backend = "cloud"', "'local' or 'ray'"),
        ("memory_mb = 1", "64"),
        ("queue = -1", "0"),
    ):
        with pytest.raises(ConfigError, match=rf"prover.*{says}"):
            prover(text)


OWN = 'model = "mine.json"\n'


def privacy(read: Load, lines: str) -> tuple[str, str]:
    found = read(MINIMAL + f"\n[prover]\n{lines}\n").prover.privacy
    return found.visibility, found.disclosure


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("", ("public", "score")),
        ('visibility = "public"', ("public", "score")),
        ('disclosure = "verdict"', ("public", "verdict")),
        (OWN, ("private", "verdict")),
        (OWN + 'visibility = "private"\ndisclosure = "verdict"', ("private", "verdict")),
        (OWN + 'visibility = "public"', ("public", "score")),
        (OWN + 'visibility = "public"\ndisclosure = "verdict"', ("public", "verdict")),
    ],
)
def test_what_a_model_hides_follows_from_whose_it_is(read: Load, lines: str, expected: tuple[str, str]) -> None:
    assert privacy(read, lines) == expected


def test_the_reason_is_said_with_it(read: Load) -> None:
    assert str(read().prover.privacy).endswith("the model ships with the package, everybody has it")
    own = read(MINIMAL + f"\n[prover]\n{OWN}").prover
    assert str(own.privacy).startswith("private, publishes verdicts: the model is your own")
    assert own.named_model.endswith("mine.json") and read().prover.named_model == "the packaged one"


@pytest.mark.parametrize("lines", ['disclosure = "score"', 'visibility = "private"\ndisclosure = "score"'])
def test_private_scores_are_refused_with_the_reason_and_both_ways_out(read: Load, lines: str) -> None:
    """The weights aren't made public in silence either, where only exact scores were asked for."""
    with pytest.raises(ConfigError, match=r"prover\.disclosure: a private model can't publish scores") as refused:
        read(MINIMAL + f"\n[prover]\n{OWN}{lines}\n")
    for part in ("give them away", "publishes verdicts", 'visibility = "public"'):
        assert part in str(refused.value)


def test_a_published_model_is_not_taken_for_a_private_one(read: Load) -> None:
    """And all that is wrong is told at once, in other tables, too."""
    lines = '\n[prover]\nvisibility = "private"\ndisclosure = "score"\nray_address = "10.0.0.1:6379"\n'
    with pytest.raises(ConfigError, match="4 problems") as refused:
        read(MINIMAL + lines, ("sigma = 6_000", "sigma = 0"))
    for part in (
        "prover.visibility: a private circuit around a published model hides nothing",
        "`oracle detector train`",
        "prover.disclosure: a private model can't publish scores",
        "prover: 'ray_address' is for backend",
        "feeds[0].sigma",
    ):
        assert part in str(refused.value)


def test_the_visibility_can_be_replaced(read: Load) -> None:
    config = read(MINIMAL + f"\n[prover]\n{OWN}")
    public = config.with_visibility("public")
    assert (public.prover.privacy.visibility, config.prover.privacy.visibility) == ("public", "private")
    assert public.feeds == config.feeds
    with pytest.raises(ConfigError, match=r"\[prover\] visibility: .* hides nothing"):
        read().with_visibility("private")
    scores = read(MINIMAL + f'\n[prover]\n{OWN}visibility = "public"\ndisclosure = "score"\n')
    with pytest.raises(ConfigError, match=r"\[prover\] disclosure: a private model can't publish scores"):
        scores.with_visibility("private")


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("polycommit", "'polycommit' is refused, because it commits to the weights without blinding"),
        ("hashed/private/0", "no constraint ties"),
        ("fixed", "'fixed' is called \"public\" here"),
        ("secret", "'secret' is not a visibility of weights"),
    ],
)
def test_a_visibility_that_no_feed_can_rest_on_is_refused_with_the_reason(read: Load, word: str, says: str) -> None:
    with pytest.raises(ConfigError, match=r"prover\.visibility: ") as refused:
        read(MINIMAL + f'\n[prover]\nvisibility = "{word}"\n')
    assert says in str(refused.value)
