// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IZkOracle} from "../src/interfaces/IZkOracle.sol";
import {OracleTest} from "./OracleTest.sol";

/// @dev Reports, replays, pauses and the passing of time, in any order. What the handler knows of a feed it has from
/// what it did, never from the hub.
contract Handler is OracleTest {
    struct Ghost {
        uint32 accepted;
        int128 answer;
        uint32 lastReportAt;
        bool held;
        bool paused;
    }

    bytes32[2] public ids;
    mapping(bytes32 => Ghost) public ghosts;
    uint256 public confirmed;
    uint256 public heldReports;
    bytes internal lastCall;

    function setUp() public override {
        super.setUp();
        vm.prank(ADMIN);
        ids = [feedId, _addFeed("spread", IZkOracle.Kind.ABSOLUTE, 1)];
    }

    function feedHub() external view returns (IZkOracle) {
        return hub;
    }

    function report(uint256 which, int64 answer, int32 score, uint16 wait) external {
        bytes32 id = ids[which % 2];
        skip(1 + wait % (2 * HEARTBEAT));
        Ghost storage ghost = ghosts[id];
        bool relative = which % 2 == 0;
        // Else there would be no first round.
        if (ghost.accepted == 0 && relative && answer <= 0) answer = 1;
        IZkOracle.FeedUpdate memory update = _update(id, answer, score);
        bytes memory proof = _proofOf(update);
        if (ghost.paused) {
            vm.expectRevert(abi.encodeWithSelector(IZkOracle.FeedPaused.selector, id));
            hub.submit(modelNumber, _one(update), proof);
            return;
        }
        hub.submit(modelNumber, _one(update), proof);
        lastCall = abi.encodeCall(hub.submit, (modelNumber, _one(update), proof));
        ghost.lastReportAt = _now();
        IZkOracle.FeedState memory state = hub.feedState(id);
        bool isNormal = score <= 0 && (answer > 0 || !relative);
        if (isNormal || state.roundId > ghost.accepted) {
            // Only a report that goes on with a hold may be accepted against the model.
            if (!isNormal) {
                require(ghost.held && (answer > 0 || !relative), "accepted without a hold");
                ++confirmed;
            }
            ghost.accepted += 1;
            ghost.answer = answer;
            ghost.held = false;
        } else {
            ghost.held = true;
            ++heldReports;
        }
    }

    /// @dev Reports of one anomalous level, as a regime change brings them.
    function insist(uint256 which, uint8 times) external {
        bytes32 id = ids[which % 2];
        if (ghosts[id].paused) return;
        for (uint256 i = 0; i < times % 5; ++i) {
            // forge-lint: disable-next-item(unsafe-typecast) -- 900 seconds
            this.report(which % 2, 777e8, 5, uint16(CONFIRM_DELAY));
        }
    }

    function replay() external {
        if (lastCall.length == 0) return;
        (bool isOk,) = address(hub).call(lastCall);
        require(!isOk, "a replay was taken");
    }

    function togglePause(uint256 which) external {
        bytes32 id = ids[which % 2];
        Ghost storage ghost = ghosts[id];
        if (ghost.paused) {
            vm.startPrank(ADMIN);
            hub.proposeUnpause(id);
            skip(DELAY);
            hub.unpause(id);
            vm.stopPrank();
        } else {
            vm.prank(GUARDIAN);
            hub.pause(id);
        }
        ghost.paused = !ghost.paused;
    }

    function move(bytes32 id, int256 p, int256 q) external view returns (int256) {
        return _move(hub.feedConfig(id), p, q);
    }
}

contract InvariantsTest is OracleTest {
    Handler internal handler;

    function setUp() public override {
        handler = new Handler();
        handler.setUp();
        targetContract(address(handler));
        bytes4[] memory selectors = new bytes4[](4);
        selectors[0] = Handler.report.selector;
        selectors[1] = Handler.insist.selector;
        selectors[2] = Handler.replay.selector;
        selectors[3] = Handler.togglePause.selector;
        targetSelector(FuzzSelector({addr: address(handler), selectors: selectors}));
    }

    /// @dev Or the invariants would say little.
    function test_handlerReachesHoldsAndConfirmations() public {
        handler.report(0, 100e8, -1, 60);
        handler.insist(0, 4);
        assertEq(handler.heldReports(), 3); // the third was accepted, the fourth scores the same
        assertEq(handler.confirmed(), 1);
    }

    /// @dev One report, at most one round; the state is what the reports made it, and nothing else.
    function invariant_stateIsWhatTheReportsMadeIt() public view {
        for (uint256 i = 0; i < 2; ++i) {
            bytes32 id = handler.ids(i);
            IZkOracle.FeedState memory state = handler.feedHub().feedState(id);
            (uint32 accepted, int128 answer, uint32 lastReportAt, bool held, bool paused) = handler.ghosts(id);
            assertEq(state.roundId, accepted);
            assertEq(state.answer, answer);
            assertEq(state.lastReportAt, lastReportAt);
            assertEq(state.paused, paused);
            IZkOracle.Status expected =
                held ? IZkOracle.Status.HELD : accepted == 0 ? IZkOracle.Status.EMPTY : IZkOracle.Status.OK;
            assertEq(uint8(state.status), uint8(expected));
            assertEq(state.held.observedAt != 0, held);
        }
    }

    /// @dev Rounds have no gaps, their times strictly increase, and the ring is what can be derived from them.
    function invariant_roundsAndRingAgree() public view {
        for (uint256 i = 0; i < 2; ++i) {
            bytes32 id = handler.ids(i);
            IZkOracle hub_ = handler.feedHub();
            IZkOracle.FeedState memory state = hub_.feedState(id);
            IZkOracle.Round memory later = hub_.getRound(id, state.roundId);
            for (uint32 back = 0; back < 14 && back < state.roundId; ++back) {
                assertGt(later.publishedAt, 0);
                assertGe(later.publishedAt, later.observedAt);
                if (i == 0) assertGt(later.answer, 0);
                if (state.roundId - back == 1) {
                    assertEq(state.returns_[back], 0);
                    break;
                }
                IZkOracle.Round memory earlier = hub_.getRound(id, state.roundId - back - 1);
                assertGt(later.observedAt, earlier.observedAt);
                assertEq(state.returns_[back], handler.move(id, later.answer, earlier.answer));
                later = earlier;
            }
            assertEq(hub_.getRound(id, state.roundId + 1).publishedAt, 0);
        }
    }
}
