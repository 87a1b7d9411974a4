"""A mistake in one member's files gets one clear line, and no report that can't be accepted: with real members.

Each test looks with the doctor's eyes from the folder of the first member, with one thing changed there.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import time
from collections.abc import Callable
from functools import partial

import pytest
from eth_account import Account

from oracle.app.asked_readiness import ask_readiness
from oracle.app.checks import Check
from oracle.app.local_network import LocalNetwork
from oracle.app.network_checks import network_checks
from oracle.app.readiness_checks import readiness_checks
from oracle.app.run import run_daemon
from oracle.chain.keys.keystore import import_key
from oracle.config import Config, load
from oracle.core.errors import ConfigError
from oracle.core.obstacles import ObstacleKind

pytestmark = pytest.mark.asyncio(loop_scope="module")

STRANGER = Account.from_key("0x" + "77" * 32)
BOUND = "clock_bound_s = 0.2"


def changed(network: LocalNetwork, *changes: tuple[str, str]) -> Config:
    """Return the first member's configuration with other text in it. It reads the same files."""
    path = network.members[0].place.config
    text = path.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    other = path.with_name("changed.toml")
    other.write_text(text, encoding="utf-8")
    return load(other, {})


async def problems(config: Config, clock: Callable[[], float] = time.time) -> dict[str, Check]:
    """Return the findings that are not ok, by name."""
    return {check.name: check for check in await network_checks(config, {}, clock) if not check.ok}


def url(network: LocalNetwork, index: int) -> str:
    return network.links[0, index].url


def off_by(seconds: float) -> float:
    """Return the time of a clock that is ahead by so many seconds."""
    return time.time() + seconds


async def test_nothing_is_wrong_with_the_network_as_it_is(network: LocalNetwork) -> None:
    assert await problems(changed(network)) == {}


async def test_a_members_list_that_differs(network: LocalNetwork) -> None:
    last = network.members[3].place.address
    config = changed(network, (f'reporter = "{last}"', f'reporter = "{STRANGER.address}"'))
    found = await problems(config)
    assert set(found) == {"network committee", "member delta", "network terms", "terms here"}
    assert f"the hub refuses the signatures of delta ({STRANGER.address})" in found["network committee"].detail
    told = found["member delta"].detail
    assert told == f"{last} answers, which is the key of no member; the list says {STRANGER.address}"


async def test_terms_that_differ(network: LocalNetwork) -> None:
    found = await problems(changed(network, ("turn_s = 2", "turn_s = 3"), ("heartbeat = 2", "heartbeat = 3")))
    assert set(found) == {"network terms", "terms here"}
    told = found["network terms"].detail
    assert told.startswith("beta, gamma and delta have the same terms, and this file others: turn_s, clock_bound_s")
    assert "this node runs with other terms" in found["terms here"].detail


async def test_urls_that_are_mixed_up(network: LocalNetwork) -> None:
    beta, gamma = url(network, 1), url(network, 2)
    found = await problems(changed(network, (beta, "http://tmp"), (gamma, beta), ("http://tmp", gamma)))
    assert set(found) == {"member beta", "member gamma"}
    assert "which is the key of the member gamma" in found["member beta"].detail


async def test_a_url_that_answers_something_else(network: LocalNetwork) -> None:
    [check] = (await problems(changed(network, (url(network, 1), network.chain.rpc_url)))).values()
    assert (check.name, check.level) == ("member beta", "error")
    assert check.detail.startswith("answers, but not as a member does: ")


async def test_a_member_that_is_silent(network: LocalNetwork) -> None:
    network.links[0, 1].cut()
    [check] = (await problems(changed(network))).values()
    assert (check.name, check.level) == ("member beta", "warning")
    assert check.detail.startswith("does not answer: ")


async def test_the_next_report_as_members_fall_silent_one_after_the_other(network: LocalNetwork) -> None:
    """One of four may be; with two, nothing is left to report with. Only the others can do something about it."""
    config = changed(network)
    for index in (None, 1):
        if index is not None:
            network.links[0, index].cut()
        assert (await ask_readiness(config, {})).obstacles == ()
    network.links[0, 2].cut()
    read = await ask_readiness(config, {})
    [silent] = read.obstacles
    assert (silent.kind, silent.feed, read.exit_code) == (ObstacleKind.SILENT, "one", 0)
    told = r"2 members answer, and the quorum is 3: beta does not answer: .*; gamma does not answer: "
    assert re.search(told, silent.detail)
    [check] = [each for each in await readiness_checks(config, {}) if not each.ok]
    assert (check.name, check.level) == ("next report of one (silent)", "warning")


