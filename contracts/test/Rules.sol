// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IZkOracle} from "../src/interfaces/IZkOracle.sol";
import {OracleTest} from "./OracleTest.sol";

// forge-lint: disable-start(unsafe-typecast) -- bounded where it matters

/// @dev The rules of a feed, written a second time, as the documents say them: with plain arithmetic, nothing packed, and
/// none of the hub's libraries.
library Rules {
    enum Outcome {
        ACCEPTED,
        HELD,
        CONFIRMED,
        OUTLASTED
    }

    struct Feed {
        bool isRelative;
        int256 sigma;
        uint256 maxRepeats;
        uint32 rounds;
        int128 answer;
        uint32 observedAt;
        uint32 publishedAt;
        uint32 lastReportAt;
        uint8 repeats;
        uint256 variance;
        int256[12] ring;
        int128[2] bases;
        bool paused;
        uint16 model;
        uint16 previous;
        uint256 previousUntil;
        IZkOracle.Held held;
        uint256 heldReports;
    }

    /// @dev What a report says about a feed: before the report is settled.
    struct Seen {
        int128 answer;
        int256 spread;
        uint256 count;
        int256 move;
        int256 gap;
        bool isFrozen;
        int128[2] peers;
        int256[2] peerMoves;
        bool[2] peerSeen;
    }

    int256 internal constant CLIP = 32_767;
    uint256 internal constant HEARTBEAT = 3_600;
    uint256 internal constant CONFIRM_DELAY = 900;
    int256 internal constant TOLERANCE = 2_000;
    uint256 internal constant CONFIRMATIONS = 2;
    uint256 internal constant MAX_REPEATS_SEEN = 255;

    /// @param sorted The answers that are there, ascending.
    function see(Feed storage feed, int128[] memory sorted, uint32 observedAt)
        internal
        view
        returns (Seen memory seen)
    {
        seen.count = sorted.length;
        seen.answer = sorted[sorted.length / 2];
        (int128 lowest, int128 highest) = (sorted[0], sorted[sorted.length - 1]);
        if (lowest != highest) {
            seen.spread = feed.isRelative && lowest <= 0 ? CLIP : move(feed, highest, lowest);
        }
        seen.gap = 1_000;
        if (feed.rounds == 0) return seen;
        seen.move = move(feed, seen.answer, feed.answer);
        uint256 gap = uint256(observedAt - feed.observedAt) * 1_000 / HEARTBEAT;
        seen.gap = gap < 1_000 ? int256(1_000) : gap > 32_767 ? CLIP : int256(gap);
        if (feed.held.reason == IZkOracle.HoldReason.ANOMALOUS && near(feed, seen.answer)) {
            int256 first = int256(uint256(feed.held.firstGap));
            seen.isFrozen = first != seen.gap;
            seen.gap = first;
        }
    }

    function window(Feed storage feed, Seen memory seen, bytes memory list)
        internal
        view
        returns (int256[] memory values)
    {
        values = new int256[](list.length);
        for (uint256 i = 0; i < list.length; ++i) {
            uint8 code = uint8(list[i]);
            if (code == 0) values[i] = seen.move;
            else if (code == 1) values[i] = seen.gap;
            else if (code == 2) values[i] = seen.spread;
            else if (code == 3) values[i] = int256(seen.count);
            else if (code == 4) values[i] = int256(feed.variance / 131_072);
            else if (code <= 6) values[i] = seen.peerMoves[code - 5];
            else if (code <= 8) values[i] = seen.peerSeen[code - 7] ? int256(1) : int256(0);
            else values[i] = feed.ring[code - 16];
        }
    }

    /// @dev Settles a report: the feed has another round then, or holds the answer.
    function apply_(Feed storage feed, Seen memory seen, OracleTest.Draft memory draft, int256 score, uint32 now_)
        internal
        returns (Outcome outcome)
    {
        feed.lastReportAt = draft.observedAt;
        bool isRepetition = feed.rounds > 0 && seen.answer == feed.answer;
        IZkOracle.HoldReason reason = reasonToHold(feed, seen, score);
        if (reason != IZkOracle.HoldReason.NONE) {
            outcome = hold(feed, seen, draft.observedAt, reason, now_);
            (feed.held.modelNumber, feed.held.scoreRatio) = (draft.modelNumber, ratio(score));
            if (outcome == Outcome.HELD) {
                feed.heldReports += 1;
                return outcome;
            }
        }
        delete feed.held;
        if (!isRepetition) feed.repeats = 0;
        else if (feed.repeats < MAX_REPEATS_SEEN) feed.repeats += 1;
        if (feed.rounds > 0) {
            int256 square = seen.move * seen.move / seen.gap;
            if (square > CLIP) square = CLIP;
            // A sixty-fourth is forgotten, and a sixty-fourth is new.
            feed.variance = feed.variance - feed.variance / 64 + uint256(square) * 131_072 / 64;
        }
        for (uint256 i = 11; i > 0; --i) {
            feed.ring[i] = feed.ring[i - 1];
        }
        (feed.ring[0], feed.bases) = (seen.move, seen.peers);
        (feed.rounds, feed.answer) = (feed.rounds + 1, seen.answer);
        (feed.observedAt, feed.publishedAt) = (draft.observedAt, now_);
    }

    function reasonToHold(Feed storage feed, Seen memory seen, int256 score)
        internal
        view
        returns (IZkOracle.HoldReason)
    {
        if (feed.isRelative && seen.answer <= 0) return IZkOracle.HoldReason.NOT_POSITIVE;
        bool isRepetition = feed.rounds > 0 && seen.answer == feed.answer;
        if (feed.maxRepeats != 0 && isRepetition && feed.repeats >= feed.maxRepeats) {
            return IZkOracle.HoldReason.REPEATED;
        }
        bool isClipped = seen.move == CLIP || seen.move == -CLIP;
        return isClipped || score > 0 ? IZkOracle.HoldReason.ANOMALOUS : IZkOracle.HoldReason.NONE;
    }

    function hold(Feed storage feed, Seen memory seen, uint32 observedAt, IZkOracle.HoldReason reason, uint32 now_)
        internal
        returns (Outcome)
    {
        IZkOracle.Held storage held = feed.held;
        if (held.reason == reason && near(feed, seen.answer)) {
            if (held.confirmations < 255) held.confirmations += 1;
        } else {
            (held.firstAnswer, held.confirmations) = (seen.answer, 0);
            (held.firstObservedAt, held.firstSeenAt) = (observedAt, now_);
            held.firstGap = uint16(uint256(seen.gap));
        }
        (held.reason, held.answer, held.observedAt) = (reason, seen.answer, observedAt);
        if (reason != IZkOracle.HoldReason.ANOMALOUS) return Outcome.HELD;
        if (held.anomalies == 0) (held.anomalousSince, held.anomalousSeenAt) = (observedAt, now_);
        held.anomalies += 1;
        bool isLong = observedAt - held.firstObservedAt >= CONFIRM_DELAY && now_ - held.firstSeenAt >= CONFIRM_DELAY;
        if (held.confirmations >= CONFIRMATIONS && isLong) return Outcome.CONFIRMED;
        isLong =
            observedAt - held.anomalousSince >= 4 * CONFIRM_DELAY && now_ - held.anomalousSeenAt >= 4 * CONFIRM_DELAY;
        return held.anomalies >= 4 * (CONFIRMATIONS + 1) && isLong ? Outcome.OUTLASTED : Outcome.HELD;
    }

    function near(Feed storage feed, int128 answer) internal view returns (bool) {
        int128 first = feed.held.firstAnswer;
        if (feed.isRelative && (answer <= 0 || first <= 0)) return false;
        int256 distance = move(feed, answer, first);
        return distance <= TOLERANCE && -distance <= TOLERANCE;
    }

    function peerMove(Feed storage peer, bool isFirst, int128 answer, int128 base)
        internal
        view
        returns (int256 moved, bool isSeen)
    {
        if (isFirst || (peer.isRelative && (answer <= 0 || base <= 0))) return (0, false);
        moved = move(peer, answer, base);
        isSeen = moved != CLIP && moved != -CLIP;
    }

    function move(Feed storage feed, int256 p, int256 q) internal view returns (int256 moved) {
        if (!feed.isRelative) moved = (p - q) * 1_000 / feed.sigma;
        else if (p <= 0) moved = -CLIP;
        else moved = (p - q) * 1e9 / ((p < q ? p : q) * feed.sigma);
        if (moved > CLIP) return CLIP;
        if (moved < -CLIP) return -CLIP;
    }

    /// @dev In thousandths of a score unit of 10^6, rounded up.
    function ratio(int256 score) internal pure returns (int24) {
        int256 value = score / 1_000;
        if (score > value * 1_000) ++value;
        if (value > type(int24).max) return type(int24).max;
        return value < type(int24).min ? type(int24).min : int24(value);
    }
}

// forge-lint: disable-end(unsafe-typecast)
