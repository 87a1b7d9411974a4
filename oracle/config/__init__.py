"""The one configuration: a TOML file to one frozen `Config`. Nothing is read before `load` is called.

Every mistake is reported in one line: the file, the path of the key, what is wrong, and what would be right.
Relative paths are meant from the configuration file's folder. `${NAME}` stands for an environment variable,
in URLs and in header values only, so that keys of paid services need not be written down.
"""

from __future__ import annotations

import datetime as dt
import difflib
import ipaddress
import os
import re
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from oracle.core.errors import ConfigError
from oracle.core.privacy import refused_word
from oracle.core.types import Kind

__all__ = [
    "ChainConfig",
    "Config",
    "DeployConfig",
    "ExchangeSourceConfig",
    "FeedConfig",
    "HttpSourceConfig",
    "JournalConfig",
    "KeyConfig",
    "KeysConfig",
    "LiveSourceConfig",
    "OnchainSourceConfig",
    "PackagedSourceConfig",
    "ProverConfig",
    "PushConfig",
    "PushSourceConfig",
    "ReplaySourceConfig",
    "SourceConfig",
    "TrainingConfig",
    "WebConfig",
    "load",
    "load_training",
]

UINT32_MAX = 2**32 - 1
MAX_REPORTERS = 31
MAX_SKEW = 3_600
MAX_MOVE = 32_766
MAX_DESCRIPTION_BYTES = 64
MAX_CIRCUITS = 8
MAX_BATCH = 64
SECONDS_A_DAY = 86_400
MAX_AGE = 90 * SECONDS_A_DAY
MAX_CONFIRM_DELAY = 7 * SECONDS_A_DAY
"""The contract's bounds: on reporters, on clocks, on what is compared with a clipped move, on a feed's description, on
a model's circuits and their batches, and on two waits."""

_FIAT = {
    "USD": 840, "GBP": 826, "EUR": 978, "JPY": 392, "KRW": 410, "CNY": 156, "AUD": 36, "CAD": 124, "CHF": 756,
    "ARS": 32, "PHP": 608, "NZD": 554, "SGD": 702, "NGN": 566, "ZAR": 710, "RUB": 643, "INR": 356, "BRL": 986,
}  # fmt: skip
DENOMINATIONS: Mapping[str, str] = {
    "ETH": "0xEeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE",
    "BTC": "0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB",
    **{name: f"0x{number:040x}" for name, number in _FIAT.items()},
}
"""Assets without a contract, as Chainlink's registry names them: two placeholders, and ISO 4217's numbers."""

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SOURCE_TYPES = frozenset({"http", "exchange", "onchain", "push", "replay", "packaged"})
_URL_KEYS = frozenset({"url", "rpc_url", "rpc_urls", "ws_url"})
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}\Z")


def _wrong(message: str) -> PydanticCustomError:
    # The message is given as a value: braces in it, for instance of "${NAME}", are not placeholders.
    return PydanticCustomError("wrong", "{message}", {"message": message})


def _path(value: object, info: ValidationInfo) -> object:
    if isinstance(value, Path):
        return value
    if not isinstance(value, str) or not value:
        raise _wrong("must be a path: a string that is not empty")
    base: Path | None = (info.context or {}).get("base")
    path = Path(value).expanduser()
    return path if base is None else base / path


def _decimal(value: object) -> object:
    # TOML floats arrive as Decimal (see `load`); a bool is an int to Python, but no number here.
    return Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _duration(value: object) -> object:
    if not isinstance(value, (int, Decimal)) or isinstance(value, bool):
        return value
    try:
        return float(value)
    except OverflowError:
        raise _wrong("is a number beyond any duration") from None


def _date(value: object) -> object:
    if isinstance(value, str):
        try:
            return dt.date.fromisoformat(value)
        except ValueError:
            raise _wrong(f"{value!r} is no date; write it as 2008-09-15") from None
    if isinstance(value, dt.datetime):
        raise _wrong("is a date with a time; write the date only, as 2008-09-15")
    return value


def _address(value: str) -> str:
    if not _ADDRESS.match(value):
        digits = value.removeprefix("0x")
        hexadecimal = re.fullmatch(r"[0-9a-fA-F]*", digits) is not None
        problem = f"has {len(digits)} digits" if hexadecimal else "has characters that are no digits"
        if not value.startswith("0x"):
            problem += " and no 0x in front"
        raise _wrong(f"{value!r} is no address: it {problem}; an address is 0x and 40 hexadecimal digits")
    if int(value, 16) == 0:
        raise _wrong("is the zero address, which nobody controls")
    from eth_utils.address import to_checksum_address

    checksummed = to_checksum_address(value.lower())
    body = value[2:]
    if body not in (body.lower(), body.upper()) and value != checksummed:
        raise _wrong(f"{value!r} fails its checksum: a character is mistyped; copy it again from its source")
    return str(checksummed)


def _description(text: str) -> str:
    if len(text.encode()) > MAX_DESCRIPTION_BYTES:
        raise _wrong(f"takes {len(text.encode())} bytes, but the contract allows {MAX_DESCRIPTION_BYTES}")
    return text


def _asset(value: str) -> str:
    if not value.startswith("0x") and value not in DENOMINATIONS:
        raise _wrong(f"{value!r} is neither an address nor one of {', '.join(DENOMINATIONS)}")
    return _address(DENOMINATIONS.get(value, value))


def _base_and_quote(pair: tuple[str, ...]) -> tuple[str, ...]:
    if len(pair) != 2 or pair[0] == pair[1]:
        raise _wrong('must be two different assets, base and quote, as ["ETH", "USD"]')
    return pair


def _at_most(most: int) -> AfterValidator:
    """A number of seconds that the contract bounds by whole days."""

    def check(seconds: int) -> int:
        if seconds > most:
            raise _wrong(f"is {seconds} seconds, but the contract allows {most} at most ({most // SECONDS_A_DAY} days)")
        return seconds

    return AfterValidator(check)


def _can_thaw(confirmations: int) -> int:
    if confirmations < 1:
        raise _wrong("must be at least 1: without a confirmation, an answer that is held could stay so for ever")
    return confirmations


def _url(value: str) -> str:
    # The address may hold credentials: no message repeats more of it than scheme and host.
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise _wrong("is no valid URL; write it as https://host/path") from None
    if parts.scheme not in ("http", "https") or not host or any(character.isspace() for character in value):
        raise _wrong("is no valid URL; write it as https://host/path")
    return value


