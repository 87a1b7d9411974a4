// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IZkOracle} from "../interfaces/IZkOracle.sol";
import {Features} from "./Features.sol";
import {Config, HeldSlots} from "./Slots.sol";
import {Feed, Stores} from "./Store.sol";

/// @title The rules by which an answer is held, and by which a held answer becomes a round after all
/// @notice `oracle/core/gate.py` applies the same rules. The library is deployed by itself and linked, like `Models`.
library Holds {
    /// @notice A hold ends although its reports agree on no level, after this many times the reports and the time that
    /// would confirm one level. Otherwise an answer that keeps moving, as in a crash, would be held for as long as it
    /// moves.
    uint256 internal constant PATIENCE = 4;

    /// @dev A proven report whose answer is not to be written at once.
    struct Report {
        bytes32 feedId;
        uint32 roundId;
        int128 answer;
        uint32 observedAt;
        uint16 modelNumber;
        int24 scoreRatio;
        uint256 gap;
        IZkOracle.HoldReason reason;
        int256[] scores;
    }

    /// @dev Starts a hold, or continues it.
    /// @return isOver True if the answer has now been confirmed often enough and for long enough. In that case
    /// this function writes nothing.
    function hold(Report memory report) external returns (bool isOver) {
        Feed storage feed = Stores.get().feeds[report.feedId];
        Config config = feed.config;
        // forge-lint: disable-next-item(unsafe-typecast) -- until 2106
        uint32 seenAt = uint32(block.timestamp);
        IZkOracle.Held memory held;
        uint256 rest = feed.heldRest;
        if (config.held()) held = HeldSlots.unpack(feed.heldAnswers, rest);
        if (held.reason == report.reason && isNear(config, report.answer, held.firstAnswer)) {
            held.confirmations = saturated(held.confirmations);
        } else {
            (held.firstAnswer, held.firstObservedAt, held.firstSeenAt) = (report.answer, report.observedAt, seenAt);
            // forge-lint: disable-next-item(unsafe-typecast) -- clipped
            (held.firstGap, held.confirmations) = (uint16(report.gap), 0);
        }
        (held.reason, held.answer, held.observedAt) = (report.reason, report.answer, report.observedAt);
        // Only an anomalous answer can become a new level. Answers that are held for another reason stay held, however
        // often they come.
        if (report.reason == IZkOracle.HoldReason.ANOMALOUS) {
            // slither-disable-next-line incorrect-equality -- a counter that only this function writes
            if (held.anomalies == 0) (held.anomalousSince, held.anomalousSeenAt) = (report.observedAt, seenAt);
            if (held.anomalies != type(uint16).max) ++held.anomalies;
            if (isConfirmed(config, held, block.timestamp)) return true;
        }
        if (!config.held()) feed.config = config.withHeld(true);
        (held.modelNumber, held.scoreRatio) = (report.modelNumber, report.scoreRatio);
        unchecked {
            // The count wraps: a reader compares it modulo 256.
            (feed.heldAnswers, feed.heldRest) = HeldSlots.pack(held, HeldSlots.heldReports(rest) + 1);
        }
        emit IZkOracle.RoundHeld(
            report.feedId,
            report.roundId,
            report.answer,
            report.observedAt,
            report.modelNumber,
            report.scores,
            report.reason,
            held.confirmations,
            msg.sender
        );
    }

    /// @notice True if the answer is within the feed's tolerance of the first held one.
    function isNear(Config config, int256 answer, int256 first) internal pure returns (bool) {
        return Features.near(config.relative(), config.sigma(), answer, first, config.tolerance());
    }

    function saturated(uint8 count) internal pure returns (uint8) {
        return count == type(uint8).max ? count : count + 1;
    }

    /// @notice The reason why an answer is not written at once, or NONE.
    /// @dev Three kinds of answers are held whatever the model says: one that later moves can't be measured against,
    /// one that was repeated too often, and one whose move is clipped. A clipped move tells the model only that it is
    /// large. After a volatile time, when the model allows large moves, it would accept a move a thousand times as
    /// large.
    /// @param move Clipped.
    /// @param score The largest score of the model.
    function reasonFor(Config config, int256 answer, uint256 repeats, int256 move, int256 score)
        internal
        pure
        returns (IZkOracle.HoldReason)
    {
        if (config.relative() && answer <= 0) return IZkOracle.HoldReason.NOT_POSITIVE;
        uint256 maxRepeats = config.maxRepeats();
        if (maxRepeats != 0 && repeats > maxRepeats) return IZkOracle.HoldReason.REPEATED;
        bool isClipped = Features.magnitude(move) == uint256(Features.CLIP);
        return isClipped || score > 0 ? IZkOracle.HoldReason.ANOMALOUS : IZkOracle.HoldReason.NONE;
    }

    /// @notice True if one level is confirmed, or if there were too many anomalies of any level for too long: then the
    /// market itself is anomalous. The time must have passed in the reports and on the chain. Reports can be dated back,
    /// and a whole hold would otherwise begin and end in one block, unseen.
    /// @param now_ The block's time.
    function isConfirmed(Config config, IZkOracle.Held memory held, uint256 now_) internal pure returns (bool) {
        (uint256 needed, uint256 delay) = (config.confirmations(), config.confirmDelay());
        if (
            held.confirmations >= needed
                && _hasPassed(delay, held.observedAt, held.firstObservedAt, now_, held.firstSeenAt)
        ) return true;
        return held.anomalies >= PATIENCE * (needed + 1)
            && _hasPassed(PATIENCE * delay, held.observedAt, held.anomalousSince, now_, held.anomalousSeenAt);
    }

    function _hasPassed(uint256 delay, uint256 observedAt, uint256 since, uint256 now_, uint256 seenAt)
        private
        pure
        returns (bool)
    {
        return observedAt - since >= delay && now_ - seenAt >= delay;
    }
}
