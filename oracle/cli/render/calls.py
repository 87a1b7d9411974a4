"""Calls that another wallet signs."""

from __future__ import annotations

from oracle.chain.tx.call import Call
from oracle.cli.render.json_output import print_json


def print_call(wanted: Call, *, as_json: bool) -> None:
    """Print a call for another wallet to sign."""
    if as_json:
        print_json({"what": wanted.what, "to": wanted.to, "value": 0, "data": "0x" + wanted.data.hex()})
        return
    print(f"{wanted.what}\nto    {wanted.to}\ndata  0x{wanted.data.hex()}")
