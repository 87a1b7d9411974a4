// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Vm} from "forge-std/Vm.sol";

import {IZkAggregator} from "../src/interfaces/IZkAggregator.sol";
import {IZkOracle} from "../src/interfaces/IZkOracle.sol";
import {Adapters} from "../src/libraries/Adapters.sol";
import {OracleTest} from "./OracleTest.sol";

/// @dev Adapters of a true hub: what they read of it, and which of them it calls. `ZkAggregatorTest` tries their terms
/// in all states of a mock.
contract HubAdaptersTest is OracleTest {
    IZkAggregator internal plain;
    IZkAggregator internal strict;
    IZkAggregator internal lastGood;

    function setUp() public override {
        super.setUp();
        plain = _linked(feedId);
        strict = _newAdapter(feedId, IZkAggregator.Mode.STRICT);
        lastGood = _newAdapter(feedId, IZkAggregator.Mode.LAST_GOOD);
    }

    function test_constants() public {
        IZkAggregator[3] memory all = [plain, strict, lastGood];
        for (uint256 i = 0; i < all.length; ++i) {
            assertEq(address(all[i].hub()), address(hub));
            assertEq(all[i].feedId(), feedId);
            assertEq(all[i].decimals(), 8);
            assertEq(all[i].description(), "ETH / USD");
        }
        // The longest description that the hub takes is stored in another way.
        string memory text = "a description of 64 bytes, which takes two words of the storage.";
        vm.prank(ADMIN);
        bytes32 id = _addFeed(text, IZkOracle.Kind.RELATIVE, solo);
        assertEq(_newAdapter(id, IZkAggregator.Mode.STRICT).description(), text);
    }

    function test_adapterOfAnUnknownFeedCantBeMade() public {
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.UnknownFeed.selector, keccak256("nothing")));
        _newAdapter(keccak256("nothing"), IZkAggregator.Mode.PLAIN);
    }

    function test_rounds() public {
        _report(feedId, PRICE, -1);
        skip(HEARTBEAT);
        _report(feedId, 101e8, -1);
        IZkAggregator[3] memory all = [plain, strict, lastGood];
        for (uint256 i = 0; i < all.length; ++i) {
            for (uint32 id = 1; id <= 2; ++id) {
                IZkOracle.Round memory round = hub.getRound(feedId, id);
                (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound) =
                    all[i].getRoundData(id);
                assertEq(answer, id == 1 ? PRICE : int128(101e8));
                assertEq(
                    abi.encode(roundId, answer, startedAt, updatedAt, answeredInRound),
                    abi.encode(id, round.answer, round.observedAt, round.publishedAt, id)
                );
            }
            vm.expectRevert("No data present");
            all[i].getRoundData(3);
        }
    }

    /// @dev Hold, staleness and pause of the hub are those of the table in docs/contracts.md.
    function test_heldStaleAndPaused() public {
        _report(feedId, PRICE, -1);
        uint256 observedAt = hub.getRound(feedId, 1).observedAt;
        skip(60);
        _report(feedId, 10e8, 1);
        _assertWithheld(IZkOracle.Status.HELD, false, false);
        skip(60);
        _report(feedId, PRICE, -1);
        assertEq(strict.latestAnswer(), PRICE);
        observedAt = hub.getRound(feedId, 2).observedAt;
        vm.warp(observedAt + HEARTBEAT + MAX_AGE);
        assertEq(strict.latestAnswer(), PRICE);
        skip(1);
        _assertWithheld(IZkOracle.Status.OK, false, true);
        vm.prank(GUARDIAN);
        hub.pause(feedId);
        _assertWithheld(IZkOracle.Status.OK, true, true);
        vm.warp(observedAt + lastGood.terms().bound + 1);
        vm.expectRevert(abi.encodeWithSelector(IZkAggregator.AnswerTooOld.selector, observedAt, 4 hours));
        lastGood.latestRoundData();
        assertEq(plain.latestAnswer(), PRICE);
    }

    /// @dev A confirmed jump is told by its score, in every mode.
    function test_latestScored() public {
        _report(feedId, PRICE, -250_000);
        for (uint256 i = 0; i < 3; ++i) {
            skip(CONFIRM_DELAY);
            _report(feedId, 10e8, 1_500_000);
        }
        IZkOracle.Round memory round = hub.getRound(feedId, 2);
        assertEq(round.answer, 10e8);
        IZkAggregator.ScoredRound memory expected = IZkAggregator.ScoredRound({
            roundId: 2,
            answer: 10e8,
            observedAt: round.observedAt,
            publishedAt: round.publishedAt,
            scoreRatio: 1_500,
            spread: 0,
            count: 1,
            modelNumber: modelNumber,
            modelHash: MODEL_HASH,
            artifactHash: keccak256("artifact"),
            status: IZkOracle.Status.OK,
            paused: false,
            stale: false
        });
        assertEq(abi.encode(strict.latestScored()), abi.encode(expected));
        assertEq(abi.encode(plain.latestScored()), abi.encode(expected));
    }

    // Which adapters the hub calls

    function test_theHubAnnouncesToItsLinkedAdapterAlone() public {
        assertEq(hub.aggregator(feedId), address(plain));
        vm.recordLogs();
        _report(feedId, PRICE, -1);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        assertEq(_logsOf(logs, address(plain)), 2);
        assertEq(_logsOf(logs, address(strict)), 0);
        assertEq(_logsOf(logs, address(lastGood)), 0);
    }

    /// @dev The address that the hub calls follows from the salt of the plain terms, and nobody else can be there.
    function test_theHubsAdapterIsTheFactorys() public {
        vm.prank(ADMIN);
        bytes32 id = _addFeed("BTC / USD", IZkOracle.Kind.RELATIVE, solo);
        address expected = vm.computeCreate2Address(Adapters.salt(hub, id), factory.initCodeHash(), address(factory));
        // A strict adapter is no plain one: it can't be linked.
        _newAdapter(id, IZkAggregator.Mode.STRICT);
        vm.prank(ADMIN);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.AggregatorNotDeployed.selector, expected));
        hub.linkAggregator(id);
        assertEq(address(_linked(id)), expected);
        assertEq(hub.aggregator(id), expected);
    }

    function _assertWithheld(IZkOracle.Status status, bool paused, bool stale) internal {
        assertEq(strict.latestAnswer(), 0);
        vm.expectRevert(abi.encodeWithSelector(IZkAggregator.AnswerUnavailable.selector, status, paused, stale));
        strict.latestRoundData();
        assertEq(plain.latestAnswer(), PRICE);
        assertEq(lastGood.latestAnswer(), PRICE);
        assertEq(strict.getAnswer(1), PRICE);
        IZkAggregator.ScoredRound memory scored = strict.latestScored();
        assertEq(abi.encode(scored.status, scored.paused, scored.stale), abi.encode(status, paused, stale));
    }

    function _logsOf(Vm.Log[] memory logs, address emitter) internal pure returns (uint256 count) {
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].emitter == emitter) ++count;
        }
    }
}
