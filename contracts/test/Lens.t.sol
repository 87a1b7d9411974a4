// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IZkOracle} from "../src/interfaces/IZkOracle.sol";
import {IZkOracleLens} from "../src/interfaces/IZkOracleLens.sol";
import {IHub} from "./IHub.sol";
import {OracleTest} from "./OracleTest.sol";

/// @dev The lens reads words. What it makes of them is compared here with what the hub was told, with what it has
/// proven, and with the places that `Store` draws.
contract LensTest is OracleTest {
    /// forge-lint: disable-next-line(screaming-snake-case-immutable)
    uint256 internal immutable STORE =
        uint256(keccak256(abi.encode(uint256(keccak256("verifiable-oracle.hub")) - 1)) & ~bytes32(uint256(0xff)));

    // What the hub was told

    /// forge-config: default.fuzz.runs = 512
    function testFuzz_feedConfig(uint256 seed) public {
        IZkOracle.FeedConfig memory config = _randomConfig(seed);
        vm.prank(ADMIN);
        bytes32 id = hub.addFeed(config, modelNumber);
        assertEq(id, keccak256(bytes(config.description)));
        assertEq(abi.encode(lens.feedConfig(hub, id)), abi.encode(config));
        IZkOracleLens.FeedState memory state = lens.feedState(hub, id);
        IZkOracleLens.FeedState memory expected;
        expected.modelNumber = modelNumber;
        expected.variance = 1_000 << 17;
        expected.committee = config.committee;
        expected.peers = config.peers;
        expected.peerAnswers = new int128[](config.peers.length);
        assertEq(abi.encode(state), abi.encode(expected));
        // Its neighbour is as it was.
        assertEq(
            abi.encode(lens.feedConfig(hub, feedId)), abi.encode(_config("ETH / USD", IZkOracle.Kind.RELATIVE, solo))
        );
    }

    /// @dev A text of up to 31 bytes is stored in one word, a longer one in words of its own.
    function test_descriptionsOfEachLength() public {
        bytes memory text = "";
        bytes32[] memory ids = new bytes32[](64);
        vm.startPrank(ADMIN);
        for (uint256 i = 0; i < 64; ++i) {
            // Zeros and bytes beyond ASCII count like all others.
            // forge-lint: disable-next-line(unsafe-typecast) -- it fits
            text = bytes.concat(text, bytes1(uint8(i * 37)));
            ids[i] = _addFeed(string(text), IZkOracle.Kind.ABSOLUTE, trio);
        }
        text = "";
        for (uint256 i = 0; i < 64; ++i) {
            // forge-lint: disable-next-line(unsafe-typecast) -- it fits
            text = bytes.concat(text, bytes1(uint8(i * 37)));
            assertEq(bytes(lens.feedConfig(hub, ids[i]).description), text);
        }
        bytes32[] memory all = lens.feedIds(hub);
        assertEq(all.length, 65);
        assertEq(all[0], feedId);
        for (uint256 i = 0; i < 64; ++i) {
            assertEq(all[i + 1], ids[i]);
        }
    }

    function testFuzz_committee(uint256 seed, uint8 count, uint8 quorum) public {
        address[] memory reporters = _reporters(seed, bound(count, 1, 31));
        quorum = uint8(bound(quorum, 0, (reporters.length - 1) / 2) * 2 + 1);
        address[] memory proposed = _reporters(seed + 1, bound(seed, 1, 31));
        vm.startPrank(ADMIN);
        uint32 id = hub.addCommittee(reporters, quorum);
        IZkOracleLens.Committee memory expected = IZkOracleLens.Committee(1, quorum, reporters, 0, 0, new address[](0));
        assertEq(abi.encode(lens.committee(hub, id)), abi.encode(expected));
        hub.proposeReporters(id, proposed, 1);
        (expected.proposedFrom, expected.proposedQuorum, expected.proposedReporters) =
        (uint64(_now()) + DELAY, 1, proposed);
        assertEq(abi.encode(lens.committee(hub, id)), abi.encode(expected));
        skip(DELAY);
        hub.activateReporters(id);
        expected = IZkOracleLens.Committee(2, 1, proposed, 0, 0, new address[](0));
        assertEq(abi.encode(lens.committee(hub, id)), abi.encode(expected));
        assertEq(lens.committeeCount(hub), 3);
        assertEq(lens.committee(hub, solo).reporters, signers);
    }

    function testFuzz_architectureAndModel(uint256 seed, uint8 outputs, bool bindsModel) public {
        // A part of the list of all features, with the move.
        bytes memory list = hex"00";
        for (uint256 i = 1; i < ALL_FEATURES.length; ++i) {
            if ((seed >> i) & 1 != 0) list = bytes.concat(list, ALL_FEATURES[i]);
        }
        outputs = uint8(bound(outputs, 1, 8));
        vm.prank(ADMIN);
        uint32 id = _addArchitecture(list, outputs, bindsModel);
        IZkOracle.Architecture memory expected =
            IZkOracle.Architecture(list, outputs, bindsModel, new uint16[](2), new address[](2), new bytes32[](2));
        (expected.batchSizes[0], expected.batchSizes[1]) = (1, 4);
        (expected.verifiers[0], expected.verifiers[1]) = (address(verifier1), address(verifier4));
        (expected.codeHashes[0], expected.codeHashes[1]) = (address(verifier1).codehash, address(verifier4).codehash);
        assertEq(abi.encode(lens.architecture(hub, id)), abi.encode(expected));
        assertEq(lens.architectureCount(hub), 2);
        uint256 modelHash = bindsModel ? 1 + seed % (R - 1) : 0;
        // forge-lint: disable-next-line(unsafe-typecast) -- it fits
        uint128 unit = 1 + uint128(seed % type(uint40).max);
        uint16 number = _addModel(modelHash, id, bytes32(seed), unit);
        IZkOracle.Model memory model = IZkOracle.Model(modelHash, id, bytes32(seed), unit);
        assertEq(abi.encode(lens.model(hub, number)), abi.encode(model));
        assertEq(lens.modelCount(hub), 2);
        // The first ones are as they were.
        assertEq(lens.architecture(hub, architectureId).features, FEATURES);
        assertEq(lens.model(hub, modelNumber).modelHash, MODEL_HASH);
    }

    // Unknown things

    function test_unknownThings() public {
        bytes32 id = keccak256("nothing");
        bytes memory unknown = abi.encodeWithSelector(IZkOracle.UnknownFeed.selector, id);
        vm.expectRevert(unknown);
        lens.feedState(hub, id);
        bytes32[] memory ids = new bytes32[](2);
        (ids[0], ids[1]) = (feedId, id);
        vm.expectRevert(unknown);
        lens.feedStates(hub, ids);
        vm.expectRevert(unknown);
        lens.feedConfig(hub, id);
        vm.expectRevert(unknown);
        lens.proposals(hub, id);
        vm.expectRevert(unknown);
        lens.shadow(hub, id);
        vm.expectRevert(unknown);
        lens.features(hub, id, 1, 1, 0, 1, new int128[](0));
        for (uint32 i = 0; i < 4; i += 3) {
            vm.expectRevert(abi.encodeWithSelector(IZkOracle.UnknownCommittee.selector, i));
            lens.committee(hub, i);
            vm.expectRevert(abi.encodeWithSelector(IZkOracle.UnknownArchitecture.selector, i));
            lens.architecture(hub, i);
            vm.expectRevert(abi.encodeWithSelector(IZkOracle.UnknownModel.selector, i));
            // forge-lint: disable-next-line(unsafe-typecast) -- it fits
            lens.model(hub, uint16(i));
        }
    }

    function test_anEmptyHub() public {
        IHub empty = _newHub();
        assertEq(lens.feedIds(empty).length, 0);
        assertEq(lens.committeeCount(empty), 0);
        assertEq(lens.architectureCount(empty), 0);
        assertEq(lens.modelCount(empty), 0);
        assertEq(lens.feedStates(hub, new bytes32[](0)).length, 0);
    }

    function test_extsload() public view {
        bytes32[] memory slots = new bytes32[](3);
        (slots[0], slots[1], slots[2]) = (bytes32(STORE + 2), bytes32(STORE), bytes32(type(uint256).max));
        bytes32[] memory words = hub.extsload(slots);
        assertEq(words.length, 3);
        assertEq(words[0], bytes32(uint256(1)));
        assertEq(words[1], bytes32(uint256((1 << 64) | (2 << 32) | 1)));
        assertEq(words[2], 0);
        assertEq(hub.extsload(new bytes32[](0)).length, 0);
    }

    // The states of a feed

    function test_feedStateThroughItsLife() public {
        IZkOracleLens.FeedState memory state = lens.feedState(hub, feedId);
        assertEq(uint8(state.status), uint8(IZkOracle.Status.EMPTY));
        IZkOracle.Held memory none;
        assertEq(abi.encode(state.held), abi.encode(none));

        uint32 first = _now();
        skip(7);
        Draft memory draft = _draft(feedId, PRICE, -1);
        draft.observedAt = first;
        _submit(draft);
        state = lens.feedState(hub, feedId);
        assertEq(uint8(state.status), uint8(IZkOracle.Status.OK));
        assertEq(state.roundId, 1);
        assertEq(state.answer, PRICE);
        assertEq(state.observedAt, first);
        assertEq(state.publishedAt, first + 7);
        assertEq(state.lastReportAt, first);
        assertEq(state.variance, 1_000 << 17);
        assertEq(state.returns_[0], 0);

        skip(60);
        _report(feedId, PRICE, -1);
        skip(60);
        _report(feedId, PRICE, -1);
        assertEq(lens.feedState(hub, feedId).repeats, 2);
        skip(60);
        _report(feedId, PRICE + 1e8, -1); // 1 % of a sigma of 1 % is 1,000 thousandths
        state = lens.feedState(hub, feedId);
        assertEq(state.repeats, 0);
        assertEq(state.returns_[0], 1_000);
        assertEq(state.returns_[1], 0);
        // v − v/64 + 1,000/64, thrice: two without a move, and one with a move of one sigma.
        uint32 v = 1_000 << 17;
        v -= v >> 6;
        v -= v >> 6;
        assertEq(state.variance, v - (v >> 6) + (1_000 << 11));

        skip(2 * HEARTBEAT);
        _report(feedId, PRICE / 2, 1_500_000);
        uint32 heldAt = _now();
        state = lens.feedState(hub, feedId);
        assertEq(uint8(state.status), uint8(IZkOracle.Status.HELD));
        assertEq(state.roundId, 4);
        assertEq(state.answer, PRICE + 1e8);
        assertEq(state.lastReportAt, heldAt);
        IZkOracle.Held memory held = IZkOracle.Held({
            reason: IZkOracle.HoldReason.ANOMALOUS,
            answer: PRICE / 2,
            firstAnswer: PRICE / 2,
            firstObservedAt: heldAt,
            firstSeenAt: heldAt,
            observedAt: heldAt,
            confirmations: 0,
            modelNumber: modelNumber,
            scoreRatio: 1_500,
            anomalies: 1,
            anomalousSince: heldAt,
            anomalousSeenAt: heldAt,
            firstGap: 2_000
        });
        assertEq(abi.encode(state.held), abi.encode(held));
        skip(100);
        _report(feedId, PRICE / 2 + 1, 7);
        state = lens.feedState(hub, feedId);
        (held.answer, held.observedAt, held.confirmations, held.scoreRatio, held.anomalies) =
        (PRICE / 2 + 1, heldAt + 100, 1, 1, 2);
        assertEq(abi.encode(state.held), abi.encode(held));

        vm.prank(GUARDIAN);
        hub.pause(feedId);
        assertTrue(lens.feedState(hub, feedId).paused);
        assertEq(uint8(lens.feedState(hub, feedId).status), uint8(IZkOracle.Status.HELD));
    }

    function test_feedStatesAreThoseOfEach() public {
        vm.startPrank(ADMIN);
        bytes32 other = _addFeed("other", IZkOracle.Kind.ABSOLUTE, trio);
        vm.stopPrank();
        _report(feedId, PRICE, -1);
        skip(9);
        _report(other, -5, -1);
        skip(60);
        _report(feedId, 1, 1);
        bytes32[] memory ids = new bytes32[](3);
        (ids[0], ids[1], ids[2]) = (other, feedId, other);
        IZkOracleLens.FeedState[] memory states = lens.feedStates(hub, ids);
        for (uint256 i = 0; i < 3; ++i) {
            assertEq(abi.encode(states[i]), abi.encode(lens.feedState(hub, ids[i])));
        }
        assertEq(states[2].answer, -5);
        assertEq(uint8(states[1].status), uint8(IZkOracle.Status.HELD));
    }

    /// @dev The hub and the lens tell the same of a feed, however its reports came.
    /// forge-config: default.fuzz.runs = 32
    function testFuzz_stateAgreesWithTheHub(uint256 seed) public {
        for (uint256 i = 0; i < 12; ++i) {
            uint256 dice = uint256(keccak256(abi.encode(seed, i)));
            skip(1 + (dice >> 64) % (2 * HEARTBEAT));
            // forge-lint: disable-next-item(unsafe-typecast) -- small
            int128 answer = PRICE + int128(int256(dice % 5)) * 1e8 - (dice % 7 == 0 ? PRICE / 2 : int128(0));
            _report(feedId, answer, dice % 7 == 0 ? int256(1) : int256(-1));
            IZkOracleLens.FeedState memory state = lens.feedState(hub, feedId);
            (uint32 roundId, IZkOracle.Round memory round, IZkOracle.Status status, bool paused,) =
                hub.latestWithStatus(feedId);
            assertEq(state.roundId, roundId);
            assertEq(state.answer, round.answer);
            assertEq(state.observedAt, round.observedAt);
            assertEq(state.publishedAt, round.publishedAt);
            assertEq(uint8(state.status), uint8(status));
            assertEq(state.paused, paused);
            assertEq(state.lastReportAt, _now());
            assertEq(state.held.reason == IZkOracle.HoldReason.NONE, status != IZkOracle.Status.HELD);
        }
    }

    function test_proposalsAndShadow() public {
        uint16 second = _addModel(99, architectureId, keccak256("second"), SCORE_UNIT);
        _report(feedId, PRICE, -1);
        vm.startPrank(ADMIN);
        hub.proposeModel(feedId, second, 11, 22);
        hub.pause(feedId);
        skip(10);
        hub.proposeUnpause(feedId);
        vm.stopPrank();
        IZkOracle.Proposals memory expected = IZkOracle.Proposals({
            modelFrom: _now() - 10 + DELAY,
            unpauseFrom: _now() + DELAY,
            previousUntil: 0,
            model: second,
            previousModel: 0
        });
        assertEq(abi.encode(lens.proposals(hub, feedId)), abi.encode(expected));
        IZkOracle.ShadowTally memory tally;
        (tally.modelNumber, tally.minCompared, tally.maxDisagreements) = (second, 11, 22);
        assertEq(abi.encode(lens.shadow(hub, feedId)), abi.encode(tally));
        skip(DELAY);
        vm.prank(ADMIN);
        hub.unpause(feedId);
        // Three reports, the second of which only the proposed model sees. The verdicts differ on the last two.
        int256[3] memory scores = [int256(-5_000_000), -1, 3_000_000];
        for (uint256 i = 0; i < 3; ++i) {
            skip(60);
            _shadow(second, PRICE, scores[i]);
            if (i != 1) _report(feedId, PRICE, -1_000_000);
        }
        skip(60);
        _shadow(second, PRICE, -1);
        (tally.reports, tally.compared, tally.disagreements) = (4, 2, 1);
        assertEq(abi.encode(lens.shadow(hub, feedId)), abi.encode(tally));
        vm.startPrank(ADMIN);
        hub.proposeModel(feedId, second, 0, 0);
        skip(DELAY);
        hub.activateModel(feedId);
        vm.stopPrank();
        expected = IZkOracle.Proposals(0, 0, uint64(_now()) + CHANGE_WINDOW, 0, modelNumber);
        assertEq(abi.encode(lens.proposals(hub, feedId)), abi.encode(expected));
        assertEq(lens.feedState(hub, feedId).modelNumber, second);
    }

    // Features and digests

    /// @dev The lens derives the features that the hub writes into the statement: a proof of them is accepted. Three
    /// feeds, of which two name each other and the third, one that is held at times, with missing answers.
    /// forge-config: default.fuzz.runs = 24
    function testFuzz_featuresAreThoseOfTheStatement(uint256 seed) public {
        (bytes32[] memory ids, uint16 number) = _peers();
        bool wasHeld = false;
        for (uint256 i = 0; i < 7; ++i) {
            uint256 dice = uint256(keccak256(abi.encode(seed, i)));
            skip(1 + (dice >> 128) % (3 * HEARTBEAT));
            Draft memory draft = _randomDraft(ids, dice);
            draft.modelNumber = number;
            // Some of the answers are held in any run.
            if (i == 2) draft.scores[0][0] = 1;
            IZkOracle.Submission memory submission = _signed(draft);
            submission.proof = _proof(_lensStatement(draft));
            vm.prank(RELAYER);
            hub.submit(submission);
            for (uint256 k = 0; k < 3; ++k) {
                wasHeld = wasHeld || lens.feedState(hub, ids[k]).status == IZkOracle.Status.HELD;
            }
        }
        assertTrue(wasHeld);
    }

    function test_featuresOfAnEmptyFeed() public view {
        int256[] memory window = lens.features(hub, feedId, PRICE, _now(), 0, 1, new int128[](0));
        assertEq(window.length, LENGTH);
        for (uint256 i = 0; i + 1 < LENGTH; ++i) {
            assertEq(window[i], 0);
        }
        assertEq(window[LENGTH - 1], 1_000);
    }

    function test_featuresNeedThePeersAnswers() public {
        (bytes32[] memory ids,) = _peers();
        bytes32 id = ids[0];
        bytes32[] memory peers = lens.feedState(hub, id).peers;
        for (uint256 i = 0; i < 2; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IZkOracle.PeerMissing.selector, id, peers[i]));
            lens.features(hub, id, PRICE, _now(), 0, 1, new int128[](i));
        }
        assertEq(lens.features(hub, id, PRICE, _now(), 9, 3, new int128[](2)).length, ALL_FEATURES.length);
    }

    function testFuzz_reportDigest(
        uint32 committee,
        uint32 epoch,
        uint32 observedAt,
        bytes32[] memory ids,
        uint256 seed,
        bytes32 readings
    ) public view {
        Draft memory draft;
        (draft.committee, draft.epoch, draft.observedAt, draft.feedIds) = (committee, epoch, observedAt, ids);
        draft.roundIds = new uint32[](ids.length);
        int128[] memory answers = new int128[](ids.length);
        for (uint256 i = 0; i < ids.length; ++i) {
            uint256 dice = uint256(keccak256(abi.encode(seed, i)));
            // forge-lint: disable-next-item(unsafe-typecast) -- any bits will do
            (draft.roundIds[i], answers[i]) = (uint32(dice), int128(int256(dice >> 64)));
        }
        assertEq(
            lens.reportDigest(hub, committee, epoch, observedAt, ids, draft.roundIds, answers, readings),
            _digest(address(hub), draft, answers, readings)
        );
    }

    /// @dev A signature of the lens' digest is one that the hub takes, and another hub's digest is another.
    function test_aSignedDigestIsTaken() public {
        Draft memory draft = _draft(feedId, PRICE, -1);
        IZkOracle.Submission memory submission = _proven(draft);
        bytes32 digest = lens.reportDigest(
            hub, solo, 1, _now(), draft.feedIds, draft.roundIds, draft.answers[0], keccak256("my readings")
        );
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(keys[1], digest);
        submission.signatures[0] = IZkOracle.Signature(keccak256("my readings"), r, s | bytes32(uint256(v - 27) << 255));
        hub.submit(submission);
        assertEq(lens.feedState(hub, feedId).answer, PRICE);
        bytes32 other = lens.reportDigest(
            _newHub(), solo, 1, _now(), draft.feedIds, draft.roundIds, draft.answers[0], keccak256("my readings")
        );
        assertNotEq(other, digest);
    }

    // The places in the storage

    function test_placesOfTheStore() public {
        _report(feedId, PRICE, -1);
        assertEq(_word(STORE), (1 << 64) | (2 << 32) | 1); // one model, two committees, one architecture
        assertEq(_word(STORE + 2), 1);
        assertEq(_word(uint256(keccak256(abi.encode(STORE + 2)))), uint256(feedId));
        uint256 model = _entry(STORE + 4, modelNumber);
        assertEq(_word(model), MODEL_HASH);
        // forge-lint: disable-next-line(unsafe-typecast) -- it fits
        assertEq(bytes6(bytes32(_word(model + 1))), bytes6(FEATURES));
        assertEq(_word(model + 1) << 48, 0);
        assertEq(_word(model + 2), uint256(keccak256("artifact")));
        assertEq(_word(model + 3), architectureId);
        // Circuits: the model's, with its unit, and the architecture's.
        uint256 shape = _word(_entry(STORE + 6, uint256(architectureId) << 8));
        // forge-lint: disable-next-line(unsafe-typecast) -- it fits
        assertEq(address(uint160(shape)), address(verifier1));
        assertEq(shape >> 160, (1 << 32) | (2 << 24) | (1 << 16) | (uint256(LENGTH) << 8) | 1);
        uint256 circuit = _word(_entry(STORE + 5, uint256(modelNumber) << 8));
        assertEq(circuit << 48, shape << 48);
        assertTrue(circuit >> 208 != 0);
        shape = _word(_entry(STORE + 6, (uint256(architectureId) << 8) | 1));
        // forge-lint: disable-next-line(unsafe-typecast) -- it fits
        assertEq(address(uint160(shape)), address(verifier4));
        // forge-lint: disable-next-line(unsafe-typecast) -- it fits
        assertEq(uint16(shape >> 192), 4);
        assertEq(bytes32(_word(_entry(STORE + 7, (uint256(architectureId) << 8) | 1))), address(verifier4).codehash);
        // forge-lint: disable-next-line(unsafe-typecast) -- it fits
        assertEq(bytes6(bytes32(_word(_entry(STORE + 8, architectureId)))), bytes6(FEATURES));
        assertEq(_word(_entry(STORE + 9, architectureId)), 0);
        vm.prank(ADMIN);
        uint32 open = _addArchitecture(1, false);
        assertEq(_word(_entry(STORE + 9, open)), 0);
        uint16 number = _addModel(0, open, bytes32(0), 1);
        assertEq(_word(_entry(STORE + 9, open)), number);
    }

    function test_placesOfACommittee() public {
        vm.prank(ADMIN);
        hub.proposeReporters(trio, signers, 1);
        uint256 slot = _entry(STORE + 3, trio);
        uint256 from = _now() + DELAY;
        assertEq(_word(slot), (from << 56) | (1 << 48) | (3 << 40) | (3 << 32) | 1);
        for (uint256 i = 0; i < 3; ++i) {
            assertEq(_word(uint256(keccak256(abi.encode(slot + 1))) + i), uint160(signers[i]));
            assertEq(_word(uint256(keccak256(abi.encode(slot + 2))) + i), uint160(signers[i]));
            assertEq(_word(_entry(slot + 3, uint160(signers[i]))), i + 1);
        }
        assertEq(_word(slot + 1), 3);
        assertEq(_word(slot + 2), 3);
        // Who leaves is a reporter no more.
        skip(DELAY);
        address[] memory one = new address[](1);
        one[0] = signers[2];
        vm.startPrank(ADMIN);
        hub.proposeReporters(trio, one, 1);
        skip(DELAY);
        hub.activateReporters(trio);
        assertEq(_word(slot), (1 << 40) | (1 << 32) | 2);
        assertEq(_word(_entry(slot + 3, uint160(signers[0]))), 0);
        assertEq(_word(_entry(slot + 3, uint160(signers[2]))), 1);
        assertEq(_word(slot + 2), 0);
    }

    function test_placesOfAFeed() public {
        (bytes32[] memory ids, uint16 number) = _peers();
        uint16 second = _addModel(99, architectureId, keccak256("second"), SCORE_UNIT);
        Draft memory draft = _randomDraft(ids, 4);
        draft.modelNumber = number;
        for (uint256 i = 0; i < 3; ++i) {
            for (uint256 j = 0; j < draft.answers.length; ++j) {
                // forge-lint: disable-next-item(unsafe-typecast) -- small
                draft.answers[j][i] = PRICE + int128(int256(i));
            }
            if (draft.roundIds[i] == 0) {
                draft.roundIds[i] = 1;
                draft.scores = new int256[][](3);
            }
        }
        for (uint256 i = 0; i < 3; ++i) {
            draft.scores[i] = _scores(-1_000_000);
        }
        _submit(draft);
        bytes32 id = ids[0];
        uint256 slot = _entry(STORE + 1, uint256(id));
        IZkOracle.FeedConfig memory config = lens.feedConfig(hub, id);
        assertEq(_word(slot) >> 192, config.sigma);
        assertEq(uint16(_word(slot) >> 32), number);
        assertEq(uint8(_word(slot)) & 0x3f, (2 << 4) | 1);
        assertEq(_word(slot + 1), (uint256(1_000 << 17) << 32) | 1);
        for (uint256 k = 0; k < 2; ++k) {
            uint256 word = _word(slot + 4 + k);
            assertEq(word >> 128, uint256(config.peers[k]) >> 128);
            // forge-lint: disable-next-line(unsafe-typecast) -- it fits
            assertEq(uint128(word), uint128(_peerAnswer(config.peers[k], ids)));
            // forge-lint: disable-next-line(unsafe-typecast) -- it fits
            assertEq(uint128(_word(slot + 6) >> (128 * k)), uint128(uint256(config.peers[k])));
        }
        assertEq(_word(slot + 10), uint256(bytes32(bytes(config.description))) | (bytes(config.description).length * 2));
        uint256 round = _word(_entry(slot + 11, 1));
        // forge-lint: disable-next-line(unsafe-typecast) -- it fits
        assertEq(uint128(round), uint128(PRICE));
        // forge-lint: disable-next-line(unsafe-typecast) -- it fits
        assertEq(uint32(round >> 128), _now());
        // forge-lint: disable-next-line(unsafe-typecast) -- it fits
        assertEq(uint16(round >> 192), number);
        assertEq(round >> 248, 3);
        // Held words, and the proposals.
        vm.prank(ADMIN);
        hub.proposeModel(feedId, second, 5, 6);
        _report(feedId, PRICE, -1);
        skip(60);
        _shadow(second, PRICE / 2, 300_000);
        _report(feedId, PRICE / 2, 1);
        slot = _entry(STORE + 1, uint256(feedId));
        assertEq(_word(slot) & 4, 4);
        // forge-lint: disable-next-line(unsafe-typecast) -- it fits
        assertEq(_word(slot + 2), uint256(uint128(PRICE / 2)) * (2 ** 128 + 1));
        assertEq(uint32(_word(slot + 3)), _now());
        assertEq(_word(slot + 4), 0);
        assertEq(_word(slot + 7), (uint256(second) << 192) | (_now() - 60 + DELAY));
        // forge-lint: disable-next-line(unsafe-typecast) -- it fits
        uint256 expected = (2 << 160) | (uint256(_now()) << 128) | uint128(PRICE / 2);
        assertEq(_word(slot + 8), (6 << 128) | (5 << 96) | 1);
        assertEq(_word(slot + 9), (1 << 200) | (1 << 192) | expected);
    }

    function _peerAnswer(bytes32 peer, bytes32[] memory ids) internal pure returns (int128) {
        // forge-lint: disable-next-item(unsafe-typecast) -- small
        return PRICE + int128(peer == ids[0] ? int256(0) : peer == ids[1] ? int256(1) : int256(2));
    }

    function _word(uint256 slot) internal view returns (uint256) {
        return uint256(vm.load(address(hub), bytes32(slot)));
    }

    function _entry(uint256 slot, uint256 key) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode(key, slot)));
    }

    function _shadow(uint16 number, int128 answer, int256 score) internal {
        Draft memory draft = _draft(feedId, answer, score);
        draft.modelNumber = number;
        IZkOracle.Submission memory submission = _proven(draft);
        vm.prank(RELAYER);
        hub.submitShadow(submission);
    }

    /// @dev Three feeds of a model with all features. Each has the two others as peers. Kinds and sigmas differ.
    function _peers() internal returns (bytes32[] memory ids, uint16 number) {
        vm.prank(ADMIN);
        uint32 id = _addArchitecture(ALL_FEATURES, 1, true);
        number = _addModel(MODEL_HASH, id, bytes32(0), SCORE_UNIT);
        string[3] memory names = ["red", "green", "blue"];
        ids = new bytes32[](3);
        for (uint256 i = 0; i < 3; ++i) {
            ids[i] = keccak256(bytes(names[i]));
        }
        for (uint256 i = 0; i < 3; ++i) {
            IZkOracle.FeedConfig memory config =
                _config(names[i], i == 2 ? IZkOracle.Kind.ABSOLUTE : IZkOracle.Kind.RELATIVE, trio);
            if (i == 2) config.sigma = 1e8;
            config.peers = new bytes32[](2);
            (config.peers[0], config.peers[1]) = (ids[(i + 2) % 3], ids[(i + 1) % 3]);
            vm.prank(ADMIN);
            hub.addFeed(config, number);
        }
        _sort(ids);
    }

    /// @dev Some of the feeds are due. Three reporters answer; a fourth part of the time, a peer jumps or is below
    /// zero.
    function _randomDraft(bytes32[] memory ids, uint256 dice) internal view returns (Draft memory draft) {
        (int128[] memory answers, int256[] memory scores) = (new int128[](3), new int256[](3));
        for (uint256 i = 0; i < 3; ++i) {
            uint256 own = dice >> (i * 24);
            // forge-lint: disable-next-item(unsafe-typecast) -- small
            answers[i] = PRICE + int128(int256(own % 7)) * 1e7;
            if ((own >> 8) % 4 == 0) answers[i] = (own >> 10) % 2 == 0 ? PRICE * 5 : -PRICE;
            // A first answer is above zero.
            if (answers[i] < 0 && lens.feedState(hub, ids[i]).roundId == 0) answers[i] = PRICE;
            scores[i] = (own >> 12) % 4 == 0 ? int256(1) : int256(-1);
        }
        draft = _draftOf(ids, answers, scores, 3);
        for (uint256 i = 0; i < 3; ++i) {
            draft.answers[1] = _copy(draft.answers[0]);
            draft.answers[2] = _copy(draft.answers[0]);
        }
        for (uint256 i = 0; i < 3; ++i) {
            if (draft.answers[0][i] > 0) {
                (draft.answers[1][i], draft.answers[2][i]) = (answers[i] + 3e5, answers[i] - 1e6);
            }
        }
        // The last feed that is due stays due.
        for (uint256 i = 0; i < 2; ++i) {
            if ((dice >> (96 + i)) & 1 != 0) _refer(draft, i);
        }
    }

    function _copy(int128[] memory row) internal pure returns (int128[] memory copied) {
        copied = new int128[](row.length);
        for (uint256 i = 0; i < row.length; ++i) {
            copied[i] = row[i];
        }
    }

    /// @dev The statement about a report, with the windows that the lens derives.
    function _lensStatement(Draft memory draft) internal view returns (uint256[] memory) {
        int256[][] memory windows = new int256[][](draft.scores.length);
        uint256 due = 0;
        for (uint256 i = 0; i < draft.feedIds.length; ++i) {
            if (draft.roundIds[i] == 0) continue;
            int128[] memory sorted = _present(draft, i);
            int256 spread = _spread(lens.feedConfig(hub, draft.feedIds[i]), sorted);
            bytes32[] memory peers = lens.feedState(hub, draft.feedIds[i]).peers;
            int128[] memory answers = new int128[](peers.length);
            for (uint256 k = 0; k < peers.length; ++k) {
                uint256 index = 0;
                while (draft.feedIds[index] != peers[k]) ++index;
                answers[k] = _median(draft, index);
            }
            // forge-lint: disable-start(unsafe-typecast) -- clipped, and a count
            windows[due++] = lens.features(
                hub,
                draft.feedIds[i],
                _median(draft, i),
                draft.observedAt,
                uint16(uint256(spread)),
                uint8(sorted.length),
                answers
            );
            // forge-lint: disable-end(unsafe-typecast)
        }
        return _statement(MODEL_HASH, windows, draft.scores, draft.scores.length == 1 ? 1 : 4);
    }

    function _randomConfig(uint256 seed) internal view returns (IZkOracle.FeedConfig memory config) {
        bytes memory text = new bytes(_random(seed, 0, 1, 64));
        for (uint256 i = 0; i < text.length; ++i) {
            text[i] = bytes1(uint8(_random(seed, 100 + i, 0, 255)));
        }
        config.description = string(text);
        // forge-lint: disable-start(unsafe-typecast) -- within the bounds
        config.kind = IZkOracle.Kind(_random(seed, 1, 0, 1));
        config.decimals = uint8(_random(seed, 2, 0, 18));
        config.confirmations = uint8(_random(seed, 3, 1, 255));
        config.maxRepeats = uint8(_random(seed, 4, 0, 255));
        config.heartbeat = uint32(_random(seed, 5, 1, type(uint24).max));
        config.maxAge = uint32(_random(seed, 6, 1, 90 days));
        config.maxSkew = uint32(_random(seed, 7, 0, 1 hours));
        config.confirmDelay = uint32(_random(seed, 8, 1, 7 days));
        config.tolerance = uint32(_random(seed, 9, 0, 32_766));
        config.maxSpread = uint32(_random(seed, 10, 0, 32_766));
        config.sigma = uint64(_random(seed, 11, 1, type(uint64).max));
        // forge-lint: disable-end(unsafe-typecast)
        config.committee = _random(seed, 12, 0, 1) == 0 ? solo : trio;
        config.peers = new bytes32[](_random(seed, 13, 0, 2));
        for (uint256 k = 0; k < config.peers.length; ++k) {
            config.peers[k] = keccak256(abi.encode(seed, "peer", k));
        }
    }

    /// @dev Each end of the range is drawn in an eighth of the cases.
    function _random(uint256 seed, uint256 what, uint256 low, uint256 high) internal pure returns (uint256) {
        uint256 dice = uint256(keccak256(abi.encode(seed, what)));
        if (dice % 8 == 0) return low;
        return dice % 8 == 1 ? high : low + (dice >> 3) % (high - low + 1);
    }

    function _reporters(uint256 seed, uint256 count) internal pure returns (address[] memory reporters) {
        reporters = new address[](count);
        for (uint256 i = 0; i < count; ++i) {
            // forge-lint: disable-next-item(unsafe-typecast) -- any address will do
            reporters[i] = address(uint160(uint256(keccak256(abi.encode(seed, i)))));
        }
    }
}
