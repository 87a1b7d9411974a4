// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IZkOracle} from "../src/interfaces/IZkOracle.sol";
import {IZkOracleLens} from "../src/interfaces/IZkOracleLens.sol";
import {OracleTest} from "./OracleTest.sol";
import {Quorums} from "./Quorums.sol";
import {Rules} from "./Rules.sol";

// forge-lint: disable-start(unsafe-typecast) -- fuzzed values of any bits, and small counters

/// @dev Reports of all kinds, forgeries, replays, administration and the passing of two times, in any order.
contract Handler is Quorums {
    // A quorum's reports

    /// @dev Any report of a quorum, or of more: any answers, some of them missing, any times that the hub allows.
    function report(uint256 seed) external {
        random = seed;
        uint256 c = _random(4) == 0 ? 1 : 0;
        _pass();
        uint256[] storage listed = _committees[c].feeds;
        uint256 lead = listed[_random(listed.length)];
        if (_feeds[lead].paused) return;
        bool[] memory due = new bool[](listed.length);
        for (uint256 i = 0; i < due.length; ++i) {
            Rules.Feed storage feed = _feeds[listed[i]];
            due[i] = listed[i] == lead || (_random(2) == 0 && !feed.paused && feed.model == _feeds[lead].model);
        }
        Draft memory draft = _plan(c, due);
        _fill(c, draft, due);
        _send(c, draft);
    }

    /// @dev Agreeing reports of one level, as in a regime change. The feed follows within its bound.
    function insist(uint256 seed) external {
        random = seed;
        uint256 which = _random(FEEDS);
        Rules.Feed storage feed = _feeds[which];
        if (feed.paused) return;
        int128 answer = _random(3) == 0 ? int128(777e8) : int128(int256(1 + _random(1e12)));
        bool isRepetition = which == 1 && feed.answer == answer;
        uint32 before = feed.rounds;
        // The first report may start a hold. Then come as many as the feed needs, over at least its delay.
        for (uint256 i = 0; i < 3 + _random(3); ++i) {
            skip(CONFIRM_DELAY / 2 + 1);
            _sendOne(which, answer, 5);
        }
        require(feed.rounds > before || isRepetition, "the feed froze");
    }

    /// @dev An answer that keeps falling, so far that no report is near another. The feed follows even so.
    function fall(uint256 seed) external {
        random = seed;
        uint256 which = _random(FEEDS);
        Rules.Feed storage feed = _feeds[which];
        if (feed.paused) return;
        uint32 before = feed.rounds;
        // It avoids the levels of an earlier fall, because a repetition is no anomaly.
        int128 answer = 1e16 - int128(uint128(feed.rounds)) * 1e6;
        for (uint256 i = 0; i < 12 + _random(2); ++i) {
            skip(CONFIRM_DELAY / 2);
            answer = answer * 9 / 10;
            _sendOne(which, answer, 5);
        }
        require(feed.rounds > before, "the feed froze");
    }

    // Attempts by others

    /// @dev Only a quorum, with a proof of exactly the statement, writes anything.
    function forge(uint256 seed) external {
        random = seed;
        uint256 kind = _random(13);
        uint256 which = _random(FEEDS);
        uint256 c = which < 3 ? 0 : 1;
        skip(1 + _random(2 * HEARTBEAT));
        Draft memory draft = _planOne(which, _answer(which), -1);
        if (kind == 12 && !_cutPeer(draft)) return;
        IZkOracle.Submission memory submission = kind == 12 ? _signed(draft) : _prove(draft);
        if (!_break(submission, draft, kind, c)) return;
        try hub.submit(submission) {
            revert("a forgery was taken");
        } catch {
            ++forgeries;
        }
        if (lastCall.length != 0) {
            (bool isOk,) = address(hub).call(lastCall);
            require(!isOk, "a replay was taken");
        }
    }

    /// @dev Nothing that the admin and the guardian do sets an answer.
    function administer(uint256 seed) external {
        random = seed;
        uint256 which = _random(FEEDS);
        Rules.Feed storage feed = _feeds[which];
        bytes32 id = ids[which];
        uint256 kind = _random(6);
        if (kind == 0 && !feed.paused) {
            vm.prank(GUARDIAN);
            hub.pause(id);
            feed.paused = true;
        } else if (feed.paused) {
            vm.startPrank(ADMIN);
            hub.proposeUnpause(id);
            skip(DELAY);
            hub.unpause(id);
            vm.stopPrank();
            feed.paused = false;
        } else if (kind <= 2) {
            uint16 next = _other(feed.model);
            vm.startPrank(ADMIN);
            hub.proposeModel(id, next, 0, 0);
            skip(DELAY);
            hub.activateModel(id);
            vm.stopPrank();
            (feed.previous, feed.previousUntil, feed.model) = (feed.model, _now() + CHANGE_WINDOW, next);
        } else if (kind == 3) {
            bool isLate = feed.previous == 0 || _now() > feed.previousUntil;
            vm.prank(GUARDIAN);
            if (isLate) vm.expectRevert(IZkOracle.NoPreviousModel.selector);
            hub.rollbackModel(id);
            if (!isLate) (feed.model, feed.previous) = (feed.previous, 0);
        } else if (kind == 4) {
            _changeReporters(which < 3 ? 0 : 1);
        } else {
            _shadow(which);
        }
    }

    function _changeReporters(uint256 c) internal {
        Members storage changed = _committees[c];
        uint8 quorum = _random(2) == 0 ? 1 : 3;
        address[] memory chosen = _choose(c, _random(POOL), quorum + _random(POOL - quorum + 1));
        vm.startPrank(ADMIN);
        hub.proposeReporters(changed.id, chosen, quorum);
        skip(DELAY);
        hub.activateReporters(changed.id);
        vm.stopPrank();
        (changed.epoch, changed.quorum) = (changed.epoch + 1, quorum);
        ++epochs;
    }

    /// @dev The proposed model's verdict is counted, and changes nothing else.
    function _shadow(uint256 which) internal {
        uint16 next = _other(_feeds[which].model);
        vm.startPrank(ADMIN);
        hub.proposeModel(ids[which], next, 0, 0);
        skip(60);
        Draft memory draft = _planOne(which, _answer(which), _random(2) == 0 ? int256(9) : int256(-9));
        draft.modelNumber = next;
        hub.submitShadow(_prove(draft));
        hub.cancelModel(ids[which]);
        vm.stopPrank();
        ++shadows;
    }

    // Forgeries

    /// @dev Takes the second listed feed out: a peer, or the feed that is due.
    function _cutPeer(Draft memory draft) internal pure returns (bool) {
        if (draft.feedIds.length < 3 || draft.roundIds[1] != 0) return false;
        (draft.feedIds[1], draft.roundIds[1]) = (draft.feedIds[2], draft.roundIds[2]);
        bytes32[] memory feedIds = draft.feedIds;
        uint32[] memory roundIds = draft.roundIds;
        assembly ("memory-safe") {
            mstore(feedIds, 2)
            mstore(roundIds, 2)
        }
        for (uint256 j = 0; j < draft.answers.length; ++j) {
            int128[] memory row = draft.answers[j];
            row[1] = row[2];
            assembly ("memory-safe") {
                mstore(row, 2)
            }
        }
        return true;
    }

    /// @dev Changes a submission so that nobody signed, or proved, what it says.
    function _break(IZkOracle.Submission memory s, Draft memory draft, uint256 kind, uint256 c)
        internal
        returns (bool)
    {
        uint256 rows = s.signatures.length;
        if (kind == 0) {
            (, uint256 stranger) = makeAddrAndKey("stranger");
            s.signatures[_random(rows)] = OracleTest._sign(stranger, draft, draft.answers[0]);
        } else if (kind == 1) {
            // Below the quorum: fewer rows, or fewer answers in them.
            if (rows != _committees[c].quorum) return false;
            draft.answers[_random(rows)][_random(draft.feedIds.length)] = NO_ANSWER;
            IZkOracle.Submission memory signed = _signed(draft);
            (s.signatures, s.answers) = (signed.signatures, signed.answers);
        } else if (kind == 2) {
            s.proof = abi.encode(keccak256(s.proof));
        } else if (kind == 3) {
            s.scores = abi.encodePacked(int128(-2));
        } else if (kind == 4) {
            uint256 at = _random(s.answers.length);
            s.answers[at] = bytes1(uint8(s.answers[at]) ^ uint8(1 + _random(255)));
        } else if (kind == 5) {
            for (uint256 i = 0; i < s.roundIds.length; ++i) {
                uint32 roundId = s.roundIds[i];
                if (roundId != 0) s.roundIds[i] = _random(2) == 0 ? roundId + 1 : roundId - 1;
            }
        } else if (kind == 6) {
            // A statement with one other feature: another move of a peer, another gap.
            int256[][] memory windows = _windows(draft, _see(draft));
            windows[0][_random(windows[0].length)] += _random(2) == 0 ? int256(1) : int256(-1);
            s.proof = _proof(_statement(hashes[draft.modelNumber], windows, draft.scores, 1));
        } else if (kind == 7) {
            s.epoch += 1;
        } else if (kind == 8) {
            s.committee = _committees[1 - c].id;
        } else if (kind == 9) {
            // Not the time that was signed; most of these are times that would do.
            s.observedAt -= 1;
        } else if (kind == 10) {
            s.signatures[rows - 1] = s.signatures[0];
            if (rows == 1) s.signatures[0].readings = keccak256(s.proof);
        } else if (kind == 11) {
            s.medians[_random(s.medians.length)] = bytes1(uint8(rows + _random(256 - rows)));
        }
        return true;
    }
}

