"""Tests of the list of weak settings, and of the comparison of facts."""

from __future__ import annotations

from typing import Any

import pytest

from oracle.audit.deployment.comparison import EVERY_KIND, Expectation, compare, facts_of, of_statement
from oracle.audit.deployment.report import Severity
from oracle.audit.deployment.statement import (
    DeploymentStatement,
    StatedArchitecture,
    StatedCircuit,
    StatedCommittee,
    StatedFeed,
    StatedRoles,
)
from oracle.audit.deployment.weaknesses import AccountKind, account_kind, delegate_of, weaknesses

ADMIN = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
GUARDIAN = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
REPORTERS = tuple(sorted(("0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC", "0x90F79bf6EB2c4f870365E785982E1f101E93b906",
                          "0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65")))  # fmt: skip
CODE = b"\x60\x00"
DELEGATING = bytes.fromhex("ef0100" + GUARDIAN[2:])


def strong() -> DeploymentStatement:
    """Return a deployment in which nothing is weak."""
    circuit = StatedCircuit(batch=1, verifier=GUARDIAN, code_hash=bytes(32), srs_origin="public-ceremony")
    feed = StatedFeed(
        feed_id=bytes(32), description="ETH / USD", kind="relative", decimals=8, confirmations=2, heartbeat=3_600,
        max_age=3_600, max_skew=60, confirm_delay=1_800, tolerance=3_000, max_spread=3_000, max_repeats=0, sigma=10_000,
        committee=1, peers=(), model=1, aggregator=None, paused=False,
    )  # fmt: skip
    return DeploymentStatement(
        release="1.0", chain_id=1, hub=ADMIN, block=7, contracts=(), models=(), feeds=(feed,),
        architectures=(
            StatedArchitecture(number=1, features=("move",), outputs=2, binds_model=True, circuits=(circuit,)),
        ),
        roles=StatedRoles(
            admin=ADMIN, next_admin=None, guardians=(GUARDIAN,), change_delay=172_800, handover_delay=172_800
        ),
        committees=(StatedCommittee(number=1, reporters=REPORTERS, quorum=2, epoch=1),),
    )  # fmt: skip


def found(statement: DeploymentStatement, code: bytes = CODE, *, is_local: bool = False) -> list[tuple[str, str]]:
    listed = weaknesses(statement, {ADMIN: code, GUARDIAN: b""}, is_local=is_local)
    assert all(each.reason and each.remedy for each in listed)
    assert [each.severity for each in listed] == sorted((each.severity for each in listed), key=list(Severity).index)
    return [(each.severity.value, each.subject) for each in listed]


def with_part(part: str, **changes: Any) -> DeploymentStatement:
    """Return the strong deployment with a change in its roles, its committee, its feed or its circuit."""
    whole = strong()
    if part == "roles":
        return whole.model_copy(update={"roles": whole.roles.model_copy(update=changes)})
    if part == "circuit":
        [architecture] = whole.architectures
        circuit = architecture.circuits[0].model_copy(update=changes)
        return whole.model_copy(update={"architectures": (architecture.model_copy(update={"circuits": (circuit,)}),)})
    [one] = getattr(whole, part)
    return whole.model_copy(update={part: (one.model_copy(update=changes),)})


def test_nothing_is_weak_in_a_strong_one() -> None:
    assert found(strong()) == []


@pytest.mark.parametrize(
    ("part", "changes", "weak"),
    [
        ("roles", {"admin": None}, ("medium", "admin")),
        ("roles", {"next_admin": GUARDIAN}, ("medium", "admin")),
        ("roles", {"guardians": ()}, ("high", "guardian")),
        ("roles", {"guardians": (ADMIN,)}, ("medium", "guardian")),
        ("roles", {"guardians": REPORTERS[:1]}, ("medium", "guardian")),
        ("roles", {"others": ("0x01 somebody",)}, ("low", "roles")),
        ("roles", {"change_delay": 0}, ("high", "delay of changes")),
        ("roles", {"change_delay": 3_600}, ("medium", "delay of changes")),
        ("roles", {"handover_delay": 60}, ("medium", "delay of a handover")),
        ("roles", {"next_handover_delay": 60}, ("medium", "delay of a handover")),
        ("committees", {"reporters": REPORTERS[:1], "quorum": 1}, ("high", "committee 1")),
        ("committees", {"quorum": 1}, ("high", "committee 1")),
        ("committees", {"quorum": 3}, ("low", "committee 1")),
        ("feeds", {"max_spread": 0}, ("medium", "feed ETH / USD")),
        ("feeds", {"confirm_delay": 30}, ("medium", "feed ETH / USD")),
        ("feeds", {"max_age": 90_000}, ("medium", "feed ETH / USD")),
        ("feeds", {"max_skew": 3_600}, ("low", "feed ETH / USD")),
        ("feeds", {"paused": True}, ("low", "feed ETH / USD")),
        ("circuit", {"srs_origin": "insecure-local"}, ("high", "architecture 1, circuit of 1")),
    ],
)
def test_a_weak_setting_is_listed(part: str, changes: dict[str, Any], weak: tuple[str, str]) -> None:
    assert found(with_part(part, **changes)) == [weak]


