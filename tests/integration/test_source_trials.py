"""Tests of `oracle source test` and `oracle config check --sources`, against servers, files and a chain that answer."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from pytest_httpserver import HTTPServer

from oracle.app.source_tests import try_feeds
from oracle.cli import oracle
from oracle.config import load

NOW = 1_700_000_000

BEGIN = """
[chain]
rpc_url = "http://127.0.0.1:8545"
chain_id = 31337
deployment = "deployment.json"
[keys]
reporter = { anvil_account = 1 }
[journal]
path = "journal.sqlite"
[push]
listen = "127.0.0.1:9465"
"""

FEED = """
[[feeds]]
name = "eth-usd"
description = "ETH / USD"
kind = "relative"
decimals = 8
sigma = 1_000
heartbeat = 3600
deviation_ppm = 5_000
min_sources = 2
max_source_spread_ppm = 10_000
"""


class Desk:
    """An operator's folder with a configuration, and a server with documents."""

    def __init__(self, folder: Path, server: HTTPServer) -> None:
        self.folder, self.server = folder, server
        self.sources: list[str] = []
        self.feed = FEED

    def http(self, name: str, document: Any, path: str = "$.price", more: str = "", status: int = 200) -> None:
        """Serve a document, and configure the source that reads it."""
        text = document if isinstance(document, str) else json.dumps(document)
        self.server.expect_request(f"/{name}").respond_with_data(text, status=status, content_type="application/json")
        url = self.server.url_for(f"/{name}")
        self.add(f'type = "http", name = "{name}", url = "{url}", path = {json.dumps(path)}', more)

    def add(self, source: str, more: str = "") -> None:
        self.sources.append(f"{{ {source}{', ' if more else ''}{more} }}")

    def write(self, more: str = "") -> Path:
        path = self.folder / "oracle.toml"
        path.write_text(f"{BEGIN}{self.feed}sources = [{', '.join(self.sources)}]\n{more}")
        return path

    async def tried(self) -> dict[str, Any]:
        """Return the outcomes of the sources of the one feed, by name; that of the feed has no name."""
        feeds = load(self.write(), {}).feeds
        (found,) = await try_feeds(feeds, clock=lambda: NOW + 0.5)
        return {"": found, **{each.source: each for each in found.sources}}

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(
            oracle, [*arguments, "--config", str(self.folder / "oracle.toml")], env={"COLUMNS": "80"}
        )


@pytest.fixture
def desk(tmp_path: Path, httpserver: HTTPServer) -> Desk:
    return Desk(tmp_path, httpserver)


async def test_each_source_is_compared_with_the_median_of_the_others(desk: Desk) -> None:
    desk.http("alpha", {"price": 100.0, "time": NOW - 7}, more='timestamp_path = "$.time", max_age = 60')
    desk.http("bravo", {"price": 100.1})
    desk.http("charlie", {"price": 102})
    found = await desk.tried()
    alpha = found["alpha"]
    assert (str(alpha.value), alpha.answer, alpha.observed_at, alpha.age_s) == ("100.0", 10**10, NOW - 7, 7)
    assert [(each.where, each.found) for each in alpha.matched] == [("$.price", "100.0"), ("$.time", str(NOW - 7))]
    assert round(alpha.distance) == 999 and float(alpha.distance_sigma) == pytest.approx(0.999, rel=1e-3)
    assert [found[name].outcome for name in ("alpha", "bravo", "charlie", "")] == ["ok", "ok", "fails", "fails"]
    assert "is 20,000 ppm from the median of the others, 100.0; at most 10000 ppm count" in found["charlie"].problems
    assert (str(found[""].value), found[""].agreeing) == ("100.0", 2)


DOCUMENT = {
    "data": {
        "ETH USD": {"last": "100.2", "at": NOW * 1_000},
        "volume": 12.5,
        "price": {"avg": 99.9},
        "other": [{"id": 7, "price": 3_000}],
    }
}


