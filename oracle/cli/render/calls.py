"""Calls that another wallet signs."""

from __future__ import annotations

from collections.abc import Sequence

from oracle.chain.tx.call import Call
from oracle.cli.render.json_output import print_json


def print_calls(wanted: Sequence[Call], *, as_json: bool) -> None:
    """Print calls for another wallet to sign, in their order. JSON is an object for one call, a list for several."""
    if not as_json:
        print("\n\n".join(f"{each.what}\nto    {each.to}\ndata  0x{each.data.hex()}" for each in wanted))
        return
    documents = [{"what": each.what, "to": each.to, "value": 0, "data": "0x" + each.data.hex()} for each in wanted]
    print_json(documents[0] if len(documents) == 1 else documents)
