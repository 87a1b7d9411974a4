"""Settings of a deployment that are weak: what could go wrong because of them, and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum

from oracle.audit.deployment.report import Severity, Weakness
from oracle.audit.deployment.statement import DeploymentStatement, StatedCommittee, StatedFeed, StatedRoles
from oracle.core.formats import checksum_address, to_hex

DAY, HOUR = 86_400, 3_600

SHORT_CHANGE_DELAY = DAY
"""Below it, whoever reads a proposal once a day may read it after it took effect."""

SHORT_CONFIRM_DELAY = 600
"""Below it, few people look at a hold before it is confirmed. A rollup's sequencer may shift times by as much."""

LONG_MAX_AGE = DAY
"""Above it, an answer of yesterday is still taken, and whoever transmits may choose which one."""

LARGE_MAX_SKEW = 300
"""Above it, a report can be dated so far ahead that others are refused as older for minutes."""

_NO_GUARDIAN = Weakness(
    Severity.HIGH,
    "guardian",
    "nobody but the admin can pause a feed, and an admin that is slow on purpose is slow at that, too",
    "let the admin grant GUARDIAN_ROLE to an account at hand",
)

_DELEGATION = bytes.fromhex("ef0100")


class AccountKind(StrEnum):
    """The kind of an account, by its code.

    Attributes:
        KEY: One key has all power over it.
        CONTRACT: Code decides, for instance a multisig's or a timelock's.
        DELEGATED: One key, and code that it lets act for it (EIP-7702).
    """

    KEY = "key"
    CONTRACT = "contract"
    DELEGATED = "delegated"


def account_kind(code: bytes) -> AccountKind:
    """Return the kind of an account with this code."""
    if not code:
        return AccountKind.KEY
    return AccountKind.DELEGATED if code.startswith(_DELEGATION) else AccountKind.CONTRACT


def delegate_of(code: bytes) -> str:
    """Return the address whose code acts for a delegated account."""
    return checksum_address(to_hex(code[len(_DELEGATION) :]))


def weaknesses(
    statement: DeploymentStatement, codes: Mapping[str, bytes], *, is_local: bool, knows_roles: bool = True
) -> list[Weakness]:
    """List what is weak in a deployment, the worst first.

    Args:
        statement: The deployment.
        codes: The code of admin and guardians, by address.
        is_local: True on a development chain, on which a locally generated SRS is no weakness.
        knows_roles: False if somebody may have a role that the statement does not have: nothing is said of its lack.
    """
    found = [
        *_of_roles(statement.roles, statement.committees, codes),
        *((_NO_GUARDIAN,) if knows_roles and not statement.roles.guardians else ()),
        *_of_delays(statement.roles),
        *(weak for each in statement.committees for weak in _of_committee(each)),
        *(weak for each in statement.feeds for weak in _of_feed(each, statement.committees)),
        *(() if is_local else _of_srs(statement)),
    ]
    order = list(Severity)
    return sorted(found, key=lambda each: order.index(each.severity))


def _of_roles(
    roles: StatedRoles, committees: tuple[StatedCommittee, ...], codes: Mapping[str, bytes]
) -> Iterator[Weakness]:
    reporters = {each for committee in committees for each in committee.reporters}
    if roles.admin is None:
        reason = "the hub has no admin any more: a reporter's lost key can't be replaced, a pause never ends"
        yield Weakness(Severity.MEDIUM, "admin", reason, "deploy another hub before a key is lost")
    else:
        yield from _of_admin(roles.admin, account_kind(codes.get(roles.admin, b"")), codes)
        if roles.admin in reporters:
            reason = f"{roles.admin} signs answers, too: a key that is at hand all day can replace all reporters"
            remedy = "hand the hub over to an account that reports nothing (docs/administration.md)"
            yield Weakness(Severity.HIGH, "admin", reason, remedy)
    if roles.next_admin is not None:
        reason = f"{roles.next_admin} can accept the admin's role, at once or once its time has come"
        yield Weakness(Severity.MEDIUM, "admin", reason, "make sure that this is meant; the admin can cancel it")
    for each in roles.guardians:
        if each == roles.admin:
            reason = f"{each} is the admin, too: a key that is at hand for a pause at night can change everything"
            remedy = "let the admin grant GUARDIAN_ROLE to another account, and name that in [deploy] guardian"
            yield Weakness(Severity.MEDIUM, "guardian", reason, remedy)
        if each in reporters:
            reason = f"{each} signs answers, too: who takes this key can report and keep others from reacting"
            yield Weakness(Severity.MEDIUM, "guardian", reason, "give the role to an account that reports nothing")
    for other in roles.others:
        reason = f"{other}: no function of this release asks for this role, so it has no use that is known here"
        yield Weakness(Severity.LOW, "roles", reason, "ask the admin what it is for")


