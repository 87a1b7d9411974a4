"""The hub, from Python: its interface, submissions to it, its events, and the reader of its state."""

from oracle.chain.hub.events import RoundAccepted, RoundEvent, RoundHeld, ShadowScored, round_event, shadow_event
from oracle.chain.hub.interface import aggregator_interface, hub_interface, lens_interface
from oracle.chain.hub.reader import Hub
from oracle.chain.hub.submissions import (
    Submission,
    SubmitCall,
    decode_submission,
    encode_submission,
    submission_from,
)
from oracle.chain.hub.types import (
    CHANGE_WINDOW,
    Architecture,
    Committee,
    HubFeedConfig,
    HubModel,
    Proposals,
    ShadowTally,
)

__all__ = [
    "CHANGE_WINDOW",
    "Architecture",
    "Committee",
    "Hub",
    "HubFeedConfig",
    "HubModel",
    "Proposals",
    "RoundAccepted",
    "RoundEvent",
    "RoundHeld",
    "ShadowScored",
    "ShadowTally",
    "Submission",
    "SubmitCall",
    "aggregator_interface",
    "decode_submission",
    "encode_submission",
    "hub_interface",
    "lens_interface",
    "round_event",
    "shadow_event",
    "submission_from",
]
