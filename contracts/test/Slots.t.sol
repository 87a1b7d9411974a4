// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";

import {IZkOracle} from "../src/interfaces/IZkOracle.sol";
import {
    Circuit,
    CircuitSlot,
    Config,
    ConfigSlot,
    HeldSlots,
    PackedRound,
    RoundSlot,
    Track
} from "../src/libraries/Slots.sol";

/// @dev A value that goes into a packed word comes out unchanged, whatever its neighbours are.
contract SlotsTest is Test {
    /// @dev FeedConfig without the enum and the string, because the fuzzer makes no valid enums.
    struct Given {
        bool relative;
        uint8 decimals;
        uint8 quorum;
        uint8 confirmations;
        uint8 maxRepeats;
        uint32 heartbeat;
        uint24 maxAge;
        uint16 maxSkew;
        uint32 confirmDelay;
        uint16 tolerance;
        uint16 maxSpread;
        uint64 sigma;
        uint16 modelNumber;
    }

    function testFuzz_config(Given memory given) public view {
        Config config = _pack(given);
        assertEq(config.relative(), given.relative);
        assertEq(config.decimals(), given.decimals);
        assertEq(config.quorum(), given.quorum);
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
        assertEq(config.sigma(), given.sigma);
    }

    function testFuzz_quorumChangesNothingElse(Given memory given, uint8 quorum) public view {
        Config before = _pack(given);
        given.quorum = quorum;
        assertEq(Config.unwrap(before.withQuorum(quorum)), Config.unwrap(_pack(given)));
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

    function testFuzz_track(uint256 word, int16 move, uint32 roundId) public pure {
        Track track = Track.wrap(word).push(move, roundId);
        assertEq(track.roundId(), roundId);
        // forge-lint: disable-next-item(unsafe-typecast) -- the low 16 bits
        assertEq(int16(uint16(track.ring())), move);
        assertEq(track.ring() >> 16, (word >> 32) & (2 ** 208 - 1));
    }

    function testFuzz_circuit(
        address verifier,
        bool binds,
        bool spread,
        uint8 features,
        uint8 outputs,
        uint8 count,
        uint16 batch
    ) public pure {
        Circuit circuit = CircuitSlot.pack(verifier, binds, spread, features, outputs, count, batch);
        assertEq(circuit.verifier(), verifier);
        assertEq(circuit.bindsModel(), binds);
        assertEq(circuit.hasSpread(), spread);
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

    function testFuzz_round(
        int128 answer,
        uint32 observedAt,
        uint24 latestAfter,
        uint24 published,
        uint16 model,
        int24 ratio,
        uint8 repeats
    ) public pure {
        observedAt = uint32(bound(observedAt, 1, type(uint32).max - 2 ** 24));
        uint256 publishedAt = uint256(observedAt) + bound(published, 0, 90 days);
        uint32 latest = observedAt + latestAfter;
        PackedRound packed = RoundSlot.pack(answer, observedAt, latest, publishedAt, model, ratio, repeats);
        assertFalse(packed.isEmpty());
        assertEq(packed.latestObservedAt(), latest);
        assertEq(packed.repeats(), repeats);
        IZkOracle.Round memory round = packed.unpack();
        assertEq(round.answer, answer);
        assertEq(round.observedAt, observedAt);
        assertEq(round.publishedAt, publishedAt);
        assertEq(round.modelNumber, model);
        assertEq(round.scoreRatio, ratio);
    }

    /// @dev An observation may be ahead of the block by the skew.
    function test_roundObservedAheadOfTheBlock() public pure {
        PackedRound packed = RoundSlot.pack(1, 10_000, 10_000, 6_400, 1, 0, 0);
        assertEq(packed.unpack().publishedAt, 6_400);
        assertEq(packed.unpack().observedAt, 10_000);
    }

    function test_noRoundIsAllZero() public pure {
        IZkOracle.Round memory none;
        assertEq(abi.encode(PackedRound.wrap(0).unpack()), abi.encode(none));
    }

    function testFuzz_held(
        int128[2] memory answers,
        uint32[4] memory times,
        uint16 anomalies,
        uint8 reason,
        uint8 confirmations,
        uint16 model,
        int24 ratio
    ) public pure {
        IZkOracle.Held memory given = IZkOracle.Held({
            reason: IZkOracle.HoldReason(bound(reason, 0, 3)),
            answer: answers[0],
            firstAnswer: answers[1],
            firstObservedAt: times[0],
            observedAt: times[1],
            confirmations: confirmations,
            modelNumber: model,
            scoreRatio: ratio,
            anomalies: anomalies,
            anomalousSince: times[3]
        });
        (uint256 words, uint256 rest) = HeldSlots.pack(given, times[2]);
        assertEq(abi.encode(HeldSlots.unpack(words, rest)), abi.encode(given));
        assertEq(HeldSlots.lastReportAt(rest), times[2]);
    }

    function _pack(Given memory given) internal view returns (Config) {
        IZkOracle.FeedConfig memory config;
        config.kind = given.relative ? IZkOracle.Kind.RELATIVE : IZkOracle.Kind.ABSOLUTE;
        config.decimals = given.decimals;
        config.quorum = given.quorum;
        config.confirmations = given.confirmations;
        config.maxRepeats = given.maxRepeats;
        config.heartbeat = given.heartbeat;
        config.maxAge = given.maxAge;
        config.maxSkew = given.maxSkew;
        config.confirmDelay = given.confirmDelay;
        config.tolerance = given.tolerance;
        config.maxSpread = given.maxSpread;
        config.sigma = given.sigma;
        return this.pack(config, given.modelNumber);
    }

    /// @dev The library takes calldata.
    function pack(IZkOracle.FeedConfig calldata given, uint16 modelNumber) external pure returns (Config) {
        return ConfigSlot.pack(given, modelNumber);
    }
}
