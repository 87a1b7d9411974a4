"""Tests of the codec: it writes what web3's contract objects write, and refuses malformed data."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi.abi import encode
from web3 import Web3

from oracle.chain.abi.interface import Interface
from oracle.chain.compiled import packaged
from oracle.chain.hub import hub_interface, lens_interface
from oracle.chain.transport.answers import Log

FEED = b"\5" * 32
ADDRESS = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
SIGNATURE = (b"\1" * 32, b"\2" * 32, b"\3" * 32)
SUBMISSION = (2, 1, 3, 1_000, [FEED], [7], [SIGNATURE] * 2, b"\xff" * 32, b"\1", b"\0" * 32, b"proof" * 20)


def word(value: int) -> bytes:
    return value.to_bytes(32, "big")


def log(topics: tuple[bytes, ...], data: bytes) -> Log:
    return Log(ADDRESS, topics, data, 1, b"\6" * 32, 0)


@pytest.mark.parametrize("contract_name", [name for name, contract in packaged().items() if contract.abi])
def test_selectors_and_topics_are_those_of_web3(contract_name: str) -> None:
    abi = packaged()[contract_name].abi
    interface, contract = Interface(abi), Web3().eth.contract(abi=abi)
    for entry in abi:
        name = str(entry.get("name"))
        if entry["type"] == "function":
            assert contract.get_function_by_selector(interface.selector(name)).fn_name == name
        if entry["type"] == "event":
            assert contract.get_event_by_topic("0x" + interface.topic(name).hex()).event_name == name


def test_a_submission_is_encoded_and_decoded_as_by_web3() -> None:
    contract = Web3().eth.contract(abi=hub_interface().abi)
    data = hub_interface().encode_call("submit", SUBMISSION)
    assert "0x" + data.hex() == contract.encode_abi("submit", args=[SUBMISSION])
    _, theirs = contract.decode_function_input(data)
    name, ours = hub_interface().decode_call(data)
    assert (name, ours.keys()) == ("submit", theirs.keys())
    assert ours["submission"] == {
        key: tuple(value) if isinstance(value, list) else value for key, value in theirs["submission"].items()
    }


def test_an_event_is_decoded_as_by_web3() -> None:
    topics = (hub_interface().topic("RoundAccepted"), FEED, word(7))
    kinds = ["int128", "uint32", "uint16", "int256[]", "bool", "address"]
    data = encode(kinds, [100, 1_000, 2, [-3, 4], True, ADDRESS])
    found = hub_interface().decode_log(log(topics, data))
    assert found is not None
    event = Web3().eth.contract(abi=hub_interface().abi).events.RoundAccepted()
    receipt: Any = {
        "address": ADDRESS, "topics": topics, "data": data, "blockNumber": 1, "transactionHash": b"\6" * 32,
        "transactionIndex": 0, "blockHash": b"\7" * 32, "logIndex": 0,
    }  # fmt: skip
    assert found == ("RoundAccepted", {key: tuple(value) if isinstance(value, list) else value
                                       for key, value in event.process_log(receipt)["args"].items()})  # fmt: skip


@pytest.mark.attack
def test_calldata_with_dirty_padding_is_refused() -> None:
    name, arguments = hub_interface().decode_call(hub_interface().encode_call("pause", FEED))
    assert (name, [*arguments.values()]) == ("pause", [FEED])
    data = bytearray(hub_interface().encode_call("submit", (*SUBMISSION[:-1], b"proof")))
    for at in (36, len(data) - 1):  # above the model's number, and behind the proof's end
        dirty = data[:at] + b"\1" + data[at + 1 :]
        with pytest.raises(ValueError, match="malformed ABI encoding"):
            hub_interface().decode_call(bytes(dirty))


@pytest.mark.attack
@pytest.mark.parametrize("length", [2**256 - 1, 2**255, 2**64, 2**31, 1_000])
def test_a_length_beyond_the_data_is_refused(length: int) -> None:
    for output in ("feedIds", "features", "feedStates"):
        with pytest.raises(ValueError, match="malformed ABI encoding"):
            lens_interface().decode_output(output, word(32) + word(length))
    with pytest.raises(ValueError, match="malformed ABI encoding"):
        lens_interface().decode_output("feedIds", word(length) + word(0))


@pytest.mark.parametrize("data", [b"", b"\1\2\3", b"\1\2\3\4", b"\0" * 40])
def test_a_call_of_no_function_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="is not a function of the contract"):
        hub_interface().decode_call(data)


def test_a_log_of_another_contract_and_a_malformed_one() -> None:
    assert hub_interface().decode_log(log((), b"")) is None
    assert hub_interface().decode_log(log((b"\1" * 32,), b"")) is None
    with pytest.raises(ValueError, match="malformed ABI encoding"):
        hub_interface().decode_log(log((hub_interface().topic("RoundAccepted"), FEED), b""))


def test_addresses_are_checksummed_and_a_single_result_is_bare() -> None:
    assert hub_interface().decode_output("aggregator", word(int(ADDRESS, 16))) == ADDRESS
    kind = "(uint32,uint8,address[],uint64,uint8,address[])"
    committee = encode([kind], [(1, 1, [ADDRESS.lower()], 0, 0, [])])
    assert lens_interface().decode_output("committee", committee)["reporters"] == (ADDRESS,)
