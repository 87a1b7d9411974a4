// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";

import {IZkOracle} from "../../src/interfaces/IZkOracle.sol";
import {Features} from "../../src/libraries/Features.sol";
import {
    Circuit,
    CircuitSlot,
    Config,
    ConfigSlot,
    HeldSlots,
    PackedRound,
    PeerSlot,
    RoundSlot,
    Track
} from "../../src/libraries/Slots.sol";
import {Committee, Feed, Shadow, Stores} from "../../src/libraries/Store.sol";

// forge-lint: disable-start(unsafe-typecast) -- parts of words are meant

/// @dev A value that goes into a packed word comes out unchanged, whatever its neighbours are. `make test` fuzzes these
/// properties; `make symbolic` proves them.
contract WordsSymbolic is Test {
    /// @dev FeedConfig without the enum, the string and the peers' ids, because the fuzzer makes no valid enums.
    struct Given {
        bool relative;
        uint8 decimals;
        uint8 confirmations;
        uint8 maxRepeats;
        uint24 heartbeat;
        uint24 maxAge;
        uint16 maxSkew;
        uint24 confirmDelay;
        uint16 tolerance;
        uint16 maxSpread;
        uint24 committee;
        uint64 sigma;
        uint16 modelNumber;
    }

    Feed private _feed;
    Committee private _committee;

    function testFuzz_config(Given memory given) public view {
        for (uint256 peers = 0; peers <= Features.MAX_PEERS; ++peers) {
            Config config = _pack(given, peers);
            _assertTerms(config, given, peers);
            assert(config.modelNumber() == given.modelNumber);
            assert(!config.paused() && !config.held() && !config.linked());
        }
    }

    function testFuzz_changesOfAConfigKeepTheRest(
        Given memory given,
        uint16 number,
        bool paused,
        bool held,
        bool linked
    ) public view {
        Config changed = _pack(given, 1).withPaused(paused).withHeld(held).withModelNumber(number);
        if (linked) changed = changed.withLinked();
        _assertTerms(changed, given, 1);
        assert(changed.modelNumber() == number);
        assert(changed.paused() == paused && changed.held() == held && changed.linked() == linked);
    }

    /// @dev Of any word, not only of one that was packed.
    function testFuzz_aChangeOfAConfigIsUndone(uint256 word, uint16 number) public pure {
        Config config = Config.wrap(word);
        Config changed = config.withPaused(!config.paused()).withHeld(!config.held()).withModelNumber(number);
        changed = changed.withPaused(config.paused()).withHeld(config.held()).withModelNumber(config.modelNumber());
        assert(Config.unwrap(changed) == word);
        assert(Config.unwrap(config.withLinked()) == word | 8);
        assert(config.isEmpty() == (word == 0));
    }

    function testFuzz_track(uint256 word, int16 move, uint32 variance, uint32 roundId) public pure {
        Track track = Track.wrap(word).push(move, variance, roundId);
        assert(track.roundId() == roundId);
        // No round has the number 0.
        if (roundId != 0) assert(track.variance() == variance);
        assert(Features.at(track.ring(), 0) == move);
        for (uint256 i = 1; i < Features.RING_SIZE; ++i) {
            assert(Features.at(track.ring(), i) == Features.at(Track.wrap(word).ring(), i - 1));
        }
        assert(track.ring() >> (16 * Features.RING_SIZE) == 0);
    }

    function testFuzz_circuit(address verifier, bool binds, uint8 features, uint8 outputs, uint8 count, uint16 batch)
        public
        pure
    {
        Circuit circuit = CircuitSlot.pack(verifier, binds, features, outputs, count, batch);
        assert(circuit.verifier() == verifier && circuit.bindsModel() == binds && circuit.features() == features);
        assert(circuit.outputs() == outputs && circuit.count() == count && circuit.batchSize() == batch);
    }

    /// @dev A unit is taken exactly, or refused: it is taken if it has at most 40 significant bits.
    /// @custom:bound units below 2^48
    function testFuzz_scoreUnit(uint48 unit, uint256 word) public pure {
        Circuit circuit = Circuit.wrap(word & (2 ** 208 - 1));
        (Circuit with_, bool fits) = circuit.withScoreUnit(unit);
        uint256 isExact = 0;
        for (uint256 exponent = 0; exponent <= 8; ++exponent) {
            assembly ("memory-safe") {
                let mantissa := shr(exponent, unit)
                isExact := or(isExact, and(eq(shl(exponent, mantissa), unit), lt(mantissa, shl(40, 1))))
            }
        }
        assert(fits == (unit != 0 && isExact == 1));
        if (!fits) return;
        assert(with_.scoreUnit() == unit);
        assert(Circuit.unwrap(with_) & (2 ** 208 - 1) == Circuit.unwrap(circuit));
    }

    /// @dev A time of the report comes out as it went in, also if it is ahead of the block's. The next report has to be
    /// later: with the earlier of the two, one quorum's signatures would count twice.
    /// @param delay From an hour before the report to 90 days after it.
    function testFuzz_round(
        int128 answer,
        uint32 observedAt,
        uint24 delay,
        uint16 modelNumber,
        int24 ratio,
        uint8 repeats,
        uint16 spread,
        uint8 count
    ) public pure {
        vm.assume(delay <= RoundSlot.LONGEST_AGE + RoundSlot.LONGEST_SKEW);
        vm.assume(count > 0 && count < 32);
        uint256 publishedAt = uint256(observedAt) + delay;
        vm.assume(publishedAt >= RoundSlot.LONGEST_SKEW);
        publishedAt -= RoundSlot.LONGEST_SKEW;
        vm.assume(publishedAt <= type(uint32).max);
        PackedRound packed = RoundSlot.pack(answer, observedAt, publishedAt, modelNumber, ratio, repeats, spread, count);
        assert(!packed.isEmpty());
        assert(packed.answer() == answer && packed.observedAt() == observedAt);
        assert(packed.scoreRatio() == ratio && packed.repeats() == repeats);
        assert(PackedRound.unwrap(packed) < 2 ** 253);
        IZkOracle.Round memory round = packed.unpack();
        assert(round.answer == answer && round.observedAt == observedAt && round.publishedAt == publishedAt);
        assert(round.modelNumber == modelNumber && round.scoreRatio == ratio);
        assert(round.spread == spread && round.count == count);
    }

    function testFuzz_held(
        int128[2] memory answers,
        uint32[5] memory times,
        uint16[3] memory counts,
        uint8 reason,
        uint8 confirmations,
        int24 ratio,
        uint8 heldReports
    ) public pure {
        vm.assume(reason <= uint8(type(IZkOracle.HoldReason).max));
        IZkOracle.Held memory given = IZkOracle.Held({
            reason: IZkOracle.HoldReason(reason),
            answer: answers[0],
            firstAnswer: answers[1],
            firstObservedAt: times[0],
            firstSeenAt: times[1],
            observedAt: times[2],
            confirmations: confirmations,
            modelNumber: counts[0],
            scoreRatio: ratio,
            anomalies: counts[1],
            anomalousSince: times[3],
            anomalousSeenAt: times[4],
            firstGap: counts[2]
        });
        (uint256 words, uint256 rest) = HeldSlots.pack(given, heldReports);
        IZkOracle.Held memory found = HeldSlots.unpack(words, rest);
        assert(found.reason == given.reason && found.answer == given.answer && found.firstAnswer == given.firstAnswer);
        assert(found.firstObservedAt == times[0] && found.firstSeenAt == times[1] && found.observedAt == times[2]);
        assert(found.anomalousSince == times[3] && found.anomalousSeenAt == times[4]);
        assert(found.confirmations == confirmations && found.scoreRatio == ratio);
        assert(found.modelNumber == counts[0] && found.anomalies == counts[1] && found.firstGap == counts[2]);
        assert(HeldSlots.observedAt(rest) == times[2] && HeldSlots.reason(rest) == given.reason);
        assert(HeldSlots.firstGap(rest) == counts[2] && HeldSlots.firstAnswer(words) == answers[1]);
        assert(HeldSlots.heldReports(rest) == heldReports);
    }

    function testFuzz_peers(bytes32 first, bytes32 second, int128 answer, int128 later) public pure {
        uint256 rests = PeerSlot.withRest(PeerSlot.withRest(0, 0, first), 1, second);
        (uint256 one, uint256 two) = (PeerSlot.pack(first, answer), PeerSlot.pack(second, answer));
        assert(PeerSlot.answer(one) == answer && PeerSlot.half(one) == uint256(first) >> 128);
        assert(PeerSlot.id(one, rests, 0) == first && PeerSlot.id(two, rests, 1) == second);
        one = PeerSlot.withAnswer(one, later);
        assert(PeerSlot.answer(one) == later && PeerSlot.id(one, rests, 0) == first);
    }

    /// @dev The word that the lens reads of a feed's proposals, as the compiler packs it.
    function testFuzz_proposals(
        uint64 modelFrom,
        uint64 unpauseFrom,
        uint64 previousUntil,
        uint16 model,
        uint16 previous
    ) public {
        _feed.proposals = IZkOracle.Proposals(modelFrom, unpauseFrom, previousUntil, model, previous);
        uint256 word = _load(_slotOf(_feed) + 7);
        assert(uint64(word) == modelFrom && uint64(word >> 64) == unpauseFrom && uint64(word >> 128) == previousUntil);
        assert(uint16(word >> 192) == model && uint16(word >> 208) == previous && word >> 224 == 0);
    }

    /// @dev The words of a shadow period, as `Store` draws them.
    function testFuzz_shadow(
        uint32[5] memory counts,
        int128 answer,
        uint32 observedAt,
        uint32 roundId,
        bool anomalous,
        bool pending
    ) public {
        _feed.shadow = Shadow({
            reports: counts[0],
            compared: counts[1],
            disagreements: counts[2],
            minCompared: counts[3],
            maxDisagreements: counts[4],
            answer: answer,
            observedAt: observedAt,
            roundId: roundId,
            anomalous: anomalous,
            pending: pending
        });
        (uint256 tally, uint256 report) = (_load(_slotOf(_feed) + 8), _load(_slotOf(_feed) + 9));
        for (uint256 i = 0; i < 5; ++i) {
            assert(uint32(tally >> (32 * i)) == counts[i]);
        }
        assert(tally >> 160 == 0);
        assert(int128(uint128(report)) == answer && uint32(report >> 128) == observedAt);
        assert(uint32(report >> 160) == roundId);
        assert(uint8(report >> 192) == (anomalous ? 1 : 0) && uint8(report >> 200) == (pending ? 1 : 0));
        assert(report >> 208 == 0);
    }

    /// @dev The word of a committee that a submission reads, and the lens.
    function testFuzz_committee(uint32 epoch, uint8 quorum, uint8 size, uint8 proposedQuorum, uint64 proposedFrom)
        public
    {
        (_committee.epoch, _committee.quorum, _committee.size) = (epoch, quorum, size);
        (_committee.proposedQuorum, _committee.proposedFrom) = (proposedQuorum, proposedFrom);
        uint256 slot;
        assembly ("memory-safe") {
            slot := _committee.slot
        }
        uint256 word = _load(slot);
        assert(uint32(word) == epoch && uint8(word >> 32) == quorum && uint8(word >> 40) == size);
        assert(uint8(word >> 48) == proposedQuorum && uint64(word >> 56) == proposedFrom && word >> 120 == 0);
    }

    function _slotOf(Feed storage feed) private pure returns (uint256) {
        return uint256(Stores.slotOf(feed));
    }

    function _load(uint256 slot) private view returns (uint256 word) {
        assembly ("memory-safe") {
            word := sload(slot)
        }
    }

    function _assertTerms(Config config, Given memory given, uint256 peers) private pure {
        assert(config.relative() == given.relative && config.peers() == peers && config.decimals() == given.decimals);
        assert(config.confirmations() == given.confirmations && config.maxRepeats() == given.maxRepeats);
        assert(config.heartbeat() == given.heartbeat && config.maxAge() == given.maxAge);
        assert(config.maxSkew() == given.maxSkew && config.confirmDelay() == given.confirmDelay);
        assert(config.tolerance() == given.tolerance && config.maxSpread() == given.maxSpread);
        assert(config.committee() == given.committee && config.sigma() == given.sigma);
    }

    function _pack(Given memory given, uint256 peers) private view returns (Config) {
        IZkOracle.FeedConfig memory config;
        config.kind = given.relative ? IZkOracle.Kind.RELATIVE : IZkOracle.Kind.ABSOLUTE;
        config.decimals = given.decimals;
        config.confirmations = given.confirmations;
        config.maxRepeats = given.maxRepeats;
        config.heartbeat = given.heartbeat;
        config.maxAge = given.maxAge;
        config.maxSkew = given.maxSkew;
        config.confirmDelay = given.confirmDelay;
        config.tolerance = given.tolerance;
        config.maxSpread = given.maxSpread;
        config.sigma = given.sigma;
        config.committee = given.committee;
        config.peers = new bytes32[](peers);
        return this.pack(config, given.modelNumber);
    }

    /// @dev The library takes calldata.
    function pack(IZkOracle.FeedConfig calldata given, uint16 modelNumber) external pure returns (Config) {
        return ConfigSlot.pack(given, modelNumber);
    }
}

// forge-lint: disable-end(unsafe-typecast)
