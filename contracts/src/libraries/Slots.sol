// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IZkOracle} from "../interfaces/IZkOracle.sol";

// The words that a submission reads and writes, packed by hand: each costs one SLOAD or SSTORE whatever the optimizer
// makes of a struct, and no memory. Layouts are drawn from the high bits to the low ones.

/// @dev What is fixed of a feed, but for its quorum.
///
///     | sigma 64 | maxSpread 16 | tolerance 16 | confirmDelay 32 | maxSkew 32 | maxAge 32 | heartbeat 32 |
///     | confirmations 8 | quorum 8 | decimals 8 | kind 8 |
///
/// `tolerance` and `maxSpread` are below Features.CLIP: moves are clipped, and a bound beyond that bounds nothing.
type Config is uint256;

/// @dev What changes with each report.
///
///     | aggregator 160 | modelNumber 16 | lastReportAt 32 | roundId 32 | paused 8 | status 8 |
type Hot is uint256;

/// @dev One circuit, with what it shares with the others of its architecture: `count`, how many there are, `outputs`,
/// `features` and `bindsModel`. They are repeated in each so that a submission reads one word.
///
///     | empty 48 | batchSize 16 | count 8 | outputs 8 | features 8 | bindsModel 8 | verifier 160 |
type Circuit is uint256;

/// @dev | scoreRatio 48 | modelNumber 16 | publishedAt 32 | observedAt 32 | answer 128 |
type PackedRound is uint256;

using ConfigSlot for Config global;
using HotSlot for Hot global;
using CircuitSlot for Circuit global;
using RoundSlot for PackedRound global;

// All casts below take a field out of a word.
// forge-lint: disable-start(unsafe-typecast)

library ConfigSlot {
    /// @dev `tolerance` and `maxSpread` have to fit 16 bits: the caller has checked them.
    function pack(IZkOracle.FeedConfig calldata config) internal pure returns (Config) {
        uint256 word = uint256(config.kind) | (uint256(config.decimals) << 8) | (uint256(config.quorum) << 16);
        word |= (uint256(config.confirmations) << 24) | (uint256(config.heartbeat) << 32);
        word |= (uint256(config.maxAge) << 64) | (uint256(config.maxSkew) << 96);
        word |= (uint256(config.confirmDelay) << 128) | (uint256(uint16(config.tolerance)) << 160);
        word |= (uint256(uint16(config.maxSpread)) << 176) | (uint256(config.sigma) << 192);
        return Config.wrap(word);
    }

    function isEmpty(Config self) internal pure returns (bool) {
        return Config.unwrap(self) == 0;
    }

    function relative(Config self) internal pure returns (bool) {
        return uint8(Config.unwrap(self)) == uint8(IZkOracle.Kind.RELATIVE);
    }

    function decimals(Config self) internal pure returns (uint8) {
        return uint8(Config.unwrap(self) >> 8);
    }

    function quorum(Config self) internal pure returns (uint8) {
        return uint8(Config.unwrap(self) >> 16);
    }

    function withQuorum(Config self, uint8 changed) internal pure returns (Config) {
        return Config.wrap((Config.unwrap(self) & ~(uint256(0xff) << 16)) | (uint256(changed) << 16));
    }

    function confirmations(Config self) internal pure returns (uint8) {
        return uint8(Config.unwrap(self) >> 24);
    }

    function heartbeat(Config self) internal pure returns (uint32) {
        return uint32(Config.unwrap(self) >> 32);
    }

    function maxAge(Config self) internal pure returns (uint32) {
        return uint32(Config.unwrap(self) >> 64);
    }

    function maxSkew(Config self) internal pure returns (uint32) {
        return uint32(Config.unwrap(self) >> 96);
    }

    function confirmDelay(Config self) internal pure returns (uint32) {
        return uint32(Config.unwrap(self) >> 128);
    }

    function tolerance(Config self) internal pure returns (uint16) {
        return uint16(Config.unwrap(self) >> 160);
    }

    function maxSpread(Config self) internal pure returns (uint16) {
        return uint16(Config.unwrap(self) >> 176);
    }

    function sigma(Config self) internal pure returns (uint64) {
        return uint64(Config.unwrap(self) >> 192);
    }
}