async def test_a_path_that_finds_nothing_is_told_with_the_document_and_the_paths_that_may_be_meant(desk: Desk) -> None:
    desk.http("alpha", {"price": 100})
    desk.http("bravo", {"price": 100.3})
    desk.http("lost", DOCUMENT, "$.data.price.last")
    lost = (await desk.tried())["lost"]
    assert lost.outcome == "fails"
    assert lost.problems == ("$.data.price.last: there is no such value in the answer",)
    assert lost.excerpt == '$.data.price is {"avg": 99.9}'
    assert lost.suggestions == (
        'path = \'$.data["ETH USD"].last\', allow_string = true  # "100.2", 2,000 ppm from the others',
        'path = "$.data.price.avg"  # 99.9, 1,000 ppm from the others',
    ), "numbers that are near the others' come first, times and other numbers not at all"


async def test_each_path_that_is_suggested_works(desk: Desk) -> None:
    """The suggestion is written into the configuration as it is."""
    desk.http("alpha", {"price": 100})
    desk.http("bravo", {"price": 100.3})
    desk.http("lost", DOCUMENT, "$.result", more='timestamp_path = "$.when"')
    suggested = (await desk.tried())["lost"].suggestions[0].partition("  # ")[0]
    desk.sources[2] = desk.sources[2].replace('path = "$.result"', suggested, 1)
    lost = (await desk.tried())["lost"]
    assert (str(lost.problems), lost.suggestions[0][:62]) == (
        "('$.when: there is no such value in the answer',)",
        'timestamp_path = \'$.data["ETH USD"].at\', timestamp_unit = "ms"',
    )
    suggested = lost.suggestions[0].partition("  # ")[0]
    desk.sources[2] = desk.sources[2].replace('timestamp_path = "$.when"', suggested)
    lost = (await desk.tried())["lost"]
    assert (lost.outcome, str(lost.value), lost.observed_at) == ("ok", "100.2", NOW)


@pytest.mark.parametrize("more", ["", "max = 200"])
async def test_a_path_that_finds_another_number_is_told_with_the_one_that_is_meant(desk: Desk, more: str) -> None:
    """It is far from the others, or out of bounds: nothing else would tell a volume from a price."""
    desk.http("alpha", {"price": 100})
    desk.http("bravo", {"price": 100.3})
    desk.http("wrong", {"v": 5_000, "price": {"avg": 99.9, "high": 101}, "n": 7}, "$.v", more)
    wrong = (await desk.tried())["wrong"]
    assert wrong.outcome == "fails"
    assert ("above the configured maximum" if more else "from the median of the others") in wrong.problems[0]
    assert wrong.suggestions == (
        'path = "$.price.avg"  # 99.9, 1,000 ppm from the others',
        'path = "$.price.high"  # 101, 10,000 ppm from the others',
    )


async def test_a_lone_source_that_finds_another_number_has_no_suggestions(desk: Desk) -> None:
    desk.http("alpha", {"price": 100})
    desk.http("bravo", {"price": 7, "n": 8})
    assert (await desk.tried())["bravo"].suggestions == ()


async def test_without_other_sources_the_same_name_is_the_likeliest(desk: Desk) -> None:
    desk.feed = desk.feed.replace("min_sources = 2", "min_sources = 1")
    desk.http("lost", {"result": {"volume": 1, "ask": 7, "price": 8, "bids": [1, 2]}}, "$.data.price")
    first, *_ = (await desk.tried())["lost"].suggestions
    assert first == 'path = "$.result.price"  # 8'


@pytest.mark.parametrize(
    ("document", "path", "more", "status", "outcome", "problem", "suggestion"),
    [
        ({"price": "100.1"}, "$.price", "", 200, "fails", "is the string '100.1'", "allow_string = true"),
        ([{"p": 1}, {"p": 100}], "$[*].p", "", 200, "fails", "matches 2 values", 'path = "$[1].p"  # 100'),
        (
            {"price": 100, "t": NOW * 1_000}, "$.price", 'timestamp_path = "$.t"', 200,
            "fails", "is a time in milliseconds", 'timestamp_unit = "ms"',
        ),
        (
            {"price": 100, "t": NOW}, "$.price", 'timestamp_path = "$.t", timestamp_unit = "ms"', 200,
            "fails", "is a time in seconds", 'timestamp_unit = "s"',
        ),
        ({}, "$.price", "", 404, "fails", "HTTP 404 NOT FOUND: there is no such document", ""),
        ({}, "$.price", "", 401, "fails", "HTTP 401 UNAUTHORIZED: it wants credentials", ""),
        ({}, "$.price", "", 503, "silent", "HTTP 503", ""),
        ({}, "$.price", "", 429, "silent", "HTTP 429", ""),
        ('{"price": 1, "price": 2}', "$.price", "", 200, "fails", "the key 'price' twice", ""),
        ("<html>", "$.price", "", 200, "silent", "it is HTML", ""),
        (
            {"price": 100, "t": NOW - 61}, "$.price", 'timestamp_path = "$.t", max_age = 60', 200,
            "silent", "61 s old", "",
        ),
        (
            {"price": 100, "t": NOW - 3_601}, "$.price", 'timestamp_path = "$.t"', 200,
            "fails", "is 3,601 s old; the contract takes it for max_age = 3,600 s", "",
        ),
    ],
)  # fmt: skip
async def test_what_is_wrong_with_a_source_is_told_by_its_kind(
    desk: Desk, document: Any, path: str, more: str, status: int, outcome: str, problem: str, suggestion: str
) -> None:
    desk.http("alpha", {"price": 100})
    desk.http("bravo", {"price": 100.3})
    desk.http("odd", document, path, more, status)
    odd = (await desk.tried())["odd"]
    assert odd.outcome == outcome and problem in odd.problems[0], odd
    assert (odd.suggestions or ("",))[0].startswith(suggestion)


