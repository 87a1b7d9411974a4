"""A chain with our hub, feeds and adapters, and with other people's contracts that read them.

Other tests cover proofs. The verifier here accepts everything, so a report is accepted or held according to its
scores.
"""

from __future__ import annotations

import http.client
import functools
import json
import posixpath
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_utils.address import to_checksum_address

from oracle.chain import compiled
from oracle.chain.abi.interface import Interface
from oracle.chain.compiled import Compiled
from oracle.chain.deploy.adapters import PLAIN, AdapterTerms
from oracle.chain.deploy.plan import feed_id_of
from oracle.chain.keys.signer import LocalReporter
from oracle.chain.local import contracts, toolchain
from oracle.chain.local.anvil import Anvil
from oracle.chain.local.solc import compile_standard, standard_input
from oracle.chain.transport.answers import Log
from oracle.core.encoding import Feature
from oracle.core.report import Report
from tests.transactions import mined

START = 1_700_000_000
HEARTBEAT, MAX_AGE, CONFIRM_DELAY = 3_600, 600, 900
DECIMALS = 8
NOBODY = "0x" + "00" * 20
ADMIN, RELAYER, REPORTER = 0, 1, 2
FEATURES = (Feature.MOVE, Feature.PAST_0, Feature.PAST_1, Feature.GAP)
COMMITTEE, EPOCH, MODEL = 1, 1, 1
INT128_BYTES = 16

CALM, ANOMALOUS = -500, 2_500

AAVE = "node_modules/@aave/core-v3/contracts"
CHAINLINK = "node_modules/@chainlink/contracts"

_IMPORT = re.compile(r"""^\s*import\b(?:[^;"']*\bfrom)?\s*["']([^"']+)["']""", re.MULTILINE)


@dataclass(frozen=True)
class Contract:
    """A deployed contract."""

    address: str
    interface: Interface


class Reverted(Exception):
    """Raised for a call that reverted.

    Attributes:
        data: The revert data of the contract.
    """

    def __init__(self, data: bytes) -> None:
        super().__init__("0x" + data.hex())
        self.data = data


def compile_all() -> dict[str, Compiled]:
    """Compile our contracts, our consumers, and Aave's and Chainlink's unmodified contracts."""
    consumers = {name: f"contracts/test/consumers/{name}.sol" for name in ("ClosingConsumer", "ComparingConsumer")}
    extra = {
        **consumers,
        "YesVerifier": "contracts/test/mocks/YesVerifier.sol",
        "MeanPrice": "contracts/examples/MeanPrice.sol",
    }
    modern = {
        "AaveOracle": f"{AAVE}/misc/AaveOracle.sol",
        "PriceOracle": f"{AAVE}/mocks/oracle/PriceOracle.sol",
        "DerivedPriceFeed": f"{CHAINLINK}/src/v0.8/dev/DerivedPriceFeed.sol",
        "ArbitrumSequencerUptimeFeed": f"{CHAINLINK}/src/v0.8/l2ep/dev/arbitrum/ArbitrumSequencerUptimeFeed.sol",
        "Flags": f"{CHAINLINK}/src/v0.8/dev/Flags.sol",
        "SimpleWriteAccessController": f"{CHAINLINK}/src/v0.8/shared/access/SimpleWriteAccessController.sol",
    }
    old = {"EACAggregatorProxy": f"{CHAINLINK}/src/v0.6/EACAggregatorProxy.sol"}
    return {
        **{name: compiled.load(name) for name in compiled.SOURCES},
        **contracts.compile_contracts(extra),
        **_compile("0.8.30", modern),
        **_compile("0.6.6", old),
    }


def _compile(version: str, sources: Mapping[str, str]) -> dict[str, Compiled]:
    """Compile contracts of packages whose imports are relative."""
    root = toolchain.project_root(Path(__file__).parent)
    texts: dict[str, str] = {}
    waiting = list(sources.values())
    while waiting:
        if (file := waiting.pop()) not in texts:
            texts[file] = (root / file).read_text(encoding="utf-8")
            folder = posixpath.dirname(file)
            waiting += [posixpath.normpath(posixpath.join(folder, each)) for each in _IMPORT.findall(texts[file])]
    output = compile_standard(standard_input(dict(sorted(texts.items()))), version)["contracts"]
    found = {name: output[file][name] for name, file in sources.items()}
    return {
        name: Compiled(
            name,
            tuple(each["abi"]),
            bytes.fromhex(each["evm"]["bytecode"]["object"]),
            bytes.fromhex(each["evm"]["deployedBytecode"]["object"]),
            {},
        )
        for name, each in found.items()
    }


