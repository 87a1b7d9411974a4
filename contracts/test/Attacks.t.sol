// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC5267} from "@openzeppelin/contracts/interfaces/IERC5267.sol";

import {IZkAggregator} from "../src/interfaces/IZkAggregator.sol";
import {IZkOracle} from "../src/interfaces/IZkOracle.sol";
import {IHub} from "./IHub.sol";
import {OracleTest} from "./OracleTest.sol";

/// @dev The attacks of someone who has old signatures, signatures of other reports, other statements' proofs, or other
/// bytes. `Liars.t.sol` has those of reporters and of the admin's mistakes.
contract AttacksTest is OracleTest {
    bytes32 internal otherId;

    function setUp() public override {
        super.setUp();
        vm.prank(ADMIN);
        otherId = _addFeed("BTC / USD", IZkOracle.Kind.RELATIVE, solo);
        // Feeds of a report ascend.
        if (otherId < feedId) (feedId, otherId) = (otherId, feedId);
        _report(feedId, PRICE, -1);
        _report(otherId, PRICE, -1);
        skip(HEARTBEAT);
    }

    // Old signatures

    function test_acceptedSubmissionCantBeReplayed() public {
        IZkOracle.Submission memory submission = _proven(_draft(feedId, PRICE, -1));
        hub.submit(submission);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.WrongRound.selector, feedId, 2, 3));
        hub.submit(submission);
        skip(60);
        // It does not pass under the next round's number and another time either: the signature covers both.
        (submission.roundIds[0], submission.observedAt) = (3, _now());
        _expectStranger(submission);
    }

    /// @dev A held report leaves the round's number as it is; only the time tells a replay.
    function test_heldSubmissionCantConfirmItself() public {
        IZkOracle.Submission memory submission = _proven(_draft(feedId, 50e8, 1));
        hub.submit(submission);
        skip(CONFIRM_DELAY / 2);
        uint32 at = submission.observedAt;
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.ObservationNotNewer.selector, feedId, at, at));
        hub.submit(submission);
        submission.observedAt = _now();
        _expectStranger(submission);
    }

    /// @dev One of a held report's signatures does not count again beside fresh ones: they are of one time.
    function test_oneSignatureOfAHeldReportCantConfirmIt() public {
        vm.prank(ADMIN);
        bytes32 id = _addFeed("TRIO", IZkOracle.Kind.RELATIVE, trio);
        _report(id, PRICE, -1);
        skip(HEARTBEAT);
        IZkOracle.Submission memory held = _proven(_quorumDraft(id, 50e8, 1));
        hub.submit(held);
        skip(60);
        IZkOracle.Submission memory submission = _proven(_quorumDraft(id, 50e8, 1));
        submission.signatures[2] = held.signatures[2];
        _expectStranger(submission);
    }

    // Signatures of something else

    function test_signatureOfAnythingElse() public {
        for (uint256 change = 0; change < 8; ++change) {
            IZkOracle.Submission memory submission = _proven(_draft(feedId, PRICE, -1));
            Draft memory draft = _draft(feedId, PRICE, -1);
            if (change == 0) draft.feedIds[0] = otherId;
            if (change == 1) draft.roundIds[0] = 1;
            if (change == 2) draft.roundIds[0] = 0;
            if (change == 3) draft.observedAt += 1;
            if (change == 4) draft.epoch = 2;
            if (change == 5) draft.committee = trio;
            if (change == 6) draft.answers[0][0] += 1;
            if (change == 7) {
                // The same answers, of one feed more.
                (draft.feedIds, draft.roundIds) = (new bytes32[](2), new uint32[](2));
                (draft.feedIds[0], draft.feedIds[1]) = (feedId, otherId);
                (draft.roundIds[0], draft.answers[0]) = (2, new int128[](2));
                draft.answers[0][0] = PRICE;
            }
            submission.signatures[0] = _sign(keys[0], draft, draft.answers[0]);
            _expectStranger(submission);
        }
    }

    /// @dev Two committees of the same reporters: what is signed for the one does not count for the other.
    function test_signatureForAnotherCommittee() public {
        vm.startPrank(ADMIN);
        uint32 twin = hub.addCommittee(signers, 1);
        bytes32 id = _addFeed("twin", IZkOracle.Kind.RELATIVE, twin);
        vm.stopPrank();
        Draft memory draft = _draft(id, PRICE, -1);
        IZkOracle.Submission memory submission = _proven(draft);
        draft.committee = solo;
        submission.signatures[0] = _sign(keys[0], draft, draft.answers[0]);
        _expectStranger(submission);
    }

    /// @dev A reporter who stays in the committee signs anew after a change. One who was removed signs nothing.
    function test_signatureOfAnotherEpoch() public {
        IZkOracle.Submission memory submission = _proven(_draft(feedId, PRICE, -1));
        address[] memory remaining = new address[](2);
        (remaining[0], remaining[1]) = (signers[0], signers[1]);
        vm.startPrank(ADMIN);
        hub.proposeReporters(solo, remaining, 1);
        skip(DELAY);
        submission = _proven(_draft(feedId, PRICE, -1));
        hub.activateReporters(solo);
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.WrongEpoch.selector, solo, 1, 2));
        hub.submit(submission);
        submission.epoch = 2;
        _expectStranger(submission);
        keys[0] = keys[2];
        submission = _proven(_draft(feedId, PRICE, -1));
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.NotAReporter.selector, solo, signers[2]));
        hub.submit(submission);
        // The other committee of the same reporters is as it was.
        vm.prank(ADMIN);
        bytes32 id = _addFeed("trio", IZkOracle.Kind.RELATIVE, trio);
        (, keys[0]) = makeAddrAndKey("reporter0");
        _report(id, PRICE, -1);
    }

    function test_signatureForAnotherHub() public {
        IHub other = _newHub();
        Draft memory draft = _draft(feedId, PRICE, -1);
        IZkOracle.Submission memory submission = _proven(draft);
        bytes32 digest = _digest(address(other), draft, draft.answers[0], submission.signatures[0].readings);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(keys[0], digest);
        (submission.signatures[0].r, submission.signatures[0].vs) = (r, s | bytes32(uint256(v - 27) << 255));
        _expectStranger(submission);
    }

    function test_signatureForAnotherChain() public {
        IZkOracle.Submission memory submission = _proven(_draft(feedId, PRICE, -1));
        vm.chainId(5);
        _expectStranger(submission);
    }

    /// @dev Each reporter signs a row. Rows can't change places, nor can an answer move to another feed.
    function test_answersCantChangePlaces() public {
        bytes32[] memory ids = new bytes32[](2);
        (ids[0], ids[1]) = (feedId, otherId);
        int128[] memory answers = new int128[](2);
        (answers[0], answers[1]) = (PRICE, 101e8);
        Draft memory draft = _draftOf(ids, answers, new int256[](2), 2);
        draft.answers[1] = new int128[](2);
        (draft.answers[1][0], draft.answers[1][1]) = (102e8, 103e8);
        IZkOracle.Submission memory submission = _proven(draft);
        for (uint256 change = 0; change < 3; ++change) {
            int128[4] memory order = [PRICE, int128(101e8), 102e8, 103e8];
            if (change == 0) (order[0], order[1]) = (order[1], order[0]);
            if (change == 1) (order[0], order[2]) = (order[2], order[0]);
            if (change == 2) (order[0], order[1], order[2], order[3]) = (order[2], order[3], order[0], order[1]);
            submission.answers = abi.encodePacked(
                bytes16(uint128(order[0])),
                bytes16(uint128(order[1])),
                bytes16(uint128(order[2])),
                bytes16(uint128(order[3]))
            );
            _expectStranger(submission);
        }
    }

    // Other bytes

    /// @dev Each signature has a second form that bare ecrecover accepts: (v ^ 1, r, n − s).
    function test_malleableSignature() public {
        Draft memory draft = _draft(feedId, PRICE, -1);
        IZkOracle.Submission memory submission = _proven(draft);
        IZkOracle.Signature memory signature = submission.signatures[0];
        uint256 order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
        uint256 s = uint256(signature.vs) & (2 ** 255 - 1);
        uint8 v = 27 + uint8(uint256(signature.vs) >> 255);
        bytes32 digest = _digest(address(hub), draft, draft.answers[0], signature.readings);
        assertEq(ecrecover(digest, v, signature.r, bytes32(s)), signers[0]);
        assertEq(ecrecover(digest, v == 27 ? 28 : 27, signature.r, bytes32(order - s)), signers[0]);
        // With 255 bits for s, the second form has no room: what is left of it is another s.
        signature.vs = bytes32((order - s) ^ (uint256(1) << 255));
        _expectStranger(submission);
        signature.vs = bytes32((order - s) & (2 ** 255 - 1));
        _expectStranger(submission);
    }

    function test_malformedSignature() public {
        IZkOracle.Submission memory submission = _proven(_draft(feedId, PRICE, -1));
        bytes32[3] memory wrong = [bytes32(0), bytes32(type(uint256).max), bytes32(uint256(1) << 255)];
        for (uint256 i = 0; i < 3; ++i) {
            submission.signatures[0].vs = wrong[i];
            vm.expectRevert(abi.encodeWithSelector(IZkOracle.NotAReporter.selector, solo, address(0)));
            hub.submit(submission);
        }
        submission.signatures[0].r = 0;
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.NotAReporter.selector, solo, address(0)));
        hub.submit(submission);
    }

    /// @dev If one bit of anything that is signed changes, the signature is nobody's, or the hub knows of no such thing.
    function testFuzz_anyChangedBitOfAReport(uint8 field, uint8 bit) public {
        IZkOracle.Submission memory submission = _proven(_draft(feedId, PRICE, -1));
        field = uint8(bound(field, 0, 8));
        bytes32 mask = bytes32(uint256(1) << bit);
        uint32 small = uint32(1) << (bit % 32);
        if (field == 0) submission.answers[bit / 16] ^= bytes1(uint8(1 << (bit % 8)));
        if (field == 1) submission.observedAt ^= small;
        if (field == 2) submission.signatures[0].r ^= mask;
        if (field == 3) submission.signatures[0].vs ^= mask;
        if (field == 4) submission.signatures[0].readings ^= mask;
        if (field == 5) submission.committee ^= small;
        if (field == 6) submission.epoch ^= small;
        if (field == 7) submission.feedIds[0] ^= mask;
        if (field == 8) submission.roundIds[0] ^= small;
        vm.expectRevert();
        hub.submit(submission);
        assertEq(lens.feedState(hub, feedId).roundId, 1);
    }

    function testFuzz_anyChangedBitOfScoreOrProof(uint8 bit, bool ofProof) public {
        IZkOracle.Submission memory submission = _proven(_draft(feedId, PRICE, -2));
        if (ofProof) submission.proof[bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
        else submission.scores[bit / 16] ^= bytes1(uint8(1 << (bit % 8)));
        vm.expectRevert(IZkOracle.ProofRejected.selector);
        hub.submit(submission);
    }

    /// @dev Another encoding of the same call (here: with a gap before the proof) does no more than the canonical one.
    /// The verifier gets the hub's own encoding, never the caller's bytes.
    function test_nonCanonicalCalldataReachesNoVerifier() public {
        Draft memory draft = _draft(feedId, PRICE, -1);
        IZkOracle.Submission memory submission = _proven(draft);
        bytes memory canonical = abi.encodeCall(hub.submit, (submission));
        bytes memory shifted = new bytes(canonical.length + 32);
        // After the selector comes the struct's offset, then its eleven words. The last is the proof's offset.
        uint256 offset = _word(canonical, 0x24 + 10 * 32);
        for (uint256 i = 0; i < canonical.length; ++i) {
            shifted[i < 0x24 + offset ? i : i + 32] = canonical[i];
        }
        _setWord(shifted, 0x24 + 10 * 32, offset + 32);
        bytes memory expected = abi.encodeCall(verifier1.verifyProof, (submission.proof, _instances(draft, 1)));
        vm.expectCall(address(verifier1), expected);
        (bool isOk,) = address(hub).call(shifted);
        assertTrue(isOk);
        assertEq(lens.feedState(hub, feedId).roundId, 2);
    }

    function test_truncatedCalldataIsRefused() public {
        bytes memory data = abi.encodeCall(hub.submit, (_proven(_draft(feedId, PRICE, -1))));
        for (uint256 cut = 0; cut < 3; ++cut) {
            assembly ("memory-safe") {
                mstore(data, sub(mload(data), 33))
            }
            (bool isOk,) = address(hub).call(data);
            assertFalse(isOk);
        }
    }

    /// @dev The hub hashes round ids and feed ids as they lie in the calldata. Bits that a number has no room for would
    /// be signed, but not read. Such calldata is refused, signed or not.
    function testFuzz_bitsBeyondANumberAreRefused(uint8 bit, uint8 field) public {
        bit = uint8(bound(bit, 32, 255));
        field = uint8(bound(field, 0, 3));
        Draft memory draft = _draft(feedId, PRICE, -1);
        IZkOracle.Submission memory submission = _proven(draft);
        bytes memory data = abi.encodeCall(hub.submit, (submission));
        // committee, epoch and observedAt are the words 1 to 3; word 5 is the round ids' offset.
        uint256 at = 0x24 + (1 + uint256(field)) * 32;
        if (field == 3) at = 0x24 + _word(data, 0x24 + 5 * 32) + 32;
        uint256 dirty = _word(data, at) | (uint256(1) << bit);
        // The reporter signs what the hub would hash.
        bytes32 digest = _digestOfDirty(draft, dirty, field);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(keys[0], digest);
        (submission.signatures[0].r, submission.signatures[0].vs) = (r, s | bytes32(uint256(v - 27) << 255));
        data = abi.encodeCall(hub.submit, (submission));
        _setWord(data, at, dirty);
        (bool isOk, bytes memory answer) = address(hub).call(data);
        assertFalse(isOk);
        assertEq(answer.length, 0);
    }

    // Other statements' proofs

    /// @dev The model and the signed answer are the same, but the history is another feed's.
    function test_proofOfAnotherFeedsHistory() public {
        _report(otherId, 105e8, -1);
        skip(HEARTBEAT);
        IZkOracle.Submission memory submission = _signed(_draft(feedId, 105e8, -1));
        submission.proof = _proven(_draft(otherId, 105e8, -1)).proof;
        vm.expectRevert(IZkOracle.ProofRejected.selector);
        hub.submit(submission);
    }

    /// @dev A proof for the batch of one does not pass for the batch of four, nor the other way round.
    function test_proofForAnotherBatchSize() public {
        Draft memory one = _draft(feedId, PRICE, -1);
        IZkOracle.Submission memory submission = _signed(_two(PRICE, -1, PRICE, -1));
        submission.proof = _proof(_instances(one, 1));
        vm.expectRevert(IZkOracle.ProofRejected.selector);
        hub.submit(submission);
        submission = _signed(one);
        submission.proof = _proof(_instances(one, 4));
        vm.expectRevert(IZkOracle.ProofRejected.selector);
        hub.submit(submission);
    }

    /// @dev One feed of a batch may not ride on another's verdict: scores are instances, in the feeds' order.
    function test_scoresOfABatchCantBeSwapped() public {
        IZkOracle.Submission memory submission = _proven(_two(PRICE, -1, 10e8, 1));
        submission.scores = abi.encodePacked(int128(1), int128(-1));
        vm.expectRevert(IZkOracle.ProofRejected.selector);
        hub.submit(submission);
    }

    /// @dev The hub calls no contract that anybody could have chosen, so nobody's code can call back into it.
    function test_onlyTheFactorysAdapterIsEverCalled() public {
        IZkAggregator.Terms memory plain;
        vm.expectRevert();
        factory.deploy(IHub(address(this)), feedId, plain); // this contract is no hub
        address place = factory.addressOf(hub, feedId, plain);
        vm.prank(ADMIN);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.AggregatorNotDeployed.selector, place));
        hub.linkAggregator(feedId);
        IZkAggregator adapter = _linked(feedId);
        assertEq(address(adapter), place);
        assertEq(hub.aggregator(feedId), place);
    }

    /// @dev The digest of a report in whose encoding one word has other bits.
    function _digestOfDirty(Draft memory draft, uint256 dirty, uint8 field) internal view returns (bytes32) {
        bytes memory content = abi.encode(
            keccak256(
                "Report(uint32 committee,uint32 epoch,uint32 observedAt,bytes32[] feedIds,uint32[] roundIds,int128[] answers,bytes32[] readings)"
            ),
            field == 0 ? dirty : draft.committee,
            field == 1 ? dirty : draft.epoch,
            field == 2 ? dirty : draft.observedAt,
            keccak256(abi.encodePacked(draft.feedIds)),
            keccak256(abi.encode(field == 3 ? dirty : uint256(draft.roundIds[0]))),
            keccak256(abi.encodePacked(draft.answers[0])),
            keccak256(abi.encode("readings", keys[0]))
        );
        (, string memory name, string memory version,,,,) = IERC5267(address(hub)).eip712Domain();
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256(bytes(name)),
                keccak256(bytes(version)),
                block.chainid,
                address(hub)
            )
        );
        return keccak256(abi.encodePacked(hex"1901", domain, keccak256(content)));
    }

    /// @dev Both feeds are due.
    function _two(int128 first, int256 firstScore, int128 second, int256 secondScore)
        internal
        view
        returns (Draft memory)
    {
        (bytes32[] memory ids, int128[] memory answers) = (new bytes32[](2), new int128[](2));
        int256[] memory scores = new int256[](2);
        (ids[0], ids[1], answers[0], answers[1]) = (feedId, otherId, first, second);
        (scores[0], scores[1]) = (firstScore, secondScore);
        return _draftOf(ids, answers, scores, 1);
    }

    function _word(bytes memory data, uint256 at) internal pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := mload(add(add(data, 0x20), at))
        }
    }

    function _setWord(bytes memory data, uint256 at, uint256 word) internal pure {
        assembly ("memory-safe") {
            mstore(add(add(data, 0x20), at), word)
        }
    }

    /// @dev The signature now recovers to some other address, or to none, which is no reporter.
    function _expectStranger(IZkOracle.Submission memory submission) internal {
        vm.expectPartialRevert(IZkOracle.NotAReporter.selector);
        hub.submit(submission);
    }
}
