"""The certificate of a TLS server, which is replaced while it is in use."""

from __future__ import annotations

import ssl
from pathlib import Path

import structlog

from oracle.core.errors import ConfigError
from oracle.core.trust import FileStamp, stamp

log = structlog.get_logger(__name__)


class Certificate:
    """A TLS server's certificate and key. New connections get those that are in the files by then.

    Args:
        certificate: PEM file with the certificate and its chain.
        key: PEM file with the key, not encrypted.
        section: The section of the configuration that errors name.

    Raises:
        ConfigError: A file can't be read, everybody may read the key, or the two do not belong together.
    """

    def __init__(self, certificate: Path, key: Path, section: str) -> None:
        self._certificate = certificate
        self._key = key
        self._section = section
        self._stamps = self._now()
        self._context = self._read()

    @property
    def context(self) -> ssl.SSLContext:
        """The context for the next connection. If changed files can't be used, the certificate in use stays.

        They are tried again once they change: whoever replaces them writes one after the other.
        """
        stamps = self._now()
        if stamps != self._stamps:
            self._stamps = stamps
            try:
                self._context = self._read()
                log.info("certificate reloaded", section=self._section)
            except ConfigError as error:
                log.error("certificate not reloaded", reason=str(error))
        return self._context

    def _now(self) -> tuple[FileStamp, FileStamp]:
        return stamp(self._certificate), stamp(self._key)

    def _read(self) -> ssl.SSLContext:
        mode = 0
        for name, path in (("tls_certificate", self._certificate), ("tls_key", self._key)):
            try:
                path.read_bytes()
                mode = path.stat().st_mode
            except OSError as error:
                raise self._wrong(name, path, f"can't be read: {error.strerror or error}") from None
        if mode & 0o007:
            raise self._wrong("tls_key", self._key, f"everybody may use it; run `chmod 640 {self._key}`")

        def password() -> str:
            raise self._wrong("tls_key", self._key, "is encrypted, and nobody is there to ask; store it without")

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(self._certificate, self._key, password)
        except OSError as error:
            if not isinstance(error, ssl.SSLError):  # one of them went away meanwhile
                raise self._wrong("tls_key", self._key, f"can't be read: {error.strerror or error}") from None
            if error.reason == "KEY_VALUES_MISMATCH":
                raise self._wrong("tls_key", self._key, f"is not the key of {self._certificate}") from None
            raise self._wrong("tls_certificate", self._certificate, "it, or the key, is not a PEM file") from None
        return context

    def _wrong(self, name: str, path: Path, what: str) -> ConfigError:
        return ConfigError(f"[{self._section}] {name} {path}: {what}")
