"""The local chain: a real Anvil, described by anvil.toml, started and stopped by this process."""

from __future__ import annotations

import collections
import contextlib
import difflib
import functools
import ipaddress
import socket
import subprocess
import threading
import time
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from oracle.chain.local import toolchain
from oracle.core import http
from oracle.core.accounts import account_class
from oracle.core.errors import ChainUnavailable, ConfigError
from oracle.core.formats import to_hex

WELL_KNOWN_MNEMONIC = "test test test test test test test test test test test junk"
"""The mnemonic whose keys are known to everyone."""

_DERIVATION_PATH = "m/44'/60'/0'/0/{}"
_MAX_ANSWER = 1 << 30  # the steps of a traced transaction are many
_SETTLED_S = 2.0
"""The longest that transactions which were mined stay in the pool, seconds."""

_SETTLED_LATE_S = 20.0
"""The same on a busy machine; none waits for its block there if blocks are mined at once."""


class AnvilConfig(BaseModel):
    """The content of anvil.toml. The contract size limit (EIP-170) is always on: a real chain has it too."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = "127.0.0.1"
    port: int = Field(8545, ge=0, le=65535, description="0: any free port")
    chain_id: int = Field(31337, ge=1, lt=2**53)
    hardfork: str = Field("osaka", pattern=r"^[a-z_]+$")
    accounts: int = Field(10, ge=1, le=100)
    mnemonic: str = WELL_KNOWN_MNEMONIC
    balance: int = Field(10_000, ge=0, description="ether, each account")
    block_time: int = Field(0, ge=0, description="seconds between blocks; 0: a block for each transaction")
    gas_limit: int = Field(30_000_000, ge=1_000_000, description="of a block")
    start_time: int | None = Field(None, ge=0, lt=2**32, description="timestamp of the first block; None: now")
    state_file: Path | None = Field(None, description="loaded at the start if it exists, written at the stop")
    allow_public_host: bool = Field(False, description="let others reach a chain whose keys everyone knows")

    @field_validator("mnemonic")
    @classmethod
    def _is_mnemonic(cls, value: str) -> str:
        words = value.split()
        if len(words) not in (12, 15, 18, 21, 24):
            raise ValueError(f"a mnemonic has 12 to 24 words, this has {len(words)}")
        return " ".join(words)

    @model_validator(mode="after")
    def _is_private(self) -> Self:
        if not self.allow_public_host and not _is_loopback(self.host):
            raise ValueError(
                f"host {self.host!r} is not this machine's loopback: anyone who reaches it could spend from "
                "the well-known accounts. Use 127.0.0.1, or set allow_public_host = true if that is meant"
            )
        return self


@dataclass(frozen=True)
class DevAccount:
    """An account of the local chain.

    Attributes:
        address: Checksummed address.
        key: Private key, 0x and 64 hex digits.
    """

    address: str
    key: str = field(repr=False)


def load_anvil_config(path: Path | None = None, **overrides: Any) -> AnvilConfig:
    """Read the description of the local chain.

    Args:
        path: The file; default: the project's anvil.toml, and outside a project the values of the class.
        overrides: Values that replace the file's, `port=0` for instance.

    Raises:
        ConfigError: the file is missing or wrong; one line that names the key.
    """
    if path is None:
        root = toolchain.find_project_root()
        if root is None:
            return _config(overrides, "the local chain")
        path = root / "anvil.toml"
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: there is no such file; leave out --file for the usual chain") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: can't be read: {error}") from error
    except (ValueError, RecursionError) as error:  # of TOML, and of Python: numbers of very many digits, deep nesting
        raise ConfigError(f"{path}: is not valid TOML: {error}") from error
    values.update(overrides)
    state_file = values.get("state_file")
    if isinstance(state_file, str | Path):
        values["state_file"] = path.parent.resolve() / state_file
    return _config(values, str(path))


class Anvil:
    """A running Anvil, as a context manager.

        with Anvil(load_anvil_config(port=0)) as chain:
            print(chain.rpc_url)

    Args:
        config: Default: the project's anvil.toml.
        deadline: Seconds within which it must answer.
    """

    def __init__(self, config: AnvilConfig | None = None, *, deadline: float = 20.0) -> None:
        self.config = config if config is not None else load_anvil_config()
        self.deadline = deadline
        self._process: subprocess.Popen[str] | None = None
        self._port: int | None = None
        # Its output is always read, or it would stop once the pipe is full; only the end of it is kept.
        self._said: collections.deque[str] = collections.deque(maxlen=200)
        self._reader: threading.Thread | None = None
        self._listening = threading.Event()

    # --- life -----------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        """Start it, unless it runs already."""
        return self if self._process is not None else self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> Self:
        """Start it and wait until it answers.

        Raises:
            ToolMissing: there is no anvil.
            ConfigError: the port is taken.
            ChainUnavailable: it ended, or did not answer before the deadline.
        """
        if self._process is not None:
            raise ChainUnavailable("this Anvil is running already")
        config = self.config
        tool = toolchain.anvil()
        if config.port:
            _require_free(config.host, config.port)
        if config.state_file is not None:
            config.state_file.parent.mkdir(parents=True, exist_ok=True)
        self._said.clear()
        self._listening.clear()
        until = time.monotonic() + self.deadline
        # It has its own session, so that Ctrl-C in the terminal reaches this process only, which stops it in order.
        self._process = subprocess.Popen(
            [str(tool.path), *_arguments(config)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, args=(self._process,), name="anvil-output", daemon=True)
        self._reader.start()
        try:
            self._wait_until_it_answers(until)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self, patience: float = 10.0) -> None:
        """Stop it. It is asked first, so that it writes its state file, and killed after `patience` seconds."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(patience)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._reader is not None:
            self._reader.join()
            self._reader = None
        self._port = None

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait until it ends by itself. Return its exit code, or None after `timeout` seconds."""
        if self._process is None:
            return 0
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    # --- what it is -----------------------------------------------------------------------------------------

    @property
    def pid(self) -> int:
        """The process id. Raises: ChainUnavailable if it does not run."""
        return self._running().pid

    @property
    def port(self) -> int:
        """The port it listens on. Raises: ChainUnavailable if it does not run."""
        self._running()
        if self._port is None:
            raise ChainUnavailable("Anvil does not listen yet")
        return self._port

    @property
    def rpc_url(self) -> str:
        """The URL of its RPC endpoint. Raises: ChainUnavailable if it does not run."""
        host = f"[{self.config.host}]" if ":" in self.config.host else self.config.host
        return f"http://{host}:{self.port}"

    @property
    def chain_id(self) -> int:
        """The configured chain id, which `start` has compared with its answer."""
        return self.config.chain_id

    @functools.cached_property
    def accounts(self) -> tuple[DevAccount, ...]:
        """The funded accounts, derived from the mnemonic."""
        return derive_accounts(self.config.mnemonic, self.config.accounts)

    @property
    def output(self) -> str:
        """The end of its output."""
        return "\n".join(self._said)

    def rpc(self, method: str, *params: Any, timeout: float = 10.0) -> Any:
        """Make one JSON-RPC call, for Anvil's own methods such as evm_setNextBlockTimestamp.

        Raises:
            ChainUnavailable: no answer, or an error as the answer.
        """
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        try:
            asked = http.ask("POST", self.rpc_url, timeout_s=timeout, max_body=_MAX_ANSWER, json=body)
            answer = http.run(asked).json()
        except (aiohttp.ClientError, OSError) as error:
            raise ChainUnavailable(f"{self.rpc_url} does not answer {method}: {http.reason(error)}") from error
        except (http.BodyTooLarge, ValueError) as error:
            raise ChainUnavailable(f"{self.rpc_url} does not answer {method} with JSON: {error}") from error
        if not isinstance(answer, dict) or "result" not in answer:
            detail = answer.get("error") if isinstance(answer, dict) else answer
            said = detail.get("message") if isinstance(detail, dict) else detail
            raise ChainUnavailable(f"{self.rpc_url} refuses {method}: {said}")
        return answer["result"]

    def snapshot(self) -> str:
        """Note the chain's state, for `revert`."""
        return str(self.rpc("evm_snapshot"))

    def revert(self, snapshot: str) -> None:
        """Set the chain back to a state that `snapshot` noted.

        A transaction leaves Anvil's pool shortly after its receipt can be had. If the chain is set back between the
        two, the pool forgets the next transaction of the same account. So this waits until nothing is in the pool;
        what stays there, because blocks are not mined at once, is left alone.

        Raises:
            ChainUnavailable: There is no such state, or no answer.
        """
        begun = time.monotonic()
        while self.rpc("txpool_status")["pending"] != "0x0":
            waited = time.monotonic() - begun
            if waited > _SETTLED_S and (waited > _SETTLED_LATE_S or not self.rpc("anvil_getAutomine")):
                break
            time.sleep(0.01)
        if not self.rpc("evm_revert", snapshot):
            raise ChainUnavailable(f"the chain has no snapshot {snapshot}")

    # --- details --------------------------------------------------------------------------------------------

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            raise ChainUnavailable("Anvil does not run: call start(), or use it as a context manager")
        return self._process

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                self._said.append(line.rstrip())
                if not self._listening.is_set() and line.startswith("Listening on "):
                    with contextlib.suppress(ValueError):
                        self._port = int(line.rsplit(":", 1)[1])
                    self._listening.set()
        self._listening.set()  # it ended: nobody needs to wait any longer

    def _wait_until_it_answers(self, until: float) -> None:
        self._listening.wait(max(0.0, until - time.monotonic()))
        last = "it never said that it listens"
        while (left := until - time.monotonic()) > 0:
            if self._port is None or self._running().poll() is not None:
                break
            try:
                answered = int(self.rpc("eth_chainId", timeout=left), 16)
            except (ChainUnavailable, TypeError, ValueError) as error:
                last = str(error)
                time.sleep(0.02)
                continue
            if answered != self.config.chain_id:
                raise ChainUnavailable(f"{self.rpc_url} serves chain {answered}, not {self.config.chain_id}")
            return
        code = self._running().poll()
        if code is None and self._port is None and self._listening.is_set():
            code = self._running().wait()  # its output ended: so does it
        said = " | ".join(line for line in list(self._said)[-6:] if line.strip()) or "nothing"
        if code is not None:
            raise ChainUnavailable(f"anvil ended at once (exit code {code}); it said: {said}")
        raise ChainUnavailable(f"anvil did not answer within {self.deadline:g} s ({last}); it said: {said}")


