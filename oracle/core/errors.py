"""The tree of errors. The daemon decides by type: a `Retryable` is tried again, a `Fatal` is not.

OracleError
├── Retryable                      the same call may succeed later; exit code 75
│   ├── SourceUnavailable          a source gave no useful answer
│   │   └── SourceSuspended        a source failed so often that it is not asked for a while
│   ├── ChainUnavailable           no RPC endpoint answers
│   │   └── AnswerNotBelieved      an endpoint's answer can't be true: it lies, or was set back to an older state
│   ├── JournalUnavailable         the journal's database is gone, locked or full for now
│   ├── SignerUnavailable          a remote signer does not answer now
│   ├── SrsUnavailable             the public ceremony's SRS was not downloaded completely
│   ├── TransactionPending         a transaction was sent, and is not mined within the deadline
│   ├── FeesTooHigh                gas costs more than the configuration allows
│   ├── BudgetSpent                the daily limit leaves too little for a transaction
│   ├── PayerEmpty                 the account that pays has too little
│   ├── ModelMissing               a feed's active model has no artifact here
│   ├── Obstructed                 something stands in the way of a report: the chain would not take it now
│   ├── StateMoved                 the feed's state changed under a proof: derive and prove again
│   └── ProverUnavailable          the prover can't take or finish a job now
│       ├── ProverBusy             its queue is full, and the caller would not wait
│       ├── ProverCrashed          the process that was proving died or panicked
│       └── ProverTimeout          a proof took longer than its deadline
└── Fatal                          a person has to change something; exit code 1
    ├── UserError                  the user's input is wrong; exit code 2
    │   ├── ConfigError            a configuration file
    │   ├── DataError              a data file or an observation
    │   ├── ModelError             a model that can't be proven as it is
    │   ├── KeystoreError          a key file or its password
    │   └── ToolMissing            a program that is not installed, or of the wrong version
    ├── SourceExhausted            a recorded series is at its end
    ├── CompileError               the Solidity compiler rejects a contract
    ├── ArtifactError              a circuit artifact can't be built, is corrupt or does not fit
    ├── InsecureSetup              a locally generated SRS outside a local chain
    ├── WrongChain                 the RPC endpoint serves another chain than the configured one
    ├── ContractRejected           the contract refused a call, with the decoded reason
    ├── TransactionRejected        the node refuses a transaction: too much gas, malformed
    ├── SignerRefused              a remote signer has no such key, or gave something else than what was asked for
    ├── DeploymentError            the deployed contracts are not what the configuration says
    ├── ProofInvalid               a proof or a witness is not what was asked for
    ├── MemoryExceeded             a job needs more memory than it may have
    └── JournalError               the journal can't be read, disagrees with the chain, or has another leader
"""

from __future__ import annotations

EXIT_CODES = {
    0: "Done. A command that checks something: nothing is wrong.",
    1: "A person has to look at it: what was checked is wrong, or was not read as a whole, or the call was refused.",
    2: "The input is wrong: an argument, the configuration, a data file, a model, a key's password, a missing program.",
    3: "Of evidence only: nothing is false, but something is only the word of whoever wrote the file.",
    75: "Not now: the chain, a source, a database or a prover does not answer, or gas costs too much. Try again later.",
    130: "Interrupted by Ctrl-C.",
}
"""The exit codes of the command line, and their meanings. The codes of errors are in their classes."""


class OracleError(Exception):
    """The root of all errors that this package raises on purpose. The message is one readable line.

    Attributes:
        exit_code: The exit code of the command line after such an error.
    """

    exit_code = 1


class Retryable(OracleError):
    """The same call may succeed later."""

    exit_code = 75  # EX_TEMPFAIL


class SourceUnavailable(Retryable):
    """A source gave no useful answer. It may give one later."""


class SourceSuspended(SourceUnavailable):
    """A source failed so often that it is not asked for a while."""


class ChainUnavailable(Retryable):
    """No RPC endpoint answers."""


class AnswerNotBelieved(ChainUnavailable):
    """An RPC endpoint's answer can't be true: it lies, or was set back to an older state. That may pass."""


class JournalUnavailable(Retryable):
    """The journal's database can't be used now: it is gone, locked, or full. Nothing is done without it."""


class SignerUnavailable(Retryable):
    """The service that has a key does not answer now."""


class SrsUnavailable(Retryable):
    """The public ceremony's SRS was not downloaded completely."""


class TransactionPending(Retryable):
    """A transaction was sent, and is not mined within the deadline."""


class FeesTooHigh(Retryable):
    """Gas costs more than the configuration allows."""


class BudgetSpent(Retryable):
    """The daily limit leaves too little for a transaction. With time, older payments do not count any more."""


class PayerEmpty(Retryable):
    """The account that pays has too little. Somebody can send it more."""


class ModelMissing(Retryable):
    """A feed's active model has no artifact here. The feed can get another one, and the artifact can be brought."""


class Obstructed(Retryable):
    """Something stands in the way of a report: the chain would not take it now. See `oracle.core.obstacles`."""


class StateMoved(Retryable):
    """The feed's on-chain state is no longer the one that the proof was made for.

    Attributes:
        feed_id: The feed, if it is known: a submission may have several.
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
    """The user's input is wrong."""

    exit_code = 2


class ConfigError(UserError):
    """A configuration file is missing, unreadable or wrong. If it has several problems, there is a line for each."""


class DataError(UserError):
    """A data file or an observation is malformed."""


class ModelError(UserError):
    """A model can't be proven as it is."""


class KeystoreError(UserError):
    """A keystore is missing, or its password is wrong."""


class ToolMissing(UserError):
    """A needed program is not installed, or has the wrong version."""


class SourceExhausted(Fatal):
    """A recorded series has no further reading: there is nothing left to report."""


class CompileError(Fatal):
    """The Solidity compiler rejects a contract."""


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
        feed_id: The feed that the error names, if it names one: a submission may have several.
    """

    def __init__(self, message: str, name: str | None = None, feed_id: bytes | None = None) -> None:
        super().__init__(message)
        self.name = name
        self.feed_id = feed_id


class TransactionRejected(Fatal):
    """The node refuses a transaction: it needs too much gas, or is malformed."""


class SignerRefused(Fatal):
    """A remote signer has no such key, refuses, or gave something else than what was asked for."""


class DeploymentError(Fatal):
    """The deployed contracts are not what the configuration says."""


class ProofInvalid(Fatal):
    """A proof or a witness is not what was asked for."""


class MemoryExceeded(Fatal):
    """A job needs more memory than it may have. It would need as much the next time."""


class JournalError(Fatal):
    """The journal can't be read or written, disagrees with the chain, or has another leader."""
