"""The words of OpenZeppelin's `AccessControlDefaultAdminRules`: who has which role, handovers, and their delay.

It is a base of the hub and of the claims' registry, and has the same slots in both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from oracle.audit.storage.layouts import ADDRESS, ADMIN, HASH, NUMBER, PENDING_ADMIN
from oracle.audit.storage.words import Word, entry
from oracle.chain.hub import roles

ROLES, PENDING, CURRENT = 0, 1, 2
NAME_FALLBACK, VERSION_FALLBACK = 3, 4
"""Texts of the EIP-712 domain that are too long for an immutable. Ours are short, so both words stay zero."""

DEFAULT_ADMIN_ROLE = int.from_bytes(roles.ADMIN_ROLE)
GUARDIAN_ROLE = int.from_bytes(roles.GUARDIAN_ROLE)

_LONGEST_WAIT = 5 * 86_400
"""A longer delay of handovers takes effect after this many seconds at the latest."""

_OWNER = "the roles"
_NAMES = {DEFAULT_ADMIN_ROLE: "the admin's role", GUARDIAN_ROLE: "the guardian's role"}


class StoredRoles:
    """Follows the events of roles and of the admin's handover, in their order."""

    def __init__(self) -> None:
        self._members: dict[int, dict[int, bool]] = {DEFAULT_ADMIN_ROLE: {}, GUARDIAN_ROLE: {}}
        self._role_admins: dict[int, int] = {}
        self._admin = 0
        self._pending_admin, self._pending_admin_schedule = 0, 0
        self._delay: int | None = None
        self._pending_delay, self._pending_delay_schedule = 0, 0
        # Whom the last admin handed over to.
        self._heir, self._heir_schedule = 0, 0

    def event(self, name: str, values: Mapping[str, Any]) -> bool:
        """Take over an event; return False if it is about something else."""
        match name:
            case "RoleGranted":
                self._grant(_number(values["role"]), _address(values["account"]))
            case "RoleRevoked":
                self._revoke(_number(values["role"]), _address(values["account"]))
            case "RoleAdminChanged":
                self._role_admins[_number(values["role"])] = _number(values["newAdminRole"])
            case "DefaultAdminTransferScheduled":
                self._pending_admin = _address(values["newAdmin"])
                self._pending_admin_schedule = values["acceptSchedule"]
            case "DefaultAdminTransferCanceled":
                self._pending_admin, self._pending_admin_schedule = 0, 0
            case "DefaultAdminDelayChangeScheduled":
                self._settle_delay()
                self._pending_delay, self._pending_delay_schedule = values["newDelay"], values["effectSchedule"]
            case "DefaultAdminDelayChangeCanceled":
                self._pending_delay, self._pending_delay_schedule = 0, 0
            case _:
                return False
        return True

    def wrong(self, name: str, values: Mapping[str, Any], now: int, first_delay: int) -> str:
        """Return why the contract's code never emits an event at a time; empty if it does.

        Args:
            now: Unix seconds; 0: it is not known, and times are not looked at.
            first_delay: The delay of handovers that the contract was made with, seconds.
        """
        role = _number(values["role"]) if "role" in values else None
        delay = first_delay if self._delay is None else self._delay
        if 0 < self._pending_delay_schedule < now:
            delay = self._pending_delay
        match name:
            case "RoleGranted" if role == DEFAULT_ADMIN_ROLE and self._members[DEFAULT_ADMIN_ROLE]:
                is_heir = not self._admin and _address(values["account"]) == self._heir
                if not is_heir or (now and not 0 < self._heir_schedule < now):
                    return f"nobody handed over to {values['account']}"
            case "RoleRevoked" if role == DEFAULT_ADMIN_ROLE:
                is_due = self._pending_admin_schedule and (not now or self._pending_admin_schedule < now)
                if _address(values["account"]) != self._admin or not is_due:
                    return f"{values['account']} could not cease to be the admin"
            case "RoleAdminChanged":
                return "nobody can change who grants a role"
            case "DefaultAdminTransferScheduled" if now and values["acceptSchedule"] != now + delay:
                return f"it could be accepted {values['acceptSchedule'] - now} s later, where the delay is {delay} s"
            case "DefaultAdminDelayChangeScheduled":
                new = values["newDelay"]
                wait = min(new, _LONGEST_WAIT) if new > delay else delay - new
                if new < first_delay:
                    return f"handovers would take {new} s, less than other changes"
                if now and values["effectSchedule"] != now + wait:
                    return f"it takes effect {values['effectSchedule'] - now} s later, not {wait} s"
        return ""

    @property
    def count(self) -> int:
        """The number of roles that events name."""
        return len(self._members)

    def may_be_settled(self, now: int) -> bool:
        """Return True if a change of the delay has taken effect by `now`.

        A later `rollbackDefaultAdminDelay` then changes nothing but where the delay is stored, and emits no event. So
        the words may be those of `words(settled=True)`, too, which mean the same.
        """
        return 0 < self._pending_delay_schedule < now

    def words(self, first_delay: int, known: Iterable[int] = (), *, settled: bool = False) -> dict[int, Word]:
        """Return all words of roles and handover.

        Args:
            first_delay: The delay of handovers that the contract was made with, seconds.
            known: Addresses of which it has to be said as well that they have no role.
            settled: See `may_be_settled`.
        """
        delay = first_delay if self._delay is None else self._delay
        pending = (self._pending_delay, self._pending_delay_schedule)
        if settled:
            delay, pending = self._pending_delay, (0, 0)
        words = {
            PENDING: Word(
                PENDING_ADMIN.pack(self._pending_admin, self._pending_admin_schedule, delay),
                _OWNER,
                "the admin's handover",
                PENDING_ADMIN,
            ),
            CURRENT: Word(ADMIN.pack(self._admin, *pending), _OWNER, "the admin", ADMIN),
            # The slots of the two mappings and of the texts.
            ROLES: Word(0, _OWNER, "the word of the roles' mapping"),
            NAME_FALLBACK: Word(0, _OWNER, "the domain's name", HASH),
            VERSION_FALLBACK: Word(0, _OWNER, "the domain's version", HASH),
        }
        for role, members in self._members.items():
            slot, name = entry(ROLES, role), _NAMES.get(role, f"role {role:#066x}")
            words[slot + 1] = Word(self._role_admins.get(role, 0), _OWNER, f"the admin role of {name}", HASH)
            for account in {**dict.fromkeys(known), **members}:
                label = f"{name} of {ADDRESS.fields[0].form(account)}"
                words[entry(slot, account)] = Word(int(members.get(account, False)), _OWNER, label, NUMBER)
        return words

    def _grant(self, role: int, account: int) -> None:
        self._members.setdefault(role, {})[account] = True
        if role == DEFAULT_ADMIN_ROLE:
            self._admin = account

    def _revoke(self, role: int, account: int) -> None:
        self._members.setdefault(role, {})[account] = False
        if role == DEFAULT_ADMIN_ROLE and account == self._admin:
            # The admin is only ever revoked where a handover is accepted, or a renouncement ends one.
            self._heir, self._heir_schedule = self._pending_admin, self._pending_admin_schedule
            self._admin, self._pending_admin, self._pending_admin_schedule = 0, 0, 0

    def _settle_delay(self) -> None:
        # Had the scheduled delay not taken effect, an event would have cancelled it just before.
        if self._pending_delay_schedule:
            self._delay = self._pending_delay


def _number(word: bytes) -> int:
    return int.from_bytes(word)


def _address(text: str) -> int:
    return int(text, 16)
