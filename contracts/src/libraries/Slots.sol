// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IZkOracle} from "../interfaces/IZkOracle.sol";

/// @title The words that a submission reads and writes
/// @notice Packed by hand, so that each costs one SLOAD or SSTORE whatever the optimizer makes of a struct.
/// @dev Each layout from the high bits to the low ones. All casts below take a field out of a word.
library Slots {
    /// @dev | sigma 64 | maxSpread 16 | tolerance 16 | confirmDelay 32 | maxSkew 32 | maxAge 32 | heartbeat 32
    ///      | confirmations 8 | quorum 8 | decimals 8 | kind 8 |
    /// `tolerance` and `maxSpread` are below Features.CLIP: moves are clipped, and a bound beyond that bounds nothing.
    struct Config {
        bool relative;
        uint8 decimals;
        uint8 quorum;
        uint8 confirmations;
        uint32 heartbeat;
        uint32 maxAge;
        uint32 maxSkew;
        uint32 confirmDelay;
        uint16 tolerance;
        uint16 maxSpread;
        uint64 sigma;
    }

    /// @dev | aggregator 160 | modelNumber 16 | lastReportAt 32 | roundId 32 | paused 8 | status 8 |
    struct Hot {
        IZkOracle.Status status;
        bool paused;
        uint32 roundId;
        uint32 lastReportAt;
        uint16 modelNumber;
        address aggregator;
    }

    /// @dev | batchSize 16 | count 8 | outputs 8 | features 8 | bindsModel 8 | verifier 160 |
    /// `count` is the number of circuits of the architecture, `features` and `outputs` are the architecture's too:
    /// repeated in each, so that a submission reads one word.
    struct Circuit {
        address verifier;
        bool bindsModel;
        uint8 features;
        uint8 outputs;
        uint8 count;
        uint16 batchSize;
    }

    // forge-lint: disable-start(unsafe-typecast)

    function packConfig(Config memory config) internal pure returns (uint256 word) {
        word = (config.relative ? 0 : 1) | (uint256(config.decimals) << 8) | (uint256(config.quorum) << 16);
        word |= (uint256(config.confirmations) << 24) | (uint256(config.heartbeat) << 32);
        word |= (uint256(config.maxAge) << 64) | (uint256(config.maxSkew) << 96);
        word |= (uint256(config.confirmDelay) << 128) | (uint256(config.tolerance) << 160);
        word |= (uint256(config.maxSpread) << 176) | (uint256(config.sigma) << 192);
    }

    function unpackConfig(uint256 word) internal pure returns (Config memory config) {
        config.relative = uint8(word) == 0;
        config.decimals = uint8(word >> 8);
        config.quorum = uint8(word >> 16);
        config.confirmations = uint8(word >> 24);
        config.heartbeat = uint32(word >> 32);
        config.maxAge = uint32(word >> 64);
        config.maxSkew = uint32(word >> 96);
        config.confirmDelay = uint32(word >> 128);
        config.tolerance = uint16(word >> 160);
        config.maxSpread = uint16(word >> 176);
        config.sigma = uint64(word >> 192);
    }

    function packHot(Hot memory hot) internal pure returns (uint256 word) {
        word = uint256(hot.status) | (hot.paused ? 1 << 8 : 0) | (uint256(hot.roundId) << 16);
        word |= (uint256(hot.lastReportAt) << 48) | (uint256(hot.modelNumber) << 80);
        word |= uint256(uint160(hot.aggregator)) << 96;
    }

    function unpackHot(uint256 word) internal pure returns (Hot memory hot) {
        hot.status = IZkOracle.Status(uint8(word));
        hot.paused = uint8(word >> 8) != 0;
        hot.roundId = uint32(word >> 16);
        hot.lastReportAt = uint32(word >> 48);
        hot.modelNumber = uint16(word >> 80);
        hot.aggregator = address(uint160(word >> 96));
    }

    function packCircuit(Circuit memory circuit) internal pure returns (uint256 word) {
        word = uint256(uint160(circuit.verifier)) | (circuit.bindsModel ? 1 << 160 : 0);
        word |= (uint256(circuit.features) << 168) | (uint256(circuit.outputs) << 176);
        word |= (uint256(circuit.count) << 184) | (uint256(circuit.batchSize) << 192);
    }

    function unpackCircuit(uint256 word) internal pure returns (Circuit memory circuit) {
        circuit.verifier = address(uint160(word));
        circuit.bindsModel = uint8(word >> 160) != 0;
        circuit.features = uint8(word >> 168);
        circuit.outputs = uint8(word >> 176);
        circuit.count = uint8(word >> 184);
        circuit.batchSize = uint16(word >> 192);
    }

    /// @dev | scoreRatio 48 | modelNumber 16 | publishedAt 32 | observedAt 32 | answer 128 |
    function packRound(IZkOracle.Round memory round) internal pure returns (uint256 word) {
        word = uint256(uint128(round.answer)) | (uint256(round.observedAt) << 128);
        word |= (uint256(round.publishedAt) << 160) | (uint256(round.modelNumber) << 192);
        word |= uint256(uint48(round.scoreRatio)) << 208;
    }

    function unpackRound(uint256 word) internal pure returns (IZkOracle.Round memory round) {
        round.answer = int128(uint128(word));
        round.observedAt = uint32(word >> 128);
        round.publishedAt = uint32(word >> 160);
        round.modelNumber = uint16(word >> 192);
        round.scoreRatio = int48(uint48(word >> 208));
    }

    /// @dev Two words: | firstAnswer 128 | answer 128 |
    /// and | empty 120 | scoreRatio 48 | modelNumber 16 | confirmations 8 | observedAt 32 | firstObservedAt 32 |
    function packHeld(IZkOracle.Held memory held) internal pure returns (uint256 answers, uint256 rest) {
        answers = uint256(uint128(held.answer)) | (uint256(uint128(held.firstAnswer)) << 128);
        rest = uint256(held.firstObservedAt) | (uint256(held.observedAt) << 32) | (uint256(held.confirmations) << 64);
        rest |= (uint256(held.modelNumber) << 72) | (uint256(uint48(held.scoreRatio)) << 88);
    }

    function unpackHeld(uint256 answers, uint256 rest) internal pure returns (IZkOracle.Held memory held) {
        held.answer = int128(uint128(answers));
        held.firstAnswer = int128(uint128(answers >> 128));
        held.firstObservedAt = uint32(rest);
        held.observedAt = uint32(rest >> 32);
        held.confirmations = uint8(rest >> 64);
        held.modelNumber = uint16(rest >> 72);
        held.scoreRatio = int48(uint48(rest >> 88));
    }

    // forge-lint: disable-end(unsafe-typecast)
}
