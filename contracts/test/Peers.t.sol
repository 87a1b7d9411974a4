// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IZkOracle} from "../src/interfaces/IZkOracle.sol";
import {IZkOracleLens} from "../src/interfaces/IZkOracleLens.sol";
import {OracleTest} from "./OracleTest.sol";

// forge-lint: disable-start(unsafe-typecast) -- small numbers

/// @dev A feed whose model sees two peers: one relative, one absolute. The verifier takes no proof but that of the
/// statement which the tests write themselves, of all features.
contract PeersTest is OracleTest {
    /// The places of the peers' features in ALL_FEATURES.
    uint256 internal constant MOVES = 16;

    bytes32 internal own;
    bytes32 internal left;
    bytes32 internal right;
    uint16 internal seer;
    /// Sees the first peer only.
    uint16 internal squinter;

    function setUp() public override {
        super.setUp();
        vm.startPrank(ADMIN);
        seer = _addModel(77, _addArchitecture(ALL_FEATURES, 1, true), keccak256("seer"), SCORE_UNIT);
        squinter = _addModel(78, _addArchitecture(hex"0500070110", 1, true), keccak256("squinter"), SCORE_UNIT);
        left = _addFeed("left", IZkOracle.Kind.RELATIVE, solo);
        right = _addFeed("right", IZkOracle.Kind.ABSOLUTE, solo);
        own = hub.addFeed(_withPeers("own", solo, left, right), seer);
        vm.stopPrank();
        assertEq(ALL_FEATURES[MOVES], bytes1(0x05));
    }

    // What is seen

    function test_aFirstRoundHasNothingToMeasurePeersAgainst() public {
        Draft memory draft = _threesome(PRICE, 50e8, 700);
        assertEq(_seen(draft), _four(0, 0, 0, 0));
        _submit(draft);
        IZkOracleLens.FeedState memory state = lens.feedState(hub, own);
        assertEq(state.peers.length, 2);
        assertEq(state.peers[0], left);
        assertEq(state.peerAnswers[0], 50e8);
        assertEq(state.peerAnswers[1], 700);
        // Nothing is written of the peers themselves.
        assertEq(lens.feedState(hub, left).roundId, 0);
    }

    /// @dev Each peer's move is by its own kind and sigma, whatever the feed's are.
    function test_movesAreByThePeersOwnKindAndSigma() public {
        _submit(_threesome(PRICE, 50e8, 700));
        skip(HEARTBEAT);
        Draft memory draft = _threesome(PRICE, 51e8, 450);
        // 2 % at a sigma of 1 %; −250 at a sigma of 100.
        assertEq(_seen(draft), _four(2_000, 1, -2_500, 1));
        _submit(draft);
        skip(HEARTBEAT);
        draft = _threesome(PRICE, 51e8, 450);
        assertEq(_seen(draft), _four(0, 1, 0, 1));
        _submit(draft);
        assertEq(lens.feedState(hub, own).roundId, 3);
    }

    function test_clippedPeerIsNotSeen() public {
        _submit(_threesome(PRICE, 50e8, 700));
        skip(HEARTBEAT);
        Draft memory draft = _threesome(PRICE, 500e8, -1e12);
        assertEq(_seen(draft), _four(32_767, 0, -32_767, 0));
        _submit(draft);
        // It is the base all the same.
        assertEq(lens.feedState(hub, own).peerAnswers[0], 500e8);
        skip(HEARTBEAT);
        // 32.766 and −32.766 sigma are seen.
        draft = _threesome(PRICE, 500e8, -1e12);
        (draft.answers[0][_at(left)], draft.answers[0][_at(right)]) = (500e8 * 132_766 / 100_000, -1e12 - 3_276);
        assertEq(_seen(draft), _four(32_766, 1, -32_760, 1));
        _submit(draft);
    }

    /// @dev Moves against an answer of zero or less can't be measured, nor moves to one. An absolute peer has no such
    /// answers.
    function test_peerThatIsNotPositive() public {
        _submit(_threesome(PRICE, 50e8, 0));
        int128[4] memory answers = [int128(0), 50e8, -1, -2];
        for (uint256 i = 0; i < 4; ++i) {
            skip(HEARTBEAT);
            int128 other = i % 2 == 0 ? int128(-100) : int128(0);
            Draft memory draft = _threesome(PRICE, answers[i], other);
            int256 moved = i % 2 == 0 ? int256(-1_000) : int256(1_000);
            assertEq(_seen(draft), _four(0, 0, moved, 1));
            _submit(draft);
        }
        skip(HEARTBEAT);
        _submit(_threesome(PRICE, 50e8, 0));
        skip(HEARTBEAT);
        assertEq(_seen(_threesome(PRICE, 505e7, 0)), _four(1_000, 1, 0, 1));
    }

    /// @dev The peer's own rounds in between do not matter: the base is what was signed with the feed's last round.
    function test_baseIsOfTheFeedsOwnRounds() public {
        _submit(_threesome(PRICE, 50e8, 700));
        for (uint256 i = 1; i <= 3; ++i) {
            skip(HEARTBEAT);
            _report(left, 50e8 + int128(int256(i)) * 5e7, -1);
        }
        skip(HEARTBEAT);
        Draft memory draft = _threesome(PRICE, 52e8, 700);
        assertEq(_seen(draft), _four(4_000, 1, 0, 1));
        _submit(draft);
        assertEq(lens.feedState(hub, left).answer, 515e7);
    }

    /// @dev A report that is held makes no new base, however often it comes. The round that ends the hold does.
    function test_heldFeedKeepsItsBase() public {
        _submit(_threesome(PRICE, 50e8, 700));
        for (int128 i = 1; i <= 2; ++i) {
            skip(CONFIRM_DELAY);
            Draft memory held = _threesome(50e8, 50e8 + i * 1e8, 700);
            held.scores[0] = _scores(1);
            assertEq(_seen(held)[0], 2_000 * i);
            _submit(held);
            assertEq(lens.feedState(hub, own).peerAnswers[0], 50e8);
        }
        skip(CONFIRM_DELAY);
        Draft memory draft = _threesome(50e8, 49e8, 700);
        draft.scores[0] = _scores(1);
        assertEq(_seen(draft)[0], -2_040);
        _submit(draft);
        IZkOracleLens.FeedState memory state = lens.feedState(hub, own);
        assertEq(state.answer, 50e8);
        assertEq(state.peerAnswers[0], 49e8);
    }

    /// @dev A first report that is held leaves no base.
    function test_heldFirstReportLeavesNoBase() public {
        Draft memory draft = _threesome(PRICE, 50e8, 700);
        draft.scores[0] = _scores(1);
        _submit(draft);
        skip(60);
        draft = _threesome(PRICE, 51e8, 700);
        assertEq(_seen(draft), _four(0, 0, 0, 0));
        _submit(draft);
        assertEq(lens.feedState(hub, own).peerAnswers[0], 51e8);
    }

    function testFuzz_anyAnswersOfPeers(int128[3] memory first, int128[3] memory second, uint8 shift) public {
        for (uint256 k = 0; k < 3; ++k) {
            first[k] = (first[k] == NO_ANSWER ? int128(0) : first[k]) >> (shift % 120);
            // Often near, so that moves are not always clipped.
            if (shift & 1 == 0) second[k] = first[k] / 200 * 199;
            else if (second[k] == NO_ANSWER) second[k] = 0;
        }
        if (first[0] <= 0) first[0] = PRICE;
        _submit(_threesome(first[0], first[1], first[2]));
        skip(HEARTBEAT);
        Draft memory draft = _threesome(second[0], second[1], second[2]);
        // Proven by the tests' own statement; no other one passes.
        _submit(draft);
        int256[] memory features = _window(draft, _at(own), ALL_FEATURES);
        for (uint256 j = 0; j < features.length; ++j) {
            assertTrue(features[j] >= -32_767 && features[j] <= 32_767);
        }
        assertEq(lens.feedState(hub, own).lastReportAt, _now());
    }

    // Peers in every state

    /// @dev Only what is signed in the report counts, not the peer's state on the chain.
    function test_peerThatIsHeldOrPaused() public {
        _submit(_threesome(PRICE, 50e8, 700));
        _report(left, 50e8, -1);
        skip(HEARTBEAT);
        _report(left, 10e8, 1);
        vm.prank(GUARDIAN);
        hub.pause(right);
        assertEq(uint8(lens.feedState(hub, left).status), uint8(IZkOracle.Status.HELD));
        skip(60);
        Draft memory draft = _threesome(PRICE, 51e8, 800);
        assertEq(_seen(draft), _four(2_000, 1, 1_000, 1));
        _submit(draft);
        assertEq(uint8(lens.feedState(hub, left).status), uint8(IZkOracle.Status.HELD));
    }

    /// @dev Nobody chooses whether the model sees a peer: without a quorum's answers for it, there is no report.
    function test_peerWithoutAQuorum() public {
        (bytes32[] memory ids, uint256 peer) = _addTrioFeed();
        for (uint256 missing = 1; missing <= 3; ++missing) {
            Draft memory draft = _trioDraft(ids, peer);
            for (uint256 j = 0; j < missing; ++j) {
                draft.answers[j][peer] = NO_ANSWER;
            }
            IZkOracle.Submission memory submission = _signed(draft);
            submission.medians[peer] = 0x02;
            vm.expectRevert(abi.encodeWithSelector(IZkOracle.QuorumNotMet.selector, ids[peer], 3 - missing, 3));
            hub.submit(submission);
        }
        _submit(_trioDraft(ids, peer));
        assertEq(lens.feedState(hub, ids[1 - peer]).roundId, 1);
    }

    /// @dev The bound of the peer's own spread holds for its reference, too.
    function test_peerWithTooWideASpread() public {
        (bytes32[] memory ids, uint256 peer) = _addTrioFeed();
        Draft memory draft = _trioDraft(ids, peer);
        draft.answers[0][peer] = PRICE * 102 / 100;
        IZkOracle.Submission memory submission = _signed(draft);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.SpreadTooWide.selector, ids[peer], 2_000, 1_500));
        hub.submit(submission);
    }

    function test_missingPeer() public {
        bytes32[2] memory missing = [left, right];
        for (uint256 i = 0; i < 2; ++i) {
            Draft memory draft = _without(_threesome(PRICE, 50e8, 700), missing[i]);
            IZkOracle.Submission memory submission = _signed(draft);
            vm.expectRevert(abi.encodeWithSelector(IZkOracle.PeerMissing.selector, own, missing[i]));
            hub.submit(submission);
        }
        // A peer that is left out of the calldata alone was still signed, or was not.
        IZkOracle.Submission memory cut = _signed(_threesome(PRICE, 50e8, 700));
        Draft memory short = _without(_threesome(PRICE, 50e8, 700), left);
        IZkOracle.Submission memory other = _signed(short);
        other.signatures = cut.signatures;
        vm.expectPartialRevert(IZkOracle.NotAReporter.selector);
        hub.submit(other);
    }

    /// @dev Also if the feed's model does not look at them: its next model may, and needs a base.
    function test_peersAreListedWhateverTheModelSees() public {
        vm.prank(ADMIN);
        bytes32 id = hub.addFeed(_withPeers("blind", solo, left, right), modelNumber);
        IZkOracle.Submission memory submission = _signed(_draft(id, PRICE, -1));
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.PeerMissing.selector, id, left));
        hub.submit(submission);
        Draft memory draft = _list(id, PRICE, 50e8, 700);
        draft.modelNumber = modelNumber;
        _submit(draft);
        assertEq(lens.feedState(hub, id).peerAnswers[1], 700);
        // The model changes, and measures against it at once.
        vm.startPrank(ADMIN);
        hub.proposeModel(id, seer, 0, 0);
        skip(DELAY);
        hub.activateModel(id);
        vm.stopPrank();
        draft = _list(id, PRICE, 50e8, 800);
        assertEq(_window(draft, _index(draft, id), ALL_FEATURES)[MOVES + 2], 1_000);
        _submit(draft);
    }

    /// @dev A reference's answer is signed as any other.
    function test_aTransmitterCantChangeAReference() public {
        _submit(_threesome(PRICE, 50e8, 700));
        skip(HEARTBEAT);
        IZkOracle.Submission memory submission = _signed(_threesome(PRICE, 50e8, 700));
        Draft memory forged = _threesome(PRICE, 55e8, 700);
        submission.proof = _proven(forged).proof;
        vm.expectRevert(IZkOracle.ProofRejected.selector);
        hub.submit(submission);
        submission.answers = _signed(forged).answers;
        vm.expectPartialRevert(IZkOracle.NotAReporter.selector);
        hub.submit(submission);
        // Nor can it make a reference due, or a due feed a reference.
        submission = _proven(_threesome(PRICE, 50e8, 700));
        submission.roundIds[_at(left)] = 1;
        submission.scores = new bytes(32);
        vm.expectPartialRevert(IZkOracle.ModelNotActive.selector);
        hub.submit(submission);
        submission.roundIds[_at(left)] = 0;
        submission.roundIds[_at(own)] = 0;
        vm.expectRevert(IZkOracle.NothingDue.selector);
        hub.submit(submission);
    }

    // Feeds that name each other

    /// @dev Both are due in one report. Each sees the other's signed answer, and nothing of its verdict: the one is held,
    /// and the other measures its next move against the held answer, too.
    function test_twoFeedsThatNameEachOther() public {
        (bytes32[] memory ids, int128[] memory answers, int256[] memory scores) = _pair();
        _submit(_squint(ids, answers, scores));
        skip(HEARTBEAT);
        (answers[0], answers[1]) = (PRICE * 110 / 100, PRICE * 101 / 100);
        scores[0] = 5;
        Draft memory draft = _squint(ids, answers, scores);
        // Both moves are measured from before, and the windows of one submission do not depend on its order.
        assertEq(_window(draft, 0, hex"0500"), _two(1_000, 10_000));
        assertEq(_window(draft, 1, hex"0500"), _two(10_000, 1_000));
        _submit(draft);
        assertEq(uint8(lens.feedState(hub, ids[0]).status), uint8(IZkOracle.Status.HELD));
        assertEq(lens.feedState(hub, ids[0]).peerAnswers[0], PRICE);
        assertEq(lens.feedState(hub, ids[1]).peerAnswers[0], PRICE * 110 / 100);
        skip(HEARTBEAT);
        (answers[0], answers[1]) = (PRICE, PRICE);
        scores[0] = -1;
        draft = _squint(ids, answers, scores);
        assertEq(_window(draft, 0, hex"05")[0], 0);
        assertEq(_window(draft, 1, hex"05")[0], -10_000);
        _submit(draft);
        assertEq(lens.feedState(hub, ids[0]).roundId, 2);
        assertEq(lens.feedState(hub, ids[1]).roundId, 3);
    }

    /// @dev One of them is due, the other one a reference, in turn.
    function test_oneOfAPairMayBeDueAlone() public {
        (bytes32[] memory ids, int128[] memory answers, int256[] memory scores) = _pair();
        for (uint256 i = 0; i < 4; ++i) {
            Draft memory draft = _squint(ids, answers, scores);
            _refer(draft, i % 2);
            _submit(draft);
            assertEq(lens.feedState(hub, ids[1 - i % 2]).roundId, i / 2 + 1);
            answers[0] += 1e8;
            skip(HEARTBEAT);
        }
        assertEq(lens.feedState(hub, ids[0]).peerAnswers[0], PRICE);
        assertEq(lens.feedState(hub, ids[1]).peerAnswers[0], PRICE + 2e8);
    }

    // Terms

    function test_peerThatIsAddedLaterOrNever() public {
        bytes32 late = keccak256("late");
        vm.prank(ADMIN);
        bytes32 id = hub.addFeed(_withPeers("early", solo, late, 0), squinter);
        bytes32[] memory ids = new bytes32[](2);
        (ids[0], ids[1]) = (id, late);
        _sort(ids);
        uint256 peer = ids[0] == late ? 0 : 1;
        Draft memory draft = _draft(id, PRICE, -1);
        draft.modelNumber = squinter;
        IZkOracle.Submission memory submission = _signed(draft);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.PeerMissing.selector, id, late));
        hub.submit(submission);
        (draft.feedIds, draft.roundIds, draft.answers[0]) = (ids, new uint32[](2), new int128[](2));
        (draft.roundIds[1 - peer], draft.answers[0][0], draft.answers[0][1]) = (1, PRICE, PRICE);
        submission = _signed(draft);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.UnknownFeed.selector, late));
        hub.submit(submission);
        vm.prank(ADMIN);
        _addFeed("late", IZkOracle.Kind.ABSOLUTE, solo);
        _submit(draft);
        assertEq(lens.feedState(hub, id).peerAnswers[0], PRICE);
    }

    /// @dev The hub can't tell in advance of which committee a peer will be. Such a feed never gets a round.
    function test_peerOfAnotherCommittee() public {
        vm.startPrank(ADMIN);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.InvalidConfig.selector, "peers"));
        hub.addFeed(_withPeers("alien", trio, left, 0), squinter);
        bytes32 id = hub.addFeed(_withPeers("early", solo, keccak256("late"), 0), squinter);
        bytes32 late = _addFeed("late", IZkOracle.Kind.ABSOLUTE, trio);
        vm.stopPrank();
        bytes32[] memory ids = new bytes32[](2);
        (ids[0], ids[1]) = (id, late);
        _sort(ids);
        Draft memory draft = _draft(id, PRICE, -1);
        (draft.modelNumber, draft.feedIds) = (squinter, ids);
        (draft.roundIds, draft.answers[0]) = (new uint32[](2), new int128[](2));
        draft.roundIds[ids[0] == id ? 0 : 1] = 1;
        IZkOracle.Submission memory submission = _signed(draft);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.WrongCommittee.selector, late, solo, trio));
        hub.submit(submission);
    }

    function test_termsOfPeers() public {
        IZkOracle.FeedConfig memory config = _withPeers("new", solo, left, left);
        _expectInvalid(config); // twice
        config.peers[1] = keccak256("new");
        _expectInvalid(config); // itself
        (config.peers[0], config.peers[1]) = (config.peers[1], left);
        _expectInvalid(config);
        config.peers[0] = 0;
        _expectInvalid(config);
        config.peers = new bytes32[](3);
        (config.peers[0], config.peers[1], config.peers[2]) = (left, right, own);
        _expectInvalid(config);
    }

    // Feeds without peers

    /// @dev The model looks for two peers. A feed has none of them, or the first alone: what it lacks is 0, in rounds and
    /// holds, and whatever the feeds before it in the submission see.
    function test_aFeedNeverSeesAPeerThatItLacks() public {
        bytes32[] memory ids = _mixed();
        Draft memory draft = _mixedDraft(ids, PRICE, 50e8, 700);
        for (uint256 i = 0; i < 5; ++i) {
            if (_isDue(draft, i)) assertEq(_window(draft, i, hex"05070608"), _four(0, 0, 0, 0));
        }
        _submit(draft);
        skip(HEARTBEAT);
        draft = _mixedDraft(ids, PRICE, 51e8, 450);
        uint256 after_ = 0;
        for (uint256 i = 0; i < 5; ++i) {
            if (!_isDue(draft, i)) continue;
            uint256 peers = lens.feedState(hub, ids[i]).peers.length;
            assertEq(
                _window(draft, i, hex"05070608"),
                peers == 0 ? _four(0, 0, 0, 0) : peers == 1 ? _four(2_000, 1, 0, 0) : _four(2_000, 1, -2_500, 1)
            );
            // A feed with fewer peers comes after one with more. Else this test would show nothing.
            if (peers < 2 && own < ids[i]) ++after_;
        }
        assertEq(after_, 2);
        _submit(draft);
    }

    /// @dev No proof of what another feed of the submission sees is taken for a feed without peers.
    function test_noPeerCanBeLentToAFeedWithoutOne() public {
        bytes32[] memory ids = _mixed();
        _submit(_mixedDraft(ids, PRICE, 50e8, 700));
        skip(HEARTBEAT);
        Draft memory draft = _mixedDraft(ids, PRICE, 51e8, 450);
        IZkOracle.Submission memory submission = _signed(draft);
        int256[][] memory windows = new int256[][](3);
        for (uint256 k = MOVES; k < MOVES + 4; ++k) {
            uint256 at = 0;
            for (uint256 i = 0; i < 5; ++i) {
                if (!_isDue(draft, i)) continue;
                windows[at] = _window(draft, i, ALL_FEATURES);
                if (ids[i] != own) windows[at][k] = _window(draft, _placeOf(ids, own), ALL_FEATURES)[k];
                ++at;
            }
            submission.proof = _proof(_statement(77, windows, draft.scores, 4));
            vm.expectRevert(IZkOracle.ProofRejected.selector);
            hub.submit(submission);
        }
        _submit(draft);
    }

    /// @dev A model that looks for peers may take the place of one that does not, and the other way round.
    function test_aFeedWithoutPeersMayTakeAnyModel() public {
        _report(feedId, PRICE, -1);
        vm.startPrank(ADMIN);
        hub.proposeModel(feedId, seer, 0, 0);
        skip(DELAY);
        hub.activateModel(feedId);
        vm.stopPrank();
        Draft memory draft = _draft(feedId, PRICE, -1);
        draft.modelNumber = seer;
        assertEq(_window(draft, 0, hex"05070608"), _four(0, 0, 0, 0));
        _submit(draft);
        assertEq(lens.feedState(hub, feedId).roundId, 2);
        assertEq(lens.feedState(hub, feedId).peerAnswers.length, 0);
    }

    /// @dev A feed with two peers, one with the first of them and one without any, whose ids come after it, and the peers.
    function _mixed() internal returns (bytes32[] memory ids) {
        (string memory one, string memory none) = (_after("one", own), _after("none", own));
        ids = new bytes32[](5);
        vm.startPrank(ADMIN);
        ids[0] = hub.addFeed(_withPeers(one, solo, left, 0), seer);
        ids[1] = hub.addFeed(_config(none, IZkOracle.Kind.RELATIVE, solo), seer);
        vm.stopPrank();
        (ids[2], ids[3], ids[4]) = (own, left, right);
        _sort(ids);
    }

    function _mixedDraft(bytes32[] memory ids, int128 answer, int128 first, int128 second)
        internal
        view
        returns (Draft memory draft)
    {
        (int128[] memory answers, int256[] memory scores) = (new int128[](5), new int256[](5));
        for (uint256 i = 0; i < 5; ++i) {
            answers[i] = ids[i] == left ? first : ids[i] == right ? second : answer;
            scores[i] = -1;
        }
        draft = _draftOf(ids, answers, scores, 1);
        draft.modelNumber = seer;
        _refer(draft, _placeOf(ids, left));
        _refer(draft, _placeOf(ids, right));
    }

    function _isDue(Draft memory draft, uint256 index) internal pure returns (bool) {
        return draft.roundIds[index] != 0;
    }

    function _placeOf(bytes32[] memory ids, bytes32 id) internal pure returns (uint256 place) {
        while (ids[place] != id) ++place;
    }

    /// @dev A description whose feed comes after another one.
    function _after(string memory start, bytes32 other) internal pure returns (string memory description) {
        description = start;
        while (keccak256(bytes(description)) < other) description = string.concat(description, "+");
    }

    function _expectInvalid(IZkOracle.FeedConfig memory config) internal {
        vm.prank(ADMIN);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.InvalidConfig.selector, "peers"));
        hub.addFeed(config, modelNumber);
    }

    function _withPeers(string memory description, uint32 committee, bytes32 first, bytes32 second)
        internal
        pure
        returns (IZkOracle.FeedConfig memory config)
    {
        config = _config(description, IZkOracle.Kind.RELATIVE, committee);
        config.peers = new bytes32[](second == 0 ? 1 : 2);
        config.peers[0] = first;
        if (second != 0) config.peers[1] = second;
    }

    /// @dev The feed is due, its two peers are references, and one reporter signs.
    function _threesome(int128 answer, int128 first, int128 second) internal view returns (Draft memory) {
        return _list(own, answer, first, second);
    }

    function _list(bytes32 id, int128 answer, int128 first, int128 second) internal view returns (Draft memory draft) {
        draft = _draft(id, answer, -1);
        draft.modelNumber = seer;
        draft.feedIds = new bytes32[](3);
        (draft.feedIds[0], draft.feedIds[1], draft.feedIds[2]) = (id, left, right);
        _sort(draft.feedIds);
        (draft.roundIds, draft.answers[0]) = (new uint32[](3), new int128[](3));
        draft.roundIds[_index(draft, id)] = lens.feedState(hub, id).roundId + 1;
        draft.answers[0][_index(draft, id)] = answer;
        draft.answers[0][_index(draft, left)] = first;
        draft.answers[0][_index(draft, right)] = second;
    }

    function _without(Draft memory draft, bytes32 id) internal pure returns (Draft memory) {
        (bytes32[] memory ids, uint32[] memory rounds) = (new bytes32[](2), new uint32[](2));
        int128[] memory answers = new int128[](2);
        uint256 at = 0;
        for (uint256 i = 0; i < 3; ++i) {
            if (draft.feedIds[i] == id) continue;
            (ids[at], rounds[at], answers[at]) = (draft.feedIds[i], draft.roundIds[i], draft.answers[0][i]);
            ++at;
        }
        (draft.feedIds, draft.roundIds, draft.answers[0]) = (ids, rounds, answers);
        return draft;
    }

    /// @dev PEER_MOVE_0, PEER_SEEN_0, PEER_MOVE_1 and PEER_SEEN_1 of the feed.
    function _seen(Draft memory draft) internal view returns (int256[] memory) {
        return _window(draft, _at(own), hex"05070608");
    }

    /// @dev The place of one of the three feeds in a report.
    function _at(bytes32 id) internal view returns (uint256) {
        return (own < id ? 1 : 0) + (left < id ? 1 : 0) + (right < id ? 1 : 0);
    }

    function _index(Draft memory draft, bytes32 id) internal pure returns (uint256 index) {
        while (draft.feedIds[index] != id) ++index;
    }

    function _four(int256 a, int256 b, int256 c, int256 d) internal pure returns (int256[] memory four) {
        four = new int256[](4);
        (four[0], four[1], four[2], four[3]) = (a, b, c, d);
    }

    function _two(int256 a, int256 b) internal pure returns (int256[] memory two) {
        two = new int256[](2);
        (two[0], two[1]) = (a, b);
    }

    /// @dev Two feeds that name each other, ascending, with answers and scores for a report of both.
    function _pair() internal returns (bytes32[] memory ids, int128[] memory answers, int256[] memory scores) {
        (ids, answers, scores) = (new bytes32[](2), new int128[](2), new int256[](2));
        vm.startPrank(ADMIN);
        ids[0] = hub.addFeed(_withPeers("one", solo, keccak256("other"), 0), squinter);
        ids[1] = hub.addFeed(_withPeers("other", solo, ids[0], 0), squinter);
        vm.stopPrank();
        _sort(ids);
        (answers[0], answers[1], scores[0], scores[1]) = (PRICE, PRICE, -1, -1);
    }

    function _squint(bytes32[] memory ids, int128[] memory answers, int256[] memory scores)
        internal
        view
        returns (Draft memory draft)
    {
        draft = _draftOf(ids, answers, scores, 1);
        draft.modelNumber = squinter;
    }

    /// @return ids The feed and its peer, ascending.
    /// @return peer The place of the peer.
    function _addTrioFeed() internal returns (bytes32[] memory ids, uint256 peer) {
        IZkOracle.FeedConfig memory config = _config("trio peer", IZkOracle.Kind.RELATIVE, trio);
        config.maxSpread = 1_500;
        ids = new bytes32[](2);
        vm.startPrank(ADMIN);
        ids[0] = hub.addFeed(config, modelNumber);
        ids[1] = hub.addFeed(_withPeers("trio feed", trio, ids[0], 0), squinter);
        vm.stopPrank();
        peer = ids[0] < ids[1] ? 0 : 1;
        _sort(ids);
    }

    /// @dev A report of three reporters, in which the peer is a reference.
    function _trioDraft(bytes32[] memory ids, uint256 peer) internal view returns (Draft memory draft) {
        int128[] memory answers = new int128[](2);
        (answers[0], answers[1]) = (PRICE, PRICE);
        draft = _squint(ids, answers, new int256[](2));
        draft.answers = new int128[][](3);
        for (uint256 j = 0; j < 3; ++j) {
            draft.answers[j] = new int128[](2);
            (draft.answers[j][0], draft.answers[j][1]) = (PRICE, PRICE);
        }
        _refer(draft, peer);
    }
}

// forge-lint: disable-end(unsafe-typecast)