contract InvariantsTest is OracleTest {
    Handler internal handler;

    function setUp() public override {
        super.setUp();
        handler = new Handler();
        uint16[2] memory seers;
        uint16[2] memory plains;
        for (uint256 i = 0; i < 2; ++i) {
            seers[i] = _model(handler.HASH() + i, ALL_FEATURES);
            plains[i] = _model(handler.HASH() + i, FEATURES);
        }
        handler.begin(hub, factory, seers, plains);
        targetContract(address(handler));
        // Reports come more often than calls that make many of them.
        bytes4[] memory selectors = new bytes4[](24);
        for (uint256 i = 0; i < selectors.length; ++i) {
            selectors[i] = i < 3 ? Handler.forge.selector : Handler.report.selector;
        }
        (selectors[3], selectors[4]) = (Handler.insist.selector, Handler.fall.selector);
        (selectors[5], selectors[6]) = (Handler.administer.selector, Handler.administer.selector);
        targetSelector(FuzzSelector({addr: address(handler), selectors: selectors}));
    }

    function _model(uint256 hash, bytes memory list) internal returns (uint16) {
        vm.prank(ADMIN);
        return _addModel(hash, _addArchitecture(list, 1, true), keccak256(list), SCORE_UNIT);
    }

    /// @dev Without these the invariant would say little.
    function test_handlerReachesEverything() public {
        for (uint256 i = 0; i < 150; ++i) {
            uint256 seed = uint256(keccak256(abi.encode(i)));
            uint256 kind = seed % 16;
            if (kind < 9) handler.report(seed);
            else if (kind == 9) handler.insist(seed);
            else if (kind == 10) handler.fall(seed);
            else if (kind < 14) handler.forge(seed);
            else handler.administer(seed);
            if (i % 10 == 0) invariant_stateIsWhatTheQuorumMadeIt();
        }
        assertGt(handler.confirmed(), 5, "confirmed");
        assertGt(handler.outlasted(), 1, "outlasted");
        assertGt(handler.heldReports(), 50, "held");
        assertGt(handler.repeatedReports(), 0, "repeated");
        assertGt(handler.frozenGaps(), 10, "frozen");
        assertGt(handler.references(), 50, "references");
        assertGt(handler.missingAnswers(), 50, "missing");
        assertGt(handler.seenPeers(), 50, "seen peers");
        assertGt(handler.afterMore(), 10, "after a feed with more peers");
        assertGt(handler.forgeries(), 15, "forgeries");
        assertGt(handler.shadows(), 0, "shadows");
        assertGt(handler.epochs(), 1, "epochs");
        invariant_stateIsWhatTheQuorumMadeIt();
        afterInvariant();
    }

    /// forge-config: default.invariant.include-storage = false
    /// forge-config: default.invariant.include-push-bytes = false
    /// forge-config: default.invariant.dictionary-weight = 0
    /// @dev One invariant, one campaign: the whole state of each feed and committee comes from the quorums' reports and
    /// the announced changes, by the rules, and from nothing else.
    function invariant_stateIsWhatTheQuorumMadeIt() public view {
        // Few calls: each of them takes longer than what it does.
        (IZkOracleLens.FeedState[] memory states, IZkOracleLens.Committee[2] memory committees) = handler.read();
        Quorums.Expected memory expected = handler.expected();
        for (uint256 i = 0; i < states.length; ++i) {
            if (keccak256(abi.encode(states[i])) != keccak256(abi.encode(expected.states[i]))) {
                _assertSame(states[i], expected.states[i]);
            }
            _assertHold(states[i].held, expected.seenAt[i]);
        }
        assertEq(abi.encode(committees), abi.encode(expected.committees), "committees");
    }

    /// @dev History is immutable and has no gaps, its times grow, and the ring equals what can be derived from it.
    function afterInvariant() public view {
        for (uint256 i = 0; i < 4; ++i) {
            bytes32 id = handler.ids(i);
            IZkOracleLens.FeedState memory state = lens.feedState(hub, id);
            IZkOracle.FeedConfig memory config = lens.feedConfig(hub, id);
            IZkOracle.Round memory earlier;
            for (uint32 roundId = 1; roundId <= state.roundId; ++roundId) {
                IZkOracle.Round memory round = hub.getRound(id, roundId);
                assertEq(keccak256(abi.encode(round)), handler.written(id, roundId), "history changed");
                assertGt(round.observedAt, earlier.observedAt, "times");
                assertGe(round.publishedAt, earlier.publishedAt, "blocks");
                if (config.kind == IZkOracle.Kind.RELATIVE) assertGt(round.answer, 0, "unwritable answer");
                uint32 back = state.roundId - roundId;
                if (back < 12) {
                    int256 moved = roundId == 1 ? int256(0) : _move(config, round.answer, earlier.answer);
                    assertEq(state.returns_[back], moved, "ring");
                }
                earlier = round;
            }
            assertEq(hub.getRound(id, state.roundId + 1).publishedAt, 0, "a round of the future");
        }
    }

    /// @dev The bounds of a hold: after as many agreeing reports as the feed needs, over its delay on both clocks, it is
    /// held no more, nor after four times as many that do not agree.
    /// @param seenAt The time of the last report's block.
    function _assertHold(IZkOracle.Held memory held, uint32 seenAt) internal pure {
        if (held.reason != IZkOracle.HoldReason.ANOMALOUS) return;
        bool isLong =
            held.observedAt - held.firstObservedAt >= CONFIRM_DELAY && seenAt - held.firstSeenAt >= CONFIRM_DELAY;
        assertFalse(isLong && held.confirmations >= 2, "held beyond the bound");
        isLong = held.observedAt - held.anomalousSince >= 4 * CONFIRM_DELAY
            && seenAt - held.anomalousSeenAt >= 4 * CONFIRM_DELAY;
        assertFalse(isLong && held.anomalies >= 12, "held beyond all patience");
        assertGe(held.firstGap, 1_000, "gap");
    }

    /// @dev Field by field, to say which one differs.
    function _assertSame(IZkOracleLens.FeedState memory state, IZkOracleLens.FeedState memory expected) internal pure {
        assertEq(uint8(state.status), uint8(expected.status), "status");
        assertEq(state.paused, expected.paused, "paused");
        assertEq(state.roundId, expected.roundId, "round");
        assertEq(state.answer, expected.answer, "answer");
        assertEq(state.observedAt, expected.observedAt, "observed");
        assertEq(state.publishedAt, expected.publishedAt, "published");
        assertEq(state.lastReportAt, expected.lastReportAt, "last report");
        assertEq(state.modelNumber, expected.modelNumber, "model");
        assertEq(state.repeats, expected.repeats, "repeats");
        assertEq(state.variance, expected.variance, "variance");
        assertEq(abi.encode(state.returns_), abi.encode(expected.returns_), "ring");
        assertEq(state.peers, expected.peers, "peers");
        assertEq(abi.encode(state.peerAnswers), abi.encode(expected.peerAnswers), "bases");
        assertEq(abi.encode(state.held), abi.encode(expected.held), "held");
        assertEq(state.heldReports, expected.heldReports, "held reports");
        assertEq(state.committee, expected.committee, "committee");
    }
}

// forge-lint: disable-end(unsafe-typecast)
