// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IZkAggregator} from "../src/interfaces/IZkAggregator.sol";
import {IZkOracle} from "../src/interfaces/IZkOracle.sol";
import {IHub} from "./IHub.sol";
import {OracleTest} from "./OracleTest.sol";

/// @dev The attacks of someone who has old signatures, other feeds' signatures, other statements' proofs, or one
/// reporter's key.
contract AttacksTest is OracleTest {
    bytes32 internal otherId;

    function setUp() public override {
        super.setUp();
        vm.prank(ADMIN);
        otherId = _addFeed("BTC / USD", IZkOracle.Kind.RELATIVE, 1);
        // Feeds of a submission ascend.
        if (otherId < feedId) (feedId, otherId) = (otherId, feedId);
        _report(feedId, PRICE, -1);
        _report(otherId, PRICE, -1);
        skip(HEARTBEAT);
    }

    function test_acceptedSubmissionCantBeReplayed() public {
        IZkOracle.FeedUpdate memory update = _update(feedId, PRICE, -1);
        bytes memory proof = _proofOf(update);
        hub.submit(modelNumber, _one(update), proof);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.WrongRound.selector, feedId, 2, 3));
        hub.submit(modelNumber, _one(update), proof);
        // It does not pass under the next round's number either: the signature covers the number.
        update.roundId = 3;
        _expectStranger(update, proof);
    }

    /// @dev A held report leaves the round's number as it is; only the time tells a replay.
    function test_heldSubmissionCantConfirmItself() public {
        IZkOracle.FeedUpdate memory update = _update(feedId, 50e8, 1);
        bytes memory proof = _proofOf(update);
        hub.submit(modelNumber, _one(update), proof);
        skip(CONFIRM_DELAY / 2);
        vm.expectRevert(
            abi.encodeWithSelector(
                IZkOracle.ObservationNotNewer.selector,
                feedId,
                update.observations[0].observedAt,
                update.observations[0].observedAt
            )
        );
        hub.submit(modelNumber, _one(update), proof);
    }

    /// @dev One of a held report's two signatures is later than the median time. It does not count again beside a fresh
    /// one, in the same round.
    function test_oneSignatureOfAHeldReportCantConfirmIt() public {
        vm.prank(ADMIN);
        bytes32 id = _addFeed("PAIR", IZkOracle.Kind.RELATIVE, 2);
        _submitPair(id, PRICE, _now() - 5, _now(), -1);
        skip(HEARTBEAT);
        (uint32 early, uint32 late) = (_now() - 100, _now());
        IZkOracle.FeedUpdate memory held = _submitPair(id, 50e8, early, late, 1);
        assertEq(uint8(hub.feedState(id).status), uint8(IZkOracle.Status.HELD));
        skip(60);
        IZkOracle.FeedUpdate memory update = _update(id, 50e8, 1);
        IZkOracle.Observation memory fresh = update.observations[0];
        update.observations = new IZkOracle.Observation[](2);
        (update.observations[0], update.observations[1]) = (fresh, held.observations[1]);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.ObservationNotNewer.selector, id, late, late));
        hub.submit(modelNumber, _one(update), "x");
    }

    function test_signatureOfAnotherFeed() public {
        IZkOracle.FeedUpdate memory update = _update(feedId, PRICE, -1);
        bytes memory proof = _proofOf(update);
        update.observations[0] = _sign(keys[0], otherId, 2, PRICE, _now());
        _expectStranger(update, proof);
    }

    function test_signatureOfAnotherRound() public {
        IZkOracle.FeedUpdate memory update = _update(feedId, PRICE, -1);
        bytes memory proof = _proofOf(update);
        update.observations[0] = _sign(keys[0], feedId, 1, PRICE, _now());
        _expectStranger(update, proof);
    }

    function test_signatureForAnotherHub() public {
        IHub other = _newHub();
        IZkOracle.FeedUpdate memory update = _update(feedId, PRICE, -1);
        bytes memory proof = _proofOf(update);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(keys[0], other.observationDigest(feedId, 2, PRICE, _now()));
        update.observations[0] = IZkOracle.Observation(PRICE, _now(), v, r, s);
        _expectStranger(update, proof);
    }

    function test_signatureForAnotherChain() public {
        IZkOracle.FeedUpdate memory update = _update(feedId, PRICE, -1);
        bytes memory proof = _proofOf(update);
        vm.chainId(5);
        _expectStranger(update, proof);
    }

    /// @dev Each signature has a second form that bare ecrecover accepts: (v ^ 1, r, n − s).
    function test_malleableSignature() public {
        IZkOracle.FeedUpdate memory update = _update(feedId, PRICE, -1);
        bytes memory proof = _proofOf(update);
        IZkOracle.Observation memory observation = update.observations[0];
        uint256 order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
        observation.s = bytes32(order - uint256(observation.s));
        observation.v = observation.v == 27 ? 28 : 27;
        bytes32 digest = hub.observationDigest(feedId, 2, PRICE, _now());
        assertEq(ecrecover(digest, observation.v, observation.r, observation.s), signers[0]);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.NotAReporter.selector, feedId, address(0)));
        hub.submit(modelNumber, _one(update), proof);
    }

    function test_malformedSignature() public {
        IZkOracle.FeedUpdate memory update = _update(feedId, PRICE, -1);
        bytes memory proof = _proofOf(update);
        uint8[4] memory vs = [0, 1, 26, 255];
        for (uint256 i = 0; i < vs.length; ++i) {
            update.observations[0].v = vs[i];
            vm.expectRevert(abi.encodeWithSelector(IZkOracle.NotAReporter.selector, feedId, address(0)));
            hub.submit(modelNumber, _one(update), proof);
        }
    }

    /// @dev If one bit of anything that is signed changes, the signature is nobody's.
    function testFuzz_anyChangedBitOfAnObservation(uint8 field, uint8 bit) public {
        IZkOracle.FeedUpdate memory update = _update(feedId, PRICE, -1);
        bytes memory proof = _proofOf(update);
        IZkOracle.Observation memory observation = update.observations[0];
        field = uint8(bound(field, 0, 3));
        if (field == 0) observation.answer ^= int128(int256(1) << (bit % 120));
        // Only low bits change: with others the time is out of its window before the signature is looked at. (Another
        // test covers those.)
        if (field == 1) observation.observedAt ^= uint32(1) << (bit % 9);
        if (field == 2) observation.r ^= bytes32(uint256(1) << bit);
        if (field == 3) observation.s ^= bytes32(uint256(1) << bit);
        vm.expectRevert();
        hub.submit(modelNumber, _one(update), proof);
        assertEq(hub.feedState(feedId).roundId, 1);
    }

    function testFuzz_anyChangedBitOfScoreOrProof(uint8 bit, bool ofProof) public {
        IZkOracle.FeedUpdate memory update = _update(feedId, PRICE, -1);
        bytes memory proof = _proofOf(update);
        if (ofProof) proof[bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
        else update.scores[0] ^= int256(1) << (bit % 127);
        vm.expectRevert(IZkOracle.ProofRejected.selector);
        hub.submit(modelNumber, _one(update), proof);
    }

    /// @dev The model and the signed answer are the same, but the history is another feed's.
    function test_proofOfAnotherFeedsHistory() public {
        _report(otherId, 105e8, -1);
        skip(HEARTBEAT);
        bytes memory foreign = _proofOf(_update(otherId, 105e8, -1));
        IZkOracle.FeedUpdate[] memory updates = _one(_update(feedId, 105e8, -1));
        vm.expectRevert(IZkOracle.ProofRejected.selector);
        hub.submit(modelNumber, updates, foreign);
    }

    /// @dev A proof for the batch of one does not pass for the batch of four, nor the other way round.
    function test_proofForAnotherBatchSize() public {
        IZkOracle.FeedUpdate[] memory updates = new IZkOracle.FeedUpdate[](2);
        (updates[0], updates[1]) = (_update(feedId, PRICE, -1), _update(otherId, PRICE, -1));
        bytes memory proof = _proofOf(updates[0]);
        vm.expectRevert(IZkOracle.ProofRejected.selector);
        hub.submit(modelNumber, updates, proof);

        (int128[] memory answers, uint32[] memory times) = (new int128[](1), new uint32[](1));
        (answers[0], times[0]) = (PRICE, _now());
        proof = _proof(_instances(_one(updates[0]), answers, times, 4));
        vm.expectRevert(IZkOracle.ProofRejected.selector);
        hub.submit(modelNumber, _one(updates[0]), proof);
    }

    /// @dev One feed of a batch may not ride on another's verdict: scores are instances, in the feeds' order.
    function test_scoresOfABatchCantBeSwapped() public {
        IZkOracle.FeedUpdate[] memory updates = new IZkOracle.FeedUpdate[](2);
        (updates[0], updates[1]) = (_update(feedId, PRICE, -1), _update(otherId, 10e8, 1));
        (int128[] memory answers, uint32[] memory times) = (new int128[](2), new uint32[](2));
        (answers[0], answers[1], times[0], times[1]) = (PRICE, 10e8, _now(), _now());
        bytes memory proof = _proof(_instances(updates, answers, times, 4));
        (updates[0].scores[0], updates[1].scores[0]) = (int256(1), int256(-1));
        vm.expectRevert(IZkOracle.ProofRejected.selector);
        hub.submit(modelNumber, updates, proof);
    }

    /// @dev Another encoding of the same call (here: with a gap before the proof) does no more than the canonical one.
    /// The verifier gets the hub's own encoding, never the caller's bytes.
    function test_nonCanonicalCalldataReachesNoVerifier() public {
        IZkOracle.FeedUpdate memory update = _update(feedId, PRICE, -1);
        bytes memory proof = _proofOf(update);
        bytes memory canonical = abi.encodeCall(hub.submit, (modelNumber, _one(update), proof));
        // The third head word is the proof's offset: move the proof one word back and fill the gap.
        bytes memory shifted = new bytes(canonical.length + 32);
        uint256 offset;
        assembly ("memory-safe") {
            offset := mload(add(canonical, 0x64))
        }
        for (uint256 i = 0; i < canonical.length; ++i) {
            shifted[i < 4 + offset ? i : i + 32] = canonical[i];
        }
        assembly ("memory-safe") {
            mstore(add(shifted, 0x64), add(offset, 0x20))
        }
        (int128[] memory answers, uint32[] memory times) = (new int128[](1), new uint32[](1));
        (answers[0], times[0]) = (PRICE, _now());
        uint256[] memory instances = _instances(_one(update), answers, times, 1);
        vm.expectCall(address(verifier1), abi.encodeCall(verifier1.verifyProof, (proof, instances)));
        (bool isOk,) = address(hub).call(shifted);
        assertTrue(isOk);
        assertEq(hub.feedState(feedId).roundId, 2);
    }

    function test_truncatedCalldataIsRefused() public {
        IZkOracle.FeedUpdate memory update = _update(feedId, PRICE, -1);
        bytes memory data = abi.encodeCall(hub.submit, (modelNumber, _one(update), _proofOf(update)));
        assembly ("memory-safe") {
            mstore(data, sub(mload(data), 33))
        }
        (bool isOk,) = address(hub).call(data);
        assertFalse(isOk);
    }

    /// @dev The hub calls no contract that anybody could have chosen, so nobody's code can call back into it.
    function test_onlyTheFactorysAdapterIsEverCalled() public {
        vm.expectRevert();
        factory.deploy(IHub(address(this)), feedId, false); // this contract is no hub
        bytes memory missing =
            abi.encodeWithSelector(IZkOracle.AggregatorNotDeployed.selector, factory.addressOf(hub, feedId, false));
        vm.prank(ADMIN);
        vm.expectRevert(missing);
        hub.linkAggregator(feedId);
        IZkAggregator adapter = _linked(feedId);
        bytes32 salt = keccak256(abi.encode(address(hub), feedId, false));
        assertEq(address(adapter), vm.computeCreate2Address(salt, factory.initCodeHash(), address(factory)));
        assertEq(hub.aggregator(feedId), address(adapter));
    }

    /// @dev One reporter of three can't move the median beyond the honest two.
    function test_oneReporterCantMoveTheMedian() public {
        vm.prank(ADMIN);
        bytes32 id = _addFeed("THREE", IZkOracle.Kind.RELATIVE, 3);
        (int128[] memory answers, uint32[] memory times) = (new int128[](3), new uint32[](3));
        (answers[0], answers[1], answers[2]) = (1, PRICE, 101e8);
        (times[0], times[1], times[2]) = (_now() - MAX_AGE, _now(), _now());
        IZkOracle.FeedUpdate memory update = _quorumUpdate(id, answers, times, -1);
        (int128[] memory median, uint32[] memory time) = (new int128[](1), new uint32[](1));
        (median[0], time[0]) = (PRICE, _now());
        hub.submit(modelNumber, _one(update), _proof(_instances(_one(update), median, time, 1)));
        assertEq(hub.feedState(id).answer, PRICE);
        assertEq(hub.feedState(id).observedAt, _now());
    }

    function _submitPair(bytes32 id, int128 answer, uint32 first, uint32 second, int256 score)
        internal
        returns (IZkOracle.FeedUpdate memory update)
    {
        (int128[] memory answers, uint32[] memory times) = (new int128[](2), new uint32[](2));
        (answers[0], answers[1], times[0], times[1]) = (answer, answer, first, second);
        update = _quorumUpdate(id, answers, times, score);
        (int128[] memory median, uint32[] memory time) = (new int128[](1), new uint32[](1));
        (median[0], time[0]) = (answer, first < second ? first : second);
        hub.submit(modelNumber, _one(update), _proof(_instances(_one(update), median, time, 1)));
    }

    /// @dev The signature now recovers to some other address, which is no reporter.
    function _expectStranger(IZkOracle.FeedUpdate memory update, bytes memory proof) internal {
        vm.expectPartialRevert(IZkOracle.NotAReporter.selector);
        hub.submit(modelNumber, _one(update), proof);
    }
}
