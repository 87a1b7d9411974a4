"""The table [keys]: who signs, and who pays."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from oracle.core.settings import Address, ConfigPath, Seconds, Section, check_url, wrong

__all__ = ["KeyConfig", "KeysConfig"]

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def _signer_url(value: str) -> str:
    parts = urlsplit(check_url(value))
    if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        raise wrong("needs https: whoever is in between could get other things signed; http is for this machine only")
    if parts.query or parts.fragment:
        raise wrong("must be a base URL, without a query; write it as https://host:9000")
    return value


class KeyConfig(Section):
    """A signing key: an encrypted keystore and where its password is, a remote signer, or a local chain's key.

    Attributes:
        keystore: The file with the encrypted key.
        password_file: A file whose first line is the password.
        password_env: An environment variable that holds the password.
        password_env_file: An environment variable that names a password file, as a service manager's credentials do.
        password_keyring: Service name in the system's credential store; the user name is the key's address.
        password_prompt: True to ask for the password at the start.
        remote: URL of a Web3Signer-compatible service that has the key.
        address: The address of the key that the service has.
        timeout_s: Seconds that the service may take for a signature.
        anvil_account: Number of one of Anvil's well-known keys, for local chains only.
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
            raise wrong("needs exactly one of 'keystore', 'remote' and 'anvil_account' (local chains only)")
        if self.keystore is not None and passwords != 1:
            *others, last = (f"'{name}'" for name in self.PASSWORDS)
            raise wrong(f"a keystore needs exactly one of {', '.join(others)} and {last}")
        if self.keystore is None and passwords:
            raise wrong(f"'{'remote' if self.anvil_account is None else 'anvil_account'}' takes no password")
        if (self.remote is None) != (self.address is None):
            raise wrong("'remote' and 'address' go together: the signer's URL, and the address of its key")
        return self


class KeysConfig(Section):
    """The keys that sign and pay.

    Attributes:
        reporter: The key that signs reports. It needs no ether.
        submitter: The key that pays for transactions. Default: the reporter's.
        deployer: The key that owns the hub. The daemon does not need it. Default: the submitter's.
        shadow: The key that pays for the shadow reports of proposed models. It must be another account than the
            submitter's: then a shadow report that is stuck delays no report, and shadow reports cost no more than what
            this account has. None: there are no shadow reports.
    """

    reporter: KeyConfig
    submitter: KeyConfig = Field(default_factory=lambda read: read.get("reporter"))
    deployer: KeyConfig = Field(default_factory=lambda read: read.get("submitter"))
    shadow: KeyConfig | None = None

    @model_validator(mode="after")
    def _shadows_pay_for_themselves(self) -> Self:
        if self.shadow == self.submitter:
            raise wrong(
                "'shadow' is the submitter's key: a shadow report that is stuck would delay reports; create another key"
            )
        return self