def derive_accounts(mnemonic: str, count: int) -> tuple[DevAccount, ...]:
    """Return the first `count` accounts of a mnemonic, on Ethereum's usual derivation path.

    Raises:
        ConfigError: the mnemonic is not valid.
    """
    account = account_class()
    account.enable_unaudited_hdwallet_features()
    try:
        found = [account.from_mnemonic(mnemonic, account_path=_DERIVATION_PATH.format(i)) for i in range(count)]
    except Exception as error:  # eth_account raises its own, and eth_utils', undocumented ones
        raise ConfigError(f"mnemonic: {error}") from error
    return tuple(DevAccount(each.address, to_hex(bytes(each.key))) for each in found)


def _arguments(config: AnvilConfig) -> list[str]:
    arguments = {
        "--host": config.host,
        "--port": config.port,
        "--chain-id": config.chain_id,
        "--hardfork": config.hardfork,
        "--accounts": config.accounts,
        "--mnemonic": config.mnemonic,
        "--balance": config.balance,
        "--gas-limit": config.gas_limit,
        "--block-time": config.block_time or None,
        "--timestamp": config.start_time,
        "--state": config.state_file,
        "--color": "never",
    }
    return [text for key, value in arguments.items() if value is not None for text in (key, str(value))]


def _config(values: dict[str, Any], where: str) -> AnvilConfig:
    try:
        return AnvilConfig(**values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        if first["type"] == "extra_forbidden":
            near = difflib.get_close_matches(key, AnvilConfig.model_fields, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(AnvilConfig.model_fields)}"
            raise ConfigError(f"{where}: unknown key {key!r}; {hint}{more}") from error
        message = first["msg"].removeprefix("Value error, ")
        if not key:
            raise ConfigError(f"{where}: {message}{more}") from error
        shown = "" if key == "mnemonic" else f" (it is {first['input']!r})"
        raise ConfigError(f"{where}: {key}: {message}{shown}{more}") from error


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _require_free(host: str, port: int) -> None:
    """Raise ConfigError if something listens there, or the address is not this machine's."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family) as probe:
            # As servers do: a port that only waits for the end of old connections counts as free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        raise ConfigError(
            f"port {port} on {host} can't be used ({error.strerror}): stop what listens there, "
            "or choose another port (0: any free one)"
        ) from error
