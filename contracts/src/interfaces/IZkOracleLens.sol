// SPDX-License-Identifier: MIT
pragma solidity >=0.8.20 <0.9.0;

import {IZkOracle} from "./IZkOracle.sol";

/// @title Reads what a hub stores and its consumers do not need: feeds as reporters see them, committees, models
/// @notice The lens reads words of the hub's storage, so a hub's code has room for what counts. It holds nothing, serves
/// every hub of this version, and nobody has to trust the one that `IZkOracle.lens` names: anybody can deploy another
/// one, or read the words.
interface IZkOracleLens {
    /// @notice Everything that is needed to derive the features of a feed's next report.
    /// @param lastReportAt The time of the latest report, accepted or held. The next one has to be later.
    /// @param repeats The number of reports in a row that have repeated the latest answer exactly.
    /// @param variance The running variance of the accepted moves, in thousandths of sigma² per heartbeat, with 17
    /// binary digits after the point.
    /// @param returns_ The last accepted moves, newest first, in thousandths of sigma.
    /// @param peers The feeds that are signed with this one; `peerAnswers` are their answers in the report of the feed's
    /// last round. They count only if there is a round.
    /// @param heldReports The held reports of the feed so far, modulo 256. Unlike `held`, it is kept when a hold ends.
    /// @param held All zero unless the status is HELD.
    struct FeedState {
        IZkOracle.Status status;
        bool paused;
        uint32 roundId;
        int128 answer;
        uint32 observedAt;
        uint32 publishedAt;
        uint32 lastReportAt;
        uint16 modelNumber;
        uint8 repeats;
        uint32 variance;
        int16[12] returns_;
        bytes32[] peers;
        int128[] peerAnswers;
        uint32 committee;
        uint8 heldReports;
        IZkOracle.Held held;
    }

    /// @notice The reporters of feeds.
    /// @param epoch Counts from 1 and grows with each activated change. Signatures name it.
    /// @param proposedFrom The time from which the proposed reporters may be activated; 0: none are proposed.
    struct Committee {
        uint32 epoch;
        uint8 quorum;
        address[] reporters;
        uint64 proposedFrom;
        uint8 proposedQuorum;
        address[] proposedReporters;
    }

    /// @notice The ids of all feeds, in the order in which they were added.
    function feedIds(IZkOracle hub) external view returns (bytes32[] memory ids);
    /// @notice Reverts with `UnknownFeed` if there is no such feed, as all functions that take a feed.
    function feedState(IZkOracle hub, bytes32 feedId) external view returns (FeedState memory state);
    function feedStates(IZkOracle hub, bytes32[] calldata ids) external view returns (FeedState[] memory states);
    function feedConfig(IZkOracle hub, bytes32 feedId) external view returns (IZkOracle.FeedConfig memory config);
    function committeeCount(IZkOracle hub) external view returns (uint32 count);
    function committee(IZkOracle hub, uint32 committeeId) external view returns (Committee memory found);
    function architectureCount(IZkOracle hub) external view returns (uint32 count);
    function architecture(IZkOracle hub, uint32 architectureId)
        external
        view
        returns (IZkOracle.Architecture memory found);
    function modelCount(IZkOracle hub) external view returns (uint16 count);
    function model(IZkOracle hub, uint16 modelNumber) external view returns (IZkOracle.Model memory found);
    function proposals(IZkOracle hub, bytes32 feedId) external view returns (IZkOracle.Proposals memory proposed);
    /// @notice The tally of the proposed model; all zero if no model is proposed.
    function shadow(IZkOracle hub, bytes32 feedId) external view returns (IZkOracle.ShadowTally memory tally);

    /// @notice The features by which the feed's active model would judge a candidate now, in the order of its list.
    /// @param spread The spread of the reporters' answers, in thousandths of sigma.
    /// @param count The number of reporters that have an answer.
    /// @param peerAnswers The answers of the feed's peers in the same report.
    function features(
        IZkOracle hub,
        bytes32 feedId,
        int128 answer,
        uint32 observedAt,
        uint16 spread,
        uint8 count,
        int128[] calldata peerAnswers
    ) external view returns (int256[] memory vector);

    /// @notice The EIP-712 digest that a reporter signs.
    /// @param answers The reporter's answer for each listed feed.
    /// @param readings Hash of the reporter's readings: see `IZkOracle.Signature`.
    function reportDigest(
        IZkOracle hub,
        uint32 committeeId,
        uint32 epoch,
        uint32 observedAt,
        bytes32[] calldata ids,
        uint32[] calldata roundIds,
        int128[] calldata answers,
        bytes32 readings
    ) external view returns (bytes32 digest);
}
