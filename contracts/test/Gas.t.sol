// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IErc7412Updates} from "../src/interfaces/IErc7412Updates.sol";
import {IZkOracle} from "../src/interfaces/IZkOracle.sol";
import {OracleTest} from "./OracleTest.sol";
import {YesVerifier} from "./mocks/YesVerifier.sol";

/// @dev The gas of a submission in the hub, as a transaction: each call is isolated, with its slots cold. The verifiers
/// accept everything, so that only the call to them counts; proofs are as long as ezkl's. `snapshots/Submit.json` has
/// the figures, and `forge test` with FORGE_SNAPSHOT_CHECK=true compares them.
contract GasTest is OracleTest {
    uint256 internal constant PRIVATE_PROOF = 2_336;
    uint256 internal constant PUBLIC_PROOF = 1_856;
    uint256 internal constant REPORTERS = 11;
    /// The move, twelve past moves, the gap: the features of the default model.
    bytes internal constant WINDOW = hex"00101112131415161718191a1b01";
    /// The same with the first peer's move.
    bytes internal constant PEER_WINDOW = hex"00101112131415161718191a1b050701";
    /// An anomalous score. The others are below zero.
    int256 internal constant ANOMALOUS = 2_345_678;
    int256 internal constant CALM = -412_345;

    address internal verifier;

    /// @dev What is measured.
    struct Scenario {
        string visibility;
        uint16 number;
        uint256 reporters;
        bytes32[] ids;
        bytes proof;
    }

    function setUp() public virtual override {
        super.setUp();
        verifier = address(new YesVerifier());
        _addReporters(REPORTERS - keys.length);
    }

    function test_private_1() public {
        _measure(_scenario("private", 1));
    }

    function test_private_5() public {
        _measure(_scenario("private", 5));
    }

    function test_private_10() public {
        _measure(_scenario("private", 10));
    }

    function test_public_1() public {
        _measure(_scenario("public", 1));
    }

    function test_public_5() public {
        _measure(_scenario("public", 5));
    }

    function test_public_10() public {
        _measure(_scenario("public", 10));
    }

    /// @dev Each feed names a peer, and each peer is due in the same report.
    function test_peers() public {
        for (uint256 i = 0; i < 3; ++i) {
            Scenario memory scenario = _peerScenario([uint256(1), 5, 10][i], false);
            _rounds(scenario, 16, 0);
            _snapshotNext(scenario, 16, 0, string.concat("private-b16-q", vm.toString(scenario.reporters), "-peers"));
        }
    }

    /// @dev The same, where the peers are references.
    function test_references() public {
        for (uint256 i = 0; i < 3; ++i) {
            Scenario memory scenario = _peerScenario([uint256(1), 5, 10][i], true);
            _rounds(scenario, 16, 16);
            string memory reporters = vm.toString(scenario.reporters);
            _snapshotNext(scenario, 16, 16, string.concat("private-b16-q", reporters, "-references"));
            _snapshotNext(scenario, 1, 1, string.concat("private-b1-q", reporters, "-reference"));
        }
    }

    /// @dev A consumer that brings a report of one feed: to the hub itself, by the adapter for ERC-7412, and after
    /// somebody else has brought it.
    function test_pull() public {
        Scenario memory scenario = _scenario("private", 1);
        _rounds(scenario, 1, 0);
        IErc7412Updates updates =
            IErc7412Updates(deployCode("Erc7412Updates.sol:Erc7412Updates", abi.encode(address(hub))));
        IZkOracle.Submission memory submission = _submission(scenario, 1, 0, CALM, 0);
        bytes memory update = abi.encodeCall(IZkOracle.submitIfNewer, (submission));
        uint256 before = vm.snapshotState();
        hub.submitIfNewer(submission);
        vm.snapshotGasLastCall("Submit", "private-b1-q1-pull");
        assertTrue(vm.revertToState(before));
        updates.fulfillOracleQuery(update);
        vm.snapshotGasLastCall("Submit", "private-b1-q1-pull-by-erc7412");
        assertEq(lens.feedState(hub, scenario.ids[0]).observedAt, _now());
        updates.fulfillOracleQuery(update);
        vm.snapshotGasLastCall("Submit", "private-b1-q1-pull-by-erc7412-lost");
    }

    /// @dev One more signature of a batch of 16 costs little for each feed: its answer, and no recovery of its own.
    function test_oneMoreSignatureAndFeed() public {
        Scenario memory scenario = _scenario("marginal", 1);
        _rounds(scenario, 16, 0);
        uint256 few = _next(scenario, 16, 0, CALM);
        scenario.reporters = 11;
        uint256 marginal = (_next(scenario, 16, 0, CALM) - few) / (10 * 16);
        vm.snapshotValue("Submit", "private-b16-one-more-signature-and-feed", marginal);
        assertLe(marginal, 1_100);
    }

    /// @dev The gas of bare verification of the same proof, as a transaction, without the verifier's own work.
    function test_overheadOfOneAcceptedReport() public {
        Scenario memory scenario = _scenario("overhead", 1);
        for (uint256 i = 0; i < 5; ++i) {
            _rounds(scenario, 1, 0);
        }
        uint256[] memory instances = new uint256[](1 + WINDOW.length + 1);
        instances[0] = uint256(keccak256("model")) % R;
        int128 answer = _answer(scenario.ids[0], 0);
        int256[] memory window = lens.features(hub, scenario.ids[0], answer, _now() + HEARTBEAT, 0, 1, new int128[](0));
        for (uint256 i = 0; i < window.length; ++i) {
            instances[1 + i] = _field(window[i]);
        }
        instances[1 + WINDOW.length] = _field(CALM);
        // A typed call to a `view` function would be a STATICCALL, which is not isolated.
        (bool isOk,) = verifier.call(abi.encodeCall(verifier1.verifyProof, (scenario.proof, instances)));
        assertTrue(isOk);
        uint256 bare = vm.lastCallGas().gasTotalUsed;
        uint256 whole = _next(scenario, 1, 0, CALM);
        vm.snapshotValue("Submit", "private-b1-q1-beyond-verification", whole - bare);
        assertLe(whole - bare, 80_000);
    }

    /// @dev A chain allows 24,576 bytes. The rest is room for a mend.
    function test_hubsCode() public {
        vm.snapshotValue("Submit", "hub-bytes", address(hub).code.length);
        assertLe(address(hub).code.length, 22_500);
    }

    /// @dev For each batch size: accepted. With one reporter also: held for the first time, held again, confirmed.
    function _measure(Scenario memory scenario) internal {
        // The first rounds, whose words were still empty, are past.
        _rounds(scenario, 32, 0);
        uint256[4] memory sizes = [uint256(1), 4, 16, 32];
        uint256 calm = vm.snapshotState();
        for (uint256 i = 0; i < sizes.length; ++i) {
            uint256 size = sizes[i];
            string memory name =
                string.concat(scenario.visibility, "-b", vm.toString(size), "-q", vm.toString(scenario.reporters));
            _snapshotNext(scenario, size, 0, string.concat(name, "-accept"));
            if (scenario.reporters == 1 && (size == 1 || size == 16)) {
                string[3] memory outcomes = ["-hold", "-hold-again", "-confirm"];
                for (uint256 j = 0; j < outcomes.length; ++j) {
                    _send(scenario, size, 0, ANOMALOUS, PRICE / 2);
                    vm.snapshotGasLastCall("Submit", string.concat(name, outcomes[j]));
                }
                assertEq(lens.feedState(hub, scenario.ids[size - 1]).answer, PRICE / 2);
                assertEq(uint8(lens.feedState(hub, scenario.ids[size - 1]).status), uint8(IZkOracle.Status.OK));
            }
            assertTrue(vm.revertToState(calm));
        }
    }

    function _rounds(Scenario memory scenario, uint256 due, uint256 references) internal {
        for (uint256 i = 0; i < 3; ++i) {
            _next(scenario, due, references, CALM);
        }
    }

    function _snapshotNext(Scenario memory scenario, uint256 due, uint256 references, string memory name) internal {
        uint32 roundId = lens.feedState(hub, scenario.ids[0]).roundId;
        _next(scenario, due, references, CALM);
        vm.snapshotGasLastCall("Submit", name);
        assertEq(lens.feedState(hub, scenario.ids[0]).roundId, roundId + 1);
        assertEq(lens.feedState(hub, scenario.ids[due - 1]).roundId, roundId + 1);
    }

    function _next(Scenario memory scenario, uint256 due, uint256 references, int256 score)
        internal
        returns (uint256 gas)
    {
        _send(scenario, due, references, score, 0);
        return vm.lastCallGas().gasTotalUsed;
    }

    function _send(Scenario memory scenario, uint256 due, uint256 references, int256 score, int128 level) internal {
        IZkOracle.Submission memory submission = _submission(scenario, due, references, score, level);
        vm.prank(RELAYER);
        hub.submit(submission);
    }

    /// @dev A report an hour later. The first `due` feeds are due, and the peers of as many of them are references.
    /// @param level The answer to report; 0: a small move from each feed's last one.
    function _submission(Scenario memory scenario, uint256 due, uint256 references, int256 score, int128 level)
        internal
        returns (IZkOracle.Submission memory submission)
    {
        skip(HEARTBEAT);
        uint256 count = due + references;
        (bytes32[] memory ids, int128[] memory answers) = (new bytes32[](count), new int128[](count));
        for (uint256 i = 0; i < count; ++i) {
            ids[i] = scenario.ids[i < due ? i : 16 + i - due];
        }
        if (references != 0) _sort(ids);
        for (uint256 i = 0; i < count; ++i) {
            answers[i] = level == 0 ? _answer(ids[i], i) : level;
        }
        Draft memory draft;
        draft.modelNumber = scenario.number;
        draft.committee = lens.feedConfig(hub, ids[0]).committee;
        draft.epoch = 1;
        draft.observedAt = _now();
        draft.feedIds = ids;
        draft.roundIds = new uint32[](count);
        draft.scores = new int256[][](due);
        uint256 position = 0;
        for (uint256 i = 0; i < count; ++i) {
            if (!_isAmong(scenario.ids, due, ids[i])) continue;
            draft.roundIds[i] = lens.feedState(hub, ids[i]).roundId + 1;
            // forge-lint: disable-next-line(unsafe-typecast) -- it fits
            draft.scores[position] = _scores(score - int256(position) * 7_919);
            ++position;
        }
        // The reporters read slightly different prices.
        draft.answers = new int128[][](scenario.reporters);
        for (uint256 j = 0; j < scenario.reporters; ++j) {
            draft.answers[j] = new int128[](count);
            for (uint256 i = 0; i < count; ++i) {
                // forge-lint: disable-next-item(unsafe-typecast) -- small
                draft.answers[j][i] = answers[i] + int128(int256((j * 7 + i) % scenario.reporters)) * 1_009;
            }
        }
        submission = _signed(draft);
        submission.proof = scenario.proof;
    }

    function _answer(bytes32 id, uint256 index) internal view returns (int128) {
        int128 last = lens.feedState(hub, id).answer;
        // forge-lint: disable-next-item(unsafe-typecast) -- small
        return last == 0 ? PRICE : last * (1_000 + int128(int256(index % 5)) - 2) / 1_000 + 1;
    }

    function _isAmong(bytes32[] memory ids, uint256 count, bytes32 wanted) internal pure returns (bool isThere) {
        for (uint256 i = 0; i < count; ++i) {
            if (ids[i] == wanted) return true;
        }
    }

    function _scenario(string memory visibility, uint256 reporters) internal returns (Scenario memory scenario) {
        bool isPublic = keccak256(bytes(visibility)) == keccak256("public");
        uint256 modelHash = isPublic ? 0 : MODEL_HASH;
        scenario.visibility = visibility;
        scenario.number = _model(modelHash, WINDOW);
        scenario.reporters = reporters;
        scenario.proof = _noise(isPublic ? PUBLIC_PROOF : PRIVATE_PROOF);
        scenario.ids = new bytes32[](32);
        uint32 committee = _committee(reporters);
        for (uint256 i = 0; i < scenario.ids.length; ++i) {
            IZkOracle.FeedConfig memory config =
                _config(string.concat(visibility, vm.toString(i)), IZkOracle.Kind.RELATIVE, committee);
            scenario.ids[i] = _addLinked(config, scenario.number);
        }
        _sort(scenario.ids);
    }

    /// @dev Two groups of 16 feeds, each of which has a peer: in the other group if `isReferring`, else in its own.
    function _peerScenario(uint256 reporters, bool isReferring) internal returns (Scenario memory scenario) {
        scenario.visibility = "private";
        scenario.number = _model(MODEL_HASH, PEER_WINDOW);
        scenario.reporters = reporters;
        scenario.proof = _noise(PRIVATE_PROOF);
        scenario.ids = new bytes32[](32);
        uint32 committee = _committee(reporters);
        for (uint256 i = 0; i < 32; ++i) {
            scenario.ids[i] = keccak256(bytes(_name(reporters, i)));
        }
        for (uint256 i = 0; i < 32; ++i) {
            IZkOracle.FeedConfig memory config = _config(_name(reporters, i), IZkOracle.Kind.RELATIVE, committee);
            config.peers = new bytes32[](1);
            config.peers[0] = scenario.ids[isReferring ? (i + 16) % 32 : i ^ 1];
            _addLinked(config, scenario.number);
        }
        if (!isReferring) {
            // Due feeds ascend.
            bytes32[] memory first = new bytes32[](16);
            for (uint256 i = 0; i < 16; ++i) {
                first[i] = scenario.ids[i];
            }
            _sort(first);
            for (uint256 i = 0; i < 16; ++i) {
                scenario.ids[i] = first[i];
            }
        }
    }

    function _name(uint256 reporters, uint256 index) internal pure returns (string memory) {
        return string.concat("peer", vm.toString(reporters), "-", vm.toString(index));
    }

    function _model(uint256 modelHash, bytes memory window) internal returns (uint16 number) {
        (uint16[] memory sizes, address[] memory verifiers) = (new uint16[](4), new address[](4));
        (sizes[0], sizes[1], sizes[2], sizes[3]) = (1, 4, 16, 32);
        for (uint256 i = 0; i < 4; ++i) {
            verifiers[i] = verifier;
        }
        vm.prank(ADMIN);
        uint32 id = hub.addArchitecture(window, 1, modelHash != 0, sizes, verifiers);
        return _addModel(modelHash, id, keccak256("artifact"), SCORE_UNIT);
    }

    /// @dev A quorum is odd.
    function _committee(uint256 reporters) internal returns (uint32) {
        vm.prank(ADMIN);
        // forge-lint: disable-next-item(unsafe-typecast) -- small
        return hub.addCommittee(signers, uint8(reporters % 2 == 0 ? reporters - 1 : reporters));
    }

    /// @dev The feed has its adapter, as deployed feeds do.
    function _addLinked(IZkOracle.FeedConfig memory config, uint16 number) internal returns (bytes32 id) {
        vm.prank(ADMIN);
        id = hub.addFeed(config, number);
        _linked(id);
    }

    function _noise(uint256 length) internal pure returns (bytes memory proof) {
        proof = new bytes(length);
        for (uint256 i = 0; i < length; ++i) {
            proof[i] = bytes1(uint8(uint256(keccak256(abi.encode(i))) | 1));
        }
    }
}
