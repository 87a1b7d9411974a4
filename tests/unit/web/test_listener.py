"""The door of a listener: whoever has many addresses of one network is one client."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from oracle.web.listener import Limits, _Door


class Connection:
    """A connection from an address, as the server has it."""

    def __init__(self, address: str) -> None:
        self.transport = SimpleNamespace(get_extra_info=lambda name: (address, 1, 0, 0))


@pytest.mark.parametrize(
    ("open_", "address", "is_let_in"),
    [
        (["2001:db8::1", "2001:db8::2"], "2001:db8::3", False),
        (["2001:db8::1", "2001:db8::2"], "2001:db8:0:1::3", True),
        (["192.0.2.1", "::ffff:192.0.2.1"], "192.0.2.1", False),
        (["192.0.2.1", "192.0.2.2"], "192.0.2.3", True),
    ],
    ids=["one network", "another network", "one address", "another address"],
)
def test_one_client_can_not_have_all_connections(open_: list[str], address: str, is_let_in: bool) -> None:
    door = _Door(Limits(connections=8, per_address=2), None, "network")
    server = SimpleNamespace(connections=[Connection(each) for each in open_])
    assert door._has_room(address, server) is is_let_in  # type: ignore[arg-type]