def _ws_url(value: str) -> str:
    if not value.startswith(("ws://", "wss://")):
        raise _wrong("is no websocket URL; write it as wss://host/path")
    try:
        _url(f"http{value.removeprefix('ws')}")
    except PydanticCustomError:
        raise _wrong("is no valid URL; write it as wss://host/path") from None
    return value


LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def _signer_url(value: str) -> str:
    parts = urlsplit(_url(value))
    if parts.scheme != "https" and parts.hostname not in LOOPBACK:
        raise _wrong("needs https: whoever is between could have other things signed; http is for this machine only")
    if parts.query or parts.fragment:
        raise _wrong("is a base URL: without a query; write it as https://host:9000")
    return value


def _postgres_url(value: str) -> str:
    # No message repeats it: it may hold a password.
    example = "write it as postgresql://user@host:5432/database"
    try:
        parts = urlsplit(value)
        _ = parts.hostname, parts.port
    except ValueError:
        raise _wrong(f"is no valid URL; {example}") from None
    if parts.scheme not in ("postgresql", "postgres", "postgresql+psycopg") or not parts.path.strip("/"):
        raise _wrong(f"is no PostgreSQL database; {example}")
    if parts.password is not None or "password" in parts.query.lower():
        raise _wrong("has a password in it: name a file in 'password_file', or a variable in 'password_env'")
    return value.replace("postgres://", "postgresql://", 1)


def _json_path(value: str) -> str:
    import jsonpath

    try:
        jsonpath.compile(value, strict=True)
    except jsonpath.JSONPathError as error:
        # Its text is a drawing of several lines, which fails for an empty path.
        raise _wrong(f"{value!r} is no JSONPath ({error.args[0]}); write it as $.data.price") from None
    return value


def _visibility(value: object) -> object:
    problem = refused_word(value) if isinstance(value, str) else None
    if problem is not None:
        raise _wrong(problem)
    return value


ConfigPath = Annotated[Path, BeforeValidator(_path)]
DecimalNumber = Annotated[Decimal, BeforeValidator(_decimal)]
Seconds = Annotated[float, BeforeValidator(_duration), Field(gt=0, le=86_400 * 365, allow_inf_nan=False)]
WholeSeconds = Annotated[int, Field(ge=1, le=UINT32_MAX)]
Day = Annotated[dt.date, BeforeValidator(_date)]
Address = Annotated[str, AfterValidator(_address)]
Asset = Annotated[str, AfterValidator(_asset)]
UrlText = Annotated[str, AfterValidator(_url)]
Url = Annotated[UrlText, Field(repr=False)]
WsUrl = Annotated[str, AfterValidator(_ws_url)]
JsonPath = Annotated[str, AfterValidator(_json_path)]
Speed = Annotated[DecimalNumber, Field(gt=0)] | Literal["max"]


class _Section(BaseModel):
    """Base of all sections: frozen, no unknown keys, no conversions between types."""

    # Input is hidden because it may be a secret; what is not is quoted by the validators above.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: object) -> object:
        if isinstance(data, Mapping):
            known = [field.alias or name for name, field in cls.model_fields.items()]
            for key in data:
                if key not in known:
                    near = difflib.get_close_matches(str(key), known, n=1)
                    hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"
                    context = {"message": f"unknown key; {hint}", "key": key}
                    raise PydanticCustomError("unknown_key", "{message}", context)
        return data


class EndpointsConfig(_Section):
    """A chain's RPC endpoints.

    Attributes:
        rpc_url: The endpoint.
        rpc_urls: Several of them, in order of preference, in its place.
        agreement: How many have to say the same of what decides: feeds, receipts, nonces.
        max_head_lag: Blocks that one may be behind the others.
        fail_back_after_s: Seconds that a preferred one has to be well again before it is asked again.
        chain_id: Of all of them; one that serves another chain is not asked.
    """

    rpc_url: UrlText | None = Field(None, repr=False)
    rpc_urls: tuple[UrlText, ...] = Field((), max_length=16, repr=False)
    agreement: Annotated[int, Field(ge=1, le=16)] = 1
    max_head_lag: Annotated[int, Field(ge=0, le=10_000)] = 3
    fail_back_after_s: Seconds = 60.0
    chain_id: Annotated[int, Field(ge=1, lt=2**63)]

    @property
    def endpoints(self) -> tuple[str, ...]:
        """All RPC endpoints, in order of preference."""
        return self.rpc_urls or ((self.rpc_url,) if self.rpc_url is not None else ())

    @model_validator(mode="after")
    def _enough(self) -> Self:
        if (self.rpc_url is None) != bool(self.rpc_urls):
            raise _wrong("needs either 'rpc_url', or several endpoints in 'rpc_urls'")
        if len(set(self.rpc_urls)) != len(self.rpc_urls):
            raise _wrong("'rpc_urls' has an endpoint twice: it would agree with itself")
        if self.agreement > len(self.endpoints):
            raise _wrong(f"'agreement' of {self.agreement} needs as many endpoints in 'rpc_urls'")
        return self


class ChainConfig(EndpointsConfig):
    """The chain that is reported to.

    Attributes:
        ws_url: A websocket that tells of new blocks. None: the chain is asked at intervals.
        rpc_timeout_s: Seconds for one request to one endpoint.
        deployment: The deployment file that `oracle deploy` writes and everything else reads.
        confirmations: Blocks, the transaction's own included, after which it is taken as final.
        tx_deadline_s: Seconds to wait for a transaction.
        replace_after_s: Seconds until a transaction that is not mined is replaced by one that pays more.
        max_fee_gwei: What a unit of gas may cost; nothing is sent while it costs more.
        max_priority_fee_gwei: What of it may go to whoever builds the block.
        max_tx_cost_ether: What one transaction may cost. None: what its gas costs at `max_fee_gwei`.
    """

    ws_url: WsUrl | None = Field(None, repr=False)
    rpc_timeout_s: Seconds = 15.0
    deployment: ConfigPath
    confirmations: Annotated[int, Field(ge=1, le=1_000)] = 1
    tx_deadline_s: Seconds = 120.0
    replace_after_s: Seconds = 45.0
    max_fee_gwei: Annotated[DecimalNumber, Field(gt=0, le=10**9)] = Decimal(1_000)
    max_priority_fee_gwei: Annotated[DecimalNumber, Field(gt=0, le=10**9)] = Decimal(50)
    max_tx_cost_ether: Annotated[DecimalNumber, Field(gt=0, le=10**9)] | None = None


