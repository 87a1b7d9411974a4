"""A double of Web3Signer for tests: the two calls that are used, over real HTTP, with a key in memory."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from eth_account import Account
from eth_account.messages import encode_typed_data
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

KEY = "0x" + "ab" * 31 + "01"


class Web3Signer:
    """A signer that serves one key on a test's HTTP server.

    It hashes typed data from the document alone, as the service does, and takes none that the service could not hash.

    Attributes:
        asked: The body of every request.
        spoil: Changes the answer: a hostile service.
        alter: Changes the fields of a transaction, or a document, before it is signed.
    """

    def __init__(self, server: HTTPServer, chain_id: int = 31337) -> None:
        self._account = Account.from_key(KEY)
        self._chain_id = chain_id
        self.address: str = self._account.address
        self.url = server.url_for("").rstrip("/")
        self.asked: list[Any] = []
        self.spoil: Callable[[Any], Any] = lambda answer: answer
        self.alter: Callable[[dict[str, Any]], dict[str, Any]] = lambda fields: fields
        server.expect_request("/", method="POST").respond_with_handler(self._call)

    @property
    def documents(self) -> list[dict[str, Any]]:
        """The typed data that it was asked to sign."""
        return [json.loads(each["params"][1]) for each in self.asked if each["method"] == "eth_signTypedData"]

    def _call(self, request: Request) -> Response:
        body = json.loads(request.data)
        self.asked.append(body)
        assert body["method"] in ("eth_signTypedData", "eth_signTransaction")
        try:
            if body["method"] == "eth_signTypedData":
                result = self._sign(*body["params"])
            else:
                result = self._sign_transaction(*body["params"])
        except LookupError:
            error = {"code": -32000, "message": "Signing From is not an Unlocked account"}
            return _answer(body, status=400, error=error)
        return _answer(body, result=self.spoil(result))

    def _sign(self, address: str, text: str) -> str:
        if address != self.address:
            raise LookupError(address)
        document = json.loads(text)
        for kind in (field["type"] for fields in document["types"].values() for field in fields):
            assert kind.removesuffix("[]") in {"string", "address", "bytes32", "uint256", "uint32", "int128"}, kind
        assert {"EIP712Domain", document["primaryType"]} == {*document["types"]}, "no struct within a struct"
        message = encode_typed_data(full_message=self.alter(document))
        return "0x" + bytes(self._account.sign_message(message).signature).hex()

    def _sign_transaction(self, fields: dict[str, Any]) -> str:
        if fields.pop("from") != self.address:
            raise LookupError
        signed = self._account.sign_transaction(self.alter(fields | {"chainId": self._chain_id}))
        return "0x" + bytes(signed.raw_transaction).hex()


def _answer(asked: dict[str, Any], status: int = 200, **fields: Any) -> Response:
    return Response(json.dumps({"jsonrpc": "2.0", "id": asked["id"], **fields}), status=status)
