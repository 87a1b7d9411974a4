// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";

import {IZkOracle} from "../src/interfaces/IZkOracle.sol";
import {Features} from "../src/libraries/Features.sol";
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
} from "../src/libraries/Slots.sol";

/// @dev A value that goes into a packed word comes out unchanged, whatever its neighbours are.
contract SlotsTest is Test {
    /// @dev FeedConfig without the enum, the string and the peers' ids, because the fuzzer makes no valid enums.
    struct Given {
        bool relative;
        uint8 peers;
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

    function testFuzz_config(Given memory given) public view {
        Config config = _pack(given);
        assertEq(config.relative(), given.relative);
        assertEq(config.peers(), given.peers % 3);
        assertEq(config.decimals(), given.decimals);
        assertEq(config.confirmations(), given.confirmations);
        assertEq(config.maxRepeats(), given.maxRepeats);
        assertEq(config.modelNumber(), given.modelNumber);
        assertFalse(config.paused() || config.held() || config.linked());
        assertEq(config.heartbeat(), given.heartbeat);
        assertEq(config.maxAge(), given.maxAge);
        assertEq(config.maxSkew(), given.maxSkew);
        assertEq(config.confirmDelay(), given.confirmDelay);
        assertEq(config.tolerance(), given.tolerance);
        assertEq(config.maxSpread(), given.maxSpread);
        assertEq(config.committee(), given.committee);
        assertEq(config.sigma(), given.sigma);
    }

    function testFuzz_changesOfAConfigKeepTheRest(
        Given memory given,
        uint16 number,
        bool paused,
        bool held,
        bool linked
    ) public view {
        Config before = _pack(given);
        Config changed = before.withPaused(paused).withHeld(held).withModelNumber(number);
        if (linked) changed = changed.withLinked();
        assertEq(changed.paused(), paused);
        assertEq(changed.held(), held);
        assertEq(changed.linked(), linked);
        assertEq(changed.modelNumber(), number);
        Config back = changed.withPaused(false).withHeld(false).withModelNumber(given.modelNumber);
        uint256 flag = linked ? 8 : 0;
        assertEq(Config.unwrap(back), Config.unwrap(before) | flag);
    }

    function testFuzz_track(uint256 word, int16 move, uint32 variance, uint32 roundId) public pure {
        Track track = Track.wrap(word).push(move, variance, roundId);
        assertEq(track.roundId(), roundId);
        if (Track.unwrap(track) != 0) assertEq(track.variance(), variance);
        // forge-lint: disable-next-item(unsafe-typecast) -- the low 16 bits
        assertEq(int16(uint16(track.ring())), move);
        assertEq(track.ring() >> 16, (word >> 64) & (2 ** 176 - 1));
    }

    function test_aTrackWithoutRoundsHasTheVarianceOfItsSigma() public pure {
        assertEq(Track.wrap(0).variance(), 1_000 << 17);
        assertEq(Track.wrap(0).variance(), Features.VARIANCE_ONE);
        // A variance of nothing is a variance, too: the feed has a round.
        assertEq(Track.wrap(0).push(0, 0, 1).variance(), 0);
    }

    function testFuzz_circuit(address verifier, bool binds, uint8 features, uint8 outputs, uint8 count, uint16 batch)
        public
        pure
    {
        Circuit circuit = CircuitSlot.pack(verifier, binds, features, outputs, count, batch);
        assertEq(circuit.verifier(), verifier);
        assertEq(circuit.bindsModel(), binds);
        assertEq(circuit.features(), features);
        assertEq(circuit.outputs(), outputs);
        assertEq(circuit.count(), count);
        assertEq(circuit.batchSize(), batch);
    }

    function testFuzz_scoreUnit(Circuit circuit, uint128 unit) public pure {
        circuit = Circuit.wrap(Circuit.unwrap(circuit) & (2 ** 208 - 1));
        (Circuit with_, bool fits) = circuit.withScoreUnit(unit);
        uint256 odd = unit;
        while (odd != 0 && odd & 1 == 0) {
            odd >>= 1;
        }
        assertEq(fits, odd != 0 && odd < 2 ** 40);
        if (!fits) return;
        assertEq(with_.scoreUnit(), unit);
        assertEq(Circuit.unwrap(with_) & (2 ** 208 - 1), Circuit.unwrap(circuit));
    }

    /// @param delay From an hour before the report to 90 days after it.
    function testFuzz_round(IZkOracle.Round memory given, uint256 delay, uint8 repeats) public pure {
        given.observedAt = uint32(bound(given.observedAt, 1 hours, type(uint32).max - 90 days));
        given.count = uint8(bound(given.count, 0, 31));
        // forge-lint: disable-next-item(unsafe-typecast) -- bounded
        given.publishedAt = uint32(given.observedAt - 1 hours + bound(delay, 0, 90 days + 1 hours));
        PackedRound packed = RoundSlot.pack(
            given.answer,
            given.observedAt,
            given.publishedAt,
            given.modelNumber,
            given.scoreRatio,
            repeats,
            given.spread,
            given.count
        );
        assertFalse(packed.isEmpty());
        assertEq(abi.encode(packed.unpack()), abi.encode(given));
        assertEq(packed.answer(), given.answer);
        assertEq(packed.observedAt(), given.observedAt);
        assertEq(packed.scoreRatio(), given.scoreRatio);
        assertEq(packed.repeats(), repeats);
        assertLt(PackedRound.unwrap(packed), 2 ** 253);
    }

    function test_noRoundIsAllZero() public pure {
        IZkOracle.Round memory none;
        assertEq(abi.encode(PackedRound.wrap(0).unpack()), abi.encode(none));
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
        IZkOracle.Held memory given = IZkOracle.Held({
            reason: IZkOracle.HoldReason(bound(reason, 0, 3)),
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
        assertEq(abi.encode(HeldSlots.unpack(words, rest)), abi.encode(given));
        assertEq(HeldSlots.observedAt(rest), given.observedAt);
        assertEq(uint8(HeldSlots.reason(rest)), uint8(given.reason));
        assertEq(HeldSlots.firstGap(rest), given.firstGap);
        assertEq(HeldSlots.firstAnswer(words), given.firstAnswer);
        assertEq(HeldSlots.heldReports(rest), heldReports);
    }

    function testFuzz_peers(bytes32[2] memory ids, int128[2] memory answers, int128 later) public pure {
        uint256 rests = PeerSlot.withRest(PeerSlot.withRest(0, 0, ids[0]), 1, ids[1]);
        for (uint256 k = 0; k < 2; ++k) {
            uint256 word = PeerSlot.pack(ids[k], answers[k]);
            assertEq(PeerSlot.answer(word), answers[k]);
            assertEq(PeerSlot.half(word), uint256(ids[k]) >> 128);
            assertEq(PeerSlot.id(word, rests, k), ids[k]);
            word = PeerSlot.withAnswer(word, later);
            assertEq(PeerSlot.answer(word), later);
            assertEq(PeerSlot.id(word, rests, k), ids[k]);
        }
    }

    function _pack(Given memory given) internal view returns (Config) {
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
        config.peers = new bytes32[](given.peers % 3);
        return this.pack(config, given.modelNumber);
    }

    /// @dev The library takes calldata.
    function pack(IZkOracle.FeedConfig calldata given, uint16 modelNumber) external pure returns (Config) {
        return ConfigSlot.pack(given, modelNumber);
    }
}