DAY = 86_400
FOUR = (*REPORTERS, "0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc")


@pytest.mark.parametrize(
    ("part", "weak", "just_enough"),
    [
        ("roles", {"change_delay": DAY - 1, "handover_delay": DAY}, {"change_delay": DAY, "handover_delay": DAY}),
        ("roles", {"change_delay": 1, "handover_delay": DAY}, {"change_delay": 2 * DAY, "handover_delay": 2 * DAY}),
        ("roles", {"handover_delay": 2 * DAY - 1}, {"handover_delay": 2 * DAY}),
        ("roles", {"next_handover_delay": 2 * DAY - 1}, {"next_handover_delay": 2 * DAY}),
        ("committees", {"reporters": FOUR, "quorum": 2}, {"reporters": FOUR, "quorum": 3}),
        ("feeds", {"confirm_delay": 599}, {"confirm_delay": 600}),
        ("feeds", {"max_age": DAY + 1}, {"max_age": DAY}),
        ("feeds", {"max_skew": 301}, {"max_skew": 300}),
        ("feeds", {"max_spread": 0}, {"max_spread": 1}),
        ("feeds", {"max_spread": 0}, {"max_spread": 0, "committee": 7}),
        ("circuit", {"srs_origin": "insecure-local"}, {"srs_origin": "unknown"}),
    ],
)
def test_the_bounds_of_what_is_weak(part: str, weak: dict[str, Any], just_enough: dict[str, Any]) -> None:
    assert len(found(with_part(part, **weak))) == 1
    assert found(with_part(part, **just_enough)) == []


def test_reporters_differ_only_where_several_have_to_agree() -> None:
    """One who reports alone differs from nobody, and neither does one of a quorum of one."""
    alone = with_part("committees", reporters=REPORTERS, quorum=1)
    [feed] = alone.feeds
    listed = found(alone.model_copy(update={"feeds": (feed.model_copy(update={"max_spread": 0}),)}))
    assert listed == [("high", "committee 1")]


FIXED, QUORUM = "a feed's terms are fixed", "propose a quorum above half"


@pytest.mark.parametrize(
    ("part", "changes", "reason", "remedy"),
    [
        ("roles", {"admin": None}, "the hub has no admin any more", "deploy another hub"),
        ("roles", {"next_admin": GUARDIAN}, f"{GUARDIAN} can accept", "make sure that this is meant"),
        ("roles", {"guardians": ()}, "nobody but the admin can pause", "let the admin grant GUARDIAN_ROLE"),
        (
            "roles",
            {"guardians": (ADMIN,)},
            f"{ADMIN} is the admin, too",
            "let the admin grant GUARDIAN_ROLE to another",
        ),
        ("roles", {"guardians": REPORTERS[:1]}, f"{REPORTERS[0]} signs answers, too", "give the role to an account"),
        ("roles", {"others": ("0x01 somebody",)}, "0x01 somebody: no function", "ask the admin"),
        ("roles", {"change_delay": 0}, "0 s: new reporters", "the delay is fixed when the hub is made"),
        ("roles", {"change_delay": 3_600}, "3,600 s: consumers", "the delay is fixed when the hub is made"),
        ("roles", {"handover_delay": 60}, "60 s: a new admin comes sooner", "let the admin raise it"),
        (
            "roles",
            {"next_handover_delay": 60},
            "it is to be lowered from 172,800 s to 60 s",
            "make sure that this is meant",
        ),
        (
            "committees",
            {"reporters": (*REPORTERS, ADMIN), "quorum": 3},
            f"{ADMIN} signs answers, too",
            "hand the hub over",
        ),
        ("committees", {"reporters": REPORTERS[:1]}, "one reporter: ", "let three or more independent parties report"),
        ("committees", {"quorum": 1}, "quorum 1 of 3: ", QUORUM),
        ("committees", {"reporters": FOUR, "quorum": 2}, "quorum 2 of 4: ", QUORUM),
        ("committees", {"quorum": 3}, "quorum 3 of 3: ", "add reporters, or lower the quorum"),
        ("feeds", {"max_spread": 0}, "max_spread is 0: ", FIXED),
        ("feeds", {"confirm_delay": 30}, "confirm_delay is 30 s: ", FIXED),
        ("feeds", {"max_age": 90_000}, "max_age is 90,000 s: ", FIXED),
        ("feeds", {"max_skew": 3_600}, "max_skew is 3,600 s: ", FIXED),
        ("feeds", {"paused": True}, "it is paused", "read why before you rely on it"),
        (
            "circuit",
            {"srs_origin": "insecure-local"},
            "its reference string was made by one party",
            "build it with srs",
        ),
    ],
)
def test_each_weakness_has_its_own_remedy(part: str, changes: dict[str, Any], reason: str, remedy: str) -> None:
    (weak,) = weaknesses(with_part(part, **changes), {ADMIN: CODE}, is_local=False)
    assert weak.reason.startswith(reason) and weak.remedy.startswith(remedy)


