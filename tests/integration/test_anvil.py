"""Tests of a real Anvil, from its configuration file to its end."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from oracle.app.chain import chain_fund
from oracle.chain.local import toolchain
from oracle.chain.local.anvil import WELL_KNOWN_MNEMONIC, Anvil, AnvilConfig, load_anvil_config
from oracle.chain.local.funding import fund, funding
from oracle.chain.local.ports import reserved_port
from oracle.chain.rpc import Rpc
from oracle.chain.transport.interface import MethodMissing
from oracle.core.errors import ChainUnavailable, ConfigError
from oracle.core.formats import checksum_address
from tests.fakenode import FakeNode
from tests.transactions import mined

StartAnvil = Callable[..., Anvil]


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_chain_is_the_one_that_the_file_describes(anvil: StartAnvil) -> None:
    with anvil(chain_id=4242, start_time=1_577_836_800, gas_limit=25_000_000, accounts=3, balance=7) as chain:
        assert int(chain.rpc("eth_chainId"), 16) == 4242
        block = chain.rpc("eth_getBlockByNumber", "latest", False)
        assert int(block["timestamp"], 16) == 1_577_836_800
        assert int(block["gasLimit"], 16) == 25_000_000
        served = chain.rpc("eth_accounts")
        assert [account.address.lower() for account in chain.accounts] == [address.lower() for address in served]
        assert len(served) == 3
        assert int(chain.rpc("eth_getBalance", served[2], "latest"), 16) == 7 * 10**18


def test_the_repository_describes_a_local_chain(project_root: Path) -> None:
    config = load_anvil_config(project_root / "anvil.toml")
    assert config.mnemonic == WELL_KNOWN_MNEMONIC
    assert config.host == "127.0.0.1"
    assert config == AnvilConfig(), "who has no file gets another chain"


def test_outside_a_project_there_is_the_usual_chain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain, "find_project_root", lambda: None)
    assert load_anvil_config(port=0) == AnvilConfig(port=0)
    with pytest.raises(ConfigError, match="the local chain: unknown key 'prot'"):
        load_anvil_config(prot=0)


def test_accounts_get_ether(anvil: StartAnvil) -> None:
    chain = anvil()
    new, rich = "0x00000000000000000000000000000000000000AA", chain.accounts[0].address
    given = [funding(new.lower(), "--fund"), funding(f"{new}=0.5", "--fund"), funding(f"{rich}=1", "--fund")]
    found = asyncio.run(chain_fund(chain.rpc_url, given))
    assert found == {checksum_address(new): 1005 * 10**17, rich: 10_001 * 10**18}
    assert int(chain.rpc("eth_getBalance", new, "latest"), 16) == 1005 * 10**17


def test_a_chain_where_nobody_can_make_ether(anvil: StartAnvil) -> None:
    class Node(FakeNode):
        async def request(self, method: str, *_: Any, **__: Any) -> Any:
            raise MethodMissing("http://node", f"the method {method} does not exist")

    given = funding("0x00000000000000000000000000000000000000aa", "--fund")
    with pytest.raises(ConfigError, match=r"http://node is not a local chain of Anvil: .* send 0x0{36}\w{4} some"):
        asyncio.run(fund(Rpc(Node()), [given]))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0x12", "--fund: '0x12' is not an address"),
        ("0x" + "00" * 19 + "aa=", "--fund: '' is no amount of ether"),
        ("0x" + "00" * 19 + "aa=many", "--fund: 'many' is no amount"),
        ("0x" + "00" * 19 + "aa=0", "a number above 0"),
        ("0x" + "00" * 19 + "aa=-1", "a number above 0"),
        ("0x" + "00" * 19 + "aa=nan", "a number above 0"),
        ("0x" + "00" * 19 + "aa=1e400", "a number above 0"),
        ("0x" + "00" * 19 + "aa=1.0000000000000000001", "18 decimals at most"),
    ],
)
def test_no_amount_of_ether_is_guessed(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        funding(text, "--fund")


def test_the_first_account_is_the_well_known_one(anvil: StartAnvil) -> None:
    account = anvil().accounts[0]
    assert account.address == "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
    assert account.key == "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
    assert account.key not in repr(account)


def test_two_chains_have_ports_of_their_own(anvil: StartAnvil) -> None:
    first, second = anvil(), anvil()
    assert first.port != second.port
    first.rpc("anvil_mine", "0x3")
    assert int(first.rpc("eth_blockNumber"), 16) == 3
    assert int(second.rpc("eth_blockNumber"), 16) == 0


def test_reserved_ports_are_distinct_and_none_that_a_connection_may_get() -> None:
    found = [reserved_port() for _ in range(8)]
    assert len(set(found)) == 8
    assert all(1_024 < port < 32_768 for port in found)


def test_a_reserved_port_is_refused_to_others_and_can_be_listened_on_again_and_again(anvil: StartAnvil) -> None:
    port = reserved_port()
    for _ in range(2):
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port))
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
        with anvil(port=port) as chain:
            assert chain.port == port


def test_contracts_over_the_size_limit_are_refused(anvil: StartAnvil) -> None:
    chain = anvil()
    for size, status in ((0x6000, 1), (0x6001, 0)):
        # PUSH2 size PUSH1 0 RETURN: a contract of `size` zero bytes
        code = f"0x61{size:04x}6000f3"
        call = {"from": chain.accounts[0].address, "data": code, "gas": hex(10_000_000)}
        assert int(mined(chain.rpc, call)["status"], 16) == status, size


def test_it_ends_with_its_context(anvil: StartAnvil) -> None:
    with anvil() as chain:
        pid, port = chain.pid, chain.port
        assert is_alive(pid)
    assert not is_alive(pid)
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), timeout=5):
        pass
    with pytest.raises(ChainUnavailable, match="does not run"):
        _ = chain.rpc_url
    chain.stop()  # a second time does nothing


def test_it_ends_when_the_block_raises(anvil: StartAnvil) -> None:
    def use(chain: Anvil) -> None:
        with chain:
            raise RuntimeError("from the test")

    chain = anvil()
    pid = chain.pid
    with pytest.raises(RuntimeError, match="from the test"):
        use(chain)
    assert not is_alive(pid)


def test_it_can_be_started_again(anvil: StartAnvil) -> None:
    chain = anvil()
    chain.rpc("anvil_mine", "0x3")
    chain.stop()
    with chain:
        assert int(chain.rpc("eth_blockNumber"), 16) == 0


def test_one_that_does_not_end_is_killed(anvil: StartAnvil) -> None:
    chain = anvil()
    pid = chain.pid
    os.kill(pid, signal.SIGSTOP)
    chain.stop(patience=0.2)
    assert not is_alive(pid)


def test_the_state_file_carries_the_chain_over(anvil: StartAnvil, tmp_path: Path) -> None:
    state = tmp_path / "not" / "yet" / "state.json"
    with anvil(state_file=state) as chain:
        sender, receiver = chain.accounts[0].address, "0x00000000000000000000000000000000000000aa"
        sent = mined(chain.rpc, {"from": sender, "to": receiver, "value": "0x5"})["transactionHash"]
    assert state.is_file()
    with anvil(state_file=state) as chain:
        assert int(chain.rpc("eth_getBalance", receiver, "latest"), 16) == 5
        assert chain.rpc("eth_getTransactionByHash", sent)["value"] == "0x5"


def test_a_port_in_use_is_named(anvil: StartAnvil) -> None:
    chain = anvil()
    with pytest.raises(ConfigError, match=rf"port {chain.port} on 127\.0\.0\.1 can't be used \(Address already"):
        anvil(port=chain.port)
    assert int(chain.rpc("eth_chainId"), 16) == chain.chain_id


def test_what_anvil_says_reaches_the_user(anvil: StartAnvil) -> None:
    with pytest.raises(ChainUnavailable, match=r"anvil ended at once \(exit code 1\).*nknown hardfork"):
        anvil(hardfork="nonsense")


def test_a_state_file_that_is_none_is_refused(anvil: StartAnvil, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    state.write_text("not a state")
    with pytest.raises(ChainUnavailable, match="anvil ended at once"):
        anvil(state_file=state)
    assert state.read_text() == "not a state"


def test_one_that_never_answers_is_given_up_and_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mute = tmp_path / "anvil"
    mute.write_text("#!/bin/sh\necho thinking\nexec sleep 600\n")
    mute.chmod(0o755)
    monkeypatch.setattr(toolchain, "anvil", lambda: toolchain.Tool("anvil", "1.7.1", mute, "PATH"))
    chain = Anvil(load_anvil_config(port=0), deadline=0.5)
    with pytest.raises(ChainUnavailable, match=r"did not answer within 0\.5 s.*it said: thinking"):
        chain.start()
    with pytest.raises(ChainUnavailable, match="does not run"):
        _ = chain.pid


def test_a_refused_call_says_why(anvil: StartAnvil) -> None:
    with pytest.raises(ChainUnavailable, match="refuses eth_noSuchThing: Method not found"):
        anvil().rpc("eth_noSuchThing")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prot = 1", r"unknown key 'prot'; did you mean 'port'\?"),
        ("port = 70000", r"port: .*less than or equal to 65535 \(it is 70000\)"),
        ("port = 'a'", "port: .*valid integer"),
        ("host = '0.0.0.0'", "not this machine's loopback"),
        ("host = 'example.org'", "not this machine's loopback"),
        ("mnemonic = 'one two'", "mnemonic: a mnemonic has 12 to 24 words, this has 2$"),
        ("accounts = 0", "accounts: "),
        ("port = ", "is not valid TOML"),
        ("disable_code_size_limit = true", "unknown key 'disable_code_size_limit'"),
        ("hardfork = '--code-size-limit=99999'", "hardfork: "),
    ],
)
def test_a_wrong_file_is_one_clear_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "anvil.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        load_anvil_config(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such file"):
        load_anvil_config(tmp_path / "anvil.toml")


def test_the_state_file_lies_beside_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "anvil.toml"
    path.write_text("state_file = 'build/state.json'")
    assert load_anvil_config(path).state_file == tmp_path / "build" / "state.json"


def test_an_invalid_mnemonic_is_refused(tmp_path: Path) -> None:
    chain = Anvil(load_anvil_config(mnemonic=" ".join(["test"] * 12)))
    with pytest.raises(ConfigError, match="mnemonic: "):
        _ = chain.accounts


def test_it_is_set_back_once_its_pool_is_empty() -> None:
    """Until then it would forget the next transaction: Anvil was seen to take mined ones out of its pool late."""
    asked: list[str] = []

    class Late(Anvil):
        def rpc(self, method: str, *params: Any, timeout: float = 10.0) -> Any:
            asked.append(method)
            is_in_pool = asked.count("txpool_status") < 3
            return {"txpool_status": {"pending": hex(is_in_pool)}, "evm_revert": params == ("0x1",)}[method]

    Late().revert("0x1")
    assert asked == ["txpool_status"] * 3 + ["evm_revert"]
    with pytest.raises(ChainUnavailable, match="snapshot 0x2"):
        Late().revert("0x2")


@pytest.mark.parametrize(("mines_at_once", "looks"), [(True, 9), (False, 3)])
def test_a_busy_node_has_longer_to_empty_its_pool(
    monkeypatch: pytest.MonkeyPatch, mines_at_once: bool, looks: int
) -> None:
    """If blocks are not mined at once, what is in the pool stays there."""
    asked: list[str] = []

    class Busy(Anvil):
        def rpc(self, method: str, *params: Any, timeout: float = 10.0) -> Any:
            asked.append(method)
            is_in_pool = asked.count("txpool_status") < 9
            answers = {"txpool_status": {"pending": hex(is_in_pool)}, "anvil_getAutomine": mines_at_once}
            return answers.get(method, True)

    clock = itertools.count()
    fake = SimpleNamespace(monotonic=lambda: float(next(clock)), sleep=lambda seconds: None)
    monkeypatch.setattr("oracle.chain.local.anvil.time", fake)
    Busy().revert("0x1")
    assert asked.count("txpool_status") == looks and asked[-1] == "evm_revert"


def test_it_is_set_back_to_a_snapshot(anvil: StartAnvil) -> None:
    chain = anvil()
    snapshot = chain.snapshot()
    chain.rpc("anvil_mine", "0x3")
    chain.revert(snapshot)
    assert int(chain.rpc("eth_blockNumber"), 16) == 0