async def test_this_machine_s_clock_is_off(network: LocalNetwork) -> None:
    """All others differ from it, and so does the chain if it is behind."""
    for offset, says in ((30.0, "s ahead of beta, gamma and delta's"), (-30.0, "s behind beta, gamma and delta's")):
        found = await problems(changed(network), partial(off_by, offset))
        assert says in found["network clock"].detail
        assert set(found) <= {"network clock", "clock of the chain"}
    assert "ahead of this machine's clock" in found["clock of the chain"].detail


async def test_another_s_clock_is_off(network: LocalNetwork) -> None:
    await network.stop(3)
    await network.start(3, clock_offset=-30.0, faulty=True)
    try:
        [check] = (await problems(changed(network))).values()
    finally:
        await network.stop(3)
    assert check.name == "clock of delta" and "s behind this machine's; 0.2 s are allowed" in check.detail


async def test_a_wrong_hub_or_chain(network: LocalNetwork) -> None:
    place = network.members[0].place
    text = (place.folder / "deployment.json").read_text(encoding="utf-8")
    (place.folder / "other.json").write_text(text.replace(network.deployment.hub, STRANGER.address), encoding="utf-8")
    [elsewhere] = (await ask_readiness(changed(network, ('"deployment.json"', '"other.json"')), {})).obstacles
    assert (elsewhere.kind, elsewhere.feed) == (ObstacleKind.DEPLOYMENT, "") and STRANGER.address in elsewhere.detail
    config = changed(network, (f"chain_id = {network.chain.chain_id}", "chain_id = 5"))
    found = await problems(config)
    assert found["member beta"].detail == f"reports to chain {network.chain.chain_id}, not 5"
    [served] = (await ask_readiness(config, {})).obstacles
    assert served.kind is ObstacleKind.CHAIN and "serves chain 31337, but chain 5 is configured" in served.detail


async def test_a_key_of_nobody_starts_nothing(network: LocalNetwork) -> None:
    """And none that is another member's, who runs: there the ledger of another instance would be missing."""
    folder = network.members[0].place.folder
    path = folder / "stranger.json"
    path.unlink(missing_ok=True)
    import_key(path, "0x" + "77" * 32, (folder / "password").read_text(encoding="utf-8").strip(), iterations=2)
    apart = (
        ("key.json", "stranger.json"),
        ("journal.db", "apart.db"),
        (f'127.0.0.1:{network.members[0].place.port}"\nroles', '127.0.0.1:0"\nroles'),
    )
    config = changed(network, *apart)
    [check] = (await problems(config)).values()
    told = rf"\[keys\] reporter is {STRANGER.address}, which is no reporter of \[\[network\.members\]\]"
    assert check.name == "network" and STRANGER.address in check.detail
    with pytest.raises(ConfigError, match=told):
        await asyncio.wait_for(run_daemon(config), 30)
    first, *_ = (await ask_readiness(config, {})).obstacles
    assert first.kind is ObstacleKind.REPORTER and re.search(told, first.detail)


async def test_a_network_that_could_not_report_is_not_read(network: LocalNetwork) -> None:
    beta = network.members[1].place.address
    for change, says in (
        (("quorum = 3", "quorum = 2"), "has to be odd"),
        (("quorum = 3", "quorum = 5"), "of 4 members only 3 answer"),
        (("faulty = 1", "faulty = 2"), "is 2, but there are 4 members"),
        ((f'reporter = "{beta}"', f'reporter = "{network.members[0].place.address}"'), "has the same key"),
        ((BOUND, "clock_bound_s = 6"), "has to be more than twice clock_bound_s"),
        (("max_skew = 5", "max_skew = 0"), "has to be at least"),
    ):
        with pytest.raises(ConfigError, match=says) as caught:
            changed(network, change)
        told = [line for line in str(caught.value).splitlines() if not line.endswith("problems:")]
        assert any(says in line for line in told) and len(told) <= 2, "one clear line for each problem"


async def test_members_that_can_t_reach_the_hub_s_quorum(network: LocalNetwork) -> None:
    """The file says so of a quorum of three, but the hub has another committee than the file."""
    folder = network.members[0].place.folder
    text = (folder / "oracle.toml").read_text(encoding="utf-8")
    tables = text.split("[[network.members]]")
    kept = "[[network.members]]".join(tables[:2]) + "[[feeds]]" + text.split("[[feeds]]", 1)[1]
    kept = kept.replace("quorum = 3", "quorum = 1").replace("faulty = 1", "faulty = 0")
    (folder / "alone.toml").write_text(kept, encoding="utf-8")
    shutil.copy(folder / "key.json", folder / "alone.json")
    config = load(folder / "alone.toml", {})
    found = await problems(config)
    assert "the hub's quorum is 3, and 1 of its reporters are members" in found["network committee"].detail
    assert found["network committee"].level == "error"
    read = await ask_readiness(config, {})
    assert {each.kind for each in read.obstacles} == {ObstacleKind.QUORUM} and read.exit_code == 1
    assert all("only 1 of the committee's reporters are in" in each.detail for each in read.obstacles)
