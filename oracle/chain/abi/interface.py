"""`Interface`: encode calls, and decode answers, events and errors, by one contract's ABI.

eth_utils makes signatures, selectors and topics, and eth_abi does the encoding, strictly. web3's contract objects do
the same on top of them, but take eight times as long for a submission, and a second to import.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError
from eth_utils.abi import (
    collapse_if_tuple,
    event_abi_to_log_topic,
    filter_abi_by_type,
    function_abi_to_4byte_selector,
)

from oracle.chain.transport.answers import Log
from oracle.chain.transport.reverts import Revert
from oracle.core.formats import checksum_address, to_hex

Abi: TypeAlias = Sequence[Mapping[str, Any]]


class Interface:
    """Encodes and decodes by one contract's ABI.

    A decoded struct is a dict by field name. Several results of a function are a dict too, a single result is bare.
    Addresses are checksummed.

    Args:
        abi: The ABI, as solc writes it.
        hints: Custom error name to a sentence with the error's arguments in braces.
    """

    def __init__(self, abi: Abi, hints: Mapping[str, str] | None = None) -> None:
        self.abi = abi
        self.hints = hints or {}

    @cached_property
    def _functions(self) -> dict[str, Mapping[str, Any]]:
        return {entry["name"]: entry for entry in _of_type("function", self.abi)}

    @cached_property
    def _selectors(self) -> dict[str, bytes]:
        return {name: _selector(entry) for name, entry in self._functions.items()}

    @cached_property
    def _by_selector(self) -> dict[bytes, Mapping[str, Any]]:
        return {self.selector(name): entry for name, entry in self._functions.items()}

    @cached_property
    def _inputs(self) -> dict[str, _Parts]:
        return {name: _Parts.of(entry["inputs"]) for name, entry in self._functions.items()}

    @cached_property
    def _outputs(self) -> dict[str, _Parts]:
        return {name: _Parts.of(entry["outputs"]) for name, entry in self._functions.items()}

    @cached_property
    def _logs(self) -> dict[bytes, tuple[_Parts, _Parts]]:
        """The parts of each event that are indexed, and the others."""
        return {
            topic: (
                _Parts.of([part for part in entry["inputs"] if part["indexed"]]),
                _Parts.of([part for part in entry["inputs"] if not part["indexed"]]),
            )
            for topic, entry in self._events.items()
        }

    @cached_property
    def _errors(self) -> dict[bytes, Mapping[str, Any]]:
        return {_selector(entry): entry for entry in _of_type("error", self.abi)}

    @cached_property
    def _events(self) -> dict[bytes, Mapping[str, Any]]:
        return {_topic(entry): entry for entry in _of_type("event", self.abi)}

    def selector(self, function: str) -> bytes:
        """Return the four bytes that call a function."""
        return self._selectors[function]

    def topic(self, event: str) -> bytes:
        """Return an event's first topic, 32 bytes."""
        return next(topic for topic, entry in self._events.items() if entry["name"] == event)

    def encode_call(self, function: str, *arguments: Any) -> bytes:
        """Return calldata. Structs are given as tuples."""
        return self.selector(function) + _encode(self._functions[function]["inputs"], arguments)

    def encode_constructor(self, *arguments: Any) -> bytes:
        """Return the constructor's arguments, encoded: they follow the creation code."""
        inputs = next((entry["inputs"] for entry in self.abi if entry["type"] == "constructor"), ())
        return _encode(inputs, arguments)

    def decode_constructor(self, data: bytes) -> dict[str, Any]:
        """Return the constructor's arguments, by name. Only the canonical encoding is taken.

        Raises:
            ValueError: These are no arguments of this constructor.
        """
        inputs = next((entry["inputs"] for entry in self.abi if entry["type"] == "constructor"), ())
        try:
            kinds = [collapse_if_tuple(dict(part)) for part in inputs]
            values = decode(kinds, data) if kinds else ()
            if encode(kinds, values) != data:
                raise ValueError("not the canonical encoding")
        except (DecodingError, OverflowError) as error:
            raise ValueError(f"no arguments of this constructor: {error}") from error
        return {part["name"]: _named(part, value) for part, value in zip(inputs, values, strict=True)}

    def decode_call(self, data: bytes) -> tuple[str, dict[str, Any]]:
        """Return name and arguments of a call.

        Raises:
            ValueError: It is not a call of this contract, or its arguments are not canonically encoded.
        """
        entry = self._by_selector.get(data[:4])
        if entry is None:
            raise ValueError(f"{to_hex(data[:4])} is not a function of the contract")
        return entry["name"], _decode(self._inputs[entry["name"]], data[4:])

    def decode_output(self, function: str, data: bytes) -> Any:
        """Return a function's result. Raises: ValueError."""
        values = _decode(self._outputs[function], data)
        return next(iter(values.values())) if len(values) == 1 else values

    def decode_log(self, log: Log) -> tuple[str, dict[str, Any]] | None:
        """Return name and arguments of an event; None if it is not this contract's. Raises: ValueError."""
        entry = self._events.get(log.topics[0]) if log.topics else None
        if entry is None:
            return None
        indexed, rest = self._logs[log.topics[0]]
        values = _decode(indexed, b"".join(log.topics[1:])) | _decode(rest, log.data)
        return entry["name"], values

    def decode_error(self, data: bytes) -> Revert | None:
        """Put a custom error into words; return None if it is not this contract's."""
        entry = self._errors.get(data[:4])
        if entry is None:
            return None
        name = entry["name"]
        try:
            values = _decode(_Parts.of(entry["inputs"]), data[4:])
        except ValueError:
            return Revert(name, f"{name}: with malformed arguments")
        words = {key: to_hex(value) if isinstance(value, bytes) else str(value) for key, value in values.items()}
        feed_id = values.get("feedId")
        hint = self.hints.get(name)
        if hint is not None:
            try:
                return Revert(name, f"{name}: {hint.format(**words)}", feed_id)
            except KeyError:
                pass  # the contract has renamed an argument: the plain form still says everything
        arguments = ", ".join(f"{key} = {value}" for key, value in words.items())
        return Revert(name, f"{name}({arguments})", feed_id)


