// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IZkOracle} from "../src/interfaces/IZkOracle.sol";
import {OracleTest} from "./OracleTest.sol";
import {YesVerifier} from "./mocks/YesVerifier.sol";

/// @dev Many calls in one transaction.
contract Batch {
    function run(address target, bytes[] calldata calls) external {
        for (uint256 i = 0; i < calls.length; ++i) {
            (bool isOk, bytes memory answer) = target.call(calls[i]);
            if (isOk) continue;
            assembly ("memory-safe") {
                revert(add(answer, 0x20), mload(answer))
            }
        }
    }
}

/// @dev What reporters can do who lie, alone and together, and what the hub refuses of its admin because a verifier
/// might be exchanged.
contract LiarsTest is OracleTest {
    /// @dev The range of the honest answers, and how many answers are there.
    struct Range {
        int128 lowest;
        int128 highest;
        uint256 there;
    }

    bytes32 internal id;

    function setUp() public override {
        super.setUp();
        vm.prank(ADMIN);
        id = _addFeed("TRIO", IZkOracle.Kind.RELATIVE, trio);
        _report(id, PRICE, -1);
        skip(HEARTBEAT);
    }

    // Fewer than a quorum

    /// @dev With a quorum of 2f + 1, f reporters who lie, and a transmitter who chooses whose signatures to take, can't
    /// take the answer out of the range of the honest ones. Liars say anything, or nothing.
    /// @param lies Bits: which of the signers lie.
    function testFuzz_liarsBelowHalfAQuorumStayWithinTheHonestRange(
        uint8 f,
        uint8 extra,
        uint8 lies,
        int64[7] memory honest,
        int128[7] memory lie
    ) public {
        f = uint8(bound(f, 0, 3));
        uint8 quorum = 2 * f + 1;
        extra = extra % (8 - quorum);
        (bytes32 feed, Draft memory draft) = _committeeOf(quorum, quorum + extra);
        Range memory range = _lie(draft, f, extra, lies, honest, lie);
        IZkOracle.Submission memory submission = _proven(draft);
        if (range.there < quorum) {
            vm.expectRevert(abi.encodeWithSelector(IZkOracle.QuorumNotMet.selector, feed, range.there, quorum));
            hub.submit(submission);
            return;
        }
        hub.submit(submission);
        int128 answer = lens.feedState(hub, feed).answer;
        assertTrue(answer >= range.lowest && answer <= range.highest);
        // No other row passes for the median, unless it holds the same answer.
        skip(60);
        (draft.roundIds[0], draft.observedAt) = (2, _now());
        submission = _proven(draft);
        for (uint256 row = 0; row < draft.answers.length; ++row) {
            if (draft.answers[row][0] == answer) continue;
            // forge-lint: disable-next-line(unsafe-typecast) -- it fits
            submission.medians[0] = bytes1(uint8(row));
            vm.expectRevert(abi.encodeWithSelector(IZkOracle.NotTheMedian.selector, feed));
            hub.submit(submission);
        }
    }

    /// @dev Fills the answers in, of at most `f` liars. A third of them say nothing.
    function _lie(
        Draft memory draft,
        uint256 f,
        uint256 extra,
        uint8 lies,
        int64[7] memory honest,
        int128[7] memory lie
    ) internal pure returns (Range memory range) {
        (range.lowest, range.highest) = (type(int128).max, NO_ANSWER);
        for (uint256 j = 0; j < draft.answers.length; ++j) {
            int128 answer = honest[j];
            if (lies & (1 << j) != 0 && f > 0) {
                --f;
                answer = lie[j] % 3 == 0 && (extra > 0 || lie[j] % 5 == 0) ? NO_ANSWER : lie[j];
            } else {
                if (answer < range.lowest) range.lowest = answer;
                if (answer > range.highest) range.highest = answer;
            }
            draft.answers[j][0] = answer;
            if (answer != NO_ANSWER) ++range.there;
        }
    }

    /// @dev An even quorum would tolerate no liar more than the odd one below it, and one of two decides alone.
    function test_evenQuorumsAreRefused() public {
        _addReporters(4);
        vm.startPrank(ADMIN);
        for (uint8 quorum = 0; quorum <= 7; ++quorum) {
            bool isEven = quorum % 2 == 0;
            if (isEven) vm.expectRevert(IZkOracle.InvalidReporters.selector);
            hub.addCommittee(signers, quorum);
            if (isEven) vm.expectRevert(IZkOracle.InvalidReporters.selector);
            hub.proposeReporters(trio, signers, quorum);
        }
        vm.stopPrank();
    }

    /// @dev The stated bound: a majority of a quorum that lies in agreement moves the answer as far as the model lets
    /// them, and a lie that the model holds is held.
    function test_twoLiarsOfThreeMoveTheAnswer() public {
        _submit(_three(PRICE, 102e8, 102e8, -1));
        assertEq(lens.feedState(hub, id).answer, 102e8);
        skip(HEARTBEAT);
        _submit(_three(PRICE, 200e8, 200e8, 1));
        assertEq(lens.feedState(hub, id).answer, 102e8);
        // Where the feed bounds the spread, an honest third one stops them.
        IZkOracle.FeedConfig memory config = _config("bounded", IZkOracle.Kind.RELATIVE, trio);
        config.maxSpread = 1_500;
        vm.prank(ADMIN);
        id = hub.addFeed(config, modelNumber);
        IZkOracle.Submission memory submission = _proven(_three(PRICE, 102e8, 102e8, -1));
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.SpreadTooWide.selector, id, 2_000, 1_500));
        hub.submit(submission);
    }

    function test_oneLiarOfThreeMovesNothing() public {
        int128[4] memory lies = [int128(1), -5, type(int128).max, NO_ANSWER + 1];
        for (uint256 i = 0; i < 4; ++i) {
            _submit(_three(PRICE + 1, lies[i], PRICE, -1));
            assertEq(lens.feedState(hub, id).answer, lies[i] > PRICE ? PRICE + 1 : PRICE);
            skip(HEARTBEAT);
        }
    }

    /// @dev A reporter without an answer is no median, and does not count.
    function test_noAnswerIsNeverTheMedian() public {
        Draft memory draft = _three(PRICE, NO_ANSWER, PRICE, -1);
        IZkOracle.Submission memory submission = _proven(draft);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.QuorumNotMet.selector, id, 2, 3));
        hub.submit(submission);
        // With a fourth reporter, the quorum is there without the one that has none.
        (bytes32 feed, Draft memory four) = _committeeOf(3, 4);
        for (uint256 j = 0; j < 4; ++j) {
            four.answers[j][0] = j == 1 ? NO_ANSWER : PRICE;
        }
        submission = _proven(four);
        submission.medians = hex"01";
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.NotTheMedian.selector, feed));
        hub.submit(submission);
        submission.medians = hex"02";
        hub.submit(submission);
        assertEq(lens.feedState(hub, feed).answer, PRICE);
        assertEq(hub.getRound(feed, 1).count, 3);
        assertEq(hub.getRound(feed, 1).spread, 0);
    }

    // Time

    /// @dev One reporter can't make a report later than it is, and so delay the next one: the time is in every signature.
    function test_aLoneReporterCantPushTheTime() public {
        Draft memory honest = _draft(feedId, PRICE, -1);
        IZkOracle.Submission memory submission = _proven(honest);
        Draft memory late = _draft(feedId, PRICE, -1);
        late.observedAt += MAX_SKEW;
        IZkOracle.Signature memory added = _sign(keys[1], late, late.answers[0]);
        submission.signatures = new IZkOracle.Signature[](2);
        (submission.signatures[0], submission.signatures[1]) = (_proven(honest).signatures[0], added);
        submission.answers = bytes.concat(submission.answers, submission.answers);
        vm.expectPartialRevert(IZkOracle.NotAReporter.selector);
        hub.submit(submission);
        // Nor for all of them.
        submission.observedAt = late.observedAt;
        vm.expectPartialRevert(IZkOracle.NotAReporter.selector);
        hub.submit(submission);
        _submit(honest);
        assertEq(lens.feedState(hub, feedId).lastReportAt, honest.observedAt);
        skip(1);
        _report(feedId, PRICE, -1);
    }

    /// @dev A quorum whose clocks are ahead delays the next report by no more than the skew.
    function test_aQuorumPushesTheTimeByTheSkewAtMost() public {
        Draft memory draft = _draft(feedId, PRICE, -1);
        draft.observedAt += MAX_SKEW + 1;
        IZkOracle.Submission memory submission = _proven(draft);
        vm.expectPartialRevert(IZkOracle.ObservationInFuture.selector);
        hub.submit(submission);
        skip(1);
        hub.submit(submission);
        skip(MAX_SKEW + 1);
        _report(feedId, PRICE, -1);
        assertEq(lens.feedState(hub, feedId).roundId, 2);
    }

    // Verifiers that might be exchanged

    /// @dev An account that delegates (EIP-7702) has code, but its key can replace it at any time.
    function test_delegatedVerifierIsRefused() public {
        address account = makeAddr("account");
        vm.etch(account, abi.encodePacked(hex"ef0100", address(new YesVerifier())));
        (uint16[] memory sizes, address[] memory verifiers) = (new uint16[](2), new address[](2));
        (sizes[0], sizes[1], verifiers[0], verifiers[1]) = (1, 4, address(verifier1), account);
        vm.startPrank(ADMIN);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.NoFixedCode.selector, account));
        hub.addArchitecture(FEATURES, 1, true, sizes, verifiers);
        verifiers[1] = makeAddr("nobody");
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.NoFixedCode.selector, verifiers[1]));
        hub.addArchitecture(FEATURES, 1, true, sizes, verifiers);
        vm.stopPrank();
    }

    function test_verifierThatChangesBeforeAModelIsAdded() public {
        address[2] memory verifiers = [address(verifier1), address(verifier4)];
        for (uint256 i = 0; i < 2; ++i) {
            vm.prank(ADMIN);
            uint32 added = _addArchitecture(1, true);
            bytes memory code = verifiers[i].code;
            IZkOracle.Probe memory probe = _probe(7, added);
            vm.etch(verifiers[i], address(new YesVerifier()).code);
            vm.prank(ADMIN);
            vm.expectRevert(abi.encodeWithSelector(IZkOracle.VerifierChanged.selector, verifiers[i]));
            hub.addModel(7, added, bytes32(0), SCORE_UNIT, probe);
            vm.etch(verifiers[i], "");
            vm.prank(ADMIN);
            vm.expectRevert(abi.encodeWithSelector(IZkOracle.VerifierChanged.selector, verifiers[i]));
            hub.addModel(7, added, bytes32(0), SCORE_UNIT, probe);
            vm.etch(verifiers[i], code);
            _addModel(7, added, bytes32(0), SCORE_UNIT);
        }
    }

    /// @dev In the transaction that makes a contract, it can still vanish, and another one take its place. So a model
    /// waits for the next transaction: any architecture of this one is refused, the first and the last.
    function test_modelInTheTransactionOfItsArchitecture() public {
        uint32 next = lens.architectureCount(hub) + 1;
        bytes memory add = _addCall();
        bytes[] memory calls = new bytes[](3);
        vm.etch(ADMIN, type(Batch).runtimeCode);
        IZkOracle.Probe memory probe = _probe(7, architectureId);
        for (uint32 i = 0; i < 2; ++i) {
            (calls[0], calls[1]) = (add, add);
            calls[2] = abi.encodeCall(hub.addModel, (7, next + i, bytes32(0), SCORE_UNIT, probe));
            vm.expectRevert(abi.encodeWithSelector(IZkOracle.InvalidModel.selector, "architectureId"));
            Batch(ADMIN).run(address(hub), calls);
        }
        assertEq(lens.architectureCount(hub), next - 1);
        // One that is older may be used, and the new ones from the next transaction on.
        calls[2] = abi.encodeCall(hub.addModel, (7, architectureId, bytes32(0), SCORE_UNIT, probe));
        Batch(ADMIN).run(address(hub), calls);
        calls = new bytes[](1);
        calls[0] = abi.encodeCall(hub.addModel, (7, next + 1, bytes32(0), SCORE_UNIT, probe));
        Batch(ADMIN).run(address(hub), calls);
        assertEq(lens.modelCount(hub), 3);
    }

    function _addCall() internal view returns (bytes memory) {
        (uint16[] memory sizes, address[] memory verifiers) = (new uint16[](2), new address[](2));
        (sizes[0], sizes[1], verifiers[0], verifiers[1]) = (1, 4, address(verifier1), address(verifier4));
        return abi.encodeCall(hub.addArchitecture, (FEATURES, 1, true, sizes, verifiers));
    }

    function _three(int128 a, int128 b, int128 c, int256 score) internal view returns (Draft memory) {
        int128[] memory answers = new int128[](3);
        (answers[0], answers[1], answers[2]) = (a, b, c);
        return _draft(id, answers, score);
    }

    /// @dev A feed of seven reporters, and a first report of `count` of them.
    function _committeeOf(uint8 quorum, uint256 count) internal returns (bytes32 feed, Draft memory draft) {
        if (keys.length < 7) _addReporters(7 - keys.length);
        vm.startPrank(ADMIN);
        uint32 committee = hub.addCommittee(signers, quorum);
        feed = _addFeed("committee", IZkOracle.Kind.ABSOLUTE, committee);
        vm.stopPrank();
        draft = _draft(feed, new int128[](count), -1);
    }
}
