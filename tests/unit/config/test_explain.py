"""Tests that each mistake gives one line, which says where it is and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from oracle.core.errors import ConfigError
from tests.unit.config.texts import ADDRESS, HTTP, KEY, MINIMAL, SECOND_SOURCE, Load


@pytest.mark.parametrize(
    ("old", "new", "where", "what"),
    [
        ("heartbeat", "heartbeet", "feeds[0].heartbeet", "unknown key; did you mean 'heartbeat'?"),
        (HTTP, HTTP + "\nfoo = 1", "feeds[0].sources[0].foo", "unknown key; known keys: type, name, origin, min"),
        ("[journal]", "[journals]", "journals", "unknown key; did you mean 'journal'?"),
        (KEY, "reporter = { anvil_acount = 1 }", "keys.reporter.anvil_acount", "did you mean 'anvil_account'?"),
        ("chain_id = 31337", "", "chain.chain_id", "is missing"),
        ("[journal]\npath", "[deploy]\nchange_delay = 1\n#", "journal", "is missing"),
        ("chain_id = 31337", 'chain_id = "31337"', "chain.chain_id", "must be a whole number"),
        ("chain_id = 31337", "chain_id = true", "chain.chain_id", "must be a whole number"),
        ("chain_id = 31337", "chain_id = 0", "chain.chain_id", "must be greater than or equal to 1"),
        ("decimals = 8", "decimals = 8.5", "feeds[0].decimals", "must be a whole number"),
        ("decimals = 8", "decimals = 19", "feeds[0].decimals", "must be less than or equal to 18"),
        ('"relative"', '"relativ"', "feeds[0].kind", "must be 'relative' or 'absolute'"),
        ('"ETH / USD"', "7", "feeds[0].description", "must be a string"),
        ('"ETH / USD"', '"' + "€" * 22 + '"', "feeds[0].description", "takes 66 bytes"),
        ('"eth-usd"', '"ETH@USD"', "feeds[0].name", "must be 1 to 40 of a-z"),
        ('"http://127.0.0.1:8545"', '"127.0.0.1:8545"', "chain.rpc_url", "write it as https://host/path"),
        ('"http://127.0.0.1:8545"', '"ftp://h/"', "chain.rpc_url", "write it as https://host/path"),
        ('"http://127.0.0.1:8545"', '"http://h:x/"', "chain.rpc_url", "is not a valid URL"),
        ('"http://127.0.0.1:8545"', '"http://h/${KEY}"', "chain.rpc_url", "variable KEY is not set"),
        ('"http://127.0.0.1:8545"', '"http://h/${a b}"', "chain.rpc_url", "not of the form ${NAME}"),
        ('"ETH / USD"', '"${KEY}"', "feeds[0].description", "URLs and header values only"),
        (HTTP, 'path = "price["', "feeds[0].sources[0].path", "write it as $.data.price"),
        (HTTP, 'path = ""', "feeds[0].sources[0].path", "is not a JSONPath"),
        (
            'type = "http"',
            'type = "htp"',
            "feeds[0].sources[0].type",
            "'htp' is not one of 'http', 'exchange', 'onchain'",
        ),
        ('type = "http"', "", "feeds[0].sources[0]", "needs 'type': one of 'http', 'exchange', 'onchain', 'push'"),
        (HTTP, HTTP + "\ntimeout = 0", "feeds[0].sources[0].timeout", "must be greater than 0"),
        (HTTP, HTTP + "\ntimeout = inf", "feeds[0].sources[0].timeout", "must be"),
        (HTTP, HTTP + "\ntimeout = true", "feeds[0].sources[0].timeout", "must be a number"),
        (HTTP, HTTP + '\nmin = "1"', "feeds[0].sources[0].min", "must be a number"),
        (HTTP, HTTP + "\nmin = nan", "feeds[0].sources[0].min", "must be a finite number"),
        (HTTP, HTTP + "\nmin = 2\nmax = 1", "feeds[0].sources[0]", "'min' (2) is above 'max' (1)"),
        (HTTP, HTTP + "\nmax_age = 5", "feeds[0].sources[0]", "needs 'timestamp_path'"),
        ("deviation_ppm = 5_000", "", "feeds[0]", "a relative feed needs 'deviation_ppm'"),
        ("deviation_ppm", "deviation", "feeds[0]", "is not for relative feeds; use 'deviation_ppm'"),
        ("sigma", "max_source_spread = 1\nsigma", "feeds[0]", "use 'max_source_spread_ppm'"),
        ("min_sources = 1", "min_sources = 2", "feeds[0]", "'min_sources' is 2, but there are 1 sources"),
        ("heartbeat = 3600", "heartbeat = 16_777_216", "feeds[0].heartbeat", "must be less than or equal to 16777215"),
        ("sigma", "confirm_delay = 0\nsigma", "feeds[0].confirm_delay", "must be greater than or equal to 1"),
        ("sigma", "confirmations = 0\nsigma", "feeds[0].confirmations", "could be held for ever"),
        ("sigma", "confirmations = 256\nsigma", "feeds[0].confirmations", "must be less than or equal to 255"),
        (
            "sigma",
            "confirm_delay = 604_801\nsigma",
            "feeds[0].confirm_delay",
            "is 604801 seconds, but the contract allows 604800 at most (7 days)",
        ),
        (
            "sigma",
            "max_age = 7_776_001\nsigma",
            "feeds[0].max_age",
            "is 7776001 seconds, but the contract allows 7776000 at most (90 days)",
        ),
        ("sigma", "max_repeats = 256\nsigma", "feeds[0].max_repeats", "must be less than or equal to 255"),
        ("sigma", "max_repeats = -1\nsigma", "feeds[0].max_repeats", "must be greater than or equal to 0"),
        ("sigma", "poll_interval = -1\nsigma", "feeds[0].poll_interval", "must be greater than 0"),
        ("min_sources = 1\n", "", "feeds[0]", "has one source, which nothing checks"),
        (HTTP, HTTP + "\nattempts = 0", "feeds[0].sources[0].attempts", "greater than or equal to 1"),
        (HTTP, HTTP + "\nsuspend_for = 0", "feeds[0].sources[0].suspend_for", "greater than 0"),
        (
            KEY,
            KEY + "\nshadow = { anvil_account = 1 }",
            "keys",
            "'shadow' is the submitter's key: a shadow report that is stuck",
        ),
        (KEY, "reporter = {}", "keys.reporter", "exactly one of 'keystore', 'remote' and 'anvil_account'"),
        (
            KEY,
            'reporter = { anvil_account = 1, keystore = "k" }',
            "keys.reporter",
            "exactly one of 'keystore', 'remote' and 'anvil_account'",
        ),
        (KEY, 'reporter = { keystore = "k" }', "keys.reporter", "exactly one of 'password_file', 'password_env'"),
        (
            KEY,
            'reporter = { keystore = "k", password_file = "p", password_prompt = true }',
            "keys.reporter",
            "exactly one of 'password_file'",
        ),
        (KEY, 'reporter = { remote = "https://s" }', "keys.reporter", "'remote' and 'address' go together"),
        (KEY, 'reporter = { remote = "http://s.example" }', "keys.reporter.remote", "needs https"),
        (KEY, 'reporter = { remote = "https://s.example/?k=1" }', "keys.reporter.remote", "without a query"),
        ('path = "journal.sqlite"', 'url = "mysql://h/db"', "journal.url", "is not a PostgreSQL database"),
        ('path = "journal.sqlite"', 'url = "postgresql://h"', "journal.url", "is not a PostgreSQL database"),
        ('path = "journal.sqlite"', 'url = "postgresql://u:pw@h/db"', "journal.url", "has a password in it"),
        ('path = "journal.sqlite"', 'url = "postgresql://h/db?password=pw"', "journal.url", "has a password in it"),
        ('path = "journal.sqlite"', "standby = true", "journal", "exactly one of 'path'"),
        ('path = "journal.sqlite"', 'path = "j"\npassword_env = "P"', "journal", "is for PostgreSQL only"),
        ('path = "journal.sqlite"', 'path = "j"\nkeep_days = 0', "journal.keep_days", "greater than or equal to 1"),
        (
            KEY,
            'reporter = { anvil_account = 1, password_env = "P" }',
            "keys.reporter",
            "takes no password",
        ),
        (KEY, "", "keys.reporter", "is missing"),
        (KEY, "reporter = 1", "keys.reporter", "must be a table"),
        ('path = "journal.sqlite"', 'path = ""', "journal.path", "must be a path"),
        ('path = "journal.sqlite"', "path = 1", "journal.path", "must be a path"),
        ("[journal]", "[prover]\nworkers = 0\n[journal]", "prover.workers", "greater than or equal to 1"),
        (
            "[journal]",
            '[prover]\nsrs = "local"\n[journal]',
            "prover.srs",
            "must be 'public-ceremony' or 'insecure-local'",
        ),
        ("[journal]", "[deploy]\nchange_delay = -1\n[journal]", "deploy.change_delay", "greater than or equal to 0"),
    ],
)
def test_a_mistake_is_one_line_with_its_place(
    read: Load, tmp_path: Path, old: str, new: str, where: str, what: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        read(MINIMAL, (old, new))
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'oracle.toml'}: {where}: ")
    assert what in message
    assert "\n" not in message


def test_all_problems_are_told_at_once(read: Load, tmp_path: Path) -> None:
    """They are of several tables, of unknown keys, of variables, and two of one key."""
    with pytest.raises(ConfigError) as caught:
        read(
            MINIMAL + "max_age = 5\nmaximum = 5\n",
            ("decimals = 8", "decimals = 99"),
            ("sigma = 6_000", "sigma = 0"),
            ("[journal]\npath", "[journal]\npaths"),
            ("127.0.0.1:8545", "${NODE}"),
            (KEY, "reporter = { anvil_account = 100 }"),
            ("[[feeds]]", f'[[committees]]\nname = "default"\nreporters = ["{ADDRESS}"]\nquorum = 2\n[[feeds]]'),
        )
    first, *lines = str(caught.value).splitlines()
    assert first == f"{tmp_path / 'oracle.toml'}: 9 problems:"
    for where, what in (
        ("chain.rpc_url", "the environment variable NODE is not set"),
        ("journal.paths", "unknown key; did you mean 'path'?"),
        ("keys.reporter.anvil_account", "must be less than or equal to 99"),
        ("committees[0].quorum", "is 2, but there are 1 reporters"),
        ("committees[0].quorum", "is 2, but has to be odd"),
        ("feeds[0].decimals", "must be less than or equal to 18"),
        ("feeds[0].sigma", "must be greater than or equal to 1"),
        ("feeds[0].sources[0].maximum", "unknown key; did you mean 'max'?"),
        ("feeds[0].sources[0]", "'max_age' needs 'timestamp_path'"),
    ):
        assert sum(line.startswith(f"  {where}: {what}") for line in lines) == 1, where
    assert len(lines) == 9


def test_all_problems_between_tables_are_told_at_once(read: Load) -> None:
    feed = MINIMAL[MINIMAL.index("[[feeds]]") :]
    with pytest.raises(ConfigError) as caught:
        read(
            MINIMAL + feed.replace('"ETH / USD"', '"BTC / USD"'),
            ("sigma", 'committee = "other"\npeers = ["A", "BTC / USD"]\nsigma'),
        )
    assert [line.split(": ")[0].strip() for line in str(caught.value).splitlines()[1:]] == [
        "the file",
        "feeds[0].committee",
        "feeds[0].peers[0]",
        "feeds[0].peers[1]",
    ]


def test_problems_between_keys_and_tables_are_told_with_those_of_single_keys(read: Load) -> None:
    """The second kind was told only after the first was mended."""
    feed = MINIMAL[MINIMAL.index("[[feeds]]") :]
    with pytest.raises(ConfigError) as caught:
        read(
            MINIMAL + 'max_age = 5\n[[feeds.sources]]\ntype = "push"\nname = "Desk"\nmax_age = 5\n' + feed,
            ("decimals = 8", "decimals = 99"),
            ("deviation_ppm = 5_000", 'deviation = 5_000\npeers = ["BTC / USD"]'),
            ("[journal]", '[web]\nlisten = "127.0.0.1:9464"\n[push]\nlisten = "127.0.0.1:9464"\n[journal]'),
            ("[[feeds]]", '[[committees]]\nname = "default"\nquorum = 2\n[[committees]]\nname = "b"\n[[feeds]]'),
        )
    found = [line.strip() for line in str(caught.value).splitlines()[1:]]
    expected = (
        "committees[0].quorum: is 2, but has to be odd",
        "feeds[0].decimals: must be less than or equal to 18",
        "feeds[0].sources[0]: 'max_age' needs 'timestamp_path'",
        "feeds[0].sources[1].name: must be 1 to 40 of",
        "feeds[0].sources[1]: needs exactly one of 'key_file'",
        "feeds[0]: 'deviation' is not for relative feeds",
        "the file: feeds[0] and feeds[1] have the same name",
        "the file: feeds[0] and feeds[1] have the same description",
        "committees[1]: no feed names the committee 'b'",
        "feeds[0].peers[0]: no feed has the description 'BTC / USD'",
        "push.listen: [web] listens on port 9464, too",
    )
    assert [line for line, begin in zip(found, expected, strict=True) if not line.startswith(begin)] == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (KEY, "", "keys.reporter: is missing"),
        (
            KEY,
            "reporter = { anvil_acount = 1 }",
            "keys.reporter.anvil_acount: unknown key; did you mean 'anvil_account'?",
        ),
        ("heartbeat = 3600", "heartbeat = 0", "feeds[0].heartbeat: must be greater than or equal to 1"),
        ('"relative"', '"relativ"', "feeds[0].kind: must be 'relative' or 'absolute'"),
        ('type = "http"', 'type = "htp"', "feeds[0].sources[0].type: 'htp' is not one of"),
        ("[[feeds.sources]]", "[[feeds.source]]", "feeds[0].source: unknown key; did you mean 'sources'?"),
    ],
)
def test_what_follows_from_a_mistake_is_not_told_with_it(read: Load, old: str, new: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(MINIMAL, (old, new))
    assert told in str(caught.value) and "\n" not in str(caught.value)


def test_so_many_problems_that_nobody_reads_them(read: Load) -> None:
    with pytest.raises(ConfigError) as caught:
        read(MINIMAL + "".join(f"key_{number} = 1\n" for number in range(30)))
    lines = str(caught.value).splitlines()
    assert lines[0].endswith(": 30 problems:") and lines[-1] == "  and 10 more" and len(lines) == 22


def test_a_key_with_a_line_break_is_told_in_one_line(read: Load) -> None:
    with pytest.raises(ConfigError, match=r"feeds\[0\]\.sources\[0\]\.a b: unknown key") as caught:
        read(MINIMAL + '"a\\nb" = 1\n')
    assert "\n" not in str(caught.value)


def test_two_problems_of_one_table(read: Load) -> None:
    with pytest.raises(ConfigError, match="2 problems") as caught:
        read(MINIMAL, (HTTP, HTTP + '\nname = "a"' + SECOND_SOURCE + 'name = "a"\n'))
    assert "feeds[0]: two sources have the name 'a'" in str(caught.value)
    assert "feeds[0]: 'min_sources' must be at least 2" in str(caught.value)


def test_a_mistake_that_follows_from_another_is_not_told(read: Load) -> None:
    """A key that is wrong may be the default of others, or be meant by one that is not known."""
    for change in ((KEY, ""), ("heartbeat = 3600", ""), ("heartbeat = 3600", "heartbeet = 3600")):
        with pytest.raises(ConfigError) as caught:
            read(MINIMAL, change)
        assert "\n" not in str(caught.value)


def test_an_error_in_a_union_is_one_message(read: Load) -> None:
    http = MINIMAL[MINIMAL.index('type = "http"') :]
    with pytest.raises(ConfigError, match=r"feeds\[0\]\.sources\[0\]\.speed: .*'max'") as caught:
        read(MINIMAL, (http, 'type = "packaged"\nseries = "wti"\nspeed = "fast"'))
    assert "\n" not in str(caught.value)
