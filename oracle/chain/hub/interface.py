"""The interfaces of the hub and of its adapters, with a sentence for each error that the hub refuses a call with."""

from __future__ import annotations

from functools import cache

from oracle.chain import compiled
from oracle.chain.abi.interface import Interface

_HINTS = {
    "NothingDue": "no feed of the report is due; of a shadow's: the model is proposed for none of them",
    "MalformedSubmission": "the parts of the submission do not fit together: rounds, answers, medians or scores",
    "ProofTooLong": "a proof of {length} bytes, the hub reads {longest} at most",
    "UnknownCommittee": "the hub has no committee {committee}",
    "WrongEpoch": "signed for epoch {epoch}, committee {committee} is in epoch {current}: its reporters have changed",
    "TooManySignatures": "{signatures} signatures are more than a committee can have reporters",
    "FeedsNotAscending": "feed {feedId} appears twice in one report, or behind one of a larger id",
    "UnknownFeed": "the hub has no feed {feedId}",
    "WrongCommittee": "feed {feedId} belongs to committee {expected}, the report is of committee {committee}",
    "FeedPaused": "feed {feedId} is paused by its guardian",
    "ModelNotActive": "proven with model {modelNumber}, the feed's active model is {active}",
    "WrongRound": "signed for round {roundId}, the feed expects {expected}",
    "ObservationNotNewer": "observed at {observedAt}, but the feed has a report observed at {lastReportAt}",
    "ObservationInFuture": "observed at {observedAt}, the latest that the feed takes now is {latest}: check the clocks",
    "ObservationTooOld": "observed at {observedAt}, the earliest that the feed still takes is {earliest}",
    "UnknownModel": "the hub has no model number {modelNumber}",
    "NoCircuitForBatch": "the model's architecture has no circuit for {due} feeds in one proof",
    "NotAReporter": "the signature is of {signer}, no reporter of committee {committee} (or it is of another report)",
    "DuplicateReporter": "reporter {signer} of committee {committee} signed the report twice",
    "QuorumNotMet": "{answers} reporters have an answer for feed {feedId}, the quorum is {quorum}",
    "NotTheMedian": "the answer that is named as the median of feed {feedId} is not",
    "SpreadTooWide": "the reporters are {spread} thousandths of sigma apart, the feed allows {maxSpread}",
    "AnswerOutOfRange": "the answer {answer} can't be the feed's first one: a relative feed's answers are above zero",
    "PeerMissing": "the report does not list {peer}, a peer of feed {feedId}",
    "ScoreOutOfRange": "the score {score} is outside the circuit's integers",
    "ProofRejected": "the verifier does not accept the proof of the statement that the hub wrote down",
    "FeedExists": "the hub has feed {feedId} already",
    "InvalidConfig": "the hub does not take the feed's {field}",
    "InvalidReporters": "the reporters are not distinct, too many, fewer than the quorum, one is zero or a contract, "
    "or the quorum is even",
    "InvalidArchitecture": "the hub does not take the architecture's {field}",
    "UnknownArchitecture": "the hub has no architecture {architectureId}",
    "NoFixedCode": "there is no contract at the verifier's address {verifier}, or one whose code can be replaced",
    "VerifierChanged": "the verifier {verifier} has other code than when its architecture was added",
    "InvalidModel": "the model is refused for its {field} (modelNumber: the feed has it already; architectureId: the "
    "architecture takes no other model, or was added in the same transaction)",
    "NothingProposed": "nothing is proposed",
    "NotPaused": "feed {feedId} is not paused",
    "TooEarly": "the change takes effect at {activeFrom} (unix seconds), not before",
    "ProposalExpired": "the change could be activated until {until} (unix seconds); propose it again",
    "NoPreviousModel": "the feed has no previous model to roll back to, or the time for a rollback is over",
    "HandoverTooShort": "the admin's handover can't have a delay of {delay} s, which is less than the change delay of "
    "{changeDelay} s",
    "ShadowTooShort": "the proposed model has {compared} compared reports, its proposal demands {minCompared}",
    "ShadowTooFar": "the proposed model disagrees with the active one on {disagreements} reports, its proposal allows "
    "{maxDisagreements}: propose it again, if it is meant to",
    "AggregatorNotDeployed": "there is no adapter yet at {aggregator}: the factory deploys it",
    "AggregatorAlreadyLinked": "feed {feedId} has an aggregator already",
    "NoData": "feed {feedId} has no round yet",
    "FeedHeld": "feed {feedId} holds an answer back",
    "PriceTooOld": "the latest round of feed {feedId} was observed at {observedAt}, more than {age} s ago",
    "AccessControlUnauthorizedAccount": "{account} does not have the role {neededRole} that this needs",
}

_ADAPTER_HINTS = {
    "AggregatorExists": "the adapter exists, at {aggregator}",
    "InvalidTerms": "the adapter's {term} does not fit its other terms",
    "AnswerUnavailable": "the feed is held, stale or paused (status {status}, paused {paused}, stale {stale}), and the "
    "adapter is strict",
    "AnswerTooOld": "the last accepted answer was observed at {observedAt}, more than {bound} s ago",
    "SequencerDown": "the chain's sequencer is down",
    "GracePeriodNotOver": "the chain's sequencer is up since {upSince}, for less than the grace period of {grace} s",
}


@cache
def hub_interface() -> Interface:
    """Return the hub's interface."""
    return Interface(compiled.load("ZkOracle").abi, _HINTS)


@cache
def lens_interface() -> Interface:
    """Return the interface of the lens, which reads what the hub stores. It reverts with the hub's errors."""
    own = compiled.load("ZkOracleLens").abi
    names = {(each["type"], each.get("name")) for each in own}
    errors = [each for each in hub_interface().abi if each["type"] == "error" and ("error", each["name"]) not in names]
    return Interface([*own, *errors], _HINTS)


@cache
def aggregator_interface() -> Interface:
    """Return the Chainlink adapter's interface."""
    return Interface(compiled.load("ZkAggregator").abi, _HINTS | _ADAPTER_HINTS)