class KeyConfig(_Section):
    """One signing key: an encrypted keystore and where its password is, a signer elsewhere, or a local chain's key.

    Attributes:
        password_file: Whose first line is the password.
        password_env: Environment variable that holds it.
        password_env_file: Environment variable that names a file, as a service manager's credentials do.
        password_keyring: Service name in the system's credential store; the user name is the key's address.
        password_prompt: Ask for it at the start.
        remote: URL of a Web3Signer-compatible service that has the key.
        address: Of the key there.
        timeout_s: Seconds that it may take for a signature.
    """

    PASSWORDS: ClassVar[tuple[str, ...]] = (
        "password_file", "password_env", "password_env_file", "password_keyring", "password_prompt",
    )  # fmt: skip

    keystore: ConfigPath | None = None
    password_file: ConfigPath | None = None
    password_env: Annotated[str, Field(min_length=1)] | None = None
    password_env_file: Annotated[str, Field(min_length=1)] | None = None
    password_keyring: Annotated[str, Field(min_length=1)] | None = None
    password_prompt: bool = False
    remote: Annotated[str, AfterValidator(_signer_url)] | None = Field(None, repr=False)
    address: Address | None = None
    timeout_s: Seconds = 10.0
    anvil_account: Annotated[int, Field(ge=0, le=99)] | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        passwords = sum(bool(getattr(self, name)) for name in self.PASSWORDS)
        kinds = sum(each is not None for each in (self.keystore, self.anvil_account, self.remote))
        if kinds != 1:
            raise _wrong("needs exactly one of 'keystore' and 'anvil_account' (local chains only) and 'remote'")
        if self.keystore is not None and passwords != 1:
            *others, last = (f"'{name}'" for name in self.PASSWORDS)
            raise _wrong(f"a keystore needs exactly one of {', '.join(others)} and {last}")
        if self.keystore is None and passwords:
            raise _wrong(f"'{'remote' if self.anvil_account is None else 'anvil_account'}' takes no password")
        if (self.remote is None) != (self.address is None):
            raise _wrong("'remote' and 'address' go together: the signer's URL, and the address of the key that it has")
        return self


class KeysConfig(_Section):
    """The keys: `reporter` signs observations, `submitter` pays for transactions, `deployer` owns the hub.

    The submitter is the reporter's key, and the deployer the submitter's, unless they are given. `shadow` pays for
    shadow reports of proposed models; without it there are none. It is another account than the submitter's: what is
    stuck in it holds up no report, and what it has is all that they can cost.
    """

    reporter: KeyConfig
    submitter: KeyConfig
    deployer: KeyConfig
    shadow: KeyConfig | None = None

    @model_validator(mode="before")
    @classmethod
    def _defaults(cls, data: object) -> object:
        if isinstance(data, Mapping) and "reporter" in data:
            submitter = data.get("submitter", data["reporter"])
            return {"submitter": submitter, "deployer": data.get("deployer", submitter), **data}
        return data

    @model_validator(mode="after")
    def _shadows_pay_for_themselves(self) -> Self:
        if self.shadow == self.submitter:
            raise _wrong("'shadow' is the submitter's key: a shadow that is stuck would hold up reports; make another")
        return self


def _batches(sizes: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(sizes)) != len(sizes):
        raise _wrong("has a batch size twice")
    if not all(1 <= size <= MAX_BATCH for size in sizes):
        raise _wrong(f"must be of numbers from 1 to {MAX_BATCH}")
    return tuple(sorted(sizes))


BatchSizes = Annotated[tuple[int, ...], Field(min_length=1, max_length=MAX_CIRCUITS), AfterValidator(_batches)]


def _cores() -> int:
    try:
        return max(1, len(os.sched_getaffinity(0)))
    except AttributeError:  # not on macOS and Windows
        return max(1, os.cpu_count() or 1)


def _artifact_cache() -> Path:
    import platformdirs

    return platformdirs.user_cache_path("verifiable-oracle") / "artifacts"


class ProverConfig(_Section):
    """The provers.

    Attributes:
        backend: Child processes of this machine, or actors on a Ray cluster (needs the `ray` extra).
        ray_address: Of a running cluster, as `ray start` prints it; without it, one is started on this machine. Whoever
            runs the cluster sees the model's weights.
        workers: Proofs at once; each worker proves with one thread. On a cluster it reserves a core.
        memory_mb: MiB that one worker may take. A job that takes more is ended, and fails for good; a cluster reserves
            as much for each worker.
        queue: Jobs that may wait for a worker.
        proof_cache: Folder of proofs that were made. None is needed for the daemon, whose journal has them.
        deadline_s: Seconds that a proof may take.
        artifacts: Folder of circuits, keys and verifiers, built once and found again by their hash.
        disclosure: What a proof publishes of the scores: the exact values, or only which side of the gate.
        visibility: Whether the model's weights are hidden (hashed in the circuit) or in the verifying key.
        srs: Where the structured reference string comes from. Whoever made a local one can forge proofs: it
            is for local chains only.
        model: A model file, as `oracle detector train` writes it. Default: the trained model of the package.
        batch_sizes: Feeds that one proof can be of: `oracle deploy` builds a circuit for each, all of one model, and
            the hub takes the smallest that a submission fits.
        batch_window_ms: How long a report waits for others to share its proof with, where there is a circuit for
            several. It waits less if its observation would become too old.
        shadow_wait_ms: How long a report, proven, waits at most for its shadow to go ahead, while a proposed model
            demands some: the hub takes none after its report.
    """

    backend: Literal["local", "ray"] = "local"
    ray_address: Annotated[str, Field(min_length=1)] | None = None
    workers: Annotated[int, Field(ge=1, le=1_024)] = Field(default_factory=_cores)
    memory_mb: Annotated[int, Field(ge=64)] | None = None
    queue: Annotated[int, Field(ge=0, le=1_000_000)] = 64
    proof_cache: ConfigPath | None = None
    deadline_s: Seconds = 60.0
    artifacts: ConfigPath = Field(default_factory=_artifact_cache)
    disclosure: Literal["score", "verdict"] = "score"
    visibility: Annotated[Literal["private", "public"], BeforeValidator(_visibility)] = "private"
    srs: Literal["public-ceremony", "insecure-local"] = "public-ceremony"
    model: ConfigPath | None = None
    batch_sizes: BatchSizes = (1,)
    batch_window_ms: Annotated[int, Field(ge=0, le=60_000)] = 250
    shadow_wait_ms: Annotated[int, Field(ge=0, le=60_000)] = 2_000

    @model_validator(mode="after")
    def _address_of_a_cluster(self) -> Self:
        if self.ray_address is not None and self.backend != "ray":
            raise _wrong("'ray_address' is for backend = \"ray\"; this one proves on this machine")
        return self


