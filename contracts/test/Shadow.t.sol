// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IZkOracle} from "../src/interfaces/IZkOracle.sol";
import {OracleTest} from "./OracleTest.sol";

/// @dev The shadow period of a proposed model.
contract ShadowTest is OracleTest {
    uint256 internal constant SECOND_HASH = 99;

    uint16 internal second;

    function setUp() public override {
        super.setUp();
        second = _addModel(SECOND_HASH, architectureId, keccak256("second"), SCORE_UNIT);
        _report(feedId, PRICE, -1);
        skip(HEARTBEAT);
    }

    function test_shadowWritesNothingButTheTally() public {
        _propose(1, 500);
        IZkOracle.FeedState memory before = hub.feedState(feedId);
        vm.expectEmit(address(hub));
        emit IZkOracle.ShadowScored(feedId, 2, 101e8, _now(), second, _scores(-400_000));
        _shadow(101e8, -400_000);
        assertEq(abi.encode(hub.feedState(feedId)), abi.encode(before));
        assertEq(hub.getRound(feedId, 2).publishedAt, 0);
        _assertTally(1, 0, 0, 0);
    }

    function test_bothAccept() public {
        _propose(1, 500);
        _shadow(101e8, -400_000);
        _report(feedId, 101e8, -300_000);
        skip(60);
        vm.expectEmit(address(hub));
        emit IZkOracle.ShadowCompared(feedId, 2, second, true, 100);
        _shadow(102e8, -1);
        _assertTally(2, 1, 0, 100);
    }

    function test_onlyTheProposedModelHolds() public {
        _propose(1, 500);
        _shadow(101e8, 200_000);
        _report(feedId, 101e8, -300_000);
        skip(60);
        _shadow(102e8, -1);
        _assertTally(2, 1, 1, 500);
    }

    function test_onlyTheActiveModelHolds() public {
        _propose(1, 500);
        _shadow(50e8, -100_000);
        _report(feedId, 50e8, 300_000);
        skip(60);
        _shadow(51e8, -1);
        _assertTally(2, 1, 1, 400);
    }

    /// @dev The model called a confirmed round anomalous, and its score says so.
    function test_confirmedRoundCountsAsAnomalous() public {
        _propose(1, 500);
        _report(feedId, 50e8, 300_000);
        skip(CONFIRM_DELAY);
        _report(feedId, 50e8, 300_000);
        skip(CONFIRM_DELAY);
        _shadow(50e8, 200_000);
        _report(feedId, 50e8, 300_000);
        assertEq(hub.feedState(feedId).answer, 50e8);
        skip(60);
        _shadow(51e8, -1);
        _assertTally(2, 1, 0, 100);
    }

    /// @dev A report is not compared if the active model never saw it, or saw a different one.
    function test_notTheSameReport() public {
        _propose(1, 500);
        _shadow(101e8, -1);
        skip(1);
        _report(feedId, 101e8, -1); // observed at another time
        skip(60);
        _shadow(102e8, -1);
        _report(feedId, 103e8, -1); // another answer, at the same time
        skip(60);
        _shadow(104e8, -1);
        _report(feedId, 60e8, 1); // likewise, held
        skip(60);
        _shadow(105e8, -1);
        skip(60);
        _shadow(105e8, -1); // no report between
        _assertTally(5, 0, 0, 0);
    }

    function test_activationNeedsEnoughAndNear() public {
        _propose(2, 150);
        skip(DELAY);
        vm.prank(ADMIN);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.ShadowTooShort.selector, 0, 2));
        hub.activateModel(feedId);
        for (uint256 i = 0; i < 2; ++i) {
            skip(60);
            _shadow(101e8, -400_000);
            _report(feedId, 101e8, -200_000);
        }
        // The activation itself compares the second one.
        vm.prank(ADMIN);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.ShadowTooFar.selector, 200, 150));
        hub.activateModel(feedId);
        _assertTally(2, 1, 0, 200);
        skip(60);
        _shadow(102e8, -300_000);
        _report(feedId, 102e8, -200_000);
        vm.prank(ADMIN);
        hub.activateModel(feedId);
        assertEq(hub.feedState(feedId).modelNumber, second);
        IZkOracle.ShadowTally memory none;
        assertEq(abi.encode(hub.shadow(feedId)), abi.encode(none));
        // Rounds continue in one phase.
        modelNumber = second;
        skip(60);
        IZkOracle.FeedUpdate memory update = _update(feedId, 103e8, -1);
        assertEq(update.roundId, 5);
        hub.submit(second, _one(update), _proofFor(SECOND_HASH, update));
        assertEq(hub.getRound(feedId, 5).modelNumber, second);
        assertEq(hub.getRound(feedId, 4).modelNumber, 1);
    }

    function test_noShadowDemandedNoneNeeded() public {
        _propose(0, 0);
        _shadow(50e8, 900_000);
        skip(DELAY);
        vm.prank(ADMIN);
        hub.activateModel(feedId);
        assertEq(hub.feedState(feedId).modelNumber, second);
    }

    function test_onlyForTheProposedModel() public {
        IZkOracle.FeedUpdate memory update = _update(feedId, 101e8, -1);
        bytes memory proof = _proofFor(SECOND_HASH, update);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.ModelNotProposed.selector, feedId, second, 0));
        hub.submitShadow(second, _one(update), proof);
        _propose(1, 500);
        bytes memory active = _proofFor(MODEL_HASH, update);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.ModelNotProposed.selector, feedId, modelNumber, second));
        hub.submitShadow(modelNumber, _one(update), active);
        vm.expectRevert(IZkOracle.ProofRejected.selector);
        hub.submitShadow(second, _one(update), active);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.ModelNotActive.selector, feedId, second, modelNumber));
        hub.submit(second, _one(update), proof);
    }

    function test_oneReportCountsOnce() public {
        _propose(1, 500);
        IZkOracle.FeedUpdate memory update = _update(feedId, 101e8, -1);
        bytes memory proof = _proofFor(SECOND_HASH, update);
        hub.submitShadow(second, _one(update), proof);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.ObservationNotNewer.selector, feedId, _now(), _now()));
        hub.submitShadow(second, _one(update), proof);
        _assertTally(1, 0, 0, 0);
    }

    function test_pausedFeedTakesNone() public {
        _propose(1, 500);
        vm.prank(GUARDIAN);
        hub.pause(feedId);
        IZkOracle.FeedUpdate memory update = _update(feedId, 101e8, -1);
        bytes memory proof = _proofFor(SECOND_HASH, update);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.FeedPaused.selector, feedId));
        hub.submitShadow(second, _one(update), proof);
    }

    function test_proposingAgainAndCancellingEmptyTheTally() public {
        _propose(1, 500);
        _shadow(101e8, -1);
        _propose(3, 7);
        IZkOracle.ShadowTally memory tally = hub.shadow(feedId);
        assertEq(tally.reports, 0);
        assertEq(tally.minCompared, 3);
        assertEq(tally.maxDistance, 7);
        vm.prank(GUARDIAN);
        hub.cancelModel(feedId);
        assertEq(hub.shadow(feedId).minCompared, 0);
    }

    /// @dev Comparisons with the model that is rolled back say nothing about the one that returns.
    function test_rollbackCancelsTheProposal() public {
        uint16 third = _addModel(100, architectureId, keccak256("third"), SCORE_UNIT);
        _propose(0, 0);
        skip(DELAY);
        vm.startPrank(ADMIN);
        hub.activateModel(feedId);
        hub.proposeModel(feedId, third, 1, 500);
        vm.stopPrank();
        vm.startPrank(GUARDIAN);
        vm.expectEmit(address(hub));
        emit IZkOracle.ModelProposalCancelled(feedId, third);
        vm.expectEmit(address(hub));
        emit IZkOracle.ModelRolledBack(feedId, 1, second);
        hub.rollbackModel(feedId);
        vm.stopPrank();
        (IZkOracle.Proposals memory proposed,) = hub.proposals(feedId);
        assertEq(proposed.model, 0);
        assertEq(hub.shadow(feedId).minCompared, 0);
        skip(DELAY);
        vm.prank(ADMIN);
        vm.expectRevert(IZkOracle.NothingProposed.selector);
        hub.activateModel(feedId);
    }

    function test_batchOfShadows() public {
        vm.prank(ADMIN);
        bytes32 other = _addFeed("BTC / USD", IZkOracle.Kind.RELATIVE, 1);
        _report(other, PRICE, -1);
        skip(60);
        bytes32[] memory ids = new bytes32[](2);
        (ids[0], ids[1]) = (feedId, other);
        _sort(ids);
        vm.startPrank(ADMIN);
        hub.proposeModel(ids[0], second, 1, 500);
        hub.proposeModel(ids[1], second, 1, 500);
        vm.stopPrank();
        IZkOracle.FeedUpdate[] memory updates = new IZkOracle.FeedUpdate[](2);
        (int128[] memory answers, uint32[] memory times) = (new int128[](2), new uint32[](2));
        for (uint256 i = 0; i < 2; ++i) {
            (answers[i], times[i]) = (PRICE, _now());
            updates[i] = _update(ids[i], PRICE, i == 0 ? int256(-1) : int256(1));
        }
        uint256[] memory instances = _instances(updates, answers, times, 4);
        instances[0] = SECOND_HASH;
        hub.submitShadow(second, updates, _proof(instances));
        assertEq(hub.shadow(ids[0]).reports, 1);
        assertEq(hub.shadow(ids[1]).reports, 1);
    }

    function _propose(uint32 minCompared, uint32 maxDistance) internal {
        vm.prank(ADMIN);
        hub.proposeModel(feedId, second, minCompared, maxDistance);
    }

    /// @dev The proposed model's verdict on a report observed now.
    function _shadow(int128 answer, int256 score) internal {
        IZkOracle.FeedUpdate memory update = _update(feedId, answer, score);
        bytes memory proof = _proofFor(SECOND_HASH, update);
        vm.prank(RELAYER);
        hub.submitShadow(second, _one(update), proof);
    }

    function _proofFor(uint256 modelHash, IZkOracle.FeedUpdate memory update) internal view returns (bytes memory) {
        (int128[] memory answers, uint32[] memory times) = (new int128[](1), new uint32[](1));
        (answers[0], times[0]) = (update.observations[0].answer, update.observations[0].observedAt);
        uint256[] memory instances = _instances(_one(update), answers, times, 1);
        instances[0] = modelHash;
        return _proof(instances);
    }

    function _scores(int256 score) internal pure returns (int256[] memory scores) {
        scores = new int256[](1);
        scores[0] = score;
    }

    function _assertTally(uint32 reports, uint32 compared, uint32 disagreements, uint32 distance) internal view {
        IZkOracle.ShadowTally memory tally = hub.shadow(feedId);
        assertEq(tally.modelNumber, second);
        assertEq(tally.reports, reports, "reports");
        assertEq(tally.compared, compared, "compared");
        assertEq(tally.disagreements, disagreements, "disagreements");
        assertEq(tally.distance, distance, "distance");
    }
}
