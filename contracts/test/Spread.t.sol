// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IZkOracle} from "../src/interfaces/IZkOracle.sol";
import {OracleTest} from "./OracleTest.sol";

/// @dev A model that sees how far the reporters are apart, how many there are, and the feed's own variance. The tests
/// compute all three from the interface's description.
contract SpreadTest is OracleTest {
    /// The move, two past moves, the spread, the number of answers, the variance, the gap.
    bytes internal constant LIST = hex"00101102030401";

    bytes32 internal three;
    bytes32 internal one;
    uint16 internal number;

    function setUp() public override {
        super.setUp();
        vm.startPrank(ADMIN);
        number = _addModel(MODEL_HASH, _addArchitecture(LIST, 1, true), keccak256("spread"), SCORE_UNIT);
        three = hub.addFeed(_config("three", IZkOracle.Kind.RELATIVE, trio), number);
        one = hub.addFeed(_config("one", IZkOracle.Kind.RELATIVE, solo), number);
        vm.stopPrank();
    }

    function test_listsOfFeatures() public {
        assertEq(lens.architecture(hub, lens.model(hub, number).architectureId).features, LIST);
        bytes[7] memory refused = [
            bytes(""),
            hex"01020304", // no move
            hex"000900", // 9 is no feature
            hex"000f",
            hex"001c",
            hex"00ff",
            hex"00101110" // one of them twice
        ];
        (uint16[] memory sizes, address[] memory verifiers) = (new uint16[](1), new address[](1));
        (sizes[0], verifiers[0]) = (1, address(verifier1));
        vm.startPrank(ADMIN);
        for (uint256 i = 0; i < refused.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IZkOracle.InvalidArchitecture.selector, "features"));
            hub.addArchitecture(refused[i], 1, true, sizes, verifiers);
        }
        // The move may stand anywhere, and alone.
        hub.addArchitecture(hex"00", 1, true, sizes, verifiers);
        hub.addArchitecture(hex"0100", 1, true, sizes, verifiers);
        hub.addArchitecture(ALL_FEATURES, 1, true, sizes, verifiers);
        vm.stopPrank();
    }

    /// @dev The model sees the spread from the first report on, which has no moves yet.
    function test_spreadIsOfTheSignedAnswers() public {
        _accept(three, [int128(100e8), 101e8, 103e8], 3_000);
        skip(HEARTBEAT);
        _accept(three, [int128(102e8), 102e8, 102e8], 0);
        skip(HEARTBEAT);
        // Rows come in any order.
        _accept(three, [int128(104e8), 102e8, 99e8], 5_050);
        assertEq(lens.feedState(hub, three).roundId, 3);
        assertEq(hub.getRound(three, 1).spread, 3_000);
        assertEq(hub.getRound(three, 3).spread, 5_050);
    }

    function test_oneReporterIsNotApart() public {
        for (uint256 i = 0; i < 2; ++i) {
            Draft memory draft = _draft(one, 100e8, -1);
            draft.modelNumber = number;
            assertEq(_window(draft, 0, hex"0203"), _pair(0, 1));
            _submit(draft);
            skip(HEARTBEAT);
        }
        assertEq(hub.getRound(one, 2).spread, 0);
    }

    /// @dev The spread is the largest possible if it can't be measured (a relative answer is not positive) or is
    /// clipped.
    function test_widest() public {
        _accept(three, [int128(-1), 100e8, 100e8], 32_767);
        skip(HEARTBEAT);
        _accept(three, [int128(0), 100e8, 100e8], 32_767);
        skip(HEARTBEAT);
        _accept(three, [int128(1), 100e8, 100e8], 32_767);
        skip(HEARTBEAT);
        _accept(three, [int128(100e8), 100e8, type(int128).max], 32_767);
        assertEq(lens.feedState(hub, three).roundId, 4);
    }

    function testFuzz_spread(int128 a, int128 b, int128 c) public {
        // forge-lint: disable-next-item(unsafe-typecast) -- bounded
        int128[3] memory answers = [int128(bound(a, 1, 1e20)), int128(bound(b, 1, 1e20)), int128(bound(c, 1, 1e20))];
        // This is a first answer, so that no move is clipped.
        _accept(three, answers, _spreadOf(answers));
    }

    /// @dev A transmitter chooses scores and proof, but a proof of any other spread, number or variance is of another
    /// statement.
    function testFuzz_aCallerCanNotChooseWhatTheModelSees(uint8 place, uint16 claimed) public {
        Draft memory draft = _of(three, [int128(100e8), 101e8, 103e8]);
        int256[][] memory windows = new int256[][](1);
        windows[0] = _window(draft, 0, LIST);
        place = uint8(bound(place, 0, LIST.length - 1));
        int256 other = int256(uint256(claimed));
        vm.assume(windows[0][place] != other);
        windows[0][place] = other;
        IZkOracle.Submission memory submission = _signed(draft);
        submission.proof = _proof(_statement(MODEL_HASH, windows, draft.scores, 1));
        vm.expectRevert(IZkOracle.ProofRejected.selector);
        hub.submit(submission);
    }

    function test_spreadIsStillBounded() public {
        IZkOracle.FeedConfig memory config = _config("bounded", IZkOracle.Kind.RELATIVE, trio);
        config.maxSpread = 3_000;
        vm.prank(ADMIN);
        bytes32 id = hub.addFeed(config, number);
        IZkOracle.Submission memory submission = _proven(_of(id, [int128(100e8), 101e8, 104e8]));
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.SpreadTooWide.selector, id, 4_000, 3_000));
        hub.submit(submission);
        _accept(id, [int128(100e8), 101e8, 103e8], 3_000);
    }

    /// @dev A reporter who has no answer is not apart from the others, and is not counted.
    function test_countIsOfTheAnswersThatAreThere() public {
        _addReporters(2);
        vm.startPrank(ADMIN);
        uint32 five = hub.addCommittee(signers, 3);
        bytes32 id = hub.addFeed(_config("five", IZkOracle.Kind.RELATIVE, five), number);
        vm.stopPrank();
        int128[] memory answers = new int128[](5);
        (answers[0], answers[1], answers[2]) = (NO_ANSWER, 102e8, 100e8);
        (answers[3], answers[4]) = (101e8, NO_ANSWER);
        for (uint256 count = 3; count <= 5; ++count) {
            if (count == 4) answers[4] = 103e8;
            if (count == 5) answers[0] = 99e8;
            Draft memory draft = _draft(id, answers, -1);
            draft.modelNumber = number;
            // forge-lint: disable-next-line(unsafe-typecast) -- it fits
            assertEq(_window(draft, 0, hex"03")[0], int256(count));
            _submit(draft);
            // forge-lint: disable-next-line(unsafe-typecast) -- it fits
            IZkOracle.Round memory round = hub.getRound(id, uint32(count) - 2);
            assertEq(round.count, count);
            // Of four answers, the median is the upper one of the two.
            assertEq(round.answer, count == 4 ? int128(102e8) : int128(101e8));
            skip(HEARTBEAT);
        }
        assertEq(hub.getRound(id, 1).spread, 2_000);
        assertEq(hub.getRound(id, 2).spread, 3_000);
        assertEq(hub.getRound(id, 3).spread, 4_040);
    }

    /// @dev The lens is told the spread and the number. A model that sees neither ignores them.
    function test_features() public {
        _accept(three, [int128(100e8), 101e8, 103e8], 3_000);
        skip(HEARTBEAT);
        _accept(three, [int128(100e8), 102e8, 103e8], 3_000);
        skip(HEARTBEAT);
        int256[] memory seen = lens.features(hub, three, 103e8, _now(), 777, 9, new int128[](0));
        int256[] memory expected = _window(_of(three, [int128(103e8), 103e8, 103e8]), 0, LIST);
        (expected[3], expected[4]) = (777, 9);
        assertEq(seen, expected);
        assertEq(lens.features(hub, one, 1, _now(), 777, 9, new int128[](0))[3], 777);
        assertEq(lens.features(hub, feedId, 1, _now(), 777, 9, new int128[](0)).length, LENGTH);
    }

    // The variance

    /// @dev It begins with the sigma of the feed's terms, and the first move counts.
    function test_variance() public {
        _accept(three, [PRICE, PRICE, PRICE], 0);
        assertEq(_variance(), 1_000 << 17);
        skip(HEARTBEAT);
        // 2 sigma in one heartbeat: 4 sigma².
        _accept(three, [int128(102e8), 102e8, 102e8], 0);
        assertEq(_variance(), (uint256(1_000) << 17) - (uint256(1_000) << 11) + (uint256(4_000) << 11));
        uint256 before = _variance();
        skip(4 * HEARTBEAT);
        // The same move in four heartbeats counts for a quarter.
        _accept(three, [PRICE, PRICE, PRICE], 0);
        assertEq(_variance(), before - before / 64 + (uint256(1_000) << 11));
        assertEq(_window(_of(three, [PRICE, PRICE, PRICE]), 0, hex"04")[0], int256(_variance() >> 17));
    }

    /// @dev Only accepted moves count: a hold changes nothing, and a wild new level counts once, clipped.
    function test_varianceOfAHold() public {
        _accept(three, [PRICE, PRICE, PRICE], 0);
        for (uint256 i = 0; i < 3; ++i) {
            assertEq(_variance(), 1_000 << 17);
            skip(HEARTBEAT);
            Draft memory draft = _of(three, [PRICE * 9, PRICE * 9, PRICE * 9]);
            draft.scores[0] = _scores(1);
            _submit(draft);
        }
        assertEq(lens.feedState(hub, three).answer, PRICE * 9);
        assertEq(_variance(), (uint256(1_000) << 17) - (uint256(1_000) << 11) + (uint256(32_767) << 11));
    }

    /// @dev Each feed of a batch has its own features. The padding repeats the last one's.
    function test_batch() public {
        vm.prank(ADMIN);
        bytes32 other = hub.addFeed(_config("other", IZkOracle.Kind.RELATIVE, trio), number);
        bytes32[] memory ids = new bytes32[](2);
        (ids[0], ids[1]) = (three, other);
        _sort(ids);
        int128[] memory answers = new int128[](2);
        (answers[0], answers[1]) = (PRICE, 5e8);
        Draft memory draft = _draftOf(ids, answers, new int256[](2), 3);
        draft.modelNumber = number;
        draft.answers[2] = new int128[](2);
        (draft.answers[2][0], draft.answers[2][1]) = (103e8, 5e8);
        uint256[] memory instances = _instances(draft, 4);
        assertEq(instances[1 + 3], 3_000);
        assertEq(instances[1 + 3 * LIST.length + 3], 0);
        _submit(draft);
        assertEq(hub.getRound(ids[0], 1).spread, 3_000);
        assertEq(hub.getRound(ids[1], 1).spread, 0);
    }

    /// @dev A proposed model with a spread judges the reports of a feed whose active model has none.
    function test_shadow() public {
        vm.startPrank(ADMIN);
        bytes32 id = hub.addFeed(_config("shadowed", IZkOracle.Kind.RELATIVE, trio), modelNumber);
        hub.proposeModel(id, number, 0, 0);
        vm.stopPrank();
        Draft memory draft = _of(id, [int128(100e8), 101e8, 103e8]);
        hub.submitShadow(_proven(draft));
        assertEq(lens.shadow(hub, id).reports, 1);
        draft.modelNumber = modelNumber;
        _submit(draft);
        assertEq(lens.feedState(hub, id).roundId, 1);
    }

    function _accept(bytes32 id, int128[3] memory answers, uint256 spread) internal {
        uint32 before = lens.feedState(hub, id).roundId;
        Draft memory draft = _of(id, answers);
        // forge-lint: disable-next-line(unsafe-typecast) -- it fits
        assertEq(_window(draft, 0, hex"0203"), _pair(int256(spread), 3));
        _submit(draft);
        assertEq(lens.feedState(hub, id).roundId, before + 1);
    }

    function _of(bytes32 id, int128[3] memory answers) internal view returns (Draft memory draft) {
        int128[] memory list = new int128[](3);
        (list[0], list[1], list[2]) = (answers[0], answers[1], answers[2]);
        draft = _draft(id, list, -1);
        draft.modelNumber = number;
    }

    function _variance() internal view returns (uint256) {
        return lens.feedState(hub, three).variance;
    }

    /// @dev In thousandths of a sigma of 1 %, of positive answers.
    function _spreadOf(int128[3] memory answers) internal pure returns (uint256) {
        (int256 lowest, int256 highest) = (answers[0], answers[0]);
        for (uint256 i = 1; i < 3; ++i) {
            if (answers[i] < lowest) lowest = answers[i];
            if (answers[i] > highest) highest = answers[i];
        }
        // forge-lint: disable-next-line(unsafe-typecast) -- it fits
        uint256 apart = uint256((highest - lowest) * 1e5 / lowest);
        return apart > 32_767 ? 32_767 : apart;
    }

    function _pair(int256 a, int256 b) internal pure returns (int256[] memory pair) {
        pair = new int256[](2);
        (pair[0], pair[1]) = (a, b);
    }
}