class JournalConfig(_Section):
    """The journal of observations, from which a restarted daemon goes on.

    Attributes:
        path: SQLite's file.
        url: A PostgreSQL database, in its place; without a password.
        password_file: Whose first line is the database's password.
        password_env: Environment variable that holds it. Without either, libpq looks for one by itself.
        standby: If another daemon leads, wait, and take over when it ends. Otherwise that is an error.
        lease_s: Seconds without a sign of life after which a leader may be replaced.
        keep_days: Days for which everything is kept of an observation that has ended; None: for ever.
    """

    path: ConfigPath | None = None
    url: Annotated[str, AfterValidator(_postgres_url)] | None = Field(None, repr=False)
    password_file: ConfigPath | None = None
    password_env: Annotated[str, Field(min_length=1)] | None = None
    standby: bool = False
    lease_s: Annotated[Seconds, Field(ge=1, le=600)] = 6.0
    keep_days: Annotated[int, Field(ge=1, le=36_500)] | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.path is None) == (self.url is None):
            raise _wrong("needs exactly one of 'path' (SQLite) and 'url' (PostgreSQL)")
        passwords = (self.password_file is not None) + (self.password_env is not None)
        if passwords and self.url is None:
            raise _wrong("a password is PostgreSQL's only: SQLite's file has none")
        if passwords > 1:
            raise _wrong("needs one of 'password_file' and 'password_env', not both")
        return self


def _journal(value: object) -> object:
    if not isinstance(value, str):
        return value
    return {"url" if "://" in value else "path": value}


class DeployConfig(_Section):
    """What `oracle deploy` needs beyond the feeds.

    Attributes:
        change_delay: Seconds between the proposal of a change and its taking effect.
        guardian: May pause and roll back, never set a value. Default: the deployer.
        admin: Owns the hub. Default: the deployer.
    """

    change_delay: Annotated[int, Field(ge=0, le=UINT32_MAX)] = 172_800
    guardian: Address | None = None
    admin: Address | None = None


def _address_to_listen_on(value: str) -> str:
    host, colon, port = value.rpartition(":")
    if not colon or not host.strip("[]") or not port.isdecimal() or int(port) > 65_535:
        raise _wrong(f"{value!r} is no address to listen on; write it as 127.0.0.1:9464 (port 0: any free one)")
    return value


class WebConfig(_Section):
    """What the daemon shows to the outside: `/metrics`, `/healthz` and `/readyz`.

    Attributes:
        listen: Host and port. None: nothing is served. There is no authentication: bind it to an address that only
            your monitoring reaches.
        interval: Seconds between two looks at the chain's head, the payer's balance and the feeds' state.
        max_head_age: Seconds that the chain's latest block may be old for the oracle to count as ready. None: any
            age, as of a local chain, whose blocks come with transactions.
        min_reports: Submissions that the payer must be able to pay for; below it, there is a warning too.
    """

    listen: Annotated[str, AfterValidator(_address_to_listen_on)] | None = None
    interval: Seconds = 15.0
    max_head_age: Seconds | None = None
    min_reports: Annotated[int, Field(ge=1)] = 20

    @property
    def address(self) -> tuple[str, int] | None:
        """`listen`, taken apart."""
        return _host_and_port(self.listen)


def _host_and_port(listen: str | None) -> tuple[str, int] | None:
    if listen is None:
        return None
    host, _, port = listen.rpartition(":")
    return host.strip("[]"), int(port)


