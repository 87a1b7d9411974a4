// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IZkOracle} from "../src/interfaces/IZkOracle.sol";
import {OracleTest} from "./OracleTest.sol";

// forge-lint: disable-start(unsafe-typecast) -- small numbers

/// @dev Every error that a submission can end with, in the order of the checks. A refused submission changes nothing.
contract RejectionsTest is OracleTest {
    /// Feeds of the committee whose quorum is three; ascending.
    bytes32[] internal ids;

    function setUp() public override {
        super.setUp();
        IZkOracle.FeedConfig memory config = _config("TRIO", IZkOracle.Kind.RELATIVE, trio);
        config.maxSpread = 1_500;
        vm.startPrank(ADMIN);
        ids.push(hub.addFeed(config, modelNumber));
        config.description = "OTHER";
        ids.push(hub.addFeed(config, modelNumber));
        vm.stopPrank();
        bytes32[] memory sorted = ids;
        _sort(sorted);
        ids = sorted;
        _report(feedId, PRICE, -1);
        skip(HEARTBEAT);
    }

    /// @dev A submission with every mistake that there is. Each check in turn refuses it, and then its mistake is mended.
    /// So no check comes later than it is said to, and none of a signature before those that need none.
    function test_orderOfChecks() public {
        vm.prank(ADMIN);
        uint16 other = _addModel(99, architectureId, bytes32(0), SCORE_UNIT);
        vm.startPrank(GUARDIAN);
        hub.pause(ids[1]);
        vm.stopPrank();
        Draft memory draft = _both(PRICE, PRICE);
        IZkOracle.Submission memory s = _proven(draft);
        IZkOracle.Submission memory honest = _proven(draft);
        // from here on, all of it is wrong
        (s.committee, s.epoch, s.observedAt, s.modelNumber) = (9, 7, 0, other);
        (s.feedIds[0], s.feedIds[1]) = (ids[1], ids[0]);
        (s.roundIds[0], s.roundIds[1]) = (5, 6);
        s.signatures = new IZkOracle.Signature[](32);
        s.answers = new bytes(16 * 2 * 32);
        s.medians = new bytes(3);
        s.scores = new bytes(1);
        s.proof = new bytes(16_385);

        bytes32[] memory empty;
        s.feedIds = empty;
        _refused(s, abi.encodeWithSelector(IZkOracle.NothingDue.selector));
        s.feedIds = new bytes32[](2);
        (s.feedIds[0], s.feedIds[1]) = (ids[1], ids[0]);
        _refused(s, abi.encodeWithSelector(IZkOracle.MalformedSubmission.selector));
        s.medians = hex"ffff";
        _refused(s, abi.encodeWithSelector(IZkOracle.ProofTooLong.selector, 16_385, 16_384));
        s.proof = "x";
        _refused(s, abi.encodeWithSelector(IZkOracle.UnknownCommittee.selector, 9));
        s.committee = solo;
        _refused(s, abi.encodeWithSelector(IZkOracle.WrongEpoch.selector, solo, 7, 1));
        s.epoch = 1;
        _refused(s, abi.encodeWithSelector(IZkOracle.TooManySignatures.selector, 32));
        s.signatures = new IZkOracle.Signature[](4);
        s.answers = new bytes(16 * 2 * 4);
        _refused(s, abi.encodeWithSelector(IZkOracle.WrongCommittee.selector, ids[1], solo, trio));
        s.committee = trio;
        _refused(s, abi.encodeWithSelector(IZkOracle.FeedPaused.selector, ids[1]));
        _unpause(ids[1]);
        s.feedIds[0] = keccak256("nothing") < ids[1] ? keccak256("nothing") : bytes32(uint256(1));
        _refused(s, abi.encodeWithSelector(IZkOracle.UnknownFeed.selector, s.feedIds[0]));
        s.feedIds[0] = ids[1];
        _refused(s, abi.encodeWithSelector(IZkOracle.ModelNotActive.selector, ids[1], other, modelNumber));
        s.modelNumber = modelNumber;
        _refused(s, abi.encodeWithSelector(IZkOracle.WrongRound.selector, ids[1], 5, 1));
        s.roundIds[0] = 1;
        _refused(s, abi.encodeWithSelector(IZkOracle.ObservationNotNewer.selector, ids[1], 0, 0));
        s.observedAt = _now() + MAX_SKEW + 1;
        _refused(
            s, abi.encodeWithSelector(IZkOracle.ObservationInFuture.selector, ids[1], s.observedAt, s.observedAt - 1)
        );
        s.observedAt = _now() - MAX_AGE - 1;
        _refused(
            s, abi.encodeWithSelector(IZkOracle.ObservationTooOld.selector, ids[1], s.observedAt, s.observedAt + 1)
        );
        draft = _both(PRICE, PRICE);
        honest = _proven(draft);
        s.observedAt = honest.observedAt;
        _refused(s, abi.encodeWithSelector(IZkOracle.FeedsNotAscending.selector, ids[0]));
        (s.feedIds[0], s.feedIds[1]) = (ids[0], ids[1]);
        // The last feed's round, too, comes before the first signature.
        _refused(s, abi.encodeWithSelector(IZkOracle.WrongRound.selector, ids[1], 6, 1));
        s.roundIds[1] = 1;
        // scores
        _refused(s, abi.encodeWithSelector(IZkOracle.MalformedSubmission.selector));
        s.scores = new bytes(32);
        s.scores[0] = 0x80;
        _refused(s, abi.encodeWithSelector(IZkOracle.NotAReporter.selector, trio, address(0)));
        (s.signatures, s.answers) = (_twice(honest.signatures), new bytes(16 * 2 * 4));
        for (uint256 i = 0; i < s.answers.length; ++i) {
            s.answers[i] = honest.answers[i % 16];
        }
        _refused(s, abi.encodeWithSelector(IZkOracle.DuplicateReporter.selector, trio, signers[0]));
        // Two answers of three are missing, and the medians name no row.
        for (uint256 j = 1; j < 3; ++j) {
            draft.answers[j][0] = NO_ANSWER;
        }
        _resign(s, draft);
        _refused(s, abi.encodeWithSelector(IZkOracle.QuorumNotMet.selector, ids[0], 1, 3));
        (draft.answers[0][0], draft.answers[1][0], draft.answers[2][0]) = (-9, 0, PRICE);
        _resign(s, draft);
        _refused(s, abi.encodeWithSelector(IZkOracle.NotTheMedian.selector, ids[0]));
        s.medians = hex"0100";
        _refused(s, abi.encodeWithSelector(IZkOracle.SpreadTooWide.selector, ids[0], 32_767, 1_500));
        (draft.answers[0][0], draft.answers[2][0]) = (0, 0);
        _resign(s, draft);
        _refused(s, abi.encodeWithSelector(IZkOracle.AnswerOutOfRange.selector, ids[0], 0));
        (draft.answers[0][0], draft.answers[1][0], draft.answers[2][0]) = (PRICE, PRICE, PRICE);
        _resign(s, draft);
        _refused(s, abi.encodeWithSelector(IZkOracle.ScoreOutOfRange.selector, ids[0], -(2 ** 127)));
        s.scores = honest.scores;
        _refused(s, abi.encodeWithSelector(IZkOracle.ProofRejected.selector));
        s.proof = honest.proof;
        hub.submit(s);
    }

    function test_nothingDue() public {
        IZkOracle.Submission memory submission;
        _refused(submission, abi.encodeWithSelector(IZkOracle.NothingDue.selector));
        // Feeds that are listed, none of which is due.
        submission = _signed(_both(PRICE, PRICE));
        (submission.roundIds[0], submission.roundIds[1]) = (0, 0);
        _refused(submission, abi.encodeWithSelector(IZkOracle.NothingDue.selector));
    }

    function test_malformed() public {
        bytes memory expected = abi.encodeWithSelector(IZkOracle.MalformedSubmission.selector);
        Draft memory draft = _both(PRICE, PRICE);
        for (uint256 change = 0; change < 11; ++change) {
            IZkOracle.Submission memory s = _signed(draft);
            if (change == 0) s.roundIds = new uint32[](1);
            if (change == 1) s.roundIds = new uint32[](3);
            if (change == 2) s.medians = hex"00";
            if (change == 3) s.medians = hex"000000";
            if (change == 4) s.answers = bytes.concat(s.answers, hex"00");
            if (change == 5) s.answers = new bytes(s.answers.length - 16);
            if (change == 6) s.scores = new bytes(31);
            if (change == 7) s.scores = new bytes(33);
            if (change == 8) s.scores = new bytes(48);
            if (change == 9) s.scores = new bytes(0);
            if (change == 10) s.signatures = new IZkOracle.Signature[](2);
            _refused(s, expected);
        }
        IZkOracle.Submission memory many = _signed(draft);
        (many.feedIds, many.roundIds, many.medians) = (new bytes32[](97), new uint32[](97), new bytes(97));
        many.answers = new bytes(97 * 16 * 3);
        _refused(many, expected);
    }

    function test_noCircuitForBatch() public {
        (bytes32[] memory five, int128[] memory answers) = (new bytes32[](5), new int128[](5));
        vm.startPrank(ADMIN);
        for (uint256 i = 0; i < 5; ++i) {
            (five[i], answers[i]) = (_addFeed(vm.toString(i), IZkOracle.Kind.ABSOLUTE, solo), 7);
        }
        vm.stopPrank();
        _sort(five);
        Draft memory draft = _draftOf(five, answers, new int256[](5), 1);
        _refused(_signed(draft), abi.encodeWithSelector(IZkOracle.NoCircuitForBatch.selector, 5));
        _refer(draft, 2);
        _submit(draft);
    }

    function test_duplicateFeed() public {
        Draft memory draft = _both(PRICE, PRICE);
        draft.feedIds[1] = draft.feedIds[0];
        _refused(_signed(draft), abi.encodeWithSelector(IZkOracle.FeedsNotAscending.selector, ids[0]));
        // Not as a reference either: it can't be its own peer.
        draft.roundIds[1] = 0;
        _refused(_signed(draft), abi.encodeWithSelector(IZkOracle.FeedsNotAscending.selector, ids[0]));
        draft.feedIds[0] = 0;
        _refused(_signed(draft), abi.encodeWithSelector(IZkOracle.FeedsNotAscending.selector, 0));
    }

    function test_referenceOfAnotherCommitteeOrUnknown() public {
        Draft memory draft = _both(PRICE, PRICE);
        draft.roundIds[0] = 0;
        draft.feedIds[0] = feedId < ids[1] ? feedId : bytes32(uint256(1));
        bytes memory expected = feedId < ids[1]
            ? abi.encodeWithSelector(IZkOracle.WrongCommittee.selector, feedId, trio, solo)
            : abi.encodeWithSelector(IZkOracle.UnknownFeed.selector, bytes32(uint256(1)));
        _refused(_signed(draft), expected);
        draft.feedIds[0] = bytes32(uint256(2));
        _refused(_signed(draft), abi.encodeWithSelector(IZkOracle.UnknownFeed.selector, bytes32(uint256(2))));
    }

    function test_wrongRound() public {
        IZkOracle.Submission memory submission = _signed(_draft(feedId, PRICE, -1));
        for (uint32 roundId = 1; roundId < 5; ++roundId) {
            if (roundId == 2) continue;
            submission.roundIds[0] = roundId;
            _refused(submission, abi.encodeWithSelector(IZkOracle.WrongRound.selector, feedId, roundId, 2));
        }
        submission.roundIds[0] = type(uint32).max;
        _refused(submission, abi.encodeWithSelector(IZkOracle.WrongRound.selector, feedId, type(uint32).max, 2));
    }

    /// @dev Losing a race is cheap: rounds are compared before any signature, proof or answer is looked at.
    function test_garbageBehindAWrongRoundIsNotLookedAt() public {
        Draft memory draft = _both(PRICE, PRICE);
        _submit(draft);
        skip(60);
        IZkOracle.Submission memory submission = _signed(draft);
        submission.observedAt = _now();
        submission.signatures = new IZkOracle.Signature[](31);
        submission.answers = new bytes(31 * 2 * 16);
        submission.medians = hex"ffff";
        _refused(submission, abi.encodeWithSelector(IZkOracle.WrongRound.selector, ids[0], 1, 2));
        // The last feed's round is compared before the first signature, too.
        submission.roundIds[0] = 2;
        _refused(submission, abi.encodeWithSelector(IZkOracle.WrongRound.selector, ids[1], 1, 2));
    }

    function test_quorumIsCountedForEachFeed() public {
        Draft memory draft = _both(PRICE, PRICE);
        draft.answers[1][1] = NO_ANSWER;
        _refused(_signed(draft), abi.encodeWithSelector(IZkOracle.QuorumNotMet.selector, ids[1], 2, 3));
        // A reference needs the quorum as well.
        draft.roundIds[1] = 0;
        IZkOracle.Submission memory submission = _signed(draft);
        submission.scores = new bytes(16);
        _refused(submission, abi.encodeWithSelector(IZkOracle.QuorumNotMet.selector, ids[1], 2, 3));
        for (uint256 j = 0; j < 3; ++j) {
            draft.answers[j][1] = NO_ANSWER;
        }
        submission = _signed(draft);
        submission.scores = new bytes(16);
        submission.medians = hex"0000";
        _refused(submission, abi.encodeWithSelector(IZkOracle.QuorumNotMet.selector, ids[1], 0, 3));
        // no signature at all
        (submission.signatures, submission.answers) = (new IZkOracle.Signature[](0), "");
        _refused(submission, abi.encodeWithSelector(IZkOracle.QuorumNotMet.selector, ids[0], 0, 3));
    }

    function test_notAReporter() public {
        (address stranger, uint256 key) = makeAddrAndKey("stranger");
        keys[2] = key;
        _refused(_signed(_both(PRICE, PRICE)), abi.encodeWithSelector(IZkOracle.NotAReporter.selector, trio, stranger));
    }

    function test_duplicateReporter() public {
        keys[2] = keys[0];
        bytes memory expected = abi.encodeWithSelector(IZkOracle.DuplicateReporter.selector, trio, signers[0]);
        _refused(_signed(_both(PRICE, PRICE)), expected);
        // Two different reports of one reporter are no better.
        Draft memory draft = _both(PRICE, PRICE);
        (draft.answers[2][0], draft.answers[2][1]) = (PRICE - 1, NO_ANSWER);
        _refused(_signed(draft), expected);
    }

    function test_notTheMedian() public {
        Draft memory draft = _both(PRICE, PRICE);
        (draft.answers[0][1], draft.answers[2][1]) = (PRICE - 1, PRICE + 1);
        IZkOracle.Submission memory submission = _proven(draft);
        assertEq(submission.medians, hex"0001");
        bytes1[5] memory rows = [bytes1(0x00), 0x02, 0x03, 0x80, 0xff];
        for (uint256 i = 0; i < rows.length; ++i) {
            submission.medians[1] = rows[i];
            _refused(submission, abi.encodeWithSelector(IZkOracle.NotTheMedian.selector, ids[1]));
        }
        submission.medians = hex"0001";
        hub.submit(submission);
    }

    function test_answerOutOfRange() public {
        int128[3] memory answers = [int128(0), -7, type(int128).min + 1];
        for (uint256 i = 0; i < answers.length; ++i) {
            _refused(
                _signed(_both(PRICE, answers[i])),
                abi.encodeWithSelector(IZkOracle.AnswerOutOfRange.selector, ids[1], answers[i])
            );
        }
        // A reference that is out of range is only not measurable.
        Draft memory draft = _both(PRICE, -7);
        _refer(draft, 1);
        _submit(draft);
    }

    function test_spreadTooWide() public {
        Draft memory draft = _both(PRICE, PRICE);
        draft.answers[2][0] = 102e8;
        bytes memory expected = abi.encodeWithSelector(IZkOracle.SpreadTooWide.selector, ids[0], 2_000, 1_500);
        _refused(_signed(draft), expected);
        // A reference's answers are not allowed to be further apart.
        _refer(draft, 0);
        _refused(_signed(draft), expected);
        draft.answers[2][0] = 0;
        _refused(_signed(draft), abi.encodeWithSelector(IZkOracle.SpreadTooWide.selector, ids[0], 32_767, 1_500));
        draft.answers[2][0] = 1015e7;
        // This passes, and only the verifier refuses it.
        IZkOracle.Submission memory submission = _signed(draft);
        submission.proof = new bytes(16_384);
        _refused(submission, abi.encodeWithSelector(IZkOracle.ProofRejected.selector));
    }

    function test_observationNotNewer() public {
        uint32 last = lens.feedState(hub, feedId).lastReportAt;
        Draft memory draft = _draft(feedId, PRICE, -1);
        for (uint32 back = 0; back < 2; ++back) {
            draft.observedAt = last - back;
            _refused(
                _signed(draft),
                abi.encodeWithSelector(IZkOracle.ObservationNotNewer.selector, feedId, last - back, last)
            );
        }
    }

    function test_timesAreInclusive() public {
        Draft memory draft = _draft(feedId, PRICE, -1);
        draft.observedAt = _now() - MAX_AGE;
        _submit(draft);
        draft = _draft(feedId, PRICE, -1);
        draft.observedAt = _now() + MAX_SKEW;
        _submit(draft);
        assertEq(lens.feedState(hub, feedId).roundId, 3);
    }

    /// @dev The strictest of the listed feeds that are due decides.
    function test_everyFeedThatIsDueBoundsTheTime() public {
        IZkOracle.FeedConfig memory config = _config("strict", IZkOracle.Kind.RELATIVE, solo);
        config.maxAge = 60;
        vm.prank(ADMIN);
        bytes32 id = hub.addFeed(config, modelNumber);
        bytes32[] memory two = new bytes32[](2);
        (two[0], two[1]) = (feedId, id);
        _sort(two);
        int128[] memory answers = new int128[](2);
        (answers[0], answers[1]) = (PRICE, PRICE);
        Draft memory draft = _draftOf(two, answers, new int256[](2), 1);
        draft.observedAt = _now() - 61;
        _refused(
            _signed(draft), abi.encodeWithSelector(IZkOracle.ObservationTooOld.selector, id, _now() - 61, _now() - 60)
        );
        // A reference has no such bound.
        _refer(draft, two[0] == id ? 0 : 1);
        _submit(draft);
    }

    function test_scoreOutOfRange() public {
        IZkOracle.Submission memory submission = _proven(_draft(feedId, PRICE, -1));
        submission.scores = abi.encodePacked(type(int128).min);
        _refused(
            submission, abi.encodeWithSelector(IZkOracle.ScoreOutOfRange.selector, feedId, int256(type(int128).min))
        );
    }

    function test_proofRejectedByRevertAndByFalse() public {
        IZkOracle.Submission memory submission = _signed(_draft(feedId, PRICE, -1));
        submission.proof = "not a proof";
        _refused(submission, abi.encodeWithSelector(IZkOracle.ProofRejected.selector));
        submission.proof = "";
        _refused(submission, abi.encodeWithSelector(IZkOracle.ProofRejected.selector));
    }

    function test_proofOfAnotherStatementIsRejected() public {
        bytes memory proof = _proven(_draft(feedId, 101e8, -1)).proof;
        bytes memory expected = abi.encodeWithSelector(IZkOracle.ProofRejected.selector);
        // another score
        IZkOracle.Submission memory submission = _signed(_draft(feedId, 101e8, -2));
        submission.proof = proof;
        _refused(submission, expected);
        // another answer
        submission = _signed(_draft(feedId, 101e8 + 1e6, -1));
        submission.proof = proof;
        _refused(submission, expected);
        // another time, which means another gap
        skip(60);
        submission = _signed(_draft(feedId, 101e8, -1));
        submission.proof = proof;
        _refused(submission, expected);
    }

    /// @dev Each reporter has a row of their own, so that one can be changed.
    function _both(int128 first, int128 second) internal view returns (Draft memory draft) {
        (int128[] memory answers, int256[] memory scores) = (new int128[](2), new int256[](2));
        (answers[0], answers[1], scores[0], scores[1]) = (first, second, -1, -1);
        draft = _draftOf(ids, answers, scores, 3);
        for (uint256 j = 0; j < 3; ++j) {
            draft.answers[j] = new int128[](2);
            (draft.answers[j][0], draft.answers[j][1]) = (first, second);
        }
    }

    function _twice(IZkOracle.Signature[] memory signatures)
        internal
        pure
        returns (IZkOracle.Signature[] memory twice)
    {
        twice = new IZkOracle.Signature[](4);
        for (uint256 j = 0; j < 4; ++j) {
            twice[j] = signatures[j % 3];
        }
    }

    function _resign(IZkOracle.Submission memory submission, Draft memory draft) internal view {
        IZkOracle.Submission memory signed = _signed(draft);
        (submission.signatures, submission.answers) = (signed.signatures, signed.answers);
    }

    function _unpause(bytes32 id) internal {
        vm.startPrank(ADMIN);
        hub.proposeUnpause(id);
        skip(DELAY);
        hub.unpause(id);
        vm.stopPrank();
    }

    function _refused(IZkOracle.Submission memory submission, bytes memory expected) internal {
        bytes32[] memory all = lens.feedIds(hub);
        bytes32 before = keccak256(abi.encode(lens.feedStates(hub, all)));
        vm.expectRevert(expected);
        hub.submit(submission);
        assertEq(keccak256(abi.encode(lens.feedStates(hub, all))), before);
    }
}

// forge-lint: disable-end(unsafe-typecast)
