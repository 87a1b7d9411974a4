// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IZkOracle} from "../interfaces/IZkOracle.sol";
import {Features} from "./Features.sol";

// The words that a submission reads and writes. They are packed by hand: each costs one SLOAD or SSTORE, however the
// optimizer treats a struct, and no memory. Layouts are drawn from the high bits to the low ones.

/// @dev A feed's fixed terms, and the settings that change rarely: model, pause and hold. A report that is accepted
/// while nothing is held reads this word and does not write it.
///
///     | sigma 64 | committee 24 | maxSpread 16 | tolerance 16 | confirmDelay 24 | maxSkew 16 | maxAge 24 |
///     | heartbeat 24 | modelNumber 16 | maxRepeats 8 | confirmations 8 | decimals 8 |
///     | empty 2 | peers 2 | linked 1 | held 1 | paused 1 | relative 1 |
type Config is uint256;

/// @dev The current end of a feed's history. Each accepted report writes it, beside its round.
///
///     | ring of the last accepted moves 192 | variance 32 | roundId 32 |
///
/// The ring is 12 int16, with the newest in the low bits.
type Track is uint256;

/// @dev One circuit as a model uses it. Except for the model's hash, this is everything that a submission reads of a
/// model. `count` (the number of circuits), `outputs`, `features` (their number), `bindsModel` and `scoreUnit` are
/// repeated in each circuit.
///
///     | scoreUnit 48 | batchSize 16 | count 8 | outputs 8 | features 8 | empty 7 | bindsModel 1 | verifier 160 |
///
/// `scoreUnit` is | mantissa 40 | exponent 8 |, exact: a unit with more significant bits is refused.
type Circuit is uint256;

/// @dev An accepted round. `publishedAfter` is the delay from the report's time to the block's, plus LONGEST_SKEW, so
/// that it is not negative.
///
///     | empty 3 | count 5 | spread 16 | scoreRatio 24 | modelNumber 16 | repeats 8 | publishedAfter 24 |
///     | observedAt 32 | answer 128 |
type PackedRound is uint256;

using ConfigSlot for Config global;
using TrackSlot for Track global;
using CircuitSlot for Circuit global;
using RoundSlot for PackedRound global;

// All casts below take a field from a word, or put in a value that the caller has bounded.
// forge-lint: disable-start(unsafe-typecast)

