// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IZkAggregator} from "../src/interfaces/IZkAggregator.sol";
import {IZkOracle} from "../src/interfaces/IZkOracle.sol";
import {OracleTest} from "./OracleTest.sol";

/// @dev Chainlink's semantics, plain and strict.
contract ZkAggregatorTest is OracleTest {
    IZkAggregator internal plain;
    IZkAggregator internal strict;

    function setUp() public override {
        super.setUp();
        plain = _linked(feedId);
        strict = _newAdapter(feedId, true);
    }

    function test_constants() public view {
        assertEq(plain.decimals(), 8);
        assertEq(plain.description(), "ETH / USD");
        assertEq(plain.version(), 1);
        assertEq(address(plain.hub()), address(hub));
        assertEq(plain.feedId(), feedId);
        assertFalse(plain.strict());
        assertTrue(strict.strict());
        assertEq(hub.aggregator(feedId), address(plain));
    }

    function test_noDataV2IsZeroAndV3Reverts() public {
        IZkAggregator[2] memory both = [plain, strict];
        for (uint256 i = 0; i < 2; ++i) {
            assertEq(both[i].latestAnswer(), 0);
            assertEq(both[i].latestTimestamp(), 0);
            assertEq(both[i].latestRound(), 0);
            vm.expectRevert("No data present");
            both[i].latestRoundData();
            uint80[5] memory ids = [uint80(0), 1, 2, 2 ** 32 + 1, type(uint80).max];
            for (uint256 j = 0; j < ids.length; ++j) {
                assertEq(both[i].getAnswer(ids[j]), 0);
                assertEq(both[i].getTimestamp(ids[j]), 0);
                vm.expectRevert("No data present");
                both[i].getRoundData(ids[j]);
            }
        }
    }

    function test_latestScored() public {
        vm.expectRevert("No data present");
        plain.latestScored();
        _submit(_updateAt(feedId, PRICE, -250_000, _now() - 5));
        IZkAggregator.ScoredRound memory expected = IZkAggregator.ScoredRound({
            roundId: 1,
            answer: PRICE,
            observedAt: _now() - 5,
            publishedAt: _now(),
            scoreRatio: -250,
            modelNumber: modelNumber,
            modelHash: MODEL_HASH,
            artifactHash: keccak256("artifact"),
            status: IZkOracle.Status.OK,
            paused: false,
            stale: false
        });
        assertEq(abi.encode(plain.latestScored()), abi.encode(expected));
        // A strict adapter shows the round too, with the feed's status.
        skip(60);
        _report(feedId, 10e8, 1);
        vm.prank(GUARDIAN);
        hub.pause(feedId);
        skip(HEARTBEAT + MAX_AGE);
        (expected.status, expected.paused, expected.stale) = (IZkOracle.Status.HELD, true, true);
        assertEq(abi.encode(strict.latestScored()), abi.encode(expected));
    }

    function test_rounds() public {
        uint32 first = _now();
        _submit(_updateAt(feedId, PRICE, -1, first - 5));
        skip(HEARTBEAT);
        _submit(_updateAt(feedId, 101e8, -1, _now() - 2));

        _assertRound(plain, 1, PRICE, first - 5, first);
        _assertRound(plain, 2, 101e8, _now() - 2, _now());
        _assertRound(strict, 1, PRICE, first - 5, first);
        (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound) =
            plain.latestRoundData();
        assertEq(roundId, 2);
        assertEq(answer, 101e8);
        assertEq(startedAt, _now() - 2);
        assertEq(updatedAt, _now());
        assertEq(answeredInRound, 2);
        assertEq(plain.latestAnswer(), 101e8);
        assertEq(plain.latestTimestamp(), _now());
        assertEq(plain.latestRound(), 2);
        assertEq(strict.latestAnswer(), 101e8);
        // An id beyond 32 bits does not name the round of its low bits.
        assertEq(plain.getAnswer(2 ** 32 + 1), 0);
        vm.expectRevert("No data present");
        plain.getRoundData(2 ** 32 + 1);
        vm.expectRevert("No data present");
        plain.getRoundData(3);
    }

    function test_heldStaleAndPaused() public {
        _report(feedId, PRICE, -1);
        skip(60);
        _report(feedId, 10e8, 1);
        _assertUnavailable(IZkOracle.Status.HELD, false, false);
        skip(60);
        _report(feedId, PRICE, -1);
        assertEq(strict.latestAnswer(), PRICE);
        skip(HEARTBEAT + MAX_AGE + 1);
        _assertUnavailable(IZkOracle.Status.OK, false, true);
        vm.prank(GUARDIAN);
        hub.pause(feedId);
        _assertUnavailable(IZkOracle.Status.OK, true, true);
    }

    function test_onlyTheHubAnnounces() public {
        vm.expectRevert(abi.encodeWithSelector(IZkAggregator.OnlyHub.selector, address(this)));
        plain.announce(1, PRICE, _now(), address(this));
    }

    function test_adapterOfAnUnknownFeedCantBeMade() public {
        bytes memory arguments = abi.encode(hub, keccak256("nothing"), false);
        vm.expectRevert();
        deployCode("ZkAggregator.sol:ZkAggregator", arguments);
    }

    function _assertUnavailable(IZkOracle.Status status, bool paused, bool stale) internal {
        assertEq(strict.latestAnswer(), 0);
        assertEq(strict.latestTimestamp(), 0);
        assertEq(strict.latestRound(), 0);
        vm.expectRevert(abi.encodeWithSelector(IZkAggregator.AnswerUnavailable.selector, status, paused, stale));
        strict.latestRoundData();
        // The plain adapter still gives the last accepted answer, and history stays readable.
        assertEq(plain.latestAnswer(), PRICE);
        assertEq(strict.getAnswer(1), PRICE);
    }

    function _assertRound(IZkAggregator adapter, uint80 id, int256 answer, uint256 startedAt, uint256 updatedAt)
        internal
        view
    {
        (uint80 roundId, int256 answer_, uint256 startedAt_, uint256 updatedAt_, uint80 answeredInRound) =
            adapter.getRoundData(id);
        assertEq(roundId, id);
        assertEq(answer_, answer);
        assertEq(startedAt_, startedAt);
        assertEq(updatedAt_, updatedAt);
        assertEq(answeredInRound, id);
        assertEq(adapter.getAnswer(id), answer);
        assertEq(adapter.getTimestamp(id), updatedAt);
    }
}
