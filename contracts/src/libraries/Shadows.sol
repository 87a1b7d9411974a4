// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IZkOracle} from "../interfaces/IZkOracle.sol";
import {HeldSlots, PackedRound} from "./Slots.sol";
import {Feed, Shadow, Stores} from "./Store.sol";

/// @title The shadow period of a proposed model
/// @notice The proposed model's verdict on a report is kept until its next report, or until its activation. It is then
/// compared with what the same report became under the active model: a round, or a hold. So submissions to the active
/// model cost nothing more. A report is counted but not compared if only the proposed model judged it, or if another
/// hold followed its own.
library Shadows {
    function begin(Feed storage feed, uint32 minCompared, uint32 maxDisagreements) internal {
        delete feed.shadow;
        (feed.shadow.minCompared, feed.shadow.maxDisagreements) = (minCompared, maxDisagreements);
    }

    /// @dev A report that the proposed model has judged.
    struct Report {
        bytes32 feedId;
        uint32 roundId;
        int128 answer;
        uint32 observedAt;
        uint16 modelNumber;
        bool anomalous;
        int256[] scores;
    }

    /// @dev Counts a report that the proposed model has judged.
    function record(Report memory report) external {
        Feed storage feed = Stores.get().feeds[report.feedId];
        _compare(feed, report.feedId);
        Shadow storage shadow = feed.shadow;
        shadow.answer = report.answer;
        shadow.observedAt = report.observedAt;
        shadow.roundId = report.roundId;
        shadow.anomalous = report.anomalous;
        shadow.pending = true;
        ++shadow.reports;
        emit IZkOracle.ShadowScored(
            report.feedId, report.roundId, report.answer, report.observedAt, report.modelNumber, report.scores
        );
    }

    /// @dev Reverts unless the proposed model has shown what its proposal demands.
    function requireEnough(Feed storage feed, bytes32 feedId) internal {
        _compare(feed, feedId);
        Shadow storage shadow = feed.shadow;
        if (shadow.minCompared == 0) return;
        if (shadow.compared < shadow.minCompared) {
            revert IZkOracle.ShadowTooShort(shadow.compared, shadow.minCompared);
        }
        if (shadow.disagreements > shadow.maxDisagreements) {
            revert IZkOracle.ShadowTooFar(shadow.disagreements, shadow.maxDisagreements);
        }
    }

    function _compare(Feed storage feed, bytes32 feedId) private {
        Shadow storage shadow = feed.shadow;
        if (!shadow.pending) return;
        shadow.pending = false;
        (bool isFound, int24 ratio) = _activeRatio(feed, shadow);
        if (!isFound) return;
        ++shadow.compared;
        bool agrees = shadow.anomalous == (ratio > 0);
        if (!agrees) ++shadow.disagreements;
        emit IZkOracle.ShadowCompared(feedId, shadow.roundId, feed.proposals.model, agrees);
    }

    /// @dev The active model's score ratio of the report. It is above zero exactly if the model called the report
    /// anomalous.
    function _activeRatio(Feed storage feed, Shadow storage shadow) private view returns (bool isFound, int24 ratio) {
        (int128 answer, uint32 observedAt) = (shadow.answer, shadow.observedAt);
        PackedRound round = feed.rounds[shadow.roundId];
        if (round.observedAt() == observedAt && round.answer() == answer) return (true, round.scoreRatio());
        if (!feed.config.held()) return (false, 0);
        IZkOracle.Held memory held = HeldSlots.unpack(feed.heldAnswers, feed.heldRest);
        return (held.observedAt == observedAt && held.answer == answer, held.scoreRatio);
    }
}
