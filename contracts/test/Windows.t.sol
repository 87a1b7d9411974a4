// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IZkOracle} from "../src/interfaces/IZkOracle.sol";
import {HubReader} from "../src/libraries/HubReader.sol";
import {Config, HeldSlots, PackedRound, PeerSlot, RoundSlot, Track} from "../src/libraries/Slots.sol";
import {OracleTest} from "./OracleTest.sol";

/// @dev Whole windows, of the vectors that `oracle/core/encoding.py` is tested with. A feed's words are put into the
/// hub's storage. The lens has to show the window, and the hub takes a report only with a proof of the same one.
contract WindowsTest is OracleTest {
    struct Window {
        bytes features;
        uint256 kind;
        uint256 sigma;
        uint256 heartbeat;
        uint256 tolerance;
        uint256 roundId;
        int256 lastAnswer;
        uint256 lastObservedAt;
        uint256 variance;
        uint256 holdReason;
        int256 firstAnswer;
        uint256 firstGap;
        int256 answer;
        uint256 observedAt;
        uint256 spread;
        uint256 count;
        int256[] ring;
        uint256[] peerKinds;
        uint256[] peerSigmas;
        int256[] peerKept;
        int256[] peerAnswers;
        int256[] window;
    }

    string internal constant TYPE =
        "Window(bytes features,uint256 kind,uint256 sigma,uint256 heartbeat,uint256 tolerance,uint256 roundId,int256 lastAnswer,uint256 lastObservedAt,uint256 variance,uint256 holdReason,int256 firstAnswer,uint256 firstGap,int256 answer,uint256 observedAt,uint256 spread,uint256 count,int256[] ring,uint256[] peerKinds,uint256[] peerSigmas,int256[] peerKept,int256[] peerAnswers,int256[] window)";

    string internal vectors;
    uint32 internal wide;
    mapping(bytes32 list => uint16 number) internal models;
    uint256 internal submitted;

    function setUp() public override {
        super.setUp();
        vectors = vm.readFile("tests/vectors/features.json");
        _addReporters(28);
        vm.prank(ADMIN);
        wide = hub.addCommittee(signers, 1);
    }

    function test_windowVectors() public {
        Window[] memory windows = abi.decode(vm.parseJsonTypeArray(vectors, ".window", TYPE), (Window[]));
        assertGe(windows.length, 60);
        for (uint256 i = 0; i < windows.length; ++i) {
            vm.warp(windows[i].observedAt);
            _check(windows[i], vm.toString(i));
        }
        assertGe(submitted, windows.length / 2);
    }

    /// @dev The gap while an answer is held, of a model that has no other features.
    function test_heldGapVectors() public {
        Window memory window;
        window.features = hex"0001";
        (window.roundId, window.ring, window.window) = (3, new int256[](12), new int256[](2));
        (window.variance, window.count) = (1_000 << 17, 1);
        string[10] memory names = [
            "kind",
            "sigma",
            "heartbeat",
            "tolerance",
            "observedAt",
            "lastObservedAt",
            "holdReason",
            "firstGap",
            "answer",
            "firstAnswer"
        ];
        int256[][] memory columns = new int256[][](names.length);
        for (uint256 i = 0; i < columns.length; ++i) {
            columns[i] = vm.parseJsonIntArray(vectors, string.concat(".heldGap.", names[i]));
        }
        uint256[] memory gaps = vm.parseJsonUintArray(vectors, ".heldGap.gap");
        assertGe(gaps.length, 80);
        for (uint256 i = 0; i < gaps.length; ++i) {
            (window.kind, window.sigma) = (uint256(columns[0][i]), uint256(columns[1][i]));
            (window.heartbeat, window.tolerance) = (uint256(columns[2][i]), uint256(columns[3][i]));
            (window.observedAt, window.lastObservedAt) = (uint256(columns[4][i]), uint256(columns[5][i]));
            (window.holdReason, window.firstGap) = (uint256(columns[6][i]), uint256(columns[7][i]));
            (window.answer, window.firstAnswer) = (columns[8][i], columns[9][i]);
            window.lastAnswer = window.answer;
            window.window[1] = int256(gaps[i]);
            vm.warp(window.observedAt);
            _check(window, string.concat("held ", vm.toString(i)));
        }
    }

    function _check(Window memory window, string memory name) internal {
        bytes32 id = _store(window, name);
        int128[] memory peers = new int128[](window.peerAnswers.length);
        for (uint256 k = 0; k < peers.length; ++k) {
            peers[k] = int128(window.peerAnswers[k]);
        }
        // forge-lint: disable-start(unsafe-typecast) -- the vectors have values of the features' own types
        (int128 answer, uint32 observedAt) = (int128(window.answer), uint32(window.observedAt));
        (uint16 spread, uint8 count) = (uint16(window.spread), uint8(window.count));
        // forge-lint: disable-end(unsafe-typecast)
        assertEq(lens.features(hub, id, answer, observedAt, spread, count, peers), window.window, name);
        bool isFirst = window.roundId == 0 && window.kind == 0;
        if (_has(window.features, 2) || (isFirst && answer <= 0)) return;
        _submitIt(window, id, peers);
    }

    /// @dev All reporters agree, so the spread is 0. The peers are references.
    function _submitIt(Window memory window, bytes32 id, int128[] memory peers) internal {
        bytes32[] memory ids = new bytes32[](1 + peers.length);
        ids[0] = id;
        for (uint256 k = 0; k < peers.length; ++k) {
            ids[1 + k] = lens.feedConfig(hub, id).peers[k];
        }
        _sort(ids);
        // forge-lint: disable-next-item(unsafe-typecast) -- the vectors' answers are int128
        Draft memory draft = _draft(id, int128(window.answer), -1);
        draft.modelNumber = models[keccak256(window.features)];
        draft.feedIds = ids;
        draft.roundIds = new uint32[](ids.length);
        int128[] memory row = new int128[](ids.length);
        for (uint256 i = 0; i < ids.length; ++i) {
            // forge-lint: disable-next-item(unsafe-typecast) -- likewise
            if (ids[i] == id) (draft.roundIds[i], row[i]) = (uint32(window.roundId) + 1, int128(window.answer));
            else row[i] = peers[ids[i] == lens.feedConfig(hub, id).peers[0] ? 0 : 1];
        }
        draft.answers = new int128[][](window.count);
        for (uint256 j = 0; j < window.count; ++j) {
            draft.answers[j] = row;
        }
        IZkOracle.Submission memory submission = _signed(draft);
        int256[][] memory windows = new int256[][](1);
        windows[0] = window.window;
        submission.proof = _proof(_statement(MODEL_HASH, windows, draft.scores, 1));
        hub.submit(submission);
        ++submitted;
    }

    /// @dev Adds the feed, its peers and, if it is new, its model. Then it writes the feed's words.
    function _store(Window memory window, string memory name) internal returns (bytes32 id) {
        IZkOracle.FeedConfig memory config = _config(name, IZkOracle.Kind(window.kind), wide);
        // forge-lint: disable-start(unsafe-typecast) -- the vectors have values of the features' own types
        (config.sigma, config.heartbeat) = (uint64(window.sigma), uint32(window.heartbeat));
        config.tolerance = uint32(window.tolerance);
        config.peers = new bytes32[](window.peerKinds.length);
        for (uint256 k = 0; k < config.peers.length; ++k) {
            string memory text = string.concat(name, ".", vm.toString(k));
            IZkOracle.FeedConfig memory peer = _config(text, IZkOracle.Kind(window.peerKinds[k]), wide);
            peer.sigma = uint64(window.peerSigmas[k]);
            vm.prank(ADMIN);
            config.peers[k] = hub.addFeed(peer, modelNumber);
        }
        uint16 number = _model(window.features);
        vm.prank(ADMIN);
        id = hub.addFeed(config, number);
        uint256 slot = HubReader.feedSlot(id);
        if (window.roundId != 0) {
            Track track;
            for (uint256 i = 12; i > 0; --i) {
                track = track.push(window.ring[i - 1], uint32(window.variance), uint32(window.roundId));
            }
            _write(slot + 1, Track.unwrap(track));
            uint32 at = uint32(window.lastObservedAt);
            PackedRound round = RoundSlot.pack(int128(window.lastAnswer), at, at, number, 0, 0, 0, 1);
            _write(HubReader.entry(slot + HubReader.ROUNDS, window.roundId), PackedRound.unwrap(round));
            int256[] memory kept = window.peerKept;
            for (uint256 k = 0; k < kept.length; ++k) {
                _write(slot + 4 + k, PeerSlot.pack(config.peers[k], int128(kept[k])));
            }
        }
        if (window.holdReason == 0) return id;
        IZkOracle.Held memory held;
        held.reason = IZkOracle.HoldReason(window.holdReason);
        held.firstAnswer = int128(window.firstAnswer);
        (held.firstGap, held.observedAt) = (uint16(window.firstGap), uint32(window.observedAt) - 1);
        (held.firstObservedAt, held.firstSeenAt) = (held.observedAt, held.observedAt);
        // forge-lint: disable-end(unsafe-typecast)
        (uint256 answers, uint256 rest) = HeldSlots.pack(held, 0);
        _write(slot, Config.unwrap(HubReader.config(hub, id).withHeld(true)));
        _write(slot + 2, answers);
        _write(slot + 3, rest);
    }

    function _model(bytes memory list) internal returns (uint16 number) {
        number = models[keccak256(list)];
        if (number != 0) return number;
        vm.startPrank(ADMIN);
        uint32 id = _addArchitecture(list, 1, true);
        number = _addModel(MODEL_HASH, id, keccak256(list), SCORE_UNIT);
        vm.stopPrank();
        models[keccak256(list)] = number;
    }

    function _write(uint256 slot, uint256 word) internal {
        vm.store(address(hub), bytes32(slot), bytes32(word));
    }

    function _has(bytes memory list, uint8 code) internal pure returns (bool) {
        for (uint256 i = 0; i < list.length; ++i) {
            if (uint8(list[i]) == code) return true;
        }
        return false;
    }
}