library ConfigSlot {
    uint256 private constant RELATIVE = 1;
    uint256 private constant PAUSED = 2;
    uint256 private constant HELD = 4;
    uint256 private constant LINKED = 8;
    uint256 private constant MODEL_NUMBER = 0xffff << 32;

    /// @dev The caller has checked that each field fits.
    function pack(IZkOracle.FeedConfig calldata config, uint16 modelNumber_) internal pure returns (Config) {
        uint256 word = config.kind == IZkOracle.Kind.RELATIVE ? RELATIVE : 0;
        word |= (config.peers.length << 4) | (uint256(config.decimals) << 8);
        word |= (uint256(config.confirmations) << 16) | (uint256(config.maxRepeats) << 24);
        word |= (uint256(modelNumber_) << 32) | (uint256(uint24(config.heartbeat)) << 48);
        word |= (uint256(uint24(config.maxAge)) << 72) | (uint256(uint16(config.maxSkew)) << 96);
        word |= (uint256(uint24(config.confirmDelay)) << 112) | (uint256(uint16(config.tolerance)) << 136);
        word |= (uint256(uint16(config.maxSpread)) << 152) | (uint256(uint24(config.committee)) << 168);
        return Config.wrap(word | (uint256(config.sigma) << 192));
    }

    function isEmpty(Config self) internal pure returns (bool) {
        return Config.unwrap(self) == 0;
    }

    function relative(Config self) internal pure returns (bool) {
        return Config.unwrap(self) & RELATIVE != 0;
    }

    function paused(Config self) internal pure returns (bool) {
        return Config.unwrap(self) & PAUSED != 0;
    }

    function held(Config self) internal pure returns (bool) {
        return Config.unwrap(self) & HELD != 0;
    }

    function linked(Config self) internal pure returns (bool) {
        return Config.unwrap(self) & LINKED != 0;
    }

    /// @notice The number of the feed's peers.
    function peers(Config self) internal pure returns (uint256) {
        return (Config.unwrap(self) >> 4) & 3;
    }

    function decimals(Config self) internal pure returns (uint8) {
        return uint8(Config.unwrap(self) >> 8);
    }

    function confirmations(Config self) internal pure returns (uint8) {
        return uint8(Config.unwrap(self) >> 16);
    }

    function maxRepeats(Config self) internal pure returns (uint8) {
        return uint8(Config.unwrap(self) >> 24);
    }

    function modelNumber(Config self) internal pure returns (uint16) {
        return uint16(Config.unwrap(self) >> 32);
    }

    function heartbeat(Config self) internal pure returns (uint24) {
        return uint24(Config.unwrap(self) >> 48);
    }

    function maxAge(Config self) internal pure returns (uint24) {
        return uint24(Config.unwrap(self) >> 72);
    }

    function maxSkew(Config self) internal pure returns (uint16) {
        return uint16(Config.unwrap(self) >> 96);
    }

    function confirmDelay(Config self) internal pure returns (uint24) {
        return uint24(Config.unwrap(self) >> 112);
    }

    function tolerance(Config self) internal pure returns (uint16) {
        return uint16(Config.unwrap(self) >> 136);
    }

    function maxSpread(Config self) internal pure returns (uint16) {
        return uint16(Config.unwrap(self) >> 152);
    }

    function committee(Config self) internal pure returns (uint24) {
        return uint24(Config.unwrap(self) >> 168);
    }

    function sigma(Config self) internal pure returns (uint64) {
        return uint64(Config.unwrap(self) >> 192);
    }

    /// @notice The times that a report may have which comes at `now_`.
    function times(Config self, uint256 now_) internal pure returns (uint256 earliest, uint256 latest) {
        unchecked {
            uint256 age = self.maxAge();
            earliest = now_ > age ? now_ - age : 0;
            latest = now_ + self.maxSkew();
        }
    }

    function withPaused(Config self, bool flag) internal pure returns (Config) {
        return _withFlag(self, PAUSED, flag);
    }

    function withHeld(Config self, bool flag) internal pure returns (Config) {
        return _withFlag(self, HELD, flag);
    }

    function withLinked(Config self) internal pure returns (Config) {
        return _withFlag(self, LINKED, true);
    }

    function withModelNumber(Config self, uint16 changed) internal pure returns (Config) {
        return Config.wrap((Config.unwrap(self) & ~MODEL_NUMBER) | (uint256(changed) << 32));
    }

    function _withFlag(Config self, uint256 mask, bool flag) private pure returns (Config) {
        uint256 rest = Config.unwrap(self) & ~mask;
        return Config.wrap(flag ? rest | mask : rest);
    }
}

library TrackSlot {
    function roundId(Track self) internal pure returns (uint32) {
        return uint32(Track.unwrap(self));
    }

    /// @notice The moves alone, with the newest in the low 16 bits.
    function ring(Track self) internal pure returns (uint256) {
        return Track.unwrap(self) >> 64;
    }

    /// @notice The running variance, with 17 binary digits after the point. A feed without rounds has the variance of
    /// its sigma.
    function variance(Track self) internal pure returns (uint32) {
        return Track.unwrap(self) == 0 ? Features.VARIANCE_ONE : uint32(Track.unwrap(self) >> 32);
    }

    /// @notice The track after one more accepted move, which belongs to `roundId_`. The oldest move is dropped.
    function push(Track self, int256 move, uint32 variance_, uint32 roundId_) internal pure returns (Track) {
        uint256 older = (Track.unwrap(self) >> 64) << 80;
        return Track.wrap(older | (uint256(uint16(int16(move))) << 64) | (uint256(variance_) << 32) | uint256(roundId_));
    }
}

