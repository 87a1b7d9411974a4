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
        ("[]", "at least 1"),
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


def test_the_visibility_can_be_replaced(read: Load) -> None:
    config = read()
    public = config.with_visibility("public")
    assert (public.prover.visibility, config.prover.visibility) == ("public", "private")
    assert public.feeds == config.feeds


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
