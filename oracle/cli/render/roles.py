"""The roles of a hub."""

from __future__ import annotations

from dataclasses import asdict

from oracle.chain.hub.roles import HubRoles
from oracle.cli.render.json_output import print_json
from oracle.core.times import utc


def print_roles(found: HubRoles, *, as_json: bool) -> None:
    """Print who holds a hub's roles."""
    if as_json:
        print_json(asdict(found))
        return
    print(f"admin         {found.admin or 'nobody any more: nothing can be changed'}")
    if found.next_admin is not None and found.accepts_from is not None:
        print(f"next admin    {found.next_admin}, which may accept from {utc(found.accepts_from)} on")
    print(f"guardians     {', '.join(found.guardians) or 'none: only the admin can pause'}")
    for account, role in found.others:
        print(f"other roles   {account} has {role}, which no function of the hub asks for")
    print(f"change delay  {found.change_delay:,} s; of a handover {found.handover_delay:,} s")
