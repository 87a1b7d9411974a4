// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";

import {MockUptimeFeed} from "../mocks/MockUptimeFeed.sol";
import {IZkAggregator} from "../src/interfaces/IZkAggregator.sol";
import {IZkAggregatorFactory} from "../src/interfaces/IZkAggregatorFactory.sol";
import {IZkOracle} from "../src/interfaces/IZkOracle.sol";
import {MockHub} from "./mocks/MockHub.sol";

/// @dev A feed in whatever state a test wants, an adapter of each mode, and each guarded one.
abstract contract AdapterTest is Test {
    bytes32 internal constant FEED_ID = keccak256("ETH / USD");
    int128 internal constant PRICE = 2_000e8;
    uint32 internal constant HEARTBEAT = 1 hours;
    /// @dev Seconds after which a round is overdue: the heartbeat, and what an observation may be late.
    uint32 internal constant STALE_AFTER = HEARTBEAT + 10 minutes;
    uint32 internal constant BOUND = 4 hours;
    uint32 internal constant GRACE = 30 minutes;

    IZkAggregatorFactory internal factory;
    MockHub internal mock;
    MockUptimeFeed internal uptime;
    IZkAggregator internal plain;
    IZkAggregator internal strict;
    IZkAggregator internal lastGood;
    IZkAggregator internal guardedStrict;
    IZkAggregator internal guardedLastGood;

    function setUp() public virtual {
        vm.warp(1_700_000_000);
        factory = IZkAggregatorFactory(deployCode("ZkAggregatorFactory.sol:ZkAggregatorFactory"));
        mock = new MockHub(FEED_ID, STALE_AFTER);
        uptime = new MockUptimeFeed();
        plain = _deploy(_terms(IZkAggregator.Mode.PLAIN));
        strict = _deploy(_terms(IZkAggregator.Mode.STRICT));
        lastGood = _deploy(_terms(IZkAggregator.Mode.LAST_GOOD));
        guardedStrict = _deploy(_guarded(IZkAggregator.Mode.STRICT));
        guardedLastGood = _deploy(_guarded(IZkAggregator.Mode.LAST_GOOD));
    }

    function _hub() internal view returns (IZkOracle) {
        return IZkOracle(address(mock));
    }

    function _deploy(IZkAggregator.Terms memory terms) internal returns (IZkAggregator) {
        return IZkAggregator(factory.deploy(_hub(), FEED_ID, terms));
    }

    function _terms(IZkAggregator.Mode mode) internal pure returns (IZkAggregator.Terms memory) {
        return IZkAggregator.Terms(mode, mode == IZkAggregator.Mode.LAST_GOOD ? BOUND : 0, address(0), 0);
    }

    function _guarded(IZkAggregator.Mode mode) internal view returns (IZkAggregator.Terms memory terms) {
        terms = _terms(mode);
        (terms.uptimeFeed, terms.grace) = (address(uptime), GRACE);
    }

    function _all() internal view returns (IZkAggregator[5] memory) {
        return [plain, strict, lastGood, guardedStrict, guardedLastGood];
    }

    function _now() internal view returns (uint32) {
        return uint32(vm.getBlockTimestamp());
    }

    /// @dev The adapter gives the hub's last round, in V3 and V2.
    function _assertGives(IZkAggregator adapter, int256 answer) internal view {
        uint32 id = mock.roundId();
        IZkOracle.Round memory round = mock.getRound(FEED_ID, id);
        (uint80 roundId, int256 answer_, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound) =
            adapter.latestRoundData();
        assertEq(answer_, answer, "answer");
        assertEq(abi.encode(roundId, answer_, startedAt, updatedAt, answeredInRound), _encoded(id, round));
        assertEq(adapter.latestAnswer(), answer);
        assertEq(adapter.latestTimestamp(), round.publishedAt);
        assertEq(adapter.latestRound(), id);
    }

    /// @dev The adapter withholds the latest round: V3 reverts with this error, V2 returns 0. The past stays readable.
    function _assertRefuses(IZkAggregator adapter, bytes memory reason) internal {
        vm.expectRevert(reason);
        adapter.latestRoundData();
        assertEq(adapter.latestAnswer(), 0);
        assertEq(adapter.latestTimestamp(), 0);
        assertEq(adapter.latestRound(), 0);
        _assertPast(adapter);
    }

    /// @dev Each accepted round is readable by its id.
    function _assertPast(IZkAggregator adapter) internal view {
        for (uint32 id = 1; id <= mock.roundId(); ++id) {
            IZkOracle.Round memory round = mock.getRound(FEED_ID, id);
            (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound) =
                adapter.getRoundData(id);
            assertEq(abi.encode(roundId, answer, startedAt, updatedAt, answeredInRound), _encoded(id, round));
            assertEq(adapter.getAnswer(id), round.answer);
            assertEq(adapter.getTimestamp(id), round.publishedAt);
        }
    }

    function _encoded(uint32 id, IZkOracle.Round memory round) internal pure returns (bytes memory) {
        return abi.encode(id, round.answer, round.observedAt, round.publishedAt, id);
    }

    function _noData() internal pure returns (bytes memory) {
        return abi.encodeWithSignature("Error(string)", "No data present");
    }

    function _unavailable(IZkOracle.Status status, bool paused, bool stale) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(IZkAggregator.AnswerUnavailable.selector, status, paused, stale);
    }

    function _tooOld(uint256 observedAt, uint256 bound) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(IZkAggregator.AnswerTooOld.selector, observedAt, bound);
    }

    function _down() internal pure returns (bytes memory) {
        return abi.encodeWithSelector(IZkAggregator.SequencerDown.selector);
    }

    function _inGrace(uint256 upSince) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(IZkAggregator.GracePeriodNotOver.selector, upSince, uint256(GRACE));
    }
}