@pytest.mark.parametrize(
    ("value", "decimals", "problem"),
    [
        ("0.00001", 4, "0.00001 is 0 in the feed's 4 decimals: scale the value, or deploy a feed with more decimals"),
        ("0.0123", 2, "0.0123 is 0.01 in the feed's 2 decimals: rounding moves it by 230,000 ppm"),
        ("1" + "0" * 30, 18, "does not fit the contract's int128"),
    ],
)
async def test_a_value_that_the_feeds_decimals_can_not_hold_is_told(
    desk: Desk, value: str, decimals: int, problem: str
) -> None:
    desk.feed = desk.feed.replace("decimals = 8", f"decimals = {decimals}")
    for name in ("alpha", "bravo"):
        desk.http(name, f'{{"price": {value}}}')
    found = await desk.tried()
    assert found["alpha"].outcome == "fails" and any(problem in each for each in found["alpha"].problems)


async def test_an_absolute_feed_is_compared_in_its_own_units(desk: Desk) -> None:
    desk.feed = (
        desk.feed.replace('"relative"', '"absolute"')
        .replace("deviation_ppm = 5_000", "deviation = 5")
        .replace("max_source_spread_ppm = 10_000", "max_source_spread = 0.5")
        .replace("decimals = 8", "decimals = 2")
        .replace("sigma = 1_000", "sigma = 20")
    )
    for name, value in (("alpha", -1.5), ("bravo", -1.25), ("charlie", -2.5)):
        desk.http(name, {"price": value})
    found = await desk.tried()
    assert (str(found["bravo"].distance), str(found["bravo"].distance_sigma)) == ("1.25", "6.25")
    assert found["bravo"].problems == ("is 1.25 from the median of the others, -2.5; at most 0.5 count",)
    assert found["alpha"].answer == -150 and (found[""].agreeing, found[""].answer) == (2, -150)


async def test_a_source_that_is_pushed_waits_and_is_no_problem(desk: Desk) -> None:
    desk.http("alpha", {"price": 100})
    key = desk.folder / "key"
    key.write_text("k" * 32)
    key.chmod(0o600)
    desk.add('type = "push", name = "desk", key_file = "key", max_age = 60')
    found = await desk.tried()
    assert (found["desk"].outcome, found[""].outcome, found[""].problems) == ("waits", "ok", ())
    assert "POST /push/eth-usd/desk, signed" in found["desk"].notes[0]
    key.chmod(0o644)
    assert (await desk.tried())["desk"].problems[0].endswith("and make a new secret")


@pytest.mark.attack
def test_a_hostile_document_moves_no_terminal_and_fills_no_screen(desk: Desk) -> None:
    desk.http("alpha", {"price": 100})
    desk.http("bravo", {"price": 100.3})
    wide = {f"\x1b[2J{number}\u202e": ["x" * 1_000, 100.1] for number in range(500)}
    desk.http("odd", wide, "$.price")
    desk.write()
    done = desk.run("source", "test")
    assert done.exit_code == 1
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", done.stdout)
    assert len(done.stdout) < 3_000


