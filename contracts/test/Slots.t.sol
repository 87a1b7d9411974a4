// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";

import {IZkOracle} from "../src/interfaces/IZkOracle.sol";
import {Circuit, CircuitSlot, Config, ConfigSlot, HeldSlots, Hot, RoundSlot} from "../src/libraries/Slots.sol";

/// @dev What goes into a packed word comes out of it, whatever its neighbours are.
contract SlotsTest is Test {
    /// @dev As FeedConfig, without the enum and the string: the fuzzer makes no valid enums.
    struct Given {
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

    function testFuzz_config(Given memory given) public view {
        Config config = _pack(given);
        assertEq(config.relative(), given.relative);
        assertEq(config.decimals(), given.decimals);
        assertEq(config.quorum(), given.quorum);
        assertEq(config.confirmations(), given.confirmations);
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

    function testFuzz_hot(uint8 status, uint32 roundId, uint32 lastReportAt, uint16 model, address linked, bool paused)
        public
        pure
    {
        IZkOracle.Status state = IZkOracle.Status(bound(status, 0, 2));
        // Written over a full word, each field stands on its own.
        Hot hot = Hot.wrap((type(uint256).max >> 8 << 8) | uint256(IZkOracle.Status.HELD));
        hot = hot.withAggregator(linked).withModelNumber(model).withPaused(paused);
        assertEq(hot.roundId(), type(uint32).max);
        assertEq(hot.lastReportAt(), type(uint32).max);
        assertEq(uint8(hot.status()), uint8(IZkOracle.Status.HELD));
        hot = hot.reported(state, roundId, lastReportAt);
        assertEq(uint8(hot.status()), uint8(state));
        assertEq(hot.paused(), paused);
        assertEq(hot.roundId(), roundId);
        assertEq(hot.lastReportAt(), lastReportAt);
        assertEq(hot.modelNumber(), model);
        assertEq(hot.aggregator(), linked);
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

    function testFuzz_round(IZkOracle.Round memory given) public pure {
        IZkOracle.Round memory round = RoundSlot.pack(
                given.answer, given.observedAt, given.publishedAt, given.modelNumber, given.scoreRatio
            ).unpack();
        assertEq(abi.encode(round), abi.encode(given));
    }

    function testFuzz_held(IZkOracle.Held memory given) public pure {
        (uint256 answers, uint256 rest) = HeldSlots.pack(given);
        assertEq(abi.encode(HeldSlots.unpack(answers, rest)), abi.encode(given));
    }

    function _pack(Given memory given) internal view returns (Config) {
        IZkOracle.FeedConfig memory config;
        config.kind = given.relative ? IZkOracle.Kind.RELATIVE : IZkOracle.Kind.ABSOLUTE;
        config.decimals = given.decimals;
        config.quorum = given.quorum;
        config.confirmations = given.confirmations;
        config.heartbeat = given.heartbeat;
        config.maxAge = given.maxAge;
        config.maxSkew = given.maxSkew;
        config.confirmDelay = given.confirmDelay;
        config.tolerance = given.tolerance;
        config.maxSpread = given.maxSpread;
        config.sigma = given.sigma;
        return this.pack(config);
    }

    /// @dev The library takes calldata.
    function pack(IZkOracle.FeedConfig calldata given) external pure returns (Config) {
        return ConfigSlot.pack(given);
    }
}
