// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IZkOracle} from "../src/interfaces/IZkOracle.sol";
import {OracleTest} from "./OracleTest.sol";

/// @dev Every error that a submission can end with, in the order of the checks. A refused submission changes nothing.
contract RejectionsTest is OracleTest {
    bytes32 internal pairId;

    function setUp() public override {
        super.setUp();
        IZkOracle.FeedConfig memory config = _config("PAIR", IZkOracle.Kind.RELATIVE, 2);
        config.maxSpread = 1_500;
        vm.prank(ADMIN);
        pairId = hub.addFeed(config, signers, modelNumber);
        _report(feedId, PRICE, -1);
        skip(HEARTBEAT);
    }

    function test_noUpdates() public {
        _refused(new IZkOracle.FeedUpdate[](0), "x", abi.encodeWithSelector(IZkOracle.NoUpdates.selector));
    }

    function test_proofTooLong() public {
        bytes memory proof = new bytes(16_385);
        _refused(
            _one(_update(feedId, PRICE, -1)),
            proof,
            abi.encodeWithSelector(IZkOracle.ProofTooLong.selector, 16_385, 16_384)
        );
    }

    function test_unknownModel() public {
        modelNumber = 77;
        _refused(_update(feedId, PRICE, -1), abi.encodeWithSelector(IZkOracle.UnknownModel.selector, 77));
        modelNumber = 0;
        _refused(_update(feedId, PRICE, -1), abi.encodeWithSelector(IZkOracle.UnknownModel.selector, 0));
    }

    function test_noCircuitForBatch() public {
        IZkOracle.FeedUpdate[] memory updates = new IZkOracle.FeedUpdate[](5);
        for (uint256 i = 0; i < 5; ++i) {
            updates[i] = _update(feedId, PRICE, -1);
        }
        _refused(updates, "x", abi.encodeWithSelector(IZkOracle.NoCircuitForBatch.selector, 5));
    }

    function test_unknownFeed() public {
        IZkOracle.FeedUpdate memory update = _update(feedId, PRICE, -1);
        update.feedId = keccak256("nothing");
        _refused(update, abi.encodeWithSelector(IZkOracle.UnknownFeed.selector, update.feedId));
    }

    function test_feedsOutOfOrder() public {
        vm.prank(ADMIN);
        bytes32 other = _addFeed("BTC / USD", IZkOracle.Kind.RELATIVE, 1);
        (bytes32 low, bytes32 high) = feedId < other ? (feedId, other) : (other, feedId);
        IZkOracle.FeedUpdate[] memory updates = new IZkOracle.FeedUpdate[](2);
        (updates[0], updates[1]) = (_update(high, PRICE, -1), _update(low, PRICE, -1));
        _refused(updates, "x", abi.encodeWithSelector(IZkOracle.FeedsNotAscending.selector, low));
    }

    function test_duplicateFeed() public {
        IZkOracle.FeedUpdate[] memory updates = new IZkOracle.FeedUpdate[](2);
        updates[0] = _update(feedId, PRICE, -1);
        updates[1] = _updateAt(feedId, PRICE, -1, _now() - 1);
        _refused(updates, "x", abi.encodeWithSelector(IZkOracle.FeedsNotAscending.selector, feedId));
    }

    function test_feedPaused() public {
        vm.prank(GUARDIAN);
        hub.pause(feedId);
        _refused(_update(feedId, PRICE, -1), abi.encodeWithSelector(IZkOracle.FeedPaused.selector, feedId));
    }

    function test_modelNotActive() public {
        vm.prank(ADMIN);
        uint16 other = _addModel(99, architectureId, bytes32(0), SCORE_UNIT);
        (uint16 active, bytes memory expected) = (modelNumber, "");
        expected = abi.encodeWithSelector(IZkOracle.ModelNotActive.selector, feedId, other, active);
        modelNumber = other;
        _refused(_update(feedId, PRICE, -1), expected);
    }

    function test_wrongRound() public {
        IZkOracle.FeedUpdate memory update = _update(feedId, PRICE, -1);
        for (uint32 roundId = 0; roundId < 4; ++roundId) {
            if (roundId == 2) continue;
            update.roundId = roundId;
            _refused(update, abi.encodeWithSelector(IZkOracle.WrongRound.selector, feedId, roundId, 2));
        }
    }

    function test_quorumNotMet() public {
        _refused(_update(pairId, PRICE, -1), abi.encodeWithSelector(IZkOracle.QuorumNotMet.selector, pairId, 1, 2));
        IZkOracle.FeedUpdate memory update = _update(pairId, PRICE, -1);
        update.observations = new IZkOracle.Observation[](0);
        _refused(update, abi.encodeWithSelector(IZkOracle.QuorumNotMet.selector, pairId, 0, 2));
    }

    function test_tooManyObservations() public {
        IZkOracle.FeedUpdate memory update = _update(feedId, PRICE, -1);
        IZkOracle.Observation memory first = update.observations[0];
        update.observations = new IZkOracle.Observation[](32);
        for (uint256 i = 0; i < 32; ++i) {
            update.observations[i] = first;
        }
        _refused(update, abi.encodeWithSelector(IZkOracle.TooManyObservations.selector, feedId, 32));
    }

    function test_notAReporter() public {
        IZkOracle.FeedUpdate memory update = _update(feedId, PRICE, -1);
        (address stranger, uint256 key) = makeAddrAndKey("stranger");
        update.observations[0] = _sign(key, feedId, 2, PRICE, _now());
        _refused(update, abi.encodeWithSelector(IZkOracle.NotAReporter.selector, feedId, stranger));
    }

    function test_duplicateReporter() public {
        IZkOracle.FeedUpdate memory update = _pair(PRICE, PRICE);
        update.observations[1] = _sign(keys[0], pairId, 1, PRICE, _now() - 1);
        _refused(update, abi.encodeWithSelector(IZkOracle.DuplicateReporter.selector, pairId, signers[0]));
    }

    function test_observationsNotSorted() public {
        _refused(_pair(PRICE, PRICE - 1), abi.encodeWithSelector(IZkOracle.ObservationsNotSorted.selector, pairId));
    }

    function test_answerOutOfRange() public {
        vm.prank(ADMIN);
        bytes32 id = _addFeed("new", IZkOracle.Kind.RELATIVE, 1);
        _refused(_update(id, 0, -1), abi.encodeWithSelector(IZkOracle.AnswerOutOfRange.selector, id, 0));
        _refused(_update(id, -7, -1), abi.encodeWithSelector(IZkOracle.AnswerOutOfRange.selector, id, -7));
    }

    function test_spreadTooWide() public {
        bytes memory expected = abi.encodeWithSelector(IZkOracle.SpreadTooWide.selector, pairId, 2_000, 1_500);
        _refused(_pair(PRICE, 102e8), expected);
        expected = abi.encodeWithSelector(IZkOracle.SpreadTooWide.selector, pairId, 32_767, 1_500);
        _refused(_pair(0, PRICE), expected);
        // A proof of the largest length passes this check, and only the verifier refuses it.
        _refused(_pair(PRICE, 1015e7), abi.encodeWithSelector(IZkOracle.ProofRejected.selector));
    }

    function test_observationNotNewer() public {
        uint32 last = hub.feedState(feedId).lastReportAt;
        bytes memory expected = abi.encodeWithSelector(IZkOracle.ObservationNotNewer.selector, feedId, last, last);
        _refused(_updateAt(feedId, PRICE, -1, last), expected);
        expected = abi.encodeWithSelector(IZkOracle.ObservationNotNewer.selector, feedId, last - 1, last);
        _refused(_updateAt(feedId, PRICE, -1, last - 1), expected);
    }

    function test_observationInFuture() public {
        uint32 at = _now() + MAX_SKEW + 1;
        _refused(
            _updateAt(feedId, PRICE, -1, at),
            abi.encodeWithSelector(IZkOracle.ObservationInFuture.selector, feedId, at, at - 1)
        );
    }

    function test_observationTooOld() public {
        uint32 at = _now() - MAX_AGE - 1;
        _refused(
            _updateAt(feedId, PRICE, -1, at),
            abi.encodeWithSelector(IZkOracle.ObservationTooOld.selector, feedId, at, at + 1)
        );
    }

    /// @dev The check covers every time, not only the median: the others can't cover up one reporter's clock.
    function test_everyObservationIsFresh() public {
        for (uint256 i = 0; i < 2; ++i) {
            IZkOracle.FeedUpdate memory update = _pair(PRICE, PRICE);
            update.observations[i] = _sign(keys[i], pairId, 1, PRICE, _now() - MAX_AGE - 1);
            bytes memory expected = abi.encodeWithSelector(
                IZkOracle.ObservationTooOld.selector, pairId, _now() - MAX_AGE - 1, _now() - MAX_AGE
            );
            _refused(update, expected);
        }
    }

    function test_wrongScoreCount() public {
        IZkOracle.FeedUpdate memory update = _update(feedId, PRICE, -1);
        for (uint256 count = 0; count < 4; ++count) {
            if (count == 1) continue;
            update.scores = new int256[](count);
            _refused(update, abi.encodeWithSelector(IZkOracle.WrongScoreCount.selector, feedId, count, 1));
        }
    }

    function test_scoreOutOfRange() public {
        int256[4] memory scores = [int256(2 ** 127), -(2 ** 127), type(int256).max, type(int256).min];
        for (uint256 i = 0; i < scores.length; ++i) {
            _refused(
                _update(feedId, PRICE, scores[i]),
                abi.encodeWithSelector(IZkOracle.ScoreOutOfRange.selector, feedId, scores[i])
            );
        }
    }

    /// @dev A positive score can't be passed off as its field element minus r.
    function test_scoreModuloTheFieldIsOutOfRange() public {
        // forge-lint: disable-next-item(unsafe-typecast) -- below 2^254
        int256 alias_ = int256(5) - int256(R);
        _refused(
            _update(feedId, PRICE, alias_), abi.encodeWithSelector(IZkOracle.ScoreOutOfRange.selector, feedId, alias_)
        );
    }

    function test_proofRejectedByRevertAndByFalse() public {
        bytes memory expected = abi.encodeWithSelector(IZkOracle.ProofRejected.selector);
        _refused(_one(_update(feedId, PRICE, -1)), "not a proof", expected);
        _refused(_one(_update(feedId, PRICE, -1)), "", expected);
    }

    function test_proofOfAnotherStatementIsRejected() public {
        IZkOracle.FeedUpdate memory update = _update(feedId, 101e8, -1);
        bytes memory proof = _proofOf(update);
        bytes memory expected = abi.encodeWithSelector(IZkOracle.ProofRejected.selector);
        // another score
        update.scores[0] = -2;
        _refused(_one(update), proof, expected);
        // another answer
        _refused(_one(_update(feedId, 101e8 + 1e6, -1)), proof, expected);
        // another time, which means another gap
        skip(60);
        _refused(_one(_update(feedId, 101e8, -1)), proof, expected);
    }

    function _pair(int128 low, int128 high) internal view returns (IZkOracle.FeedUpdate memory) {
        (int128[] memory answers, uint32[] memory times) = (new int128[](2), new uint32[](2));
        (answers[0], answers[1]) = (low, high);
        (times[0], times[1]) = (_now(), _now());
        return _quorumUpdate(pairId, answers, times, -1);
    }

    function _refused(IZkOracle.FeedUpdate memory update, bytes memory expected) internal {
        _refused(_one(update), "x", expected);
    }

    function _refused(IZkOracle.FeedUpdate[] memory updates, bytes memory proof, bytes memory expected) internal {
        bytes32 before = keccak256(abi.encode(hub.feedState(feedId), hub.feedState(pairId)));
        vm.expectRevert(expected);
        hub.submit(modelNumber, updates, proof);
        assertEq(keccak256(abi.encode(hub.feedState(feedId), hub.feedState(pairId))), before);
    }
}
