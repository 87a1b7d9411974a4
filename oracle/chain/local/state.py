"""Read the whole storage of a contract on Anvil.

Anvil's `eth_getProof` gives a storage root that counts words which were set, or only read, and are zero. On every other
chain a word of zero is none, so Anvil's root is of no use.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from typing import Any

from oracle.chain.rpc import Rpc
from oracle.core.documents import parse_json
from oracle.core.errors import ChainUnavailable
from oracle.core.formats import from_hex

_GZIP = b"\x1f\x8b"


async def whole_storage(rpc: Rpc, address: str) -> dict[int, int]:
    """Return every word of a contract's storage that is not zero, by slot, at the latest block.

    Raises:
        ChainUnavailable: The node is not Anvil, or its dump is malformed.
    """
    try:
        dump = from_hex(await rpc.request("anvil_dumpState"))
        state = parse_json(gzip.decompress(dump) if dump.startswith(_GZIP) else dump)
        accounts: Mapping[str, Any] = state["accounts"]
        found = [each["storage"] for key, each in accounts.items() if key.lower() == address.lower()]
        storage: Mapping[str, str] = found[0] if found else {}
        return {int(slot, 16): int(word, 16) for slot, word in storage.items() if int(word, 16)}
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise ChainUnavailable(f"{rpc.name} does not dump its state as Anvil does: {error!r}") from error