library HotSlot {
    uint256 private constant STATUS = 0xff;
    uint256 private constant PAUSED = 0xff << 8;
    uint256 private constant ROUND_ID = 0xffffffff << 16;
    uint256 private constant LAST_REPORT_AT = 0xffffffff << 48;
    uint256 private constant MODEL_NUMBER = 0xffff << 80;
    uint256 private constant AGGREGATOR = uint256(type(uint160).max) << 96;

    function status(Hot self) internal pure returns (IZkOracle.Status) {
        return IZkOracle.Status(uint8(Hot.unwrap(self)));
    }

    function paused(Hot self) internal pure returns (bool) {
        return Hot.unwrap(self) & PAUSED != 0;
    }

    function roundId(Hot self) internal pure returns (uint32) {
        return uint32(Hot.unwrap(self) >> 16);
    }

    function lastReportAt(Hot self) internal pure returns (uint32) {
        return uint32(Hot.unwrap(self) >> 48);
    }

    function modelNumber(Hot self) internal pure returns (uint16) {
        return uint16(Hot.unwrap(self) >> 80);
    }

    function aggregator(Hot self) internal pure returns (address) {
        return address(uint160(Hot.unwrap(self) >> 96));
    }

    /// @notice After a report.
    function reported(Hot self, IZkOracle.Status status_, uint32 roundId_, uint32 lastReportAt_)
        internal
        pure
        returns (Hot)
    {
        uint256 rest = Hot.unwrap(self) & ~(STATUS | ROUND_ID | LAST_REPORT_AT);
        return Hot.wrap(rest | uint256(status_) | (uint256(roundId_) << 16) | (uint256(lastReportAt_) << 48));
    }

    function withPaused(Hot self, bool paused_) internal pure returns (Hot) {
        return Hot.wrap((Hot.unwrap(self) & ~PAUSED) | (paused_ ? 1 << 8 : 0));
    }

    function withModelNumber(Hot self, uint16 modelNumber_) internal pure returns (Hot) {
        return Hot.wrap((Hot.unwrap(self) & ~MODEL_NUMBER) | (uint256(modelNumber_) << 80));
    }

    function withAggregator(Hot self, address aggregator_) internal pure returns (Hot) {
        return Hot.wrap((Hot.unwrap(self) & ~AGGREGATOR) | (uint256(uint160(aggregator_)) << 96));
    }
}

library CircuitSlot {
    function pack(address verifier_, bool bindsModel_, uint8 features_, uint8 outputs_, uint8 count_, uint16 batchSize_)
        internal
        pure
        returns (Circuit)
    {
        uint256 word = uint256(uint160(verifier_)) | (bindsModel_ ? 1 << 160 : 0) | (uint256(features_) << 168);
        word |= (uint256(outputs_) << 176) | (uint256(count_) << 184) | (uint256(batchSize_) << 192);
        return Circuit.wrap(word);
    }

    function verifier(Circuit self) internal pure returns (address) {
        return address(uint160(Circuit.unwrap(self)));
    }

    function bindsModel(Circuit self) internal pure returns (bool) {
        return uint8(Circuit.unwrap(self) >> 160) != 0;
    }

    function features(Circuit self) internal pure returns (uint8) {
        return uint8(Circuit.unwrap(self) >> 168);
    }

    function outputs(Circuit self) internal pure returns (uint8) {
        return uint8(Circuit.unwrap(self) >> 176);
    }

    function count(Circuit self) internal pure returns (uint8) {
        return uint8(Circuit.unwrap(self) >> 184);
    }

    function batchSize(Circuit self) internal pure returns (uint16) {
        return uint16(Circuit.unwrap(self) >> 192);
    }
}

library RoundSlot {
    function pack(int128 answer_, uint32 observedAt_, uint256 publishedAt_, uint16 modelNumber_, int48 scoreRatio_)
        internal
        pure
        returns (PackedRound)
    {
        uint256 word = uint256(uint128(answer_)) | (uint256(observedAt_) << 128);
        word |= (uint256(uint32(publishedAt_)) << 160) | (uint256(modelNumber_) << 192);
        return PackedRound.wrap(word | (uint256(uint48(scoreRatio_)) << 208));
    }

    function answer(PackedRound self) internal pure returns (int128) {
        return int128(uint128(PackedRound.unwrap(self)));
    }

    function observedAt(PackedRound self) internal pure returns (uint32) {
        return uint32(PackedRound.unwrap(self) >> 128);
    }

    function unpack(PackedRound self) internal pure returns (IZkOracle.Round memory) {
        uint256 word = PackedRound.unwrap(self);
        return IZkOracle.Round({
            answer: self.answer(),
            observedAt: self.observedAt(),
            publishedAt: uint32(word >> 160),
            modelNumber: uint16(word >> 192),
            scoreRatio: int48(uint48(word >> 208))
        });
    }
}

/// @dev A held answer takes two words: | firstAnswer 128 | answer 128 | and
/// | empty 120 | scoreRatio 48 | modelNumber 16 | confirmations 8 | observedAt 32 | firstObservedAt 32 |
library HeldSlots {
    function pack(IZkOracle.Held memory held) internal pure returns (uint256 answers, uint256 rest) {
        answers = uint256(uint128(held.answer)) | (uint256(uint128(held.firstAnswer)) << 128);
        rest = uint256(held.firstObservedAt) | (uint256(held.observedAt) << 32) | (uint256(held.confirmations) << 64);
        rest |= (uint256(held.modelNumber) << 72) | (uint256(uint48(held.scoreRatio)) << 88);
    }

    function unpack(uint256 answers, uint256 rest) internal pure returns (IZkOracle.Held memory) {
        return IZkOracle.Held({
            answer: int128(uint128(answers)),
            firstAnswer: int128(uint128(answers >> 128)),
            firstObservedAt: uint32(rest),
            observedAt: uint32(rest >> 32),
            confirmations: uint8(rest >> 64),
            modelNumber: uint16(rest >> 72),
            scoreRatio: int48(uint48(rest >> 88))
        });
    }
}

// forge-lint: disable-end(unsafe-typecast)