# --- details -------------------------------------------------------------------------------------------------------


# eth_utils types an entry of an ABI as one of several `TypedDict`s, for whose fields there is no use here.


def _of_type(kind: str, abi: Abi) -> Iterable[Mapping[str, Any]]:
    return filter_abi_by_type(kind, abi)  # type: ignore[call-overload, no-any-return]


def _selector(entry: Mapping[str, Any]) -> bytes:
    return bytes(function_abi_to_4byte_selector(entry))  # type: ignore[arg-type]


def _topic(entry: Mapping[str, Any]) -> bytes:
    return bytes(event_abi_to_log_topic(entry))  # type: ignore[arg-type]


def _encode(parts: Sequence[Mapping[str, Any]], values: Sequence[Any]) -> bytes:
    return encode([collapse_if_tuple(dict(part)) for part in parts], values)


class _Parts(NamedTuple):
    """The parts of an encoding, as the ABI describes them, and their types in the form that is decoded."""

    parts: Sequence[Mapping[str, Any]]
    types: Sequence[str]

    @classmethod
    def of(cls, parts: Sequence[Mapping[str, Any]]) -> _Parts:
        return cls(parts, [collapse_if_tuple(dict(part)) for part in parts])


def _decode(parts: _Parts, data: bytes) -> dict[str, Any]:
    try:
        values = decode(parts.types, data)
    except (DecodingError, OverflowError) as error:
        raise ValueError(f"malformed ABI encoding: {error}") from error
    return {
        part["name"] or str(i): _named(part, value)
        for i, (part, value) in enumerate(zip(parts.parts, values, strict=True))
    }


def _named(part: Mapping[str, Any], value: Any, kind: str | None = None) -> Any:
    """Return a decoded value with its structs as dicts, recursively."""
    kind = part["type"] if kind is None else kind
    if kind.endswith("]"):
        inner = kind[: kind.rindex("[")]
        return tuple(_named(part, each, inner) for each in value)
    if kind == "tuple":
        return {each["name"]: _named(each, item) for each, item in zip(part["components"], value, strict=True)}
    return checksum_address(value) if kind == "address" else value
