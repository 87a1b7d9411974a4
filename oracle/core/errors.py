"""The error tree. The daemon decides by type: a `Retryable` is tried again, a `Fatal` is not.

OracleError
├── Retryable                      the same call may succeed later
│   ├── SourceUnavailable          a source did not answer, or not usefully
│   │   └── SourceSuspended        it is not asked for a while, after many failures
│   ├── ChainUnavailable           no RPC endpoint answers
│   │   └── AnswerNotBelieved      one answers what can't be: the hub is gone, or was never this one
│   ├── JournalUnavailable         the journal's database is gone, locked or full for now
│   ├── SignerUnavailable          the service that has a key does not answer, or not now
│   ├── SrsUnavailable             the public ceremony's SRS did not arrive, or not completely
│   ├── TransactionPending         sent, not yet mined within the deadline
│   ├── FeesTooHigh                gas costs more than the configuration lets pay
│   ├── PayerEmpty                 the account that pays has too little
│   ├── StateMoved                 the feed's state changed under a proof: derive and prove again
│   └── ProverUnavailable
│       ├── ProverBusy             its queue is full, and the caller would not wait
│       ├── ProverCrashed          the process that was proving died or panicked
│       └── ProverTimeout          a proof took longer than its deadline
└── Fatal                          a person has to change something
    ├── UserError                  bad input; exit code 2
    │   ├── ConfigError            a configuration file
    │   ├── DataError              a data file or an observation
    │   ├── ModelError             a model that can't be proven as it is
    │   ├── KeystoreError          a key file or its password
    │   └── ToolMissing            a program that is not installed, or of the wrong version
    ├── SourceExhausted            a recorded series is at its end
    ├── CompileError               solc refused
    ├── ArtifactError              a circuit artifact can't be built, is corrupt or does not fit
    ├── InsecureSetup              a locally generated SRS outside a local chain
    ├── WrongChain                 the RPC serves another chain than configured
    ├── ContractRejected           the contract refused, with the decoded reason
    ├── TransactionRejected        the node will not take a transaction: too much gas, malformed
    ├── SignerRefused              a remote signer has no such key, or gave something else than was asked
    ├── DeploymentError            what is deployed is not what the configuration says
    ├── ProofInvalid               a proof, or a witness, that is not what was asked for
    ├── MemoryExceeded             a job needs more memory than it may have
    └── JournalError               the journal can't be read, disagrees with what is recorded, or another leads
"""

from __future__ import annotations


class OracleError(Exception):
    """Root of all errors that this package raises on purpose. The message is one readable line."""

    exit_code = 1


class Retryable(OracleError):
    """The same call may succeed later."""

    exit_code = 75  # EX_TEMPFAIL


class SourceUnavailable(Retryable):
    """A source did not answer, or not usefully."""


class SourceSuspended(SourceUnavailable):
    """A source failed so often that it is not asked for a while."""


class ChainUnavailable(Retryable):
    """No RPC endpoint answers."""


class AnswerNotBelieved(ChainUnavailable):
    """An RPC endpoint answers what can't be so: it lies, or was set back to an older state. That may pass."""


class JournalUnavailable(Retryable):
    """The journal's database can't be used now: gone, locked, or without space. Nothing is done without it."""


class SignerUnavailable(Retryable):
    """The service that has a key does not answer, or not now."""


class SrsUnavailable(Retryable):
    """The public ceremony's SRS did not arrive, or not completely."""


class TransactionPending(Retryable):
    """A transaction was sent and is not mined within the deadline."""


class FeesTooHigh(Retryable):
    """Gas costs more than the configuration lets pay."""


class PayerEmpty(Retryable):
    """The account that pays has too little. It can be sent more."""


class StateMoved(Retryable):
    """The feed's on-chain state is no longer the one that the proof was made for.

    Attributes:
        feed_id: Which feed's, if it is known: a submission may be of several.
    """

    def __init__(self, message: str, feed_id: bytes | None = None) -> None:
        super().__init__(message)
        self.feed_id = feed_id


class ProverUnavailable(Retryable):
    """The prover can't take or finish a job now."""


class ProverBusy(ProverUnavailable):
    """The prover's queue is full, and the caller asked not to wait."""


class ProverCrashed(ProverUnavailable):
    """The process that was proving died or panicked."""


class ProverTimeout(ProverUnavailable):
    """A proof took longer than its deadline."""


class Fatal(OracleError):
    """A person has to change something before this can work."""


class UserError(Fatal):
    """Input that a user can correct."""

    exit_code = 2


class ConfigError(UserError):
    """A configuration file is missing, unreadable or wrong."""


class DataError(UserError):
    """A data file or an observation is malformed."""


class ModelError(UserError):
    """A model that can't be proven as it is."""


class KeystoreError(UserError):
    """A keystore is missing, or its password is wrong."""


class ToolMissing(UserError):
    """A needed program is not installed, or has the wrong version."""


class SourceExhausted(Fatal):
    """A recorded series has no further reading: there is nothing left to report."""


class CompileError(Fatal):
    """The Solidity compiler refused."""


class ArtifactError(Fatal):
    """A circuit artifact can't be built, is corrupt, or does not fit what it is used for."""


class InsecureSetup(Fatal):
    """A locally generated SRS is about to be used outside a local chain."""


class WrongChain(Fatal):
    """The RPC endpoint serves another chain than the configuration names."""


class ContractRejected(Fatal):
    """The contract refused a call.

    Attributes:
        name: The custom error's name, or None if the revert carried none.
        feed_id: The feed that it is about, if it names one: a submission may be of several.
    """

    def __init__(self, message: str, name: str | None = None, feed_id: bytes | None = None) -> None:
        super().__init__(message)
        self.name = name
        self.feed_id = feed_id


class TransactionRejected(Fatal):
    """The node will not take a transaction: too much gas, malformed."""


class SignerRefused(Fatal):
    """A remote signer has no such key, refuses, or gave something else than it was asked for."""


class DeploymentError(Fatal):
    """What is deployed is not what the configuration says."""


class ProofInvalid(Fatal):
    """A proof or a witness is not what was asked for."""


class MemoryExceeded(Fatal):
    """A job needs more memory than it may have. It would need as much the next time."""


class JournalError(Fatal):
    """The journal can't be read or written, or disagrees with the chain."""