def test_the_command_tells_everything_and_its_exit_code_says_what_kind(desk: Desk) -> None:
    desk.http("alpha", {"price": 3141.59})
    desk.http("bravo", {"price": 3141.8})
    desk.write()
    done = desk.run("source", "test")
    assert done.exit_code == 0, done.output
    assert "ok     alpha (http: localhost" in done.stdout
    assert "       matched   $.price = 3141.59" in done.stdout
    assert "       others    66.8" in done.stdout and "ppm away, 0.067 sigma" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    desk.http("gone", {}, status=503)
    desk.write()
    assert desk.run("source", "test").exit_code == 75
    assert desk.run("source", "test", "--source", "alpha").exit_code == 0
    desk.http("lost", {"last": 3141.7})
    desk.write()
    assert desk.run("source", "test", "eth-usd").exit_code == 1
    one = json.loads(desk.run("source", "test", "--source", "lost", "--json").stdout)
    assert one[0]["sources"][0]["suggestions"] == ['path = "$.last"  # 3141.7, 35 ppm from the others']
    assert desk.run("source", "test", "none").exception is not None
    assert desk.run("source", "test", "--source", "none").exception is not None


def test_the_check_of_a_configuration_tells_all_that_is_wrong_with_its_files(desk: Desk) -> None:
    """A start would tell one of them after the other."""
    for name, text in (
        ("fred", "DATE,VALUE\n2024-01-01,1\n2024-01-02,.\n2024-01-03,3\n"),
        ("blank", "time,value\n2024-01-01,1\n\n2024-01-03,3\n"),
    ):
        (desk.folder / f"{name}.csv").write_text(text)
    (desk.folder / "key.json").write_text("{}")
    desk.http("lost", {"last": 3141.7})
    desk.add('type = "replay", name = "fred", file = "fred.csv", time_column = "DATE", value_column = "VALUE"')
    desk.add('type = "replay", name = "blank", file = "blank.csv"')
    desk.add('type = "replay", name = "none", file = "none.csv"')
    desk.add('type = "push", name = "desk", key_file = "none.key", max_age = 60')
    path = desk.write('[prover]\nmodel = "none.json"\n[web]\nlisten = "127.0.0.1:9465"\n')
    path.write_text(
        path.read_text()
        .replace("{ anvil_account = 1 }", '{ keystore = "key.json", password_file = "none.password" }')
        .replace("[push]\n", '[push]\ntls_certificate = "none.pem"\ntls_key = "none.pem"\n')
        .replace("decimals = 8", "decimals = 80")
    )
    done = desk.run("config", "check", "--json")
    assert done.exit_code == 2
    found = json.loads(done.stdout)["problems"]
    expected = (
        "feeds[0].decimals: must be less than or equal to 18",
        "push.listen: [web] listens on port 9465, too",
        "[prover] model: ", "none.json: no such model file",
        "[keys] reporter: keystore ", "key.json: ",
        "[keys] reporter: password file ", "none.password: no such file",
        "feeds[0].sources[1]: ", "fred.csv:3: column 'VALUE': '.' is not a plain decimal number",
        "feeds[0].sources[2]: ", "blank.csv:3: the line is empty",
        "feeds[0].sources[3]: ", "none.csv: no such file",
        "feeds[0].sources[4]: key_file ", "none.key: no such file",
        "[push] tls_certificate ", "none.pem: can't be read",
    )  # fmt: skip
    text = "\n".join(found)
    assert [each for each in expected if each not in text] == []
    assert len(found) == 10, text
    told = desk.run("config", "check")
    assert told.exit_code == 2 and told.stderr.count("\n  ") == 10 and not told.stdout


def test_the_check_of_a_configuration_tries_sources_if_asked_to(desk: Desk) -> None:
    desk.http("alpha", {"price": 3141.59})
    desk.http("lost", {"last": 3141.7})
    desk.write()
    assert desk.run("config", "check").exit_code == 0, "nothing is asked without the option"
    done = desk.run("config", "check", "--sources")
    assert done.exit_code == 1
    assert "1 feed(s), no errors" in done.stdout and 'would fit path = "$.last"  # 3141.7' in done.stdout
    desk.feed = desk.feed.replace("decimals = 8", "decimals = 80")
    desk.write()
    done = desk.run("config", "check", "--sources", "--json")
    assert done.exit_code == 2 and json.loads(done.stdout)["sources"] == []