@pytest.mark.parametrize(
    ("code", "reason", "remedy"),
    [
        (b"", f"{ADMIN} is one key: ", "hand the hub over to a multisig, better behind a timelock"),
        (DELEGATING, f"{ADMIN} lets the code at {GUARDIAN} act for it: ", "revoke the delegation (EIP-7702)"),
    ],
)
def test_an_admin_that_is_one_key(code: bytes, reason: str, remedy: str) -> None:
    (weak,) = weaknesses(strong(), {ADMIN: code}, is_local=False)
    assert weak.reason.startswith(reason) and weak.remedy.startswith(remedy)


def test_each_weakness_says_what_it_is_about() -> None:
    statement = with_part("roles", change_delay=0, handover_delay=0, next_admin=REPORTERS[0], others=("0x01 somebody",))
    told = {each.subject: each.reason for each in weaknesses(statement, {ADMIN: DELEGATING}, is_local=False)}
    assert told["delay of changes"].startswith("0 s: new reporters")
    assert f"{ADMIN} lets the code at {GUARDIAN} act for it" in [
        each.reason.partition(":")[0] for each in weaknesses(statement, {ADMIN: DELEGATING}, is_local=False)
    ]
    assert told["admin"].startswith(f"{REPORTERS[0]} can accept the admin's role")
    assert told["roles"].startswith("0x01 somebody: ")
    assert delegate_of(DELEGATING) == GUARDIAN
    # An account of which no code is known is one key.
    assert next(each.reason for each in weaknesses(strong(), {}, is_local=False)).startswith(f"{ADMIN} is one key")


def test_nothing_is_said_of_the_lack_of_a_guardian_where_roles_are_not_known() -> None:
    nobody = with_part("roles", guardians=())
    assert [each.subject for each in weaknesses(nobody, {ADMIN: CODE}, is_local=False, knows_roles=False)] == []


def test_groups_without_a_common_member() -> None:
    five = (*REPORTERS, ADMIN, GUARDIAN)
    listed = found(with_part("committees", reporters=five, quorum=2), code=CODE)
    assert ("medium", "committee 1") in listed
    # The admin and the guardian report.
    assert {("high", "admin"), ("medium", "guardian")} <= set(listed)


def test_the_kind_of_account_that_the_admin_is() -> None:
    kinds = [account_kind(code) for code in (b"", CODE, DELEGATING)]
    assert kinds == [AccountKind.KEY, AccountKind.CONTRACT, AccountKind.DELEGATED] == ["key", "contract", "delegated"]
    assert found(strong(), b"") == found(strong(), DELEGATING) == [("high", "admin")]
    local = with_part("circuit", srs_origin="insecure-local")
    assert found(local, is_local=True) == []


def test_facts_that_differ_and_facts_that_nobody_stated() -> None:
    statement = strong()
    expected = of_statement(statement, "a manifest")
    assert compare(expected, facts_of(statement)) == []
    more = with_part("roles", guardians=(GUARDIAN, ADMIN), handover_delay=5)
    told = [(each.subject, each.expected, each.found) for each in compare(expected, facts_of(more))]
    assert told == [("delay of a handover", "172800 s", "5 s"), (f"guardian {ADMIN}", "nothing", "guardian")]
    # A subject that is stated has no further aspects either; one that is not is told once.
    facts = {("feed A", "max_age"): "1", ("feed A", "owner"): "me", ("feed B", "x"): "1", ("feed B", "y"): "2"}
    closed = Expectation(facts={("feed A", "max_age"): "1"}, closed=EVERY_KIND)
    assert [each.subject for each in compare(closed, facts)] == ["feed A, owner", "feed B, x"]
    assert compare(Expectation(facts={("feed A", "max_age"): "1"}), facts) == []


def test_a_handover_under_way_is_as_stated() -> None:
    stated = {("role admin", ""): ADMIN, ("role next admin", ""): "nobody", (f"guardian {GUARDIAN}", ""): "guardian"}
    expected = Expectation(facts=stated, closed=frozenset({"guardian"}), deployer=GUARDIAN)
    before = {("role admin", ""): GUARDIAN, ("role next admin", ""): ADMIN, (f"guardian {GUARDIAN}", ""): "guardian"}
    assert compare(expected.during_handover(before), before) == []
    # Afterwards the deployer is guardian no more; to somebody else it is no handover.
    after = {("role admin", ""): ADMIN, ("role next admin", ""): "nobody"}
    assert compare(expected.during_handover(after), after) == []
    other = before | {("role next admin", ""): REPORTERS[0]}
    assert [each.subject for each in compare(expected.during_handover(other), other)][:2] == [
        "role admin", "role next admin"
    ]  # fmt: skip
