// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IZkOracle} from "../interfaces/IZkOracle.sol";
import {Circuit, Config, PackedRound, Track} from "./Slots.sol";

/// @dev A feed. An accepted report reads and writes `track` and the word of each peer, reads `config` and the last round,
/// and writes the next one. `Slots` draws the packed words.
///
///     slot 0   config             1   track
///     slot 2   heldAnswers        3   heldRest
///     slot 4–5 peers              6   peerRests
///     slot 7   proposals          8–9 shadow
///     slot 10  description       11   rounds
struct Feed {
    Config config;
    Track track;
    uint256 heldAnswers;
    uint256 heldRest;
    uint256[2] peers;
    uint256 peerRests;
    IZkOracle.Proposals proposals;
    Shadow shadow;
    string description;
    mapping(uint256 roundId => PackedRound round) rounds;
}

/// @dev The tally of a proposed model's shadow period, and the latest report that the model has judged, until it is
/// compared.
///
///     | empty 96 | maxDisagreements 32 | minCompared 32 | disagreements 32 | compared 32 | reports 32 |
///     | empty 48 | pending 8 | anomalous 8 | roundId 32 | observedAt 32 | answer 128 |
struct Shadow {
    uint32 reports;
    uint32 compared;
    uint32 disagreements;
    uint32 minCompared;
    uint32 maxDisagreements;
    int128 answer;
    uint32 observedAt;
    uint32 roundId;
    bool anomalous;
    bool pending;
}

/// @dev The reporters of feeds. A submission reads the first word, and the position of each signer.
///
///     slot 0   | empty 136 | proposedFrom 64 | proposedQuorum 8 | size 8 | quorum 8 | epoch 32 |
///     slot 1   reporters          2   proposed          3   positions
struct Committee {
    uint32 epoch;
    uint8 quorum;
    uint8 size;
    uint8 proposedQuorum;
    uint64 proposedFrom;
    address[] reporters;
    address[] proposed;
    /// 1 + the index in `reporters`; 0: not a reporter.
    mapping(address reporter => uint256 position) positions;
}

/// @dev A model without its circuits. A submission reads `features`, and `modelHash` if the circuit binds it.
///
///     slot 0   modelHash          1   features
///     slot 2   artifactHash       3   architectureId
struct StoredModel {
    uint256 modelHash;
    /// The codes of the features, from the highest byte on.
    bytes32 features;
    bytes32 artifactHash;
    uint32 architectureId;
}

/// @dev Everything that the hub stores, apart from its roles. A model's circuits are copies of its architecture's, with
/// the model's score unit, so that a submission reads one word.
///
///     slot 0   | modelCount 16 | committeeCount 32 | architectureCount 32 |
///     slot 1   feeds        2   feedIds        3   committees        4   models
///     slot 5   circuits     6   shapes         7   codeHashes        8   features        9   onlyModels
struct Store {
    uint32 architectureCount;
    uint32 committeeCount;
    uint16 modelCount;
    mapping(bytes32 feedId => Feed feed) feeds;
    bytes32[] feedIds;
    mapping(uint256 committeeId => Committee committee) committees;
    mapping(uint256 modelNumber => StoredModel model) models;
    /// Keys are `Models.key(modelNumber, index)`.
    mapping(uint256 key => Circuit circuit) circuits;
    /// Keys are `Models.key(architectureId, index)`. These circuits have no score unit.
    mapping(uint256 key => Circuit circuit) shapes;
    mapping(uint256 key => bytes32 codeHash) codeHashes;
    mapping(uint256 architectureId => bytes32 features) features;
    /// The only model of an architecture whose verifying key holds the weights.
    mapping(uint256 architectureId => uint256 modelNumber) onlyModels;
}

/// @dev The place of the hub's store, by ERC-7201: keccak256(keccak256("verifiable-oracle.hub") − 1) & ~0xff. It does not
/// depend on the contracts that the hub inherits from, so that readers of the storage can rely on it.
library Stores {
    /// @dev Written out, because the compiler would compute it anew at each use.
    bytes32 internal constant SLOT = 0x0deade891f142b96440e45fd99081e4e6f8ab91bffd5401da7382970ac455500;

    /// @notice Where a feed is stored, to be kept in memory.
    function slotOf(Feed storage feed) internal pure returns (bytes32 slot) {
        assembly ("memory-safe") {
            slot := feed.slot
        }
    }

    /// @notice The feed that is stored there: the inverse of `slotOf`.
    function feedAt(bytes32 slot) internal pure returns (Feed storage feed) {
        assembly ("memory-safe") {
            feed.slot := slot
        }
    }

    function get() internal pure returns (Store storage store) {
        bytes32 slot = SLOT;
        assembly ("memory-safe") {
            store.slot := slot
        }
    }
}