library CircuitSlot {
    uint256 private constant BINDS_MODEL = 1 << 160;

    function pack(
        address verifier_,
        bool bindsModel_,
        uint256 features_,
        uint8 outputs_,
        uint256 count_,
        uint16 batchSize_
    ) internal pure returns (Circuit) {
        uint256 word = uint256(uint160(verifier_)) | (features_ << 168);
        word |= (bindsModel_ ? BINDS_MODEL : 0) | (uint256(outputs_) << 176) | (count_ << 184)
            | (uint256(batchSize_) << 192);
        return Circuit.wrap(word);
    }

    function verifier(Circuit self) internal pure returns (address) {
        return address(uint160(Circuit.unwrap(self)));
    }

    function bindsModel(Circuit self) internal pure returns (bool) {
        return Circuit.unwrap(self) & BINDS_MODEL != 0;
    }

    /// @notice The number of features of a window.
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

    function scoreUnit(Circuit self) internal pure returns (uint128) {
        uint256 word = Circuit.unwrap(self);
        return uint128((word >> 216) << uint8(word >> 208));
    }

    /// @return The circuit with a score unit, and true if the unit fits: it is not zero and has at most 40 significant
    /// bits.
    function withScoreUnit(Circuit self, uint128 unit) internal pure returns (Circuit, bool) {
        uint256 mantissa = unit;
        uint256 exponent = 0;
        while (mantissa >= 2 ** 40 && mantissa & 1 == 0) {
            mantissa >>= 1;
            ++exponent;
        }
        uint256 word = Circuit.unwrap(self) | (mantissa << 216) | (exponent << 208);
        return (Circuit.wrap(word), mantissa != 0 && mantissa < 2 ** 40);
    }
}

library RoundSlot {
    /// @notice The longest `maxSkew` of a feed, in seconds. The next report has to be later than the last one, so wrong
    /// clocks of a quorum can delay the next report by this much.
    uint256 internal constant LONGEST_SKEW = 1 hours;
    /// @notice The longest `maxAge` of a feed, in seconds. With the skew, the delay stays below 2^24.
    uint256 internal constant LONGEST_AGE = 90 days;

    function pack(
        int128 answer_,
        uint32 observedAt_,
        uint256 publishedAt_,
        uint16 modelNumber_,
        int24 scoreRatio_,
        uint8 repeats_,
        uint256 spread_,
        uint256 count_
    ) internal pure returns (PackedRound) {
        unchecked {
            // The block's time is before the report's by at most LONGEST_SKEW.
            uint256 word = uint256(uint128(answer_)) | (uint256(observedAt_) << 128);
            word |= (publishedAt_ + LONGEST_SKEW - observedAt_) << 160;
            word |= (uint256(repeats_) << 184) | (uint256(modelNumber_) << 192);
            word |= (uint256(uint24(scoreRatio_)) << 208) | (spread_ << 232) | (count_ << 248);
            return PackedRound.wrap(word);
        }
    }

    function isEmpty(PackedRound self) internal pure returns (bool) {
        return PackedRound.unwrap(self) == 0;
    }

    function answer(PackedRound self) internal pure returns (int128) {
        return int128(uint128(PackedRound.unwrap(self)));
    }

    function observedAt(PackedRound self) internal pure returns (uint32) {
        return uint32(PackedRound.unwrap(self) >> 128);
    }

    function repeats(PackedRound self) internal pure returns (uint8) {
        return uint8(PackedRound.unwrap(self) >> 184);
    }

    function scoreRatio(PackedRound self) internal pure returns (int24) {
        return int24(uint24(PackedRound.unwrap(self) >> 208));
    }

    /// @notice All zero if there is no such round.
    function unpack(PackedRound self) internal pure returns (IZkOracle.Round memory round) {
        if (self.isEmpty()) return round;
        uint256 word = PackedRound.unwrap(self);
        round.answer = self.answer();
        round.observedAt = self.observedAt();
        round.publishedAt = uint32(uint256(round.observedAt) + uint24(word >> 160) - LONGEST_SKEW);
        round.modelNumber = uint16(word >> 192);
        round.scoreRatio = self.scoreRatio();
        round.spread = uint16(word >> 232);
        round.count = uint8(word >> 248);
    }
}

