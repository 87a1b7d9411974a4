"""The interfaces of the hub and of its adapters, with a sentence for each error that the hub refuses a call with."""

from __future__ import annotations

from functools import cache

from oracle.chain import compiled
from oracle.chain.abi.interface import Interface

_HINTS = {
    "NoUpdates": "the submission has no updates",
    "NoCircuitForBatch": "the model's architecture has no circuit for {updates} updates in one proof",
    "ProofTooLong": "a proof of {length} bytes, the hub reads {longest} at most",
    "UnknownModel": "the hub has no model number {modelNumber}",
    "UnknownFeed": "the hub has no feed {feedId}",
    "FeedsNotAscending": "feed {feedId} appears twice in one submission, or behind one of a larger id",
    "FeedPaused": "feed {feedId} is paused by its guardian",
    "ModelNotActive": "proven with model {modelNumber}, the feed's active model is {active}",
    "ModelNotProposed": "proven with model {modelNumber}, the feed's proposed model is {proposed} (0: none is)",
    "WrongRound": "signed for round {roundId}, the feed expects {expected}",
    "QuorumNotMet": "{observations} signed observations, the feed needs {quorum}",
    "TooManyObservations": "{observations} observations are more than the feed has reporters",
    "NotAReporter": "the signature is of {signer}, no reporter of feed {feedId} (or it is of another statement)",
    "DuplicateReporter": "reporter {signer} signed twice in one round",
    "ObservationsNotSorted": "the observations are not sorted by answer",
    "AnswerOutOfRange": "the answer {answer} can't be the feed's first one: a relative feed's answers are above zero",
    "SpreadTooWide": "the reporters are {spread} thousandths of sigma apart, the feed allows {maxSpread}",
    "ObservationNotNewer": "observed at {observedAt}, but the feed has a report observed at {lastReportAt}",
    "ObservationInFuture": "observed at {observedAt}, the latest that the feed takes now is {latest}: check the clocks",
    "ObservationTooOld": "observed at {observedAt}, the earliest that the feed still takes is {earliest}",
    "WrongScoreCount": "{scores} scores, the model's architecture has {expected}",
    "ScoreOutOfRange": "the score {score} is outside the circuit's integers",
    "ProofRejected": "the verifier does not accept the proof of the statement that the hub wrote down",
    "FeedExists": "the hub has feed {feedId} already",
    "InvalidConfig": "the feed's {field} is not valid",
    "InvalidReporters": "the reporters are not distinct, or too few or too many for the quorum",
    "InvalidArchitecture": "the architecture's {field} is not valid",
    "UnknownArchitecture": "the hub has no architecture {architectureId}",
    "VerifierHasNoCode": "there is no contract at the verifier's address {verifier}",
    "InvalidModel": "the model's {field} is not valid",
    "NothingProposed": "nothing is proposed",
    "NotPaused": "feed {feedId} is not paused",
    "TooEarly": "the change takes effect at {activeFrom} (unix seconds), not before",
    "NoPreviousModel": "the feed has no previous model to roll back to",
    "ShadowTooShort": "the proposed model has {compared} compared reports, its proposal demands {minCompared}",
    "ShadowTooFar": "the proposed model's latest score is {distance} thousandths from the active one's, its proposal "
    "allows {maxDistance}",
    "AggregatorNotDeployed": "there is no adapter yet at {aggregator}: the factory deploys it",
    "AggregatorAlreadyLinked": "feed {feedId} has an aggregator already",
    "AccessControlUnauthorizedAccount": "{account} does not have the role {neededRole} that this needs",
}


@cache
def hub_interface() -> Interface:
    """Return the hub's interface."""
    return Interface(compiled.load("ZkOracle").abi, _HINTS)


@cache
def aggregator_interface() -> Interface:
    """Return the Chainlink adapter's interface."""
    return Interface(compiled.load("ZkAggregator").abi, _HINTS)
