// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";
import {VmSafe} from "forge-std/Vm.sol";

import {IZkAggregator} from "../src/interfaces/IZkAggregator.sol";
import {IZkAggregatorFactory} from "../src/interfaces/IZkAggregatorFactory.sol";
import {IZkOracle} from "../src/interfaces/IZkOracle.sol";
import {IZkOracleLens} from "../src/interfaces/IZkOracleLens.sol";
import {IHub} from "./IHub.sol";
import {StubVerifier} from "./mocks/StubVerifier.sol";

/// @dev A hub with one model, one committee of three reporters and one feed, and the off-chain work of reporters and a
/// prover. The statement is built here from the interface's description, not with the hub's code.
abstract contract OracleTest is Test {
    uint256 internal constant R = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001;
    uint256 internal constant MODEL_HASH = 0x1234567890abcdef;
    uint128 internal constant SCORE_UNIT = 1_000_000;
    /// The move, four past moves, the gap.
    bytes internal constant FEATURES = hex"001011121301";
    uint8 internal constant LENGTH = 6;
    /// Everything that a hub derives, for feeds with two peers.
    bytes internal constant ALL_FEATURES = hex"00101112131415161718191a1b0203040507060801";
    int128 internal constant NO_ANSWER = type(int128).min;
    uint32 internal constant HEARTBEAT = 3_600;
    uint32 internal constant MAX_AGE = 600;
    uint32 internal constant MAX_SKEW = 30;
    uint32 internal constant CONFIRM_DELAY = 900;
    uint32 internal constant TOLERANCE = 2_000;
    uint32 internal constant DELAY = 2 days;
    uint32 internal constant CHANGE_WINDOW = 30 days;
    int128 internal constant PRICE = 100e8;

    address internal immutable ADMIN = makeAddr("admin");
    address internal immutable GUARDIAN = makeAddr("guardian");
    address internal immutable RELAYER = makeAddr("relayer");

    /// @dev A report before it is signed. `answers` has a row for each reporter that signs, in the order of `keys`, and
    /// `scores` a row for each feed that is due.
    struct Draft {
        uint16 modelNumber;
        uint32 committee;
        uint32 epoch;
        uint32 observedAt;
        bytes32[] feedIds;
        uint32[] roundIds;
        int128[][] answers;
        int256[][] scores;
    }

    IZkAggregatorFactory internal factory;
    IZkOracleLens internal lens;
    IHub internal hub;
    StubVerifier internal verifier1;
    StubVerifier internal verifier4;
    uint32 internal architectureId;
    uint16 internal modelNumber;
    /// A committee whose quorum is one, and one of the same reporters whose quorum is three.
    uint32 internal solo;
    uint32 internal trio;
    bytes32 internal feedId;
    uint256[] internal keys;
    address[] internal signers;

    function setUp() public virtual {
        vm.warp(1_700_000_000);
        hub = _newHub();
        verifier1 = new StubVerifier();
        verifier4 = new StubVerifier();
        _addReporters(3);
        vm.startPrank(ADMIN);
        architectureId = _addArchitecture(1, true);
        modelNumber = _addModel(MODEL_HASH, architectureId, keccak256("artifact"), SCORE_UNIT);
        solo = hub.addCommittee(signers, 1);
        trio = hub.addCommittee(signers, 3);
        feedId = _addFeed("ETH / USD", IZkOracle.Kind.RELATIVE, solo);
        vm.stopPrank();
    }

    function _newHub() internal returns (IHub) {
        if (address(factory) == address(0)) {
            factory = IZkAggregatorFactory(deployCode("ZkAggregatorFactory.sol:ZkAggregatorFactory"));
            lens = IZkOracleLens(deployCode("ZkOracleLens.sol:ZkOracleLens"));
        }
        return IHub(deployCode("ZkOracle.sol:ZkOracle", abi.encode(ADMIN, GUARDIAN, DELAY, factory, lens)));
    }

    function _addReporters(uint256 count) internal {
        for (uint256 i = 0; i < count; ++i) {
            (address signer, uint256 key) =
                makeAddrAndKey(string(abi.encodePacked("reporter", vm.toString(keys.length))));
            keys.push(key);
            signers.push(signer);
        }
    }

    function _newAdapter(bytes32 id, IZkAggregator.Mode mode) internal returns (IZkAggregator adapter) {
        uint32 bound = mode == IZkAggregator.Mode.LAST_GOOD ? 4 hours : 0;
        return IZkAggregator(factory.deploy(hub, id, IZkAggregator.Terms(mode, bound, address(0), 0)));
    }

    function _linked(bytes32 id) internal returns (IZkAggregator adapter) {
        adapter = _newAdapter(id, IZkAggregator.Mode.PLAIN);
        vm.prank(ADMIN);
        hub.linkAggregator(id);
    }

    /// @dev The admin adds the model, with a correct probe.
    function _addModel(uint256 modelHash, uint32 id, bytes32 artifactHash, uint128 unit) internal returns (uint16) {
        IZkOracle.Probe memory probe = _probe(modelHash, id);
        (VmSafe.CallerMode mode,,) = vm.readCallers();
        if (mode == VmSafe.CallerMode.None) vm.prank(ADMIN);
        return hub.addModel(modelHash, id, artifactHash, unit, probe);
    }

    /// @dev A calm window, and a proof of it for each of the architecture's circuits.
    function _probe(uint256 modelHash, uint32 id) internal view returns (IZkOracle.Probe memory probe) {
        IZkOracle.Architecture memory found = lens.architecture(hub, id);
        probe.window = new int256[](found.features.length);
        probe.window[0] = -7;
        probe.window[found.features.length - 1] = 1_000;
        probe.scores = new int256[](found.outputs);
        probe.scores[0] = -1;
        _prove(probe, modelHash, id);
    }

    /// @dev A proof of the probe for each of the architecture's circuits.
    function _prove(IZkOracle.Probe memory probe, uint256 modelHash, uint32 id) internal view {
        uint16[] memory sizes = lens.architecture(hub, id).batchSizes;
        probe.proofs = new bytes[](sizes.length);
        for (uint256 i = 0; i < sizes.length; ++i) {
            (int256[][] memory windows, int256[][] memory scores) = (new int256[][](1), new int256[][](1));
            (windows[0], scores[0]) = (probe.window, probe.scores);
            probe.proofs[i] = _proof(_statement(modelHash, windows, scores, sizes[i]));
        }
    }

    function _addArchitecture(uint8 outputs, bool bindsModel) internal returns (uint32) {
        return _addArchitecture(FEATURES, outputs, bindsModel);
    }

    function _addArchitecture(bytes memory features, uint8 outputs, bool bindsModel) internal returns (uint32) {
        (uint16[] memory sizes, address[] memory verifiers) = (new uint16[](2), new address[](2));
        (sizes[0], sizes[1]) = (1, 4);
        (verifiers[0], verifiers[1]) = (address(verifier1), address(verifier4));
        return hub.addArchitecture(features, outputs, bindsModel, sizes, verifiers);
    }

    function _config(string memory description, IZkOracle.Kind kind, uint32 committee)
        internal
        pure
        returns (IZkOracle.FeedConfig memory)
    {
        return IZkOracle.FeedConfig({
            description: description,
            kind: kind,
            decimals: 8,
            confirmations: 2,
            maxRepeats: 0,
            heartbeat: HEARTBEAT,
            maxAge: MAX_AGE,
            maxSkew: MAX_SKEW,
            confirmDelay: CONFIRM_DELAY,
            tolerance: TOLERANCE,
            maxSpread: 0,
            sigma: kind == IZkOracle.Kind.RELATIVE ? 10_000 : 100,
            committee: committee,
            peers: new bytes32[](0)
        });
    }

    function _addFeed(string memory description, IZkOracle.Kind kind, uint32 committee) internal returns (bytes32) {
        return hub.addFeed(_config(description, kind, committee), modelNumber);
    }

    // The reporters' work

    function _now() internal view returns (uint32) {
        return uint32(vm.getBlockTimestamp());
    }

    /// @dev A report of one feed for its next round, observed now, by the first `answers.length` reporters. One score.
    function _draft(bytes32 id, int128[] memory answers, int256 score) internal view returns (Draft memory draft) {
        draft.modelNumber = modelNumber;
        draft.committee = lens.feedConfig(hub, id).committee;
        draft.epoch = lens.committee(hub, draft.committee).epoch;
        draft.observedAt = _now();
        draft.feedIds = new bytes32[](1);
        draft.roundIds = new uint32[](1);
        (draft.feedIds[0], draft.roundIds[0]) = (id, lens.feedState(hub, id).roundId + 1);
        draft.answers = new int128[][](answers.length);
        for (uint256 j = 0; j < answers.length; ++j) {
            draft.answers[j] = new int128[](1);
            draft.answers[j][0] = answers[j];
        }
        draft.scores = new int256[][](1);
        draft.scores[0] = _scores(score);
    }

    function _draft(bytes32 id, int128 answer, int256 score) internal view returns (Draft memory) {
        int128[] memory answers = new int128[](1);
        answers[0] = answer;
        return _draft(id, answers, score);
    }

    /// @dev The same for several feeds, each of which is due, by `rows` reporters who agree. Feeds are sorted.
    function _draftOf(bytes32[] memory ids, int128[] memory answers, int256[] memory scores, uint256 rows)
        internal
        view
        returns (Draft memory draft)
    {
        draft = _draft(ids[0], answers[0], scores[0]);
        draft.feedIds = ids;
        draft.roundIds = new uint32[](ids.length);
        draft.answers = new int128[][](rows);
        for (uint256 j = 0; j < rows; ++j) {
            draft.answers[j] = answers;
        }
        draft.scores = new int256[][](ids.length);
        for (uint256 i = 0; i < ids.length; ++i) {
            draft.roundIds[i] = lens.feedState(hub, ids[i]).roundId + 1;
            draft.scores[i] = _scores(scores[i]);
        }
    }

    /// @dev Makes the feeds that are not in `due` references.
    function _refer(Draft memory draft, uint256 index) internal pure {
        draft.roundIds[index] = 0;
        uint256 before = 0;
        for (uint256 i = 0; i < index; ++i) {
            if (draft.roundIds[i] != 0) ++before;
        }
        int256[][] memory scores = new int256[][](draft.scores.length - 1);
        for (uint256 i = 0; i < scores.length; ++i) {
            scores[i] = draft.scores[i < before ? i : i + 1];
        }
        draft.scores = scores;
    }

    function _scores(int256 score) internal pure returns (int256[] memory scores) {
        scores = new int256[](1);
        scores[0] = score;
    }

    /// @dev Signs a report with the keys of the first reporters. The proof is still missing.
    function _signed(Draft memory draft) internal view returns (IZkOracle.Submission memory submission) {
        submission.modelNumber = draft.modelNumber;
        submission.committee = draft.committee;
        submission.epoch = draft.epoch;
        submission.observedAt = draft.observedAt;
        submission.feedIds = draft.feedIds;
        submission.roundIds = draft.roundIds;
        submission.signatures = new IZkOracle.Signature[](draft.answers.length);
        for (uint256 j = 0; j < draft.answers.length; ++j) {
            submission.signatures[j] = _sign(keys[j], draft, draft.answers[j]);
            for (uint256 i = 0; i < draft.feedIds.length; ++i) {
                submission.answers = bytes.concat(submission.answers, bytes16(uint128(draft.answers[j][i])));
            }
        }
        for (uint256 i = 0; i < draft.feedIds.length; ++i) {
            submission.medians = bytes.concat(submission.medians, bytes1(uint8(_medianRow(draft, i))));
        }
        for (uint256 i = 0; i < draft.scores.length; ++i) {
            for (uint256 k = 0; k < draft.scores[i].length; ++k) {
                submission.scores = bytes.concat(submission.scores, bytes16(uint128(int128(draft.scores[i][k]))));
            }
        }
    }

    function _sign(uint256 key, Draft memory draft, int128[] memory answers)
        internal
        view
        returns (IZkOracle.Signature memory signature)
    {
        signature.readings = keccak256(abi.encode("readings", key));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, _digest(address(hub), draft, answers, signature.readings));
        (signature.r, signature.vs) = (r, s | bytes32(uint256(v - 27) << 255));
    }

    function _digest(address verifyingContract, Draft memory draft, int128[] memory answers, bytes32 readings)
        internal
        view
        returns (bytes32)
    {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("ZkOracle"),
                keccak256("2"),
                block.chainid,
                verifyingContract
            )
        );
        bytes32 typeHash = keccak256(
            "Report(uint32 committee,uint32 epoch,uint32 observedAt,bytes32[] feedIds,uint32[] roundIds,int128[] answers,bytes32[] readings)"
        );
        bytes32 content = keccak256(
            abi.encode(
                typeHash,
                draft.committee,
                draft.epoch,
                draft.observedAt,
                keccak256(abi.encodePacked(draft.feedIds)),
                keccak256(abi.encodePacked(draft.roundIds)),
                keccak256(abi.encodePacked(answers)),
                readings
            )
        );
        return keccak256(abi.encodePacked(hex"1901", domain, content));
    }

    /// @dev The answers of one feed that are there, ascending.
    function _present(Draft memory draft, uint256 index) internal pure returns (int128[] memory sorted) {
        uint256 count = 0;
        sorted = new int128[](draft.answers.length);
        for (uint256 j = 0; j < draft.answers.length; ++j) {
            int128 answer = draft.answers[j][index];
            if (answer == NO_ANSWER) continue;
            uint256 at = count++;
            for (; at > 0 && sorted[at - 1] > answer; --at) {
                sorted[at] = sorted[at - 1];
            }
            sorted[at] = answer;
        }
        assembly ("memory-safe") {
            mstore(sorted, count)
        }
    }

    function _median(Draft memory draft, uint256 index) internal pure returns (int128) {
        int128[] memory sorted = _present(draft, index);
        return sorted.length == 0 ? NO_ANSWER : sorted[sorted.length / 2];
    }

    function _medianRow(Draft memory draft, uint256 index) internal pure returns (uint256 row) {
        int128 median = _median(draft, index);
        while (row < draft.answers.length && draft.answers[row][index] != median) ++row;
    }

    /// @dev Feeds of a report ascend.
    function _sort(bytes32[] memory ids) internal pure {
        for (uint256 i = 1; i < ids.length; ++i) {
            for (uint256 j = i; j > 0 && ids[j - 1] > ids[j]; --j) {
                (ids[j - 1], ids[j]) = (ids[j], ids[j - 1]);
            }
        }
    }

    // The prover's work

    function _field(int256 value) internal pure returns (uint256) {
        // forge-lint: disable-next-item(unsafe-typecast) -- neither is negative
        return value < 0 ? R - uint256(-value) : uint256(value);
    }

    /// @dev `[hash] ++ windows ++ scores`, of a batch that is filled with the last window.
    function _statement(uint256 modelHash, int256[][] memory windows, int256[][] memory scores, uint256 batch)
        internal
        pure
        returns (uint256[] memory instances)
    {
        uint256 head = modelHash == 0 ? 0 : 1;
        (uint256 length, uint256 outputs) = (windows[0].length, scores[0].length);
        instances = new uint256[](head + batch * (length + outputs));
        if (head == 1) instances[0] = modelHash;
        for (uint256 i = 0; i < batch; ++i) {
            uint256 k = i < windows.length ? i : windows.length - 1;
            for (uint256 j = 0; j < length; ++j) {
                instances[head + i * length + j] = _field(windows[k][j]);
            }
            for (uint256 j = 0; j < outputs; ++j) {
                instances[head + batch * length + i * outputs + j] = _field(scores[k][j]);
            }
        }
    }

    /// @dev The statement about a report, from the feeds' public history.
    function _instances(Draft memory draft, uint256 batch) internal view returns (uint256[] memory) {
        IZkOracle.Model memory model = lens.model(hub, draft.modelNumber);
        bytes memory features = lens.architecture(hub, model.architectureId).features;
        int256[][] memory windows = new int256[][](draft.scores.length);
        uint256 due = 0;
        for (uint256 i = 0; i < draft.feedIds.length; ++i) {
            if (draft.roundIds[i] != 0) windows[due++] = _window(draft, i, features);
        }
        return _statement(model.modelHash, windows, draft.scores, batch);
    }

    function _window(Draft memory draft, uint256 index, bytes memory features)
        internal
        view
        returns (int256[] memory window)
    {
        bytes32 id = draft.feedIds[index];
        IZkOracleLens.FeedState memory state = lens.feedState(hub, id);
        IZkOracle.FeedConfig memory config = lens.feedConfig(hub, id);
        int128[] memory sorted = _present(draft, index);
        window = new int256[](features.length);
        for (uint256 j = 0; j < features.length; ++j) {
            window[j] = _feature(draft, state, config, sorted, uint8(features[j]));
        }
    }

    function _feature(
        Draft memory draft,
        IZkOracleLens.FeedState memory state,
        IZkOracle.FeedConfig memory config,
        int128[] memory sorted,
        uint8 code
    ) internal view returns (int256) {
        int128 answer = sorted[sorted.length / 2];
        if (code >= 16) return state.returns_[code - 16];
        if (code == 0) return state.roundId == 0 ? int256(0) : _move(config, answer, state.answer);
        if (code == 1) return _gap(state, config, answer, draft.observedAt);
        if (code == 2) return _spread(config, sorted);
        if (code == 3) return int256(sorted.length);
        if (code == 4) return int256(uint256(state.variance) / 2 ** 17);
        return _peerFeature(draft, state, code);
    }

    function _gap(
        IZkOracleLens.FeedState memory state,
        IZkOracle.FeedConfig memory config,
        int128 answer,
        uint32 observedAt
    ) internal pure returns (int256) {
        if (state.roundId == 0) return 1_000;
        if (state.held.reason == IZkOracle.HoldReason.ANOMALOUS) {
            int256 distance = _move(config, answer, state.held.firstAnswer);
            bool isPositive = config.kind == IZkOracle.Kind.ABSOLUTE || answer > 0;
            if (
                isPositive && distance <= int256(uint256(config.tolerance))
                    && -distance <= int256(uint256(config.tolerance))
            ) {
                return int256(uint256(state.held.firstGap));
            }
        }
        uint256 gap = uint256(observedAt - state.observedAt) * 1_000 / config.heartbeat;
        return int256(gap < 1_000 ? 1_000 : gap > 32_767 ? 32_767 : gap);
    }

    function _spread(IZkOracle.FeedConfig memory config, int128[] memory sorted) internal pure returns (int256) {
        (int128 lowest, int128 highest) = (sorted[0], sorted[sorted.length - 1]);
        if (lowest == highest) return 0;
        if (config.kind == IZkOracle.Kind.RELATIVE && lowest <= 0) return 32_767;
        return _move(config, highest, lowest);
    }

    function _peerFeature(Draft memory draft, IZkOracleLens.FeedState memory state, uint8 code)
        internal
        view
        returns (int256)
    {
        uint256 k = code < 7 ? code - 5 : code - 7;
        if (k >= state.peers.length || state.roundId == 0) return 0;
        uint256 index = 0;
        while (draft.feedIds[index] != state.peers[k]) ++index;
        IZkOracle.FeedConfig memory config = lens.feedConfig(hub, state.peers[k]);
        (int128 answer, int128 base) = (_median(draft, index), state.peerAnswers[k]);
        if (config.kind == IZkOracle.Kind.RELATIVE && (answer <= 0 || base <= 0)) return 0;
        int256 moved = _move(config, answer, base);
        if (code < 7) return moved;
        return moved == 32_767 || moved == -32_767 ? int256(0) : int256(1);
    }

    function _move(IZkOracle.FeedConfig memory config, int256 p, int256 q) internal pure returns (int256 moved) {
        if (config.kind == IZkOracle.Kind.ABSOLUTE) moved = (p - q) * 1_000 / int256(uint256(config.sigma));
        else if (p <= 0) moved = -32_767;
        else moved = (p - q) * 1e9 / ((p < q ? p : q) * int256(uint256(config.sigma)));
        if (moved > 32_767) return 32_767;
        if (moved < -32_767) return -32_767;
    }

    function _proof(uint256[] memory instances) internal pure returns (bytes memory) {
        return abi.encode(keccak256(abi.encode(instances)));
    }

    /// @dev Signs and proves a report, in the smallest circuit that it fits.
    function _proven(Draft memory draft) internal view returns (IZkOracle.Submission memory submission) {
        submission = _signed(draft);
        submission.proof = _proof(_instances(draft, draft.scores.length <= 1 ? 1 : 4));
    }

    function _submit(Draft memory draft) internal {
        IZkOracle.Submission memory submission = _proven(draft);
        vm.prank(RELAYER);
        hub.submit(submission);
    }

    /// @dev The first reporter reports, observed now, with a proof. A feed whose quorum is three has three who agree.
    function _report(bytes32 id, int128 answer, int256 score) internal virtual {
        _submit(_quorumDraft(id, answer, score));
    }

    /// @dev A report by as many reporters as the feed's quorum, who agree.
    function _quorumDraft(bytes32 id, int128 answer, int256 score) internal view returns (Draft memory) {
        int128[] memory answers = new int128[](lens.committee(hub, lens.feedConfig(hub, id).committee).quorum);
        for (uint256 j = 0; j < answers.length; ++j) {
            answers[j] = answer;
        }
        return _draft(id, answers, score);
    }
}
