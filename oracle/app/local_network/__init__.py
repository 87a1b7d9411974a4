"""A network of reporters on one machine, with real processes, keys, links and a chain: for the demonstration and tests.

layout     write each member's folder: configuration, key, password
prices     serve prices to members, each with sources, noise and delays of its own
links      delay, count and cut what members send each other
nursery    start processes quickly
process    run one member, with a clock that may be off
network    put all of them together, and wait for what happens
"""

from oracle.app.local_network.layout import FeedLayout, Layout, MemberPlace
from oracle.app.local_network.links import MemberLink
from oracle.app.local_network.network import LocalNetwork, NetworkMember
from oracle.app.local_network.prices import Prices, PriceServer, Quirks, SourceTrouble, along

__all__ = [
    "FeedLayout",
    "Layout",
    "LocalNetwork",
    "MemberLink",
    "MemberPlace",
    "NetworkMember",
    "PriceServer",
    "Prices",
    "Quirks",
    "SourceTrouble",
    "along",
]
