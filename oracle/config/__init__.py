"""The configuration: a TOML file becomes one frozen `Config`. Nothing is read before `load` is called.

Each table of the file has a module of its own, and each kind of source has its table beside it, in `oracle.sources`.
`file` puts the tables together, `load` reads a file, and `explain` turns what is wrong into one line.

Relative paths are relative to the configuration file's folder. `${NAME}` stands for an environment variable, in URLs
and in header values only, so that nobody has to write down the keys of paid services.
"""

from __future__ import annotations

from oracle.config.adapters import AdapterConfig
from oracle.config.budget import SpendingConfig
from oracle.config.callers import CallerConfig
from oracle.config.chain import ChainConfig
from oracle.config.claims import ClaimModelConfig, ClaimServerConfig, ClaimServiceConfig, ClaimsRegistryConfig
from oracle.config.committees import DEFAULT_COMMITTEE, CommitteeConfig, reporters_problems, unreachable
from oracle.config.deploy import DeployConfig
from oracle.config.feeds import DENOMINATIONS, MAX_AGE, FeedConfig, SourceConfig
from oracle.config.file import Config
from oracle.config.journal import JournalConfig
from oracle.config.keys import KeyConfig, KeysConfig
from oracle.config.load import journal_at, load, load_claim_service, load_part, load_training
from oracle.config.network import MemberConfig, NetworkConfig, too_few
from oracle.config.prover import ProverConfig, WorkersConfig
from oracle.config.push import PushConfig
from oracle.config.readings import ReadingsConfig
from oracle.config.training import TrainingConfig, TrainingDataConfig
from oracle.config.updates import UpdatesConfig
from oracle.config.web import WebConfig
from oracle.core.settings import EndpointsConfig
from oracle.sources.config import LiveSourceConfig
from oracle.sources.exchange.config import ExchangeSourceConfig
from oracle.sources.http.config import HttpSourceConfig
from oracle.sources.onchain.config import OnchainSourceConfig
from oracle.sources.packaged.config import PackagedSourceConfig
from oracle.sources.push.config import PushSourceConfig
from oracle.sources.replay.config import ReplaySourceConfig

__all__ = [
    "DEFAULT_COMMITTEE",
    "DENOMINATIONS",
    "MAX_AGE",
    "AdapterConfig",
    "CallerConfig",
    "ChainConfig",
    "ClaimModelConfig",
    "ClaimServerConfig",
    "ClaimServiceConfig",
    "ClaimsRegistryConfig",
    "CommitteeConfig",
    "Config",
    "DeployConfig",
    "EndpointsConfig",
    "ExchangeSourceConfig",
    "FeedConfig",
    "HttpSourceConfig",
    "JournalConfig",
    "KeyConfig",
    "KeysConfig",
    "LiveSourceConfig",
    "MemberConfig",
    "NetworkConfig",
    "OnchainSourceConfig",
    "PackagedSourceConfig",
    "ProverConfig",
    "PushConfig",
    "PushSourceConfig",
    "ReadingsConfig",
    "ReplaySourceConfig",
    "SourceConfig",
    "SpendingConfig",
    "TrainingConfig",
    "TrainingDataConfig",
    "UpdatesConfig",
    "WebConfig",
    "WorkersConfig",
    "journal_at",
    "load",
    "load_claim_service",
    "load_part",
    "load_training",
    "reporters_problems",
    "too_few",
    "unreachable",
]
