"""Keys of a remote signer, a service compatible with Web3Signer. The service signs; the key never comes here.

Both calls are of its JSON-RPC interface. Reports go to `eth_signTypedData` as whole documents, which the service hashes
itself: so it can see and log what it signs, and have rules of its own. Transactions go to `eth_signTransaction`. Their
chain id is the service's own, and has to be the hub's.

The service's answers are not trusted. A signature has to be this address's, over the digest that we compute. A
transaction has to be the one that was asked for, field by field, and signed by this address.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import rlp

from oracle.chain.keys.signer import HALF_ORDER
from oracle.chain.keys.typed import TypedData
from oracle.core import http
from oracle.core.accounts import account_class
from oracle.core.documents import parse_json
from oracle.core.errors import SignerRefused, SignerUnavailable
from oracle.core.formats import from_hex, keccak, one_line
from oracle.core.types import SignedTransaction

_MAX_BYTES = 1 << 20


class RemoteKey:
    """A key of a remote signer.

    Args:
        url: Its base URL: https, or http on this machine.
        address: The key's address, checksummed.
        timeout_s: Seconds that a signature may take in all.
    """

    def __init__(self, url: str, address: str, timeout_s: float = 10.0) -> None:
        parts = urlsplit(url)
        if parts.scheme != "https" and not (parts.scheme == "http" and http.is_loopback(url)):
            raise SignerRefused("remote signer: https is needed, except on this machine")
        self._url = url.rstrip("/")
        self._address = address
        self._timeout_s = timeout_s
        self._name = f"signer {parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}"

    def __repr__(self) -> str:
        return f"RemoteKey({self._address} at {self._name})"

    @property
    def address(self) -> str:
        return self._address

    async def sign_typed_data(self, typed: TypedData) -> tuple[int, bytes, bytes]:
        """See `oracle.chain.keys.signer.Key`."""
        # The service takes the document as text.
        answer = await self._call("eth_signTypedData", self._address, json.dumps(typed.document))
        try:
            signature = from_hex(parse_json(answer)["result"])
            if len(signature) != 65:
                raise ValueError
            r, s, v = signature[:32], signature[32:64], signature[64]
            v += 27 if v < 2 else 0
            if v not in (27, 28) or int.from_bytes(s) > HALF_ORDER:
                raise ValueError
            vrs = v, int.from_bytes(r), int.from_bytes(s)
            signer = account_class().recover_message(typed.message, vrs=vrs)
        except Exception:  # the libraries raise their own and others' errors, undocumented
            raise SignerRefused(f"{self._name}: gave no signature{_reason(answer)}") from None
        if signer != self._address:
            raise SignerRefused(
                f"{self._name}: gave a signature of {signer}, not of {self._address}, or one of something else: old "
                "releases of Web3Signer do not sign typed data as EIP-712 says, so try a newer one"
            )
        return v, r, s

    async def sign_transaction(self, fields: Mapping[str, Any]) -> SignedTransaction:
        """See `oracle.chain.keys.signer.Key`."""
        asked: dict[str, Any] = {"from": self._address, "data": fields["data"]}
        if "to" in fields:
            asked["to"] = fields["to"]
        for name in ("nonce", "gas", "value", "gasPrice", "maxFeePerGas", "maxPriorityFeePerGas"):
            if name in fields:
                asked[name] = hex(fields[name])
        answer = await self._call("eth_signTransaction", asked)
        try:
            result = parse_json(answer)["result"]
            # Some services give an object with the bytes in it.
            raw = from_hex(result["raw"] if isinstance(result, dict) else result)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            raise SignerRefused(f"{self._name}: signed no transaction{_reason(answer)}") from None
        try:
            found = _read(raw)
            signer = account_class().recover_transaction(raw)
        except Exception:  # for other bytes the libraries raise their own and others' errors, undocumented
            raise SignerRefused(f"{self._name}: gave bytes that are not a signed transaction") from None
        wanted = _wanted(fields)
        different = [name for name in sorted(wanted | found) if wanted.get(name) != found.get(name)]
        if different:
            raise SignerRefused(f"{self._name}: signed another transaction than asked: {', '.join(different)} differ")
        if signer != self._address:
            raise SignerRefused(f"{self._name}: gave a transaction of {signer}, not of {self._address}")
        return SignedTransaction(keccak(raw), raw, fields["nonce"])

    async def _call(self, method: str, *params: Any) -> bytes:
        """Return the answer to a call of the service's JSON-RPC interface, unread."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        url = self._url + "/"
        try:
            answer = await http.ask(
                "POST",
                url,
                timeout_s=self._timeout_s,
                max_body=_MAX_BYTES,
                json=body,
                # Proxies that the environment names are for other machines.
                proxy=None if http.is_loopback(url) else http.proxy_for(url),
            )
        except http.BodyTooLarge:
            raise SignerRefused(f"{self._name}: its answer has more than {_MAX_BYTES:,} bytes") from None
        except (aiohttp.ClientError, OSError) as error:
            raise SignerUnavailable(f"{self._name}: does not answer: {http.reason(error)}") from None
        text = answer.body
        if answer.status >= 500 or answer.status == 429:
            raise SignerUnavailable(f"{self._name}: answers {answer.status}")
        if answer.status != 200:
            hint = ": is its interface of JSON-RPC there?" if answer.status == 404 else _reason(text)
            raise SignerRefused(f"{self._name}: answers {answer.status}{hint}")
        return text


def _wanted(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a transaction that was asked for, in the form in which `_read` returns them."""
    numbers = ("chainId", "nonce", "gas", "value", "gasPrice", "maxFeePerGas", "maxPriorityFeePerGas")
    wanted: dict[str, Any] = {name: fields[name] for name in numbers if name in fields}
    data = fields["data"]
    wanted["data"] = from_hex(data) if isinstance(data, str) else bytes(data)
    wanted["to"] = from_hex(str(fields["to"])) if "to" in fields else b""
    return wanted


def _read(raw: bytes) -> dict[str, Any]:
    """Return all fields of a signed transaction. Raises whatever its bytes make the libraries raise."""
    if raw[0] == 2:
        parts = rlp.decode(raw[1:])
        chain_id, nonce, tip, fee, gas, to, value, data, access, *signature = parts
        if access or len(signature) != 3:
            raise ValueError("an access list that nobody asked for")
        prices = {"maxFeePerGas": int.from_bytes(fee), "maxPriorityFeePerGas": int.from_bytes(tip)}
        chain = int.from_bytes(chain_id)
    else:
        nonce, price, gas, to, value, data, v, _, _ = rlp.decode(raw)
        prices = {"gasPrice": int.from_bytes(price)}
        chain = (int.from_bytes(v) - 35) // 2
    numbers = {"chainId": chain, "nonce": int.from_bytes(nonce), "gas": int.from_bytes(gas)}
    return {**numbers, **prices, "value": int.from_bytes(value), "to": bytes(to), "data": bytes(data)}


def _reason(answer: bytes) -> str:
    """Return the message of a JSON-RPC error, on one line."""
    try:
        return f": {one_line(str(parse_json(answer)['error']['message']).splitlines()[0], 200)}"
    except (ValueError, LookupError, TypeError, RecursionError):
        return ""
