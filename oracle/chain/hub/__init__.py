"""The hub, from Python: its interface, submissions to it, its events, and the reader of its state."""

from oracle.chain.hub.events import RoundAccepted, RoundEvent, RoundHeld, round_event
from oracle.chain.hub.interface import aggregator_interface, hub_interface
from oracle.chain.hub.reader import Hub
from oracle.chain.hub.submissions import FeedUpdate, Submission, decode_submission, encode_submission
from oracle.chain.hub.types import Architecture, HubFeedConfig, HubModel, Proposals, Round, ShadowTally

__all__ = [
    "Architecture",
    "FeedUpdate",
    "Hub",
    "HubFeedConfig",
    "HubModel",
    "Proposals",
    "Round",
    "RoundAccepted",
    "RoundEvent",
    "RoundHeld",
    "ShadowTally",
    "Submission",
    "aggregator_interface",
    "decode_submission",
    "encode_submission",
    "hub_interface",
    "round_event",
]
