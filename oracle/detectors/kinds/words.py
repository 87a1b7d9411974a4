"""Features in words, for explanations and cards."""

from __future__ import annotations

from collections.abc import Sequence

from oracle.core.encoding import PAST, Feature

_WORDS = {
    Feature.MOVE: "the move now",
    Feature.GAP: "the time gap",
    Feature.SPREAD: "the spread of the sources",
    Feature.COUNT: "the number of reporters",
    Feature.VARIANCE: "the running variance",
    Feature.PEER_MOVE_0: "the first peer's move",
    Feature.PEER_MOVE_1: "the second peer's move",
    Feature.PEER_SEEN_0: "if the first peer is seen",
    Feature.PEER_SEEN_1: "if the second peer is seen",
    **{feature: f"move −{age}" for age, feature in enumerate(PAST, 1)},
}

_MOVES = (Feature.MOVE, *PAST)


def word_of(feature: Feature) -> str:
    """Return a feature in words: "move −3"."""
    return _WORDS[feature]


def words_of(features: Sequence[Feature], several: str = "") -> str:
    """Return neighbouring features in words: "the last 4 moves", "moves −2 to −5".

    Args:
        features: One or more.
        several: Put before the words if there are several features.
    """
    count = len(features)
    if count == 1:
        return word_of(features[0])
    if tuple(features) == _MOVES[:count]:
        return f"{several}the last {count} moves"
    if features[0] in PAST:
        first = PAST.index(features[0])
        if tuple(features) == PAST[first : first + count]:
            return f"{several}moves −{first + 1} to −{first + count}"
    return several + ", ".join(word_of(feature) for feature in features)
