"""Tests of pulled feeds in the configuration, and of the table [updates]."""

from __future__ import annotations

import pytest

from oracle.core.errors import ConfigError
from oracle.core.settings import UINT32_MAX
from oracle.feeds.observe import due_policy
from tests.unit.config.texts import MINIMAL, Load, networked

SERVED = '[updates]\nlisten = "127.0.0.1:9466"\n'
PULL = ("min_sources", 'mode = "pull"\nmin_sources')
CALLERS = 'callers = [{ name = "desk", token_file = "desk.token" }]\n'
OWN = '[prover]\nmodel = "own.json"\n'


def updates(*more: str) -> tuple[str, str]:
    return ("[journal]", "".join((SERVED, *more)) + "[journal]")


def test_feeds_are_pushed_unless_they_say_otherwise(read: Load) -> None:
    config = read()
    [feed] = config.feeds
    assert (feed.mode, config.updates.address, due_policy(feed).pull_interval) == ("push", None, 0)


def test_a_pulled_feed_is_served_to_anyone_if_the_model_is_public(read: Load) -> None:
    config = read(MINIMAL, PULL, updates())
    assert config.updates.address == ("127.0.0.1", 9466)
    assert config.updates.callers == ()
    assert due_policy(config.feeds[0]).pull_interval == 60


@pytest.mark.parametrize(
    ("terms", "expected"),
    [("heartbeat = 3600", 60), ("heartbeat = 20", 20), ("heartbeat = 3600\nmax_age = 30", 30)],
)
def test_the_interval_is_a_minute_or_as_long_as_it_can_be(read: Load, terms: str, expected: int) -> None:
    [feed] = read(MINIMAL, PULL, updates(), ("heartbeat = 3600", terms)).feeds
    assert feed.pull_interval == expected


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (('mode = "pull"', 'mode = "both"'), r"feeds\[0\]\.mode: must be 'push' or 'pull'"),
        (('mode = "pull"', "pull_interval = 5"), r'pull_interval: is for mode = "pull"'),
        (('mode = "pull"', 'mode = "pull"\npull_interval = 3_601'), "is 3601, but every 3600 s a report is sent"),
        (('mode = "pull"', 'mode = "pull"\nmax_age = 9\npull_interval = 10'), "is 10, but the contract takes"),
        (('mode = "pull"', 'mode = "pull"\npull_interval = 0'), "pull_interval: "),
        (('mode = "pull"', f'mode = "pull"\npull_interval = {UINT32_MAX + 1}'), "pull_interval: "),
        ((SERVED, ""), r'feeds\[0\]\.mode: is "pull", but nobody could: add \[updates\]'),
        (('mode = "pull"\n', ""), r"updates\.listen: nothing is pulled"),
        ((SERVED, SERVED + "max_per_minute = 0\n"), "max_per_minute"),
        ((SERVED, SERVED + 'tls_key = "k.pem"\n'), "'tls_certificate' and 'tls_key' go together"),
        ((SERVED, SERVED + 'caller = "x"\n'), "updates.caller"),
        ((SERVED, SERVED + CALLERS.replace('"desk.token"', "1")), r"updates\.callers\[0\]\.token_file"),
        (
            (SERVED, SERVED + 'callers = [{ name = "a", token_file = "a" }, { name = "a", token_file = "b" }]\n'),
            r"updates\.callers\[1\]\.name: callers\[0\] has the same name 'a'",
        ),
        ((SERVED, SERVED + '[web]\nlisten = "127.0.0.1:9466"\n'), r"updates\.listen: \[web\] listens on port 9466"),
    ],
)
def test_what_does_not_fit_is_told(read: Load, change: tuple[str, str], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        read(MINIMAL, PULL, updates(), change)


def test_a_private_model_is_pulled_by_known_callers_only(read: Load) -> None:
    with pytest.raises(ConfigError, match=r"updates\.callers: the model is private, .* name who may ask"):
        read(MINIMAL, PULL, updates(OWN))
    with pytest.raises(ConfigError, match=r"updates\.callers"):
        read(MINIMAL, PULL, updates("callers = []\n", OWN))
    config = read(MINIMAL, PULL, updates(CALLERS, OWN))
    assert [each.name for each in config.updates.callers] == ["desk"]
    assert read(MINIMAL, PULL, updates(OWN, 'visibility = "public"\n')).updates.callers == ()


@pytest.mark.parametrize("listen", ["0.0.0.0:9466", "192.0.2.1:9466", "example.org:9466", "[::]:9466"])
def test_tokens_do_not_travel_in_the_open(read: Load, listen: str) -> None:
    other = ("127.0.0.1:9466", listen)
    with pytest.raises(ConfigError, match=r"updates\.callers: their tokens could be read on their way to"):
        read(MINIMAL, PULL, updates(CALLERS), other)
    assert read(MINIMAL, PULL, updates(), other).updates.listen == listen, "a public model's reports are no secret"
    tls = 'tls_certificate = "c.pem"\ntls_key = "k.pem"\n'
    assert read(MINIMAL, PULL, updates(CALLERS, tls), other).updates.callers


@pytest.mark.parametrize("listen", ["127.0.0.1:9466", "localhost:9466", "[::1]:9466"])
def test_on_this_machine_they_may(read: Load, listen: str) -> None:
    assert read(MINIMAL, PULL, updates(CALLERS), ("127.0.0.1:9466", listen)).updates.callers


def test_a_member_that_does_not_prove_serves_nothing(read: Load) -> None:
    text = networked(own='roles = ["reporter"]').replace(*PULL)
    assert read(text).feeds[0].mode == "pull"
    assert read(text.replace("[journal]", OWN + "[journal]")).feeds[0].mode == "pull"
    with pytest.raises(ConfigError, match="nobody could"):
        read(networked().replace(*PULL))
    with pytest.raises(ConfigError, match=r"updates\.listen: \[network\] listens on port 9470"):
        read(networked().replace(*PULL), ("[journal]", '[updates]\nlisten = "0.0.0.0:9470"\n[journal]'))


def test_the_policy_of_a_private_model_is_spaced(read: Load) -> None:
    [feed] = read(MINIMAL, PULL, updates()).feeds
    assert not due_policy(feed).is_spaced and due_policy(feed, is_private=True).is_spaced
