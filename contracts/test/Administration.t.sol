// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {
    IAccessControlDefaultAdminRules
} from "@openzeppelin/contracts/access/extensions/IAccessControlDefaultAdminRules.sol";

import {IZkOracle} from "../src/interfaces/IZkOracle.sol";
import {IHub} from "./IHub.sol";
import {OracleTest} from "./OracleTest.sol";

/// @dev The administrator's and the guardian's actions: the roles they need, and when they take effect.
contract AdministrationTest is OracleTest {
    // Additions

    function test_architecture() public view {
        IZkOracle.Architecture memory found = hub.architecture(architectureId);
        assertEq(hub.architectureCount(), 1);
        assertEq(architectureId, 1);
        assertEq(found.features, LENGTH);
        assertEq(found.outputs, 1);
        assertTrue(found.bindsModel);
        assertEq(found.batchSizes.length, 2);
        assertEq(found.batchSizes[1], 4);
        assertEq(found.verifiers[1], address(verifier4));
        assertEq(found.codeHashes[0], address(verifier1).codehash);
    }

    function test_model() public view {
        IZkOracle.Model memory found = hub.model(modelNumber);
        assertEq(hub.modelCount(), 1);
        assertEq(modelNumber, 1);
        assertEq(found.modelHash, MODEL_HASH);
        assertEq(found.architectureId, architectureId);
        assertEq(found.artifactHash, keccak256("artifact"));
        assertEq(found.scoreUnit, SCORE_UNIT);
    }

    function test_feed() public view {
        assertEq(feedId, keccak256("ETH / USD"));
        assertEq(abi.encode(hub.feedConfig(feedId)), abi.encode(_config("ETH / USD", IZkOracle.Kind.RELATIVE, 1)));
        assertEq(hub.feedIds().length, 1);
        assertEq(hub.feedIds()[0], feedId);
        assertEq(hub.reporters(feedId), signers);
        assertEq(hub.aggregator(feedId), address(0));
        assertEq(uint8(hub.feedState(feedId).status), uint8(IZkOracle.Status.EMPTY));
        assertEq(hub.changeDelay(), DELAY);
    }

    function test_unknownThings() public {
        bytes32 id = keccak256("nothing");
        bytes memory expected = abi.encodeWithSelector(IZkOracle.UnknownFeed.selector, id);
        vm.expectRevert(expected);
        hub.feedState(id);
        vm.expectRevert(expected);
        hub.feedConfig(id);
        vm.expectRevert(expected);
        hub.features(id, 1, 1, 0);
        vm.expectRevert(expected);
        hub.latestRound(id);
        vm.expectRevert(expected);
        hub.isStale(id);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.UnknownArchitecture.selector, 2));
        hub.architecture(2);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.UnknownModel.selector, 2));
        hub.model(2);
        assertEq(hub.getRound(id, 1).publishedAt, 0);
    }

    function test_invalidArchitectures() public {
        (uint16[] memory sizes, address[] memory verifiers) = (new uint16[](1), new address[](1));
        (sizes[0], verifiers[0]) = (1, address(verifier1));
        vm.startPrank(ADMIN);
        for (uint8 n = 0; n < 20; ++n) {
            if (n >= 3 && n <= 16) continue;
            _expectInvalidArchitecture("features");
            hub.addArchitecture(n, 1, true, false, sizes, verifiers);
        }
        _expectInvalidArchitecture("outputs");
        hub.addArchitecture(3, 0, true, false, sizes, verifiers);
        _expectInvalidArchitecture("batchSizes");
        hub.addArchitecture(3, 1, true, false, new uint16[](0), new address[](0));
        _expectInvalidArchitecture("batchSizes");
        hub.addArchitecture(3, 1, true, false, new uint16[](9), new address[](9));
        _expectInvalidArchitecture("verifiers");
        hub.addArchitecture(3, 1, true, false, sizes, new address[](2));
        sizes[0] = 65;
        _expectInvalidArchitecture("batchSizes");
        hub.addArchitecture(3, 1, true, false, sizes, verifiers);
        sizes[0] = 0;
        _expectInvalidArchitecture("batchSizes");
        hub.addArchitecture(3, 1, true, false, sizes, verifiers);
        (sizes, verifiers) = (new uint16[](2), new address[](2));
        (sizes[0], sizes[1], verifiers[0], verifiers[1]) = (4, 4, address(verifier1), address(verifier4));
        _expectInvalidArchitecture("batchSizes");
        hub.addArchitecture(3, 1, true, false, sizes, verifiers);
        (sizes[1], verifiers[1]) = (5, address(0xdead));
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.VerifierHasNoCode.selector, address(0xdead)));
        hub.addArchitecture(3, 1, true, false, sizes, verifiers);
        assertEq(hub.architectureCount(), 1);
    }

    function test_invalidModels() public {
        vm.startPrank(ADMIN);
        uint32 open = _addArchitecture(1, false);
        IZkOracle.Probe memory probe = _probe(1, architectureId);
        IZkOracle.Probe memory openProbe = _probe(0, open);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.UnknownArchitecture.selector, 9));
        hub.addModel(1, 9, bytes32(0), 1, probe);
        _expectInvalidModel("scoreUnit");
        hub.addModel(1, architectureId, bytes32(0), 0, probe);
        _expectInvalidModel("scoreUnit");
        hub.addModel(1, architectureId, bytes32(0), 2 ** 40 + 1, probe);
        _expectInvalidModel("modelHash");
        hub.addModel(0, architectureId, bytes32(0), 1, probe);
        _expectInvalidModel("modelHash");
        hub.addModel(R, architectureId, bytes32(0), 1, probe);
        _expectInvalidModel("modelHash");
        hub.addModel(1, open, bytes32(0), 1, openProbe);
        assertEq(hub.modelCount(), 1);
        // This architecture's weights are in its verifying key, so there is no second model.
        hub.addModel(0, open, bytes32(0), 1, openProbe);
        _expectInvalidModel("architectureId");
        hub.addModel(0, open, bytes32(uint256(1)), 1, openProbe);
    }

    function testFuzz_scoreUnitIsKeptExactly(uint40 mantissa, uint8 shift) public {
        uint128 unit = uint128(bound(mantissa, 1, type(uint40).max)) << uint8(bound(shift, 0, 88));
        uint16 number = _addModel(77, architectureId, bytes32(0), unit);
        assertEq(hub.model(number).scoreUnit, unit);
    }

    /// @dev A model comes with a real proof for each of its circuits, all of one statement.
    function test_modelNeedsAProofThatEachCircuitAccepts() public {
        IZkOracle.Probe memory right = _probe(99, architectureId);
        IZkOracle.Probe memory wrong = _probe(98, architectureId);
        vm.startPrank(ADMIN);
        // proofs of another model; a proof for one circuit only; the circuits' proofs exchanged; no proofs
        vm.expectRevert(IZkOracle.ProofRejected.selector);
        hub.addModel(99, architectureId, bytes32(0), 1, wrong);
        wrong.proofs[0] = right.proofs[0];
        vm.expectRevert(IZkOracle.ProofRejected.selector);
        hub.addModel(99, architectureId, bytes32(0), 1, wrong);
        (wrong.proofs[0], wrong.proofs[1]) = (right.proofs[1], right.proofs[0]);
        vm.expectRevert(IZkOracle.ProofRejected.selector);
        hub.addModel(99, architectureId, bytes32(0), 1, wrong);
        wrong.proofs[0] = "";
        vm.expectRevert(IZkOracle.ProofRejected.selector);
        hub.addModel(99, architectureId, bytes32(0), 1, wrong);
        // a score with its sign turned; a score that is not one of the circuit's integers
        right.scores[0] = 1;
        vm.expectRevert(IZkOracle.ProofRejected.selector);
        hub.addModel(99, architectureId, bytes32(0), 1, right);
        right.scores[0] = 2 ** 127;
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.ScoreOutOfRange.selector, bytes32(0), 2 ** 127));
        hub.addModel(99, architectureId, bytes32(0), 1, right);
        right.scores = new int256[](2);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.WrongScoreCount.selector, bytes32(0), 2, 1));
        hub.addModel(99, architectureId, bytes32(0), 1, right);
        // shapes
        right = _probe(99, architectureId);
        right.window[0] = 32_768;
        _expectInvalidModel("probe.window");
        hub.addModel(99, architectureId, bytes32(0), 1, right);
        right.window[0] = -32_768;
        _expectInvalidModel("probe.window");
        hub.addModel(99, architectureId, bytes32(0), 1, right);
        right.window = new int256[](LENGTH - 1);
        _expectInvalidModel("probe.window");
        hub.addModel(99, architectureId, bytes32(0), 1, right);
        right.proofs = new bytes[](1);
        _expectInvalidModel("probe.proofs");
        hub.addModel(99, architectureId, bytes32(0), 1, right);
        assertEq(hub.modelCount(), 1);
    }

    function test_invalidFeeds() public {
        IZkOracle.FeedConfig memory config = _config("x", IZkOracle.Kind.RELATIVE, 1);
        config.description = "";
        _expectInvalidConfig(config, "description");
        config.description = "12345678901234567890123456789012345678901234567890123456789012345";
        _expectInvalidConfig(config, "description");
        config = _config("x", IZkOracle.Kind.RELATIVE, 1);
        config.sigma = 0;
        _expectInvalidConfig(config, "sigma");
        config = _config("x", IZkOracle.Kind.RELATIVE, 1);
        config.heartbeat = 0;
        _expectInvalidConfig(config, "heartbeat");
        config = _config("x", IZkOracle.Kind.RELATIVE, 1);
        config.maxAge = 0;
        _expectInvalidConfig(config, "maxAge");
        config = _config("x", IZkOracle.Kind.RELATIVE, 1);
        config.maxAge = 90 days + 1;
        _expectInvalidConfig(config, "maxAge");
        config = _config("x", IZkOracle.Kind.RELATIVE, 1);
        config.confirmations = 0;
        _expectInvalidConfig(config, "confirmations");
        config = _config("x", IZkOracle.Kind.RELATIVE, 1);
        config.confirmDelay = 7 days + 1;
        _expectInvalidConfig(config, "confirmDelay");
        config = _config("x", IZkOracle.Kind.RELATIVE, 1);
        config.maxSkew = 3_601;
        _expectInvalidConfig(config, "maxSkew");
        config = _config("x", IZkOracle.Kind.RELATIVE, 1);
        config.tolerance = 32_767;
        _expectInvalidConfig(config, "tolerance");
        config = _config("x", IZkOracle.Kind.RELATIVE, 1);
        config.maxSpread = 32_767;
        _expectInvalidConfig(config, "maxSpread");
        vm.startPrank(ADMIN);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.UnknownModel.selector, 9));
        hub.addFeed(_config("x", IZkOracle.Kind.RELATIVE, 1), signers, 9);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.FeedExists.selector, feedId));
        hub.addFeed(_config("ETH / USD", IZkOracle.Kind.ABSOLUTE, 1), signers, modelNumber);
    }

    function test_invalidReporters() public {
        address[][5] memory bad;
        bad[0] = new address[](0);
        bad[1] = new address[](1); // the zero address
        bad[2] = new address[](2);
        (bad[2][0], bad[2][1]) = (signers[0], signers[0]);
        bad[3] = new address[](32);
        for (uint160 i = 0; i < 32; ++i) {
            bad[3][i] = address(i + 1);
        }
        bad[4] = new address[](1); // fewer than the quorum of 2
        bad[4][0] = signers[0];
        vm.startPrank(ADMIN);
        for (uint256 i = 0; i < bad.length; ++i) {
            vm.expectRevert(IZkOracle.InvalidReporters.selector);
            hub.addFeed(_config("x", IZkOracle.Kind.RELATIVE, i == 4 ? 2 : 1), bad[i], modelNumber);
            vm.expectRevert(IZkOracle.InvalidReporters.selector);
            hub.proposeReporters(feedId, bad[i], i == 4 ? 2 : 1);
        }
        vm.expectRevert(IZkOracle.InvalidReporters.selector);
        hub.proposeReporters(feedId, signers, 0);
    }

    // Adapters

    function test_linkAggregator() public {
        vm.startPrank(ADMIN);
        address adapter = factory.addressOf(hub, feedId, false);
        bytes memory missing = abi.encodeWithSelector(IZkOracle.AggregatorNotDeployed.selector, adapter);
        vm.expectRevert(missing);
        hub.linkAggregator(feedId);
        // A strict adapter, another feed's and another hub's are at other addresses.
        _newAdapter(feedId, true);
        _newAdapter(_addFeed("other", IZkOracle.Kind.RELATIVE, 1), false);
        IHub own = hub;
        hub = _newHub();
        architectureId = _addArchitecture(1, true);
        _addModel(MODEL_HASH, architectureId, bytes32(0), 1);
        _newAdapter(_addFeed("ETH / USD", IZkOracle.Kind.RELATIVE, 1), false);
        hub = own;
        vm.expectRevert(missing);
        hub.linkAggregator(feedId);
        assertEq(address(_newAdapter(feedId, false)), adapter);
        vm.expectEmit(address(hub));
        emit IZkOracle.AggregatorLinked(feedId, adapter);
        hub.linkAggregator(feedId);
        assertEq(hub.aggregator(feedId), adapter);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.AggregatorAlreadyLinked.selector, feedId));
        hub.linkAggregator(feedId);
    }

    function test_adapterOfAnUnknownFeedCantBeDeployed() public {
        vm.expectRevert();
        factory.deploy(hub, keccak256("nothing"), false);
    }

    // Models change after the delay

    function test_modelChange() public {
        uint16 second = _secondModel();
        vm.startPrank(ADMIN);
        vm.expectRevert(IZkOracle.NothingProposed.selector);
        hub.activateModel(feedId);
        uint64 from = uint64(_now()) + DELAY;
        vm.expectEmit(address(hub));
        emit IZkOracle.ModelProposed(feedId, second, from, 0, 0);
        hub.proposeModel(feedId, second, 0, 0);
        skip(DELAY - 1);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.TooEarly.selector, from));
        hub.activateModel(feedId);
        assertEq(hub.feedState(feedId).modelNumber, 1);
        skip(1);
        vm.expectEmit(address(hub));
        emit IZkOracle.ModelActivated(feedId, second, 1);
        hub.activateModel(feedId);
        vm.expectRevert(IZkOracle.NothingProposed.selector);
        hub.activateModel(feedId);
        vm.stopPrank();
        // The second model judges reports now, so a proof of the first one's verdict is rejected.
        IZkOracle.FeedUpdate memory update = _update(feedId, PRICE, -1);
        bytes memory proof = _proofOf(update);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.ModelNotActive.selector, feedId, 1, second));
        hub.submit(1, _one(update), proof);
        vm.expectRevert(IZkOracle.ProofRejected.selector);
        hub.submit(second, _one(update), proof);
    }

    function test_modelChangeIsVisibleAndCanBeCancelled() public {
        uint16 second = _secondModel();
        vm.prank(ADMIN);
        hub.proposeModel(feedId, second, 0, 0);
        (IZkOracle.Proposals memory proposed,) = hub.proposals(feedId);
        assertEq(proposed.model, second);
        assertEq(proposed.modelFrom, _now() + DELAY);
        vm.expectEmit(address(hub));
        emit IZkOracle.ModelProposalCancelled(feedId, second);
        vm.startPrank(GUARDIAN);
        hub.cancelModel(feedId);
        vm.expectRevert(IZkOracle.NothingProposed.selector);
        hub.cancelModel(feedId);
        vm.stopPrank();
        skip(DELAY);
        vm.prank(ADMIN);
        vm.expectRevert(IZkOracle.NothingProposed.selector);
        hub.activateModel(feedId);
    }

    function test_proposingAgainStartsTheDelayAgain() public {
        uint16 second = _secondModel();
        vm.startPrank(ADMIN);
        hub.proposeModel(feedId, second, 0, 0);
        skip(DELAY);
        hub.proposeModel(feedId, second, 0, 0);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.TooEarly.selector, _now() + DELAY));
        hub.activateModel(feedId);
    }

    function test_rollback() public {
        vm.prank(GUARDIAN);
        vm.expectRevert(IZkOracle.NoPreviousModel.selector);
        hub.rollbackModel(feedId);
        uint16 second = _secondModel();
        vm.startPrank(ADMIN);
        hub.proposeModel(feedId, second, 0, 0);
        skip(DELAY);
        hub.activateModel(feedId);
        vm.stopPrank();
        vm.startPrank(GUARDIAN);
        vm.expectEmit(address(hub));
        emit IZkOracle.ModelRolledBack(feedId, 1, second);
        hub.rollbackModel(feedId);
        // It rolls back once, and not forward again.
        vm.expectRevert(IZkOracle.NoPreviousModel.selector);
        hub.rollbackModel(feedId);
        vm.stopPrank();
        _report(feedId, PRICE, -1);
        assertEq(hub.getRound(feedId, 1).modelNumber, 1);
    }

    function test_invalidModelProposals() public {
        vm.startPrank(ADMIN);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.UnknownModel.selector, 9));
        hub.proposeModel(feedId, 9, 0, 0);
        _expectInvalidModel("modelNumber");
        hub.proposeModel(feedId, modelNumber, 0, 0);
    }

    // Reporters change after the delay

    function test_reportersChange() public {
        (address fresh, uint256 key) = makeAddrAndKey("fresh");
        address[] memory changed = new address[](2);
        (changed[0], changed[1]) = (fresh, signers[1]);
        vm.startPrank(ADMIN);
        uint64 from = uint64(_now()) + DELAY;
        vm.expectEmit(address(hub));
        emit IZkOracle.ReportersProposed(feedId, changed, 1, from);
        hub.proposeReporters(feedId, changed, 1);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.TooEarly.selector, from));
        hub.activateReporters(feedId);
        vm.stopPrank();
        _report(feedId, PRICE, -1); // the old reporters still report
        skip(DELAY);
        vm.expectEmit(address(hub));
        emit IZkOracle.ReportersActivated(feedId, changed, 1);
        vm.prank(ADMIN);
        hub.activateReporters(feedId);
        assertEq(hub.reporters(feedId), changed);

        IZkOracle.FeedUpdate memory update = _update(feedId, PRICE, -1);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.NotAReporter.selector, feedId, signers[0]));
        hub.submit(modelNumber, _one(update), "x");
        update.observations[0] = _sign(key, feedId, 2, PRICE, _now());
        _submit(update);
        skip(60);
        update = _update(feedId, PRICE, -1);
        update.observations[0] = _sign(keys[1], feedId, 3, PRICE, _now());
        _submit(update);
        assertEq(hub.feedState(feedId).roundId, 3);
    }

    function test_quorumChangesWithTheReporters() public {
        vm.startPrank(ADMIN);
        hub.proposeReporters(feedId, signers, 2);
        skip(DELAY);
        hub.activateReporters(feedId);
        vm.stopPrank();
        assertEq(hub.feedConfig(feedId).quorum, 2);
        IZkOracle.FeedUpdate[] memory updates = _one(_update(feedId, PRICE, -1));
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.QuorumNotMet.selector, feedId, 1, 2));
        hub.submit(modelNumber, updates, "x");
    }

    function test_reportersProposalCanBeCancelled() public {
        vm.prank(ADMIN);
        hub.proposeReporters(feedId, signers, 2);
        (IZkOracle.Proposals memory proposed, address[] memory reporters) = hub.proposals(feedId);
        assertEq(proposed.quorum, 2);
        assertEq(reporters, signers);
        vm.startPrank(GUARDIAN);
        vm.expectEmit(address(hub));
        emit IZkOracle.ReportersProposalCancelled(feedId);
        hub.cancelReporters(feedId);
        vm.expectRevert(IZkOracle.NothingProposed.selector);
        hub.cancelReporters(feedId);
        vm.stopPrank();
        (, reporters) = hub.proposals(feedId);
        assertEq(reporters.length, 0);
        vm.prank(ADMIN);
        vm.expectRevert(IZkOracle.NothingProposed.selector);
        hub.activateReporters(feedId);
    }

    // Pause at once, unpause after the delay

    function test_pauseAndUnpause() public {
        vm.startPrank(ADMIN);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.NotPaused.selector, feedId));
        hub.proposeUnpause(feedId);
        vm.stopPrank();
        vm.expectEmit(address(hub));
        emit IZkOracle.Paused(feedId);
        vm.prank(GUARDIAN);
        hub.pause(feedId);
        assertTrue(hub.feedState(feedId).paused);
        vm.startPrank(ADMIN);
        vm.expectRevert(IZkOracle.NothingProposed.selector);
        hub.unpause(feedId);
        uint64 from = uint64(_now()) + DELAY;
        vm.expectEmit(address(hub));
        emit IZkOracle.UnpauseProposed(feedId, from);
        hub.proposeUnpause(feedId);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.TooEarly.selector, from));
        hub.unpause(feedId);
        skip(DELAY);
        vm.expectEmit(address(hub));
        emit IZkOracle.Unpaused(feedId);
        hub.unpause(feedId);
        vm.stopPrank();
        _report(feedId, PRICE, -1);
    }

    function test_pausingAgainCancelsTheUnpause() public {
        vm.prank(GUARDIAN);
        hub.pause(feedId);
        vm.prank(ADMIN);
        hub.proposeUnpause(feedId);
        skip(DELAY);
        vm.prank(GUARDIAN);
        hub.pause(feedId);
        vm.prank(ADMIN);
        vm.expectRevert(IZkOracle.NothingProposed.selector);
        hub.unpause(feedId);
    }

    // Roles

    function test_onlyTheAdmin() public {
        (uint16[] memory sizes, address[] memory verifiers) = (new uint16[](1), new address[](1));
        bytes[] memory calls = new bytes[](10);
        calls[0] = abi.encodeCall(hub.addArchitecture, (3, 1, true, false, sizes, verifiers));
        calls[1] = abi.encodeCall(hub.addModel, (1, 1, bytes32(0), 1, _probe(1, 1)));
        calls[2] = abi.encodeCall(hub.addFeed, (_config("x", IZkOracle.Kind.RELATIVE, 1), signers, 1));
        calls[3] = abi.encodeCall(hub.linkAggregator, (feedId));
        calls[4] = abi.encodeCall(hub.proposeModel, (feedId, 1, 0, 0));
        calls[5] = abi.encodeCall(hub.activateModel, (feedId));
        calls[6] = abi.encodeCall(hub.proposeReporters, (feedId, signers, 1));
        calls[7] = abi.encodeCall(hub.activateReporters, (feedId));
        calls[8] = abi.encodeCall(hub.proposeUnpause, (feedId));
        calls[9] = abi.encodeCall(hub.unpause, (feedId));
        address[2] memory others = [GUARDIAN, RELAYER];
        for (uint256 i = 0; i < calls.length; ++i) {
            for (uint256 j = 0; j < others.length; ++j) {
                _expectDenied(others[j], bytes32(0), calls[i]);
            }
        }
    }

    function test_onlyGuardianOrAdmin() public {
        bytes[] memory calls = new bytes[](4);
        calls[0] = abi.encodeCall(hub.pause, (feedId));
        calls[1] = abi.encodeCall(hub.cancelModel, (feedId));
        calls[2] = abi.encodeCall(hub.cancelReporters, (feedId));
        calls[3] = abi.encodeCall(hub.rollbackModel, (feedId));
        for (uint256 i = 0; i < calls.length; ++i) {
            _expectDenied(RELAYER, hub.GUARDIAN_ROLE(), calls[i]);
        }
        vm.prank(ADMIN);
        hub.pause(feedId);
        assertTrue(hub.feedState(feedId).paused);
    }

    function test_adminIsHandedOverInTwoSteps() public {
        address next = makeAddr("next");
        vm.prank(ADMIN);
        hub.beginDefaultAdminTransfer(next);
        vm.startPrank(next);
        vm.expectRevert(
            abi.encodeWithSelector(
                IAccessControlDefaultAdminRules.AccessControlEnforcedDefaultAdminDelay.selector, _now() + DELAY
            )
        );
        hub.acceptDefaultAdminTransfer();
        skip(DELAY + 1);
        hub.acceptDefaultAdminTransfer();
        assertEq(hub.defaultAdmin(), next);
    }

    function test_hubWithoutAGuardian() public {
        hub = IHub(deployCode("ZkOracle.sol:ZkOracle", abi.encode(ADMIN, address(0), DELAY, factory)));
        assertFalse(hub.hasRole(hub.GUARDIAN_ROLE(), address(0)));
    }

    function _secondModel() internal returns (uint16) {
        vm.prank(ADMIN);
        return _addModel(99, architectureId, keccak256("second"), SCORE_UNIT);
    }

    function _expectInvalidArchitecture(string memory field) internal {
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.InvalidArchitecture.selector, field));
    }

    function _expectInvalidModel(string memory field) internal {
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.InvalidModel.selector, field));
    }

    function _expectInvalidConfig(IZkOracle.FeedConfig memory config, string memory field) internal {
        vm.prank(ADMIN);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.InvalidConfig.selector, field));
        hub.addFeed(config, signers, modelNumber);
    }

    function _expectDenied(address caller, bytes32 role, bytes memory data) internal {
        vm.prank(caller);
        (bool isOk, bytes memory result) = address(hub).call(data);
        assertFalse(isOk);
        assertEq(result, abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, caller, role));
    }
}