def _of_admin(admin: str, kind: AccountKind, codes: Mapping[str, bytes]) -> Iterator[Weakness]:
    if kind is AccountKind.KEY:
        reason = f"{admin} is one key: whoever has it proposes reporters and models, and everybody else can only leave"
        remedy = "hand the hub over to a multisig, better behind a timelock (docs/administration.md)"
        yield Weakness(Severity.HIGH, "admin", reason, remedy)
    elif kind is AccountKind.DELEGATED:
        reason = f"{admin} lets the code at {delegate_of(codes[admin])} act for it: whoever that lets in is the admin"
        remedy = "revoke the delegation (EIP-7702), or hand the hub over to a multisig"
        yield Weakness(Severity.HIGH, "admin", reason, remedy)


def _of_delays(roles: StatedRoles) -> Iterator[Weakness]:
    remedy = "the delay is fixed when the hub is made ([deploy] change_delay): deploy another one"
    if roles.change_delay == 0:
        reason = "0 s: new reporters and models take effect in the block in which they are proposed"
        yield Weakness(Severity.HIGH, "delay of changes", reason, remedy)
    elif roles.change_delay < SHORT_CHANGE_DELAY:
        reason = f"{roles.change_delay:,} s: consumers have less than a day to see a proposal and leave"
        yield Weakness(Severity.MEDIUM, "delay of changes", reason, remedy)
    if roles.handover_delay < roles.change_delay:
        reason = f"{roles.handover_delay:,} s: a new admin comes sooner than any change that it may make"
        yield Weakness(Severity.MEDIUM, "delay of a handover", reason, "let the admin raise it")
    later = roles.next_handover_delay
    if later is not None and later < roles.handover_delay:
        reason = f"it is to be lowered from {roles.handover_delay:,} s to {later:,} s"
        yield Weakness(Severity.MEDIUM, "delay of a handover", reason, "make sure that this is meant")


def _of_committee(committee: StatedCommittee) -> Iterator[Weakness]:
    subject, count, quorum = f"committee {committee.number}", len(committee.reporters), committee.quorum
    if count == 1:
        reason = "one reporter: whoever has its key sets any answer that the model accepts, and its silence stops all"
        remedy = "let three or more independent parties report, with a quorum above half of them"
        yield Weakness(Severity.HIGH, subject, reason, remedy)
        return
    if quorum == 1:
        reason = f"quorum 1 of {count}: each reporter alone sets the answer"
        yield Weakness(Severity.HIGH, subject, reason, "propose a quorum above half of the reporters")
    elif 2 * quorum <= count:
        reason = f"quorum {quorum} of {count}: two groups without a common member can both report"
        yield Weakness(Severity.MEDIUM, subject, reason, "propose a quorum above half of the reporters")
    elif quorum == count:
        reason = f"quorum {quorum} of {count}: the silence of any reporter stops its feeds"
        yield Weakness(Severity.LOW, subject, reason, "add reporters, or lower the quorum")


def _of_feed(feed: StatedFeed, committees: tuple[StatedCommittee, ...]) -> Iterator[Weakness]:
    subject = f"feed {feed.description}"
    fixed = "a feed's terms are fixed: make another feed with better ones"
    quorum = next((each.quorum for each in committees if each.number == feed.committee), 1)
    if quorum > 1 and not feed.max_spread:
        reason = "max_spread is 0: reporters may differ by any factor, and still make a report together"
        yield Weakness(Severity.MEDIUM, subject, reason, fixed)
    if feed.confirm_delay < SHORT_CONFIRM_DELAY:
        reason = (
            f"confirm_delay is {feed.confirm_delay:,} s: a wrong level is confirmed before people look at it, and a "
            "rollup's sequencer may move its clock by more"
        )
        yield Weakness(Severity.MEDIUM, subject, reason, fixed)
    if feed.max_age > LONG_MAX_AGE:
        reason = f"max_age is {feed.max_age:,} s: an answer that old is still taken, and who transmits chooses it"
        yield Weakness(Severity.MEDIUM, subject, reason, fixed)
    if feed.max_skew > LARGE_MAX_SKEW:
        reason = f"max_skew is {feed.max_skew:,} s: a report dated that far ahead keeps others out until then"
        yield Weakness(Severity.LOW, subject, reason, fixed)
    if feed.paused:
        yield Weakness(Severity.LOW, subject, "it is paused", "read why before you rely on it")


def _of_srs(statement: DeploymentStatement) -> Iterator[Weakness]:
    for architecture in statement.architectures:
        for circuit in architecture.circuits:
            if circuit.srs_origin == "insecure-local":
                subject = f"architecture {architecture.number}, circuit of {circuit.batch}"
                reason = "its reference string was made by one party, who can forge proofs"
                yield Weakness(
                    Severity.HIGH, subject, reason, 'build it with srs = "public-ceremony", and propose that'
                )