class PushConfig(_Section):
    """Where values are pushed to: `POST /push/FEED/SOURCE`, for sources of the type "push".

    Attributes:
        listen: Host and port, another than that of `[web]`. None: nothing can be pushed.
        tls_certificate: PEM file, with the chain. Read again at SIGHUP.
        tls_key: PEM file of its key, not encrypted, and not readable by everybody.
        behind_proxy: Listen where others than this machine reach it, without TLS: a proxy in front has it.
        max_body: Bytes that a push may have.
        max_connections: At once; further ones are refused.
    """

    listen: Annotated[str, AfterValidator(_address_to_listen_on)] | None = None
    tls_certificate: ConfigPath | None = None
    tls_key: ConfigPath | None = None
    behind_proxy: bool = False
    max_body: Annotated[int, Field(ge=64, le=1 << 20)] = 4_096
    max_connections: Annotated[int, Field(ge=1, le=10_000)] = 64

    @model_validator(mode="after")
    def _private(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise _wrong("'tls_certificate' and 'tls_key' go together")
        if self.listen is not None and not (self.is_local or self.has_tls or self.behind_proxy):
            raise _wrong(
                f"others than this machine reach {self.listen}, and pushes would be read on their way: give it "
                "'tls_certificate' and 'tls_key', or, if a proxy in front has TLS, say 'behind_proxy = true'"
            )
        return self

    @property
    def has_tls(self) -> bool:
        """Whether what is pushed is encrypted on its way."""
        return self.tls_certificate is not None

    @property
    def address(self) -> tuple[str, int] | None:
        """`listen`, taken apart."""
        return _host_and_port(self.listen)

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches it."""
        host = self.address[0] if self.address is not None else ""
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"


class _ValueConfig(_Section):
    """What is believed of a value that comes from outside.

    Attributes:
        name: For messages; distinct among a feed's sources. Default: the feed's name and a number.
        min: Smallest value to believe. A relative feed believes only values above zero in any case.
        max: Largest value to believe.
        max_age: Seconds that the observation's time may lie in the past.
    """

    type: str
    name: Annotated[str, Field(min_length=1, max_length=60)] | None = None
    min: DecimalNumber | None = None
    max: DecimalNumber | None = None
    max_age: Seconds | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise _wrong(f"'min' ({self.min}) is above 'max' ({self.max})")
        return self


class LiveSourceConfig(_ValueConfig):
    """A source that is asked, and may fail to answer.

    Attributes:
        timeout: Seconds for one reading, all attempts included.
        attempts: How often a reading is tried.
        max_per_minute: Requests a minute; None: as many as `poll_interval` and `attempts` make.
        suspend_after: Readings that fail in a row until the source is left alone for a while.
        suspend_for: Seconds that it is left alone before it is asked once more.
    """

    timeout: Seconds = 5.0
    attempts: Annotated[int, Field(ge=1, le=10)] = 2
    max_per_minute: Annotated[int, Field(ge=1, le=60_000)] | None = None
    suspend_after: Annotated[int, Field(ge=1, le=1_000)] = 5
    suspend_for: Seconds = 60.0


class HttpSourceConfig(LiveSourceConfig):
    """A JSON document on the web.

    Attributes:
        path: JSONPath (RFC 9535) of the value; it must match exactly one number.
        headers: Sent with each request.
        timestamp_path: JSONPath of the observation's time; without it, the time of the request counts.
        timestamp_unit: How that time is written.
        allow_string: Accept a plain decimal number in a JSON string, as many exchanges send it.
    """

    type: Literal["http"]
    url: Url
    path: JsonPath
    headers: Annotated[dict[str, str], Field(repr=False)] = Field(default_factory=dict)
    timestamp_path: JsonPath | None = None
    timestamp_unit: Literal["s", "ms", "iso"] = "s"
    allow_string: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.max_age is not None and self.timestamp_path is None:
            raise _wrong("'max_age' needs 'timestamp_path': without it there is no time to judge")
        return self


class ExchangeSourceConfig(LiveSourceConfig):
    """A ticker of an exchange, through `ccxt` (needs the extra `exchanges`).

    Attributes:
        exchange: As ccxt calls it: "kraken", "coinbase", "bitstamp".
        symbol: As ccxt writes it: "ETH/USD".
        what: The latest price, the middle of best bid and best ask, or the volume-weighted average of a day.
        max_age: As of the other sources, by the exchange's own time; not every exchange gives one.
    """

    type: Literal["exchange"]
    exchange: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,40}$")]
    symbol: Annotated[str, Field(min_length=3, max_length=60)]
    what: Literal["last", "mid", "vwap"] = "last"
    timeout: Seconds = 10.0


class OnchainSourceConfig(LiveSourceConfig, EndpointsConfig):
    """A feed of another oracle with Chainlink's interface, on a chain with endpoints of its own.

    Attributes:
        address: Of the feed: Chainlink's proxy, or whatever has `latestRoundData` and `decimals`.
        max_age: Seconds since that oracle updated it; needed, because a feed that stands still looks like any other.
    """

    type: Literal["onchain"]
    address: Address
    max_age: Seconds
    timeout: Seconds = 10.0


class PushSourceConfig(_ValueConfig):
    """A source that sends its values itself, to `POST /push/FEED/NAME`.

    Attributes:
        key_file: File with the secret that pushes are signed with (HMAC-SHA256); readable by its owner only.
        token_file: File with a bearer token instead, which is sent with each push: with TLS, or to a local address.
        max_age: Seconds after which a value is no longer taken for the present one.
        window: Seconds that a signature's time may be off from this machine's clock.
        max_per_minute: Pushes that are taken.
    """

    type: Literal["push"]
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
    key_file: ConfigPath | None = None
    token_file: ConfigPath | None = None
    max_age: Seconds
    window: Annotated[int, Field(ge=1, le=3_600)] = 30
    max_per_minute: Annotated[int, Field(ge=1, le=60_000)] = 600

    @model_validator(mode="after")
    def _one_secret(self) -> Self:
        if (self.key_file is None) == (self.token_file is None):
            raise _wrong("needs exactly one of 'key_file' (signed pushes) and 'token_file'")
        return self


class ReplaySourceConfig(_Section):
    """A recorded series in a CSV file.

    Attributes:
        time_column: Unix seconds, or ISO 8601 dates or times (UTC unless they say otherwise).
        speed: Recorded seconds per real second; "max": one row at each read.
        timestamps: "recorded" keeps the recorded times, for a chain that is at recorded time; "now" moves
            them so that the first row is observed when the replay starts.
    """

    type: Literal["replay"]
    name: Annotated[str, Field(min_length=1, max_length=60)] | None = None
    file: ConfigPath
    value_column: str = "value"
    time_column: str = "time"
    speed: Speed = Decimal(1)
    timestamps: Literal["recorded", "now"] = "recorded"

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.speed == "max" and self.timestamps == "now":
            raise _wrong("timestamps = 'now' needs a numeric 'speed', from which the times follow")
        return self


class PackagedSourceConfig(_Section):
    """A recorded series that the installed `arch` package carries (daily; one reading at 21:00 UTC).

    Attributes:
        start: First day.
        end: Last day.
        speed: As for a replay.
        timestamps: As for a replay.
    """

    type: Literal["packaged"]
    name: Annotated[str, Field(min_length=1, max_length=60)] | None = None
    series: Literal["sp500", "nasdaq", "wti", "vix"]
    start: Day | None = None
    end: Day | None = None
    speed: Speed = Decimal(1)
    timestamps: Literal["recorded", "now"] = "recorded"

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.start is not None and self.end is not None and self.start > self.end:
            raise _wrong(f"'start' ({self.start}) is after 'end' ({self.end})")
        if self.speed == "max" and self.timestamps == "now":
            raise _wrong("timestamps = 'now' needs a numeric 'speed', from which the times follow")
        return self


SourceConfig = Annotated[
    HttpSourceConfig
    | ExchangeSourceConfig
    | OnchainSourceConfig
    | PushSourceConfig
    | ReplaySourceConfig
    | PackagedSourceConfig,
    Field(discriminator="type"),
]


class FeedConfig(_Section):
    """One feed: what is fixed in the contract, and how this machine observes it.

    The contract's part: `description` (the feed's id is its hash), `kind`, `decimals`, `sigma`, `heartbeat`,
    `max_age`, `max_skew`, `quorum`, `reporters`, `confirmations`, `confirm_delay`, `max_repeats`, `tolerance`,
    `max_spread`.

    Attributes:
        name: The feed's name here: in the journal, in messages.
        kind: "relative": moves count in proportion, answers are above zero; "absolute": in the feed's units.
        sigma: One standard deviation of a move over one heartbeat: ppm (relative) or answer units (absolute).
        heartbeat: Seconds within which a report is due.
        deviation_ppm: Move that makes a report due at once, ppm (relative feeds).
        deviation: The same in answer units (absolute feeds).
        max_age: Seconds that an observation may be old when it is submitted, 90 days at most. Default: the
            heartbeat, or 90 days if that is less.
        max_skew: Seconds that an observation may be ahead of the block's time.
        quorum: Signed observations that a round needs.
        reporters: Addresses that may sign. Empty: the reporter key's own.
        confirmations: Further reports near a held answer that accept it; at least 1, or the feed could freeze.
        confirm_delay: Seconds that these must span, 7 days at most. Default: the heartbeat, or 7 days if that is less.
        max_repeats: Reports in a row that may repeat the last answer exactly; one more is held until a report
            differs. 0: any number.
        tolerance: How near "near" is, in thousandths of sigma.
        max_spread: Largest move between two reporters of a round, in thousandths of sigma; 0: unbounded.
        strict_adapter: Also deploy the adapter that reverts when the feed is held, stale or paused.
        pair: Base and quote under which a registry lists the feed: addresses, or names of Chainlink's denominations
            ("ETH", "BTC", "USD", …). Default: it is in no registry.
        min_sources: Live sources that a value needs. Default: 2. A feed of one source has to say 1 itself.
        max_source_spread_ppm: How far a source may be from the median, in ppm of it (relative feeds).
        max_source_spread: The same in the feed's own units, as a decimal (absolute feeds).
        poll_interval: Seconds between two readings of the sources.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
    description: Annotated[str, Field(min_length=1), AfterValidator(_description)]
    kind: Literal["relative", "absolute"]
    decimals: Annotated[int, Field(ge=0, le=18)]
    sigma: Annotated[int, Field(ge=1, lt=2**64)]
    heartbeat: WholeSeconds
    deviation_ppm: Annotated[int, Field(ge=1)] | None = None
    deviation: Annotated[int, Field(ge=1)] | None = None
    max_age: Annotated[WholeSeconds, _at_most(MAX_AGE)]
    max_skew: Annotated[int, Field(ge=0, le=MAX_SKEW)] = 60
    quorum: Annotated[int, Field(ge=1, le=MAX_REPORTERS)] = 1
    reporters: Annotated[tuple[Address, ...], Field(max_length=MAX_REPORTERS)] = ()
    confirmations: Annotated[int, Field(le=255), AfterValidator(_can_thaw)] = 3
    confirm_delay: Annotated[int, Field(ge=0, le=UINT32_MAX), _at_most(MAX_CONFIRM_DELAY)]
    max_repeats: Annotated[int, Field(ge=0, le=255)] = 0
    tolerance: Annotated[int, Field(ge=0, le=MAX_MOVE)] = 3_000
    max_spread: Annotated[int, Field(ge=0, le=MAX_MOVE)] = 0
    strict_adapter: bool = False
    pair: Annotated[tuple[Asset, ...], AfterValidator(_base_and_quote)] | None = None
    min_sources: Annotated[int, Field(ge=1)] = 2
    max_source_spread_ppm: Annotated[int, Field(ge=1)] | None = None
    max_source_spread: Annotated[DecimalNumber, Field(gt=0)] | None = None
    poll_interval: Seconds = 10.0
    sources: Annotated[tuple[SourceConfig, ...], Field(min_length=1)]

    @property
    def measure(self) -> Kind:
        """How a move is measured, as the contract has it."""
        return Kind.RELATIVE if self.kind == "relative" else Kind.ABSOLUTE

    def source_name(self, index: int) -> str:
        """What a source is called in messages."""
        return self.sources[index].name or f"{self.name}/{index}"

    @model_validator(mode="before")
    @classmethod
    def _defaults(cls, data: object) -> object:
        if not isinstance(data, Mapping):
            return data
        filled: dict[str, Any] = dict(data)
        if isinstance(heartbeat := data.get("heartbeat"), int):
            filled.setdefault("max_age", min(heartbeat, MAX_AGE))
            filled.setdefault("confirm_delay", min(heartbeat, MAX_CONFIRM_DELAY))
        if data.get("kind") == "relative":
            filled.setdefault("max_source_spread_ppm", 10_000)
        return filled

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        own, other = ("_ppm", "") if self.kind == "relative" else ("", "_ppm")
        if getattr(self, f"deviation{other}") is not None:
            raise _wrong(f"'deviation{other}' does not fit a {self.kind} feed; use 'deviation{own}'")
        if getattr(self, f"deviation{own}") is None:
            raise _wrong(f"a {self.kind} feed needs 'deviation{own}'")
        if getattr(self, f"max_source_spread{other}") is not None:
            use = f"use 'max_source_spread{own}'"
            raise _wrong(f"'max_source_spread{other}' does not fit a {self.kind} feed; {use}")
        if self.kind == "absolute" and len(self.sources) > 1 and self.max_source_spread is None:
            raise _wrong("an absolute feed with several sources needs 'max_source_spread', in its own units")
        if len(self.sources) == 1 and "min_sources" not in self.model_fields_set:
            raise _wrong(
                "has one source, which nothing checks: if it lies, so does the feed. Add others (2 of 3 is a good "
                "start), or say so with 'min_sources = 1'"
            )
        names = [self.source_name(index) for index in range(len(self.sources))]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise _wrong(f"two sources have the name {twice!r}")
        if self.min_sources > len(self.sources):
            raise _wrong(f"'min_sources' is {self.min_sources}, but there are {len(self.sources)} sources")
        if len(self.sources) > 1 and self.min_sources < 2:
            raise _wrong("'min_sources' must be at least 2 with several sources: one alone can't be checked")
        if len(set(self.reporters)) != len(self.reporters):
            raise _wrong("'reporters' names an address twice")
        if self.quorum > max(1, len(self.reporters)):
            raise _wrong(f"'quorum' is {self.quorum}, but there are {max(1, len(self.reporters))} reporters")
        return self