def chainlink_abi(name: str) -> list[dict[str, Any]]:
    """Return an ABI of Chainlink's package: "AggregatorV2V3Interface" for instance."""
    root = toolchain.project_root(Path(__file__).parent)
    found: list[dict[str, Any]] = json.loads((root / CHAINLINK / "abi" / "v0.8" / f"{name}.json").read_text("utf-8"))
    return found


class Market:
    """A chain, contracts to deploy on it, and a hub without feeds.

    Attributes:
        now: Time of the latest block that the test mined on purpose, in unix seconds.
    """

    def __init__(self, chain: Anvil, codes: Mapping[str, Compiled]) -> None:
        self.chain = chain
        self.codes = codes
        self.now = START
        self._libraries: dict[str, str] = {}
        self.factory = self.deploy("ZkAggregatorFactory")
        admin = chain.accounts[ADMIN].address
        lens = self.deploy("ZkOracleLens")
        self.hub = self.deploy("ZkOracle", admin, NOBODY, 0, self.factory.address, lens.address)
        verifier = self.deploy("YesVerifier")
        self.send(self.hub, "addArchitecture", bytes(FEATURES), 1, True, [1], [verifier.address])
        probe = {"window": [0, 0, 0, 1_000], "scores": [CALM], "proofs": [b"any"]}
        self.send(self.hub, "addModel", 7, 1, b"\7" * 32, 1_000, self._struct("addModel", probe))
        self.send(self.hub, "addCommittee", [chain.accounts[REPORTER].address], 1)

    # --- feeds -------------------------------------------------------------------------------------------------

    def add_feed(self, description: str, **changes: Any) -> Contract:
        """Add a feed of the only reporter, and return its adapter, which is linked."""
        config = {
            "description": description,
            "kind": 0,
            "decimals": DECIMALS,
            "confirmations": 2,
            "maxRepeats": 0,
            "heartbeat": HEARTBEAT,
            "maxAge": MAX_AGE,
            "maxSkew": 0,
            "confirmDelay": CONFIRM_DELAY,
            "tolerance": 2_000,
            "maxSpread": 0,
            "sigma": 10_000,
            "committee": COMMITTEE,
            "peers": [],
        } | changes
        self.send(self.hub, "addFeed", self._struct("addFeed", config), MODEL)
        adapter = self.adapter(description)
        self.send(self.hub, "linkAggregator", feed_id_of(description))
        return adapter

    def adapter(self, description: str, terms: AdapterTerms = PLAIN) -> Contract:
        """Deploy an adapter of a feed."""
        arguments = (self.hub.address, feed_id_of(description), terms.values)
        self.send(self.factory, "deploy", *arguments)
        return self.at("ZkAggregator", self.call(self.factory, "addressOf", *arguments))

    def report(self, description: str, answer: int, score: int = CALM, *, after: int = 60, delay: int = 0) -> list[Log]:
        """Submit a report, observed `after` seconds from now and mined `delay` seconds later, and return its logs."""
        observed_at = self.now + after
        self.now = observed_at + delay
        feed_id = feed_id_of(description)
        account = self.chain.accounts[REPORTER]
        signer = LocalReporter(Account.from_key(account.key), self.chain.chain_id, self.hub.address)
        round_id = self.call(self.hub, "latestWithStatus", feed_id)["roundId"] + 1
        report = Report(COMMITTEE, EPOCH, observed_at, (feed_id,), (round_id,))
        signed = signer.sign_report(report, [answer])
        submission = {
            "modelNumber": MODEL,
            "committee": report.committee,
            "epoch": report.epoch,
            "observedAt": report.observed_at,
            "feedIds": report.feed_ids,
            "roundIds": report.round_ids,
            "signatures": [(signed.readings, signed.r, signed.vs)],
            "answers": answer.to_bytes(INT128_BYTES, "big", signed=True),
            "medians": b"\0",
            "scores": score.to_bytes(INT128_BYTES, "big", signed=True),
            "proof": b"proof",
        }
        self.chain.rpc("evm_setNextBlockTimestamp", self.now)
        return self.send(self.hub, "submit", self._struct("submit", submission), account=RELAYER)

    def wait(self, seconds: int) -> None:
        """Mine a block `seconds` from now."""
        self.now += seconds
        self.chain.rpc("evm_setNextBlockTimestamp", self.now)
        self.chain.rpc("evm_mine")

    # --- contracts ---------------------------------------------------------------------------------------------

    def at(self, name: str, address: str) -> Contract:
        """Return the contract at an address."""
        return Contract(to_checksum_address(address), Interface(self.codes[name].abi))

    def deploy(self, name: str, *arguments: Any) -> Contract:
        """Deploy a contract and the libraries that it has to be linked with."""
        code = self.codes[name]
        for library in code.needs:
            if library not in self._libraries:
                self._libraries[library] = self.deploy(library).address
        interface = Interface(code.abi)
        creation = code.link(self._libraries).bytecode + interface.encode_constructor(*arguments)
        return self.at(name, self._mine(None, creation, ADMIN)["contractAddress"])

    def call(self, contract: Contract, function: str, *arguments: Any) -> Any:
        """Return what a function would answer to the admin. Raises: Reverted."""
        data = "0x" + contract.interface.encode_call(function, *arguments).hex()
        sent = {"from": self.chain.accounts[ADMIN].address, "to": contract.address, "data": data}
        answer = self._ask("eth_call", sent, "latest")
        if "error" in answer:
            raise Reverted(bytes.fromhex((answer["error"].get("data") or "0x")[2:]))
        return contract.interface.decode_output(function, bytes.fromhex(answer["result"].removeprefix("0x")))

    def send(
        self, contract: Contract, function: str, *arguments: Any, account: int = ADMIN, sender: str | None = None
    ) -> list[Log]:
        """Mine a transaction that must succeed, and return its logs. `sender`: an impersonated one, a contract even."""
        if sender is not None:
            self.chain.rpc("anvil_impersonateAccount", sender)
            self.chain.rpc("anvil_setBalance", sender, hex(10**20))
        receipt = self._mine(contract.address, contract.interface.encode_call(function, *arguments), account, sender)
        return [
            Log(
                address=to_checksum_address(log["address"]),
                topics=tuple(bytes.fromhex(topic[2:]) for topic in log["topics"]),
                data=bytes.fromhex(log["data"][2:]),
                block_number=int(log["blockNumber"], 16),
                tx_hash=bytes.fromhex(log["transactionHash"][2:]),
                log_index=int(log["logIndex"], 16),
            )
            for log in receipt["logs"]
        ]

    def _ask(self, method: str, *params: Any) -> dict[str, Any]:
        """Make a JSON-RPC request. `Anvil.rpc` would keep the message of a refusal but not its data."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        connection = http.client.HTTPConnection(self.chain.config.host, self.chain.port, timeout=60)
        try:
            connection.request("POST", "/", body, {"Content-Type": "application/json"})
            answer: dict[str, Any] = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        return answer

    def _mine(self, to: str | None, data: bytes, account: int, sender: str | None = None) -> dict[str, Any]:
        sender = sender or self.chain.accounts[account].address
        sent = {"from": sender, "data": "0x" + data.hex(), "gas": hex(15_000_000)}
        receipt = mined(functools.partial(self.chain.rpc, timeout=60), sent | ({"to": to} if to else {}))
        assert receipt["status"] == "0x1", self.chain.output
        return receipt

    def _struct(self, function: str, values: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return the fields of a function's struct in the order of the hub's ABI."""
        (entry,) = [each for each in self.hub.interface.abi if each.get("name") == function]
        (part,) = [each for each in entry["inputs"] if each["type"] == "tuple"]
        assert {each["name"] for each in part["components"]} == set(values)
        return tuple(values[each["name"]] for each in part["components"])
