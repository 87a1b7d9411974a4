"""A double of Web3Signer for tests: the two endpoints that are used, over real HTTP, with a key in memory."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from eth_account import Account
from eth_utils.crypto import keccak
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

KEY = "0x" + "ab" * 31 + "01"


class Web3Signer:
    """A signer that serves one key on a test's HTTP server.

    Attributes:
        asked: The body of every request.
        spoil: Changes the answer to `sign` and `eth_signTransaction`: a hostile service.
        alter: Changes the fields of a transaction before it is signed.
    """

    def __init__(self, server: HTTPServer, chain_id: int = 31337) -> None:
        self._account = Account.from_key(KEY)
        self._chain_id = chain_id
        self.address: str = self._account.address
        self.url = server.url_for("").rstrip("/")
        self.asked: list[Any] = []
        self.spoil: Callable[[Any], Any] = lambda answer: answer
        self.alter: Callable[[dict[str, Any]], dict[str, Any]] = lambda fields: fields
        public = "0x" + self._account._key_obj.public_key.to_bytes().hex()
        server.expect_request("/api/v1/eth1/publicKeys", method="GET").respond_with_json(["0x" + "11" * 64, public])
        server.expect_request(f"/api/v1/eth1/sign/{public}", method="POST").respond_with_handler(self._sign)
        server.expect_request("/", method="POST").respond_with_handler(self._call)

    def _sign(self, request: Request) -> Response:
        body = json.loads(request.data)
        self.asked.append(body)
        signed = self._account.unsafe_sign_hash(keccak(bytes.fromhex(body["data"][2:])))
        return Response(self.spoil("0x" + bytes(signed.signature).hex()), content_type="text/plain")

    def _call(self, request: Request) -> Response:
        body = json.loads(request.data)
        self.asked.append(body)
        assert body["method"] == "eth_signTransaction"
        [fields] = body["params"]
        assert fields.pop("from") == self.address
        signed = self._account.sign_transaction(self.alter(fields | {"chainId": self._chain_id}))
        result = self.spoil("0x" + bytes(signed.raw_transaction).hex())
        return Response(json.dumps({"jsonrpc": "2.0", "id": body["id"], "result": result}))
