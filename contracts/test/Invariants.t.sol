// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IZkOracle} from "../src/interfaces/IZkOracle.sol";
import {OracleTest} from "./OracleTest.sol";

/// @dev Reports of all kinds, forgeries, replays, administration and the passing of time, in any order. The handler
/// derives its knowledge of a feed from its own calls, by rules that are written again here, and never from the hub.
contract Handler is OracleTest {
    struct Ghost {
        uint32 accepted;
        int128 answer;
        uint32 lastReportAt;
        uint8 repeats;
        bool paused;
        uint16 model;
        IZkOracle.HoldReason reason;
        int128 firstHeld;
        uint32 firstHeldAt;
        uint256 confirmations;
        uint256 anomalies;
        uint32 anomalousSince;
    }

    uint256 internal constant FEEDS = 3;
    uint8 internal constant MAX_REPEATS = 2;
    uint256 internal constant SECOND_HASH = 99;

    bytes32[FEEDS] public ids;
    mapping(bytes32 => Ghost) internal _ghosts;
    /// Copies of the rounds, made when they were written.
    mapping(bytes32 => mapping(uint32 => bytes32)) public written;
    uint16 internal second;
    bytes internal lastCall;

    uint256 public confirmed;
    uint256 public heldReports;
    uint256 public repeatedReports;
    uint256 public outlasted;
    uint256 public forgeries;

    function setUp() public override {
        super.setUp();
        second = _addModel(SECOND_HASH, architectureId, keccak256("second"), SCORE_UNIT);
        IZkOracle.FeedConfig memory config = _config("spread", IZkOracle.Kind.ABSOLUTE, 1);
        config.maxRepeats = MAX_REPEATS;
        vm.startPrank(ADMIN);
        ids[0] = feedId;
        ids[1] = hub.addFeed(config, signers, modelNumber);
        ids[2] = _addFeed("three", IZkOracle.Kind.RELATIVE, 3);
        vm.stopPrank();
        for (uint256 i = 0; i < FEEDS; ++i) {
            _linked(ids[i]);
            _ghosts[ids[i]].model = modelNumber;
        }
    }

    function ghost(bytes32 id) external view returns (Ghost memory) {
        return _ghosts[id];
    }

    function feedHub() external view returns (IZkOracle) {
        return hub;
    }

    // A quorum's reports

    /// @param style The kind of answer: anything, the last one, or near it.
    function report(uint256 which, uint256 style, int64 answer, int32 score, uint16 wait) external {
        bytes32 id = ids[which % FEEDS];
        skip(1 + wait % (2 * HEARTBEAT));
        int128 last = _ghosts[id].answer;
        // forge-lint: disable-next-item(unsafe-typecast) -- answers are int64 here
        if (style % 4 == 1) answer = int64(last);
        // forge-lint: disable-next-item(unsafe-typecast) -- likewise
        if (style % 4 == 2) answer = int64(last + last / 1_000 * (answer % 8));
        _report(id, answer, score);
    }

    /// @dev Agreeing reports of one level, as in a regime change. The feed follows within its bound.
    function insist(uint256 which, int64 answer, uint8 extra) external {
        bytes32 id = ids[which % FEEDS];
        Ghost storage g = _ghosts[id];
        if (g.paused) return;
        if (answer <= 0) answer = 777e8;
        uint32 before = g.accepted;
        // The first report may start a hold. Then come as many as the feed needs, over at least its delay.
        for (uint256 i = 0; i < 3 + extra % 3; ++i) {
            skip(CONFIRM_DELAY / 2 + 1);
            _report(id, answer, 5);
        }
        bool isRepetition = id == ids[1] && g.answer == answer;
        require(g.accepted > before || isRepetition, "the feed froze");
    }

    /// @dev An answer that keeps falling, so far that no report is near another. The feed follows even so.
    function fall(uint256 which, uint8 extra) external {
        bytes32 id = ids[which % FEEDS];
        Ghost storage g = _ghosts[id];
        if (g.paused) return;
        uint32 before = g.accepted;
        // It avoids the levels of an earlier fall, because a repetition is no anomaly.
        int128 answer = 1e16 - int128(uint128(g.accepted)) * 1e6;
        for (uint256 i = 0; i < 12 + extra % 2; ++i) {
            skip(CONFIRM_DELAY / 2);
            answer = answer * 9 / 10;
            _report(id, answer, 5);
        }
        require(g.accepted > before, "the feed froze");
    }

    // Attempts by others

    /// @dev Only a quorum, with a proof of exactly the statement, writes anything.
    function forge(uint256 which, uint256 kind, int64 answer) external {
        bytes32 id = ids[which % FEEDS];
        Ghost storage g = _ghosts[id];
        skip(1);
        if (answer <= 0) answer = 1;
        (IZkOracle.FeedUpdate memory update, bytes memory proof) = _prepare(id, answer, -1);
        kind %= 6;
        if (kind == 0) {
            (, uint256 stranger) = makeAddrAndKey("stranger");
            update.observations[0] = _sign(stranger, id, update.roundId, answer, _now());
        } else if (kind == 1) {
            update.observations = new IZkOracle.Observation[](update.observations.length - 1);
        } else if (kind == 2) {
            proof = abi.encode(keccak256(proof));
        } else if (kind == 3) {
            update.scores[0] = -2;
        } else if (kind == 4) {
            update.observations[0].answer -= 1;
        } else {
            update.roundId += 1;
        }
        try hub.submit(g.model, _one(update), proof) {
            revert("a forgery was taken");
        } catch {
            ++forgeries;
        }
        if (lastCall.length != 0) _replay();
    }

    /// @dev Nothing that the admin and the guardian do sets an answer.
    function administer(uint256 which, uint256 kind) external {
        bytes32 id = ids[which % FEEDS];
        Ghost storage g = _ghosts[id];
        kind %= 4;
        if (kind == 0 && !g.paused) {
            vm.prank(GUARDIAN);
            hub.pause(id);
            g.paused = true;
        } else if (kind <= 1 && g.paused) {
            vm.startPrank(ADMIN);
            hub.proposeUnpause(id);
            skip(DELAY);
            hub.unpause(id);
            vm.stopPrank();
            g.paused = false;
        } else if (kind == 2) {
            uint16 next = g.model == second ? modelNumber : second;
            vm.startPrank(ADMIN);
            hub.proposeModel(id, next, 0, 0);
            skip(DELAY);
            hub.activateModel(id);
            vm.stopPrank();
            g.model = next;
        } else if (kind == 3) {
            (IZkOracle.Proposals memory proposed,) = hub.proposals(id);
            if (proposed.previousModel == 0) return;
            vm.prank(GUARDIAN);
            hub.rollbackModel(id);
            g.model = proposed.previousModel;
        }
    }

    // The rules, written again

    function _report(bytes32 id, int128 answer, int256 score) internal override {
        Ghost storage g = _ghosts[id];
        // Otherwise there would be no first round.
        if (g.accepted == 0 && _isRelative(id) && answer <= 0) answer = 1;
        (IZkOracle.FeedUpdate memory update, bytes memory proof) = _prepare(id, answer, score);
        if (g.paused) {
            vm.expectRevert(abi.encodeWithSelector(IZkOracle.FeedPaused.selector, id));
            hub.submit(g.model, _one(update), proof);
            return;
        }
        IZkOracle.HoldReason reason = _reason(id, answer, score);
        hub.submit(g.model, _one(update), proof);
        lastCall = abi.encodeCall(hub.submit, (g.model, _one(update), proof));
        g.lastReportAt = _now();
        if (reason != IZkOracle.HoldReason.NONE && !_isConfirmed(id, g, reason, answer)) {
            ++heldReports;
            if (reason == IZkOracle.HoldReason.REPEATED) ++repeatedReports;
            return;
        }
        if (reason != IZkOracle.HoldReason.NONE) ++confirmed;
        g.repeats = g.accepted > 0 && answer == g.answer ? (g.repeats == 255 ? 255 : g.repeats + 1) : 0;
        g.accepted += 1;
        g.answer = answer;
        (g.reason, g.anomalies) = (IZkOracle.HoldReason.NONE, 0);
        written[id][g.accepted] = keccak256(abi.encode(hub.getRound(id, g.accepted)));
    }

    function _reason(bytes32 id, int128 answer, int256 score) internal view returns (IZkOracle.HoldReason) {
        Ghost storage g = _ghosts[id];
        if (_isRelative(id) && answer <= 0) return IZkOracle.HoldReason.NOT_POSITIVE;
        bool isRepetition = g.accepted > 0 && answer == g.answer;
        if (id == ids[1] && isRepetition && g.repeats >= MAX_REPEATS) return IZkOracle.HoldReason.REPEATED;
        int256 moved = g.accepted == 0 ? int256(0) : _move(hub.feedConfig(id), answer, g.answer);
        bool isClipped = moved == 32_767 || moved == -32_767;
        return isClipped || score > 0 ? IZkOracle.HoldReason.ANOMALOUS : IZkOracle.HoldReason.NONE;
    }

    /// @dev Continues the hold, or starts one.
    function _isConfirmed(bytes32 id, Ghost storage g, IZkOracle.HoldReason reason, int128 answer)
        internal
        returns (bool)
    {
        if (g.reason != reason || !_near(id, answer, g.firstHeld)) {
            (g.reason, g.firstHeld, g.firstHeldAt, g.confirmations) = (reason, answer, _now(), 0);
        } else {
            ++g.confirmations;
        }
        if (reason != IZkOracle.HoldReason.ANOMALOUS) return false;
        if (g.anomalies == 0) g.anomalousSince = _now();
        ++g.anomalies;
        if (g.confirmations >= 2 && _now() - g.firstHeldAt >= CONFIRM_DELAY) return true;
        if (g.anomalies < 12 || _now() - g.anomalousSince < 4 * CONFIRM_DELAY) return false;
        ++outlasted;
        return true;
    }

    function _near(bytes32 id, int128 answer, int128 first) internal view returns (bool) {
        if (_isRelative(id) && (answer <= 0 || first <= 0)) return false;
        int256 moved = _move(hub.feedConfig(id), answer, first);
        return (moved < 0 ? -moved : moved) <= int256(uint256(TOLERANCE));
    }

    function _isRelative(bytes32 id) internal view returns (bool) {
        return id != ids[1];
    }

    /// @dev A report that a quorum signed around `answer`, the median, with a proof by the feed's model.
    function _prepare(bytes32 id, int128 answer, int256 score)
        internal
        view
        returns (IZkOracle.FeedUpdate memory update, bytes memory proof)
    {
        uint256 quorum = id == ids[2] ? 3 : 1;
        (int128[] memory answers, uint32[] memory times) = (new int128[](quorum), new uint32[](quorum));
        for (uint256 i = 0; i < quorum; ++i) {
            // forge-lint: disable-next-item(unsafe-typecast) -- at most 2
            (answers[i], times[i]) = (answer + (int128(int256(i)) - int128(int256(quorum / 2))) * 7, _now());
        }
        update = _quorumUpdate(id, answers, times, score);
        (int128[] memory median, uint32[] memory time) = (new int128[](1), new uint32[](1));
        (median[0], time[0]) = (answer, _now());
        uint256[] memory instances = _instances(_one(update), median, time, 1);
        instances[0] = _ghosts[id].model == second ? SECOND_HASH : MODEL_HASH;
        proof = _proof(instances);
    }

    function _replay() internal {
        (bool isOk,) = address(hub).call(lastCall);
        require(!isOk, "a replay was taken");
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
        bytes4[] memory selectors = new bytes4[](7);
        // Reports come more often than other calls.
        (selectors[0], selectors[1], selectors[2]) =
        (Handler.report.selector, Handler.report.selector, Handler.report.selector);
        selectors[3] = Handler.insist.selector;
        selectors[4] = Handler.forge.selector;
        selectors[5] = Handler.administer.selector;
        selectors[6] = Handler.fall.selector;
        targetSelector(FuzzSelector({addr: address(handler), selectors: selectors}));
    }

    /// @dev Without these the invariants would say little.
    function test_handlerReachesEverything() public {
        handler.report(0, 0, 100e8, -1, 60);
        handler.insist(0, 777e8, 0);
        assertEq(handler.confirmed(), 1);
        for (uint256 i = 0; i < 4; ++i) {
            handler.report(1, 1, 0, -1, 60);
        }
        assertEq(handler.repeatedReports(), 1);
        for (uint256 i = 0; i < 6; ++i) {
            handler.forge(2, i, 5);
        }
        assertEq(handler.forgeries(), 6);
        handler.report(2, 0, -5, -1, 60);
        handler.report(2, 0, -5, -1, 60);
        assertEq(uint8(handler.ghost(handler.ids(2)).reason), uint8(IZkOracle.HoldReason.NOT_POSITIVE));
        handler.fall(0, 0);
        assertEq(handler.outlasted(), 1);
        handler.administer(0, 2);
        handler.report(0, 2, 3, -1, 60);
        handler.administer(0, 3);
        handler.administer(0, 0);
        handler.report(0, 2, 3, -1, 60);
        handler.administer(0, 1);
        handler.report(0, 2, 3, -1, 60);
        assertEq(handler.ghost(handler.ids(0)).accepted, 5);
        invariant_stateIsWhatTheQuorumMadeIt();
        afterInvariant();
    }

    /// @dev One invariant, one campaign. A report makes at most one round. The state comes from the quorum's reports
    /// and from nothing else. Round times strictly increase. No hold outlives its bound. No answer repeats beyond its
    /// limit.
    function invariant_stateIsWhatTheQuorumMadeIt() public view {
        IZkOracle hub_ = handler.feedHub();
        for (uint256 i = 0; i < 3; ++i) {
            bytes32 id = handler.ids(i);
            IZkOracle.FeedState memory state = hub_.feedState(id);
            Handler.Ghost memory g = handler.ghost(id);
            assertEq(state.roundId, g.accepted, "round");
            assertEq(state.answer, g.answer, "answer");
            assertEq(state.lastReportAt, g.lastReportAt, "last report");
            assertEq(state.paused, g.paused, "paused");
            assertEq(state.modelNumber, g.model, "model");
            assertEq(state.repeats, g.repeats, "repeats");
            if (i == 1) assertLe(state.repeats, 2, "repeats beyond the limit");
            assertEq(uint8(state.held.reason), uint8(g.reason), "reason");
            IZkOracle.Status expected = g.reason != IZkOracle.HoldReason.NONE
                ? IZkOracle.Status.HELD
                : g.accepted == 0 ? IZkOracle.Status.EMPTY : IZkOracle.Status.OK;
            assertEq(uint8(state.status), uint8(expected), "status");
            if (g.reason == IZkOracle.HoldReason.ANOMALOUS) {
                assertEq(state.held.firstAnswer, g.firstHeld, "first held");
                assertEq(state.held.anomalies, g.anomalies, "anomalies");
                assertEq(state.held.anomalousSince, g.anomalousSince, "anomalous since");
                assertTrue(
                    state.held.anomalies < 12 || state.held.observedAt - state.held.anomalousSince < 4 * CONFIRM_DELAY,
                    "held beyond all patience"
                );
                // The bound: after as many agreeing reports as the feed needs, over its delay, it is held no more.
                assertTrue(
                    state.held.confirmations < 2 || state.held.observedAt - state.held.firstObservedAt < CONFIRM_DELAY,
                    "held beyond the bound"
                );
            }
            _assertLatest(hub_, id, state);
        }
    }

    /// @dev History is immutable and has no gaps, and the ring equals what can be derived from it.
    function afterInvariant() public view {
        IZkOracle hub_ = handler.feedHub();
        for (uint256 i = 0; i < 3; ++i) {
            bytes32 id = handler.ids(i);
            IZkOracle.FeedState memory state = hub_.feedState(id);
            IZkOracle.Round memory earlier;
            for (uint32 roundId = 1; roundId <= state.roundId; ++roundId) {
                IZkOracle.Round memory round = hub_.getRound(id, roundId);
                assertEq(keccak256(abi.encode(round)), handler.written(id, roundId), "history changed");
                assertGt(round.observedAt, earlier.observedAt, "times");
                assertGe(round.publishedAt, earlier.publishedAt, "blocks");
                uint32 back = state.roundId - roundId;
                if (back < 14) {
                    int256 moved = roundId == 1 ? int256(0) : handler.move(id, round.answer, earlier.answer);
                    assertEq(state.returns_[back], moved, "ring");
                }
                earlier = round;
            }
        }
    }

    function _assertLatest(IZkOracle hub_, bytes32 id, IZkOracle.FeedState memory state) internal view {
        assertEq(hub_.getRound(id, state.roundId + 1).publishedAt, 0, "a round of the future");
        if (state.roundId == 0) return;
        IZkOracle.Round memory latest = hub_.getRound(id, state.roundId);
        assertEq(keccak256(abi.encode(latest)), handler.written(id, state.roundId), "latest round changed");
        if (id != handler.ids(1)) assertGt(latest.answer, 0, "unwritable answer");
    }
}