class Config(_Section):
    """The whole configuration."""

    chain: ChainConfig
    keys: KeysConfig
    prover: ProverConfig = Field(default_factory=ProverConfig)
    journal: JournalConfig
    deploy: DeployConfig = Field(default_factory=DeployConfig)
    web: WebConfig = Field(default_factory=WebConfig)
    push: PushConfig = Field(default_factory=PushConfig)
    feeds: Annotated[tuple[FeedConfig, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _distinct_feeds(self) -> Self:
        for key in ("name", "description"):
            seen: dict[str, int] = {}
            for index, feed in enumerate(self.feeds):
                value = getattr(feed, key)
                if value in seen:
                    raise _wrong(f"feeds[{seen[value]}] and feeds[{index}] have the same {key} {value!r}")
                seen[value] = index
        return self

    @model_validator(mode="after")
    def _pushes_arrive(self) -> Self:
        for index, feed in enumerate(self.feeds):
            for source in feed.sources:
                if not isinstance(source, PushSourceConfig):
                    continue
                where = f"feeds[{index}] has the push source {source.name!r}"
                if self.push.listen is None:
                    raise _wrong(f"{where}, but nothing listens: add [push] with 'listen = \"127.0.0.1:9465\"'")
                if source.token_file is not None and not (self.push.is_local or self.push.has_tls):
                    raise _wrong(
                        f"{where} with a token, which whoever sees the way to {self.push.listen} could take: give "
                        "[push] a 'tls_certificate', listen on 127.0.0.1, or use 'key_file'"
                    )
        return self

    def feed(self, name: str) -> FeedConfig:
        """The feed of this name.

        Raises:
            ConfigError: There is none.
        """
        for feed in self.feeds:
            if feed.name == name:
                return feed
        names = ", ".join(feed.name for feed in self.feeds)
        raise ConfigError(f"there is no feed {name!r}; configured are: {names}")

    def with_visibility(self, visibility: Literal["private", "public"]) -> Config:
        """This configuration with the model's weights hidden or not."""
        return self.model_copy(update={"prover": self.prover.model_copy(update={"visibility": visibility})})


DETECTOR_KEYS: Mapping[str, frozenset[str]] = {
    "cap": frozenset({"gap_scaled"}),
    "arch": frozenset(),
    "arch+window": frozenset({"drift"}),
    "cross-source": frozenset(),
    "mahalanobis": frozenset({"features"}),
    "autoencoder": frozenset({"features", "hidden", "guard", "input_scale", "param_scale"}),
    "imported": frozenset({"onnx", "input_scale", "param_scale"}),
}
"""The kinds of detector that can be trained, and which keys each of them takes."""


class TrainingDataConfig(_Section):
    """What a detector learns from: a recording, or the journal of a feed that runs.

    Attributes:
        file: A CSV file with a header, or a Parquet file.
        journal: A journal, as `oracle run` writes it: its file, its PostgreSQL URL, or a table as `[journal]` is one.
        feed: The feed's name in the journal.
        time_column: Unix seconds, or ISO 8601.
        value_columns: One for each source: with several the answer is their median, and their spread can be a feature.
        kind: As of a feed.
        decimals: As of a feed.
        sigma: As of the feed that is to be judged. Default: estimated on the training split.
        heartbeat: Likewise, in seconds. Default: the median time between two rows of the training split.
        repeated_times: Of rows with the same time: none is allowed, or the last counts.
        max_gap: Heartbeats between two rows that are still taken for one recording.
    """

    file: ConfigPath | None = None
    journal: Annotated[JournalConfig | None, BeforeValidator(_journal)] = None
    feed: Annotated[str, Field(min_length=1)] | None = None
    time_column: str = "time"
    value_columns: Annotated[tuple[str, ...], Field(min_length=1, max_length=MAX_REPORTERS)] = ("value",)
    kind: Literal["relative", "absolute"] = "relative"
    decimals: Annotated[int, Field(ge=0, le=18)] = 8
    sigma: Annotated[int, Field(ge=1, lt=2**64)] | None = None
    heartbeat: WholeSeconds | None = None
    repeated_times: Literal["refuse", "last"] = "refuse"
    max_gap: Annotated[int, Field(ge=1)] = 100

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.file is None) == (self.journal is None):
            raise _wrong("needs exactly one of 'file' and 'journal'")
        if (self.journal is None) != (self.feed is None):
            raise _wrong("'feed' goes with 'journal': the name of the feed in it")
        if len(set(self.value_columns)) != len(self.value_columns):
            raise _wrong("'value_columns' names a column twice")
        return self

    @property
    def measure(self) -> Kind:
        """How a move is measured, as the contract has it."""
        return Kind.RELATIVE if self.kind == "relative" else Kind.ABSOLUTE


class DetectorConfig(_Section):
    """The kind of detector, and what it takes; see docs/detectors.md.

    Attributes:
        type: The kind.
        name: Of the model: letters, digits, hyphens.
        features: n, of the kinds that let one choose.
        gap_scaled: Whether a cap grows with the time since the last accepted value.
        drift: Whether the window's sum has a gate of its own.
        hidden: Units of the autoencoder's hidden layer.
        guard: The autoencoder's guard band, as a share of the limit.
        onnx: The network of the kind "imported".
        input_scale: A network's input is a feature over 2^input_scale.
        param_scale: A network's weights are rounded to multiples of 2^-param_scale.
    """

    type: Literal["cap", "arch", "arch+window", "cross-source", "mahalanobis", "autoencoder", "imported"]
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
    features: Annotated[int, Field(ge=4, le=16)] | None = None
    gap_scaled: bool | None = None
    drift: bool | None = None
    hidden: Annotated[int, Field(ge=1, le=16)] | None = None
    guard: Annotated[DecimalNumber, Field(ge=0, lt=1)] | None = None
    onnx: ConfigPath | None = None
    input_scale: Annotated[int, Field(ge=0, le=20)] | None = None
    param_scale: Annotated[int, Field(ge=1, le=20)] | None = None

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        given = {key for key in self.model_fields_set if getattr(self, key) is not None} - {"type", "name"}
        if strange := sorted(given - DETECTOR_KEYS[self.type]):
            takes = ", ".join(sorted(DETECTOR_KEYS[self.type])) or "nothing else"
            raise _wrong(f"a detector of type {self.type!r} has no {strange[0]!r}; it takes {takes}")
        if self.type == "imported" and self.onnx is None:
            raise _wrong("a detector of type 'imported' needs 'onnx', the network's file")
        return self

    def options(self) -> dict[str, Any]:
        """What was given beyond type and name."""
        keys = DETECTOR_KEYS[self.type]
        return {key: getattr(self, key) for key in sorted(keys) if getattr(self, key) is not None}


class SplitConfig(_Section):
    """Shares of the rows, in time order; the test split has what is left."""

    train: Annotated[DecimalNumber, Field(gt=0, lt=1)] = Decimal("0.6")
    validation: Annotated[DecimalNumber, Field(gt=0, lt=1)] = Decimal("0.2")

    @model_validator(mode="after")
    def _leaves_a_test(self) -> Self:
        if self.train + self.validation >= 1:
            raise _wrong(f"'train' and 'validation' are {self.train + self.validation}: nothing is left for the test")
        return self


class BudgetConfig(_Section):
    """What false holds may cost.

    Attributes:
        false_holds_per_10k: Reports without a fault, of 10,000, that the model may object to.
        confidence: Of the interval that is given with each rate.
    """

    false_holds_per_10k: Annotated[DecimalNumber, Field(gt=0, lt=500)] = Decimal(5)
    confidence: Annotated[DecimalNumber, Field(ge=Decimal("0.5"), lt=1)] = Decimal("0.95")


class TrainingConfig(_Section):
    """How a detector is trained: what `oracle detector train` reads.

    Attributes:
        seed: Of whatever is drawn.
    """

    data: TrainingDataConfig
    detector: DetectorConfig
    split: SplitConfig = Field(default_factory=SplitConfig)
    budget: BudgetConfig = Field(default_factory=BudgetConfig)
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 1


Section = TypeVar("Section", bound=_Section)


def load(path: Path | str, env: Mapping[str, str]) -> Config:
    """Read a configuration file.

    Args:
        path: A TOML file.
        env: Environment variables for `${NAME}`; usually `os.environ`.

    Raises:
        ConfigError: The file can't be read, is no TOML, or is wrong.
    """
    return _read(Path(path), env, Config, "config.example.toml is one to start from")


def load_training(path: Path) -> TrainingConfig:
    """Read a file that says how a detector is trained.

    Raises:
        ConfigError: The file can't be read, is no TOML, or is wrong.
    """
    return _read(path, {}, TrainingConfig, "docs/detectors.md has one to start from")


def journal_at(where: str) -> JournalConfig:
    """The journal in a file, or at a PostgreSQL URL.

    Raises:
        ConfigError: It is no URL of a database, or has a password in it.
    """
    try:
        return JournalConfig.model_validate(_journal(where))
    except ValidationError as error:
        raise ConfigError(f"journal: {_describe(error)}") from None


def _read(path: Path, env: Mapping[str, str], section: type[Section], hint: str) -> Section:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such configuration file; {hint}") from None
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text (byte {error.start})") from None
    except ValueError as error:  # a number of very many digits is refused with a plain one
        raise ConfigError(f"{path}: is no valid TOML: {error}") from None
    except RecursionError:
        raise ConfigError(f"{path}: is no valid TOML: it is nested too deep") from None
    except ArithmeticError:
        raise ConfigError(f"{path}: a number in it is out of any range") from None
    try:
        expanded = _expand(data, env, ())
        return section.model_validate(expanded, context={"base": path.resolve().parent})
    except _Expansion as error:
        raise ConfigError(f"{path}: {_key_path(error.location)}: {error}") from None
    except ValidationError as error:
        raise ConfigError(f"{path}: {_describe(error)}") from None
    except RecursionError:
        raise ConfigError(f"{path}: is nested too deep") from None


class _Expansion(Exception):
    def __init__(self, location: tuple[str | int, ...], message: str) -> None:
        super().__init__(message)
        self.location = location


def _expand(value: Any, env: Mapping[str, str], location: tuple[str | int, ...]) -> Any:
    """`value` with lists as tuples, and variables replaced where they are allowed."""
    if isinstance(value, dict):
        return {key: _expand(item, env, (*location, key)) for key, item in value.items()}
    if isinstance(value, list):
        return tuple(_expand(item, env, (*location, index)) for index, item in enumerate(value))
    if not isinstance(value, str) or "${" not in value:
        return value
    named = next(part for part in reversed(location) if isinstance(part, str))
    if named not in _URL_KEYS and location[-2:-1] != ("headers",):
        raise _Expansion(location, "variables (${NAME}) are replaced in urls and header values only")

    def replace(match: re.Match[str]) -> str:
        name = match.group(1)
        if not env.get(name):
            raise _Expansion(location, f"the environment variable {name} is not set")
        return env[name]

    replaced = _VARIABLE.sub(replace, value)
    if "${" in _VARIABLE.sub("", value):
        raise _Expansion(location, "has a '${' that is not of the form ${NAME}")
    return replaced


def _key_path(location: tuple[str | int, ...]) -> str:
    text = ""
    for index, part in enumerate(location):
        if isinstance(part, int):
            text += f"[{part}]"
        elif part in _SOURCE_TYPES and location[index - 2 : index - 1] == ("sources",):
            continue  # the tag by which the kind of source was told, not a key
        elif part in ("decimal", "literal['max']") or part.startswith(("function-", "constrained-")):
            continue  # a branch of a union, not a key
        else:
            text += f".{part}" if text else part
    return text or "the file"


_PLAIN_MESSAGES = {
    "missing": "is missing",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "string_type": "must be a string",
    "date_type": "must be a date, as 2008-09-15",
    "is_instance_of": "must be a number",
    "decimal_type": "must be a number",
    "tuple_type": "must be a list",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "model_attributes_type": "must be a table",
    "union_tag_not_found": "needs 'type': one of 'http', 'exchange', 'onchain', 'push', 'replay', 'packaged'",
}


def _describe(error: ValidationError) -> str:
    """The first problem in one line, and how many more there are."""
    problems: dict[str, str] = {}
    errors = error.errors(include_url=False, include_input=False)
    locations = [details["loc"] for details in errors]
    for details in errors:
        length = len(details["loc"])
        if any(len(other) > length and other[:length] == details["loc"] for other in locations):
            continue  # a list that is too short only because an item of it is wrong
        where, message = _problem(details)
        # Branches of a union each report on the same key.
        problems[where] = f"{problems[where]}, or {message}" if where in problems else message
    where, message = next(iter(problems.items()))
    more = len(problems) - 1
    also = "" if not more else f" (and {more} more problem{'s' if more > 1 else ''})"
    return f"{where}: {message}{also}"


def _problem(details: ErrorDetails) -> tuple[str, str]:
    location, kind, context = details["loc"], details["type"], details.get("ctx") or {}
    if kind == "unknown_key":
        return _key_path((*location, context["key"])), context["message"]
    if kind == "union_tag_invalid":
        return _key_path((*location, "type")), f"{context['tag']!r} is not one of {context['expected_tags']}"
    if kind == "literal_error":
        return _key_path(location), f"must be {context['expected']}"
    if kind == "string_pattern_mismatch":
        return _key_path(location), "must be 1 to 40 of a-z, 0-9, '-' and '_', the first no '-' or '_'"
    message = _PLAIN_MESSAGES.get(kind, details["msg"])
    return _key_path(location), message.replace("Input should be", "must be").replace("\n", " ")
