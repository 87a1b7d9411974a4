// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IZkOracle} from "../interfaces/IZkOracle.sol";
import {Circuit, Config, PackedRound, Track} from "./Slots.sol";

/// @dev A feed. An accepted report reads `config`, `track`, the last round and its reporters' positions; it writes
/// `track` and the next round. `Slots` draws the packed words.
///
///     slot 0   config
///     slot 1   track
///     slot 2   heldAnswers        3   heldRest
///     slot 4   proposals          5–6 shadow
///     slot 7   description        8   reporters        9   proposedReporters
///     slot 10  rounds            11   positions
struct Feed {
    Config config;
    Track track;
    uint256 heldAnswers;
    uint256 heldRest;
    IZkOracle.Proposals proposals;
    Shadow shadow;
    string description;
    address[] reporters;
    address[] proposedReporters;
    mapping(uint256 roundId => PackedRound round) rounds;
    /// 1 + the index in `reporters`; 0: not a reporter.
    mapping(address reporter => uint256 position) positions;
}

/// @dev The latest report that the proposed model has judged, until it is compared, and the tally of the compared
/// reports.
///
///     | lastReportAt 32 | pending 8 | scoreRatio 24 | roundId 32 | observedAt 32 | answer 128 |
///     | empty 64 | disagreements 32 | compared 32 | reports 32 | distance 32 | maxDistance 32 | minCompared 32 |
struct Shadow {
    int128 answer;
    uint32 observedAt;
    uint32 roundId;
    int24 scoreRatio;
    bool pending;
    uint32 lastReportAt;
    uint32 minCompared;
    uint32 maxDistance;
    uint32 distance;
    uint32 reports;
    uint32 compared;
    uint32 disagreements;
}

/// @dev A model without its circuits. A submission reads only its `modelHash`.
struct StoredModel {
    uint256 modelHash;
    bytes32 artifactHash;
    uint32 architectureId;
}

/// @dev Everything that the hub stores, apart from its roles. A model's circuits are copies of its architecture's, with
/// the model's score unit, so that a submission reads one word.
///
///     slot 0   | modelCount 16 | architectureCount 32 |
///     slot 1   feeds        2   feedIds        3   models       4   circuits
///     slot 5   shapes       6   codeHashes     7   onlyModels
struct Store {
    uint32 architectureCount;
    uint16 modelCount;
    mapping(bytes32 feedId => Feed feed) feeds;
    bytes32[] feedIds;
    mapping(uint256 modelNumber => StoredModel model) models;
    /// Keys are `Models.key(modelNumber, index)`.
    mapping(uint256 key => Circuit circuit) circuits;
    /// Keys are `Models.key(architectureId, index)`. These circuits have no score unit.
    mapping(uint256 key => Circuit circuit) shapes;
    mapping(uint256 key => bytes32 codeHash) codeHashes;
    /// The only model of an architecture whose verifying key holds the weights.
    mapping(uint256 architectureId => uint256 modelNumber) onlyModels;
}
