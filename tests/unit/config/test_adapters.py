"""Tests of a feed's list `adapters`: which terms there are, and which are refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from oracle.app.adapters import adapter_terms
from oracle.chain.deploy.adapters import NO_FEED, AdapterMode, AdapterTerms
from oracle.config.adapters import GRACE, AdapterConfig, adapter_problems
from oracle.core.errors import ConfigError
from tests.unit.config.texts import ADDRESS, MINIMAL, Load


def adapter(**values: Any) -> AdapterConfig:
    return AdapterConfig.model_validate(values)


@pytest.mark.parametrize(
    ("values", "terms", "words"),
    [
        ({"mode": "strict"}, AdapterTerms(AdapterMode.STRICT), "strict"),
        ({"mode": "last-good", "bound": 7_200}, AdapterTerms(AdapterMode.LAST_GOOD, 7_200), "last-good 7200 s"),
        (
            {"mode": "strict", "uptime_feed": ADDRESS.lower()},
            AdapterTerms(AdapterMode.STRICT, 0, ADDRESS, GRACE),
            f"strict guarded by {ADDRESS} (3600 s)",
        ),
        (
            {"mode": "last-good", "bound": 1, "uptime_feed": ADDRESS, "grace": 0},
            AdapterTerms(AdapterMode.LAST_GOOD, 1, ADDRESS, 0),
            f"last-good 1 s guarded by {ADDRESS} (0 s)",
        ),
    ],
)
def test_terms_that_the_contract_is_given(values: dict[str, Any], terms: AdapterTerms, words: str) -> None:
    assert adapter_terms(adapter(**values)) == terms
    assert str(terms) == words


def test_the_terms_are_in_the_contracts_order() -> None:
    assert AdapterTerms(AdapterMode.LAST_GOOD, 7, ADDRESS, 8).values == (2, 7, ADDRESS, 8)
    assert AdapterTerms().values == (0, 0, NO_FEED, 0)


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ({}, "mode"),
        ({"mode": "plain"}, "every feed has its plain adapter"),
        ({"mode": "lenient"}, "'strict' or 'last-good'"),
        ({"mode": "last-good"}, "needs 'bound'"),
        ({"mode": "last-good", "bound": 0}, "greater than or equal to 1"),
        ({"mode": "last-good", "bound": 2**32}, "less than or equal to"),
        ({"mode": "last-good", "bound": "2h"}, "valid integer"),
        ({"mode": "strict", "bound": 7_200}, "'bound' does not fit mode 'strict'"),
        ({"mode": "strict", "grace": 60}, "'grace' needs 'uptime_feed'"),
        ({"mode": "strict", "uptime_feed": ADDRESS, "grace": -1}, "greater than or equal to 0"),
        ({"mode": "strict", "uptime_feed": "0x" + "0" * 40}, "zero address"),
        ({"mode": "strict", "guard": ADDRESS}, "unknown key"),
    ],
)
def test_refused_terms(values: dict[str, Any], what: str) -> None:
    with pytest.raises(ValidationError, match=what):
        adapter(**values)


def test_adapters_of_one_feed() -> None:
    strict, good = adapter(mode="strict"), adapter(mode="last-good", bound=7_200)
    assert list(adapter_problems([strict, good, adapter(mode="last-good", bound=7_201)], 7_200)) == []
    [(path, message)] = adapter_problems([good, strict, good], 3_600)
    assert path == ("adapters",) and "the same terms" in message
    # The default of `grace` and the same number in words are the same terms.
    twice = [adapter(mode="strict", uptime_feed=ADDRESS), adapter(mode="strict", uptime_feed=ADDRESS, grace=GRACE)]
    assert len(list(adapter_problems(twice, 1))) == 1
    [(_, message)] = adapter_problems([good], 7_201)
    assert message.startswith("a bound of 7200 s is shorter than the heartbeat of 7201 s")


def test_adapters_of_a_configuration(read: Load) -> None:
    listed = 'adapters = [{ mode = "strict" }, { mode = "last-good", bound = 7_200 }]\nsigma'
    [feed] = read(MINIMAL, ("sigma", listed)).feeds
    assert [adapter_terms(each) for each in feed.adapters] == [
        AdapterTerms(AdapterMode.STRICT),
        AdapterTerms(AdapterMode.LAST_GOOD, 7_200),
    ]
    assert read(MINIMAL).feeds[0].adapters == ()
    with pytest.raises(ConfigError, match=r"feeds\[0\]\.adapters: a bound of 600 s is shorter than the heartbeat"):
        read(MINIMAL, ("sigma", listed.replace("7_200", "600")))
    with pytest.raises(ConfigError, match=r"feeds\[0\]\.adapters\[1\]: a 'last-good' adapter needs 'bound'"):
        read(MINIMAL, ("sigma", listed.replace(", bound = 7_200", "")))
    with pytest.raises(ConfigError, match=r"feeds\[0\]\.strict_adapter: unknown key"):
        read(MINIMAL, ("sigma", "strict_adapter = true\nsigma"))