/// @dev A held answer takes two words:
///
///     | firstAnswer 128 | answer 128 |
///     | heldReports 8 | firstGap 16 | anomalousSeenAt 32 | anomalousSince 32 | anomalies 16 | reason 8 | scoreRatio 24 |
///     | modelNumber 16 | confirmations 8 | observedAt 32 | firstSeenAt 32 | firstObservedAt 32 |
///
/// They are valid only while the feed is held. They are not cleared, because writing them again is then cheaper.
/// `heldReports` is the exception: it is carried from hold to hold and always valid. It counts the held reports of the
/// feed, modulo 256, so that who reads the storage sees whether events of holds were kept from him.
library HeldSlots {
    function pack(IZkOracle.Held memory held, uint8 heldReports_)
        internal
        pure
        returns (uint256 answers, uint256 rest)
    {
        answers = uint256(uint128(held.answer)) | (uint256(uint128(held.firstAnswer)) << 128);
        rest = uint256(held.firstObservedAt) | (uint256(held.firstSeenAt) << 32) | (uint256(held.observedAt) << 64);
        rest |= (uint256(held.confirmations) << 96) | (uint256(held.modelNumber) << 104);
        rest |= (uint256(uint24(held.scoreRatio)) << 120) | (uint256(held.reason) << 144);
        rest |= (uint256(held.anomalies) << 152) | (uint256(held.anomalousSince) << 168);
        rest |= (uint256(held.anomalousSeenAt) << 200) | (uint256(held.firstGap) << 232);
        rest |= uint256(heldReports_) << 248;
    }

    function observedAt(uint256 rest) internal pure returns (uint32) {
        return uint32(rest >> 64);
    }

    function reason(uint256 rest) internal pure returns (IZkOracle.HoldReason) {
        return IZkOracle.HoldReason(uint8(rest >> 144));
    }

    function firstGap(uint256 rest) internal pure returns (uint16) {
        return uint16(rest >> 232);
    }

    /// @notice The held reports of the feed so far, modulo 256, whether the feed is held or not.
    function heldReports(uint256 rest) internal pure returns (uint8) {
        return uint8(rest >> 248);
    }

    function firstAnswer(uint256 answers) internal pure returns (int128) {
        return int128(uint128(answers >> 128));
    }

    function unpack(uint256 answers, uint256 rest) internal pure returns (IZkOracle.Held memory) {
        return IZkOracle.Held({
            reason: IZkOracle.HoldReason(uint8(rest >> 144)),
            answer: int128(uint128(answers)),
            firstAnswer: int128(uint128(answers >> 128)),
            firstObservedAt: uint32(rest),
            firstSeenAt: uint32(rest >> 32),
            observedAt: uint32(rest >> 64),
            confirmations: uint8(rest >> 96),
            modelNumber: uint16(rest >> 104),
            scoreRatio: int24(uint24(rest >> 120)),
            anomalies: uint16(rest >> 152),
            anomalousSince: uint32(rest >> 168),
            anomalousSeenAt: uint32(rest >> 200),
            firstGap: uint16(rest >> 232)
        });
    }
}

/// @dev A peer of a feed, as a report reads and writes it. So a feed with one peer has one word to read and to write:
///
///     | first half of the peer's id 128 | its answer in the report of the feed's last accepted round 128 |
///
/// The second halves of both peers' ids are in a word of their own, | second 128 | first 128 |, which no report reads. Ids
/// are hashes. To make two with the same first half, the admin itself would need some 2^64 tries.
library PeerSlot {
    uint256 private constant ANSWER = type(uint128).max;

    function pack(bytes32 peerId, int128 answer_) internal pure returns (uint256) {
        return (uint256(peerId) & ~ANSWER) | uint256(uint128(answer_));
    }

    /// @notice The first half of the peer's id, by which a report's feeds are searched.
    function half(uint256 word) internal pure returns (uint256) {
        return word >> 128;
    }

    function answer(uint256 word) internal pure returns (int128) {
        return int128(uint128(word));
    }

    function withAnswer(uint256 word, int128 answer_) internal pure returns (uint256) {
        return (word & ~ANSWER) | uint256(uint128(answer_));
    }

    /// @notice The word of second halves, with that of the `index`-th peer put in.
    function withRest(uint256 rests, uint256 index, bytes32 peerId) internal pure returns (uint256) {
        return rests | ((uint256(peerId) & ANSWER) << (index * 128));
    }

    /// @notice The whole id of the `index`-th peer.
    function id(uint256 word, uint256 rests, uint256 index) internal pure returns (bytes32) {
        return bytes32((word & ~ANSWER) | uint128(rests >> (index * 128)));
    }
}

// forge-lint: disable-end(unsafe-typecast)
