// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IZkAggregator} from "../src/interfaces/IZkAggregator.sol";
import {IZkOracle} from "../src/interfaces/IZkOracle.sol";
import {IZkOracleLens} from "../src/interfaces/IZkOracleLens.sol";
import {IHub} from "./IHub.sol";
import {OracleTest} from "./OracleTest.sol";
import {Batcher} from "./mocks/Batcher.sol";
import {YesVerifier} from "./mocks/YesVerifier.sol";

/// @dev What the administrator adds and changes, and when it takes effect. `Roles.t.sol` has who may do what.
contract AdministrationTest is OracleTest {
    // Additions

    function test_architecture() public {
        IZkOracle.Architecture memory found = lens.architecture(hub, architectureId);
        assertEq(lens.architectureCount(hub), 1);
        assertEq(architectureId, 1);
        assertEq(found.features, FEATURES);
        assertEq(found.outputs, 1);
        assertTrue(found.bindsModel);
        assertEq(found.batchSizes.length, 2);
        assertEq(found.batchSizes[1], 4);
        assertEq(found.verifiers[1], address(verifier4));
        assertEq(found.codeHashes[0], address(verifier1).codehash);
        (uint16[] memory sizes, address[] memory verifiers) = (new uint16[](1), new address[](1));
        (sizes[0], verifiers[0]) = (64, address(verifier4));
        found = IZkOracle.Architecture(hex"02001b", 255, false, sizes, verifiers, new bytes32[](1));
        found.codeHashes[0] = address(verifier4).codehash;
        vm.expectEmit(address(hub));
        emit IZkOracle.ArchitectureAdded(2, found);
        vm.prank(ADMIN);
        assertEq(hub.addArchitecture(found.features, 255, false, sizes, verifiers), 2);
        assertEq(abi.encode(lens.architecture(hub, 2)), abi.encode(found));
    }

    function test_model() public {
        IZkOracle.Model memory found = lens.model(hub, modelNumber);
        assertEq(lens.modelCount(hub), 1);
        assertEq(modelNumber, 1);
        assertEq(found.modelHash, MODEL_HASH);
        assertEq(found.architectureId, architectureId);
        assertEq(found.artifactHash, keccak256("artifact"));
        assertEq(found.scoreUnit, SCORE_UNIT);
        IZkOracle.Probe memory probe = _probe(5, architectureId);
        found.modelHash = 5;
        vm.expectEmit(address(hub));
        emit IZkOracle.ModelAdded(2, found);
        vm.prank(ADMIN);
        assertEq(hub.addModel(5, architectureId, keccak256("artifact"), SCORE_UNIT, probe), 2);
        assertEq(lens.modelCount(hub), 2);
    }

    function test_feed() public {
        assertEq(feedId, keccak256("ETH / USD"));
        IZkOracle.FeedConfig memory config = _config("ETH / USD", IZkOracle.Kind.RELATIVE, solo);
        assertEq(abi.encode(lens.feedConfig(hub, feedId)), abi.encode(config));
        assertEq(lens.feedIds(hub).length, 1);
        assertEq(lens.feedIds(hub)[0], feedId);
        assertEq(hub.aggregator(feedId), address(0));
        assertEq(uint8(lens.feedState(hub, feedId).status), uint8(IZkOracle.Status.EMPTY));
        assertEq(hub.changeDelay(), DELAY);
        config.description = "other";
        vm.expectEmit(address(hub));
        emit IZkOracle.FeedAdded(keccak256("other"), config, modelNumber);
        vm.prank(ADMIN);
        assertEq(hub.addFeed(config, modelNumber), keccak256("other"));
    }

    function test_committee() public {
        address[] memory two = new address[](2);
        (two[0], two[1]) = (signers[2], signers[0]);
        vm.expectEmit(address(hub));
        emit IZkOracle.CommitteeAdded(3, two, 1);
        vm.prank(ADMIN);
        assertEq(hub.addCommittee(two, 1), 3);
        assertEq(lens.committeeCount(hub), 3);
        IZkOracleLens.Committee memory found = lens.committee(hub, 3);
        assertEq(found.reporters, two);
        assertEq(found.quorum, 1);
        assertEq(found.epoch, 1);
        assertEq(found.proposedFrom, 0);
        assertEq(found.proposedReporters.length, 0);
        // The largest committee.
        two = new address[](31);
        for (uint160 i = 0; i < 31; ++i) {
            two[i] = address(0x1000 + i);
        }
        vm.prank(ADMIN);
        assertEq(hub.addCommittee(two, 31), 4);
        assertEq(lens.committee(hub, 4).quorum, 31);
    }

    function test_unknownThings() public {
        bytes32 id = keccak256("nothing");
        bytes memory expected = abi.encodeWithSelector(IZkOracle.UnknownFeed.selector, id);
        vm.expectRevert(expected);
        hub.latestRound(id);
        vm.expectRevert(expected);
        hub.isStale(id);
        vm.expectRevert(expected);
        hub.latestWithStatus(id);
        vm.expectRevert(expected);
        hub.getPriceNoOlderThan(id, 1);
        vm.expectRevert(expected);
        hub.aggregator(id);
        assertEq(hub.getRound(id, 1).publishedAt, 0);
        bytes[7] memory calls = [
            abi.encodeCall(hub.proposeModel, (id, 1, 0, 0)),
            abi.encodeCall(hub.activateModel, (id)),
            abi.encodeCall(hub.cancelModel, (id)),
            abi.encodeCall(hub.rollbackModel, (id)),
            abi.encodeCall(hub.pause, (id)),
            abi.encodeCall(hub.proposeUnpause, (id)),
            abi.encodeCall(hub.unpause, (id))
        ];
        for (uint256 i = 0; i < calls.length; ++i) {
            _expectFailure(calls[i], expected);
        }
        expected = abi.encodeWithSelector(IZkOracle.UnknownCommittee.selector, 3);
        _expectFailure(abi.encodeCall(hub.proposeReporters, (3, signers, 1)), expected);
        _expectFailure(abi.encodeCall(hub.activateReporters, (3)), expected);
        _expectFailure(abi.encodeCall(hub.cancelReporters, (3)), expected);
        _expectFailure(abi.encodeCall(hub.addFeed, (_config("x", IZkOracle.Kind.RELATIVE, 3), modelNumber)), expected);
    }

    // Architectures and models

    function test_invalidFeatureLists() public {
        bytes[10] memory lists = [
            bytes(""),
            hex"09", // a code that is not assigned, below, between and above
            hex"0009",
            hex"000f",
            hex"001c",
            hex"00ff",
            hex"001000", // one twice
            hex"00101010",
            hex"0110", // no move
            hex"00101112131415161718191a1b0102030405060708001011121314151617181900" // 33 of them
        ];
        assertEq(lists[9].length, 33);
        for (uint256 i = 0; i < lists.length; ++i) {
            _expectInvalidArchitecture(lists[i], 1, _sizes(1), _verifiers(1), "features");
        }
        assertEq(lens.architectureCount(hub), 1);
        // Everything that there is, in any order.
        vm.startPrank(ADMIN);
        uint32 id = hub.addArchitecture(ALL_FEATURES, 1, true, _sizes(1), _verifiers(1));
        assertEq(lens.architecture(hub, id).features, ALL_FEATURES);
        id = hub.addArchitecture(hex"00", 1, true, _sizes(1), _verifiers(1));
        assertEq(lens.architecture(hub, id).features, hex"00");
    }

    /// @dev Each set of different codes with the move is a list, and no other.
    function testFuzz_featureLists(bytes memory list) public {
        vm.assume(list.length < 40);
        bool isGood = list.length != 0 && list.length <= 32;
        bool hasMove = false;
        for (uint256 i = 0; i < list.length; ++i) {
            // Few codes, so that many lists are good.
            uint8 code = uint8(list[i]) % 32;
            list[i] = bytes1(code);
            if (code == 0) hasMove = true;
            if ((code > 8 && code < 16) || code > 27) isGood = false;
            for (uint256 j = 0; j < i; ++j) {
                if (list[j] == list[i]) isGood = false;
            }
        }
        vm.prank(ADMIN);
        if (!isGood || !hasMove) {
            vm.expectRevert(abi.encodeWithSelector(IZkOracle.InvalidArchitecture.selector, "features"));
        }
        hub.addArchitecture(list, 1, true, _sizes(1), _verifiers(1));
        if (isGood && hasMove) assertEq(lens.architecture(hub, 2).features, list);
    }

    function test_invalidArchitectures() public {
        uint16[] memory sizes = _sizes(1);
        _expectInvalidArchitecture(FEATURES, 0, sizes, _verifiers(1), "outputs");
        _expectInvalidArchitecture(FEATURES, 1, _sizes(0), _verifiers(0), "batchSizes");
        _expectInvalidArchitecture(FEATURES, 1, _sizes(9), _verifiers(9), "batchSizes");
        _expectInvalidArchitecture(FEATURES, 1, sizes, _verifiers(2), "verifiers");
        sizes[0] = 65;
        _expectInvalidArchitecture(FEATURES, 1, sizes, _verifiers(1), "batchSizes");
        sizes[0] = 0;
        _expectInvalidArchitecture(FEATURES, 1, sizes, _verifiers(1), "batchSizes");
        sizes = _sizes(2);
        sizes[1] = 1;
        _expectInvalidArchitecture(FEATURES, 1, sizes, _verifiers(2), "batchSizes");
        assertEq(lens.architectureCount(hub), 1);
        vm.prank(ADMIN);
        hub.addArchitecture(FEATURES, 1, true, _sizes(8), _verifiers(8));
        assertEq(abi.encode(lens.architecture(hub, 2).batchSizes), abi.encode(_sizes(8)));
    }

    /// @dev Nobody's key may replace a verifier.
    function test_verifiersAreContracts() public {
        address[] memory verifiers = _verifiers(2);
        verifiers[1] = address(0xdead);
        bytes memory call = abi.encodeCall(hub.addArchitecture, (FEATURES, 1, true, _sizes(2), verifiers));
        bytes memory refused = abi.encodeWithSelector(IZkOracle.NoFixedCode.selector, address(0xdead));
        _expectFailure(call, refused);
        vm.etch(address(0xdead), abi.encodePacked(hex"ef0100", address(new YesVerifier())));
        _expectFailure(call, refused);
    }

    function test_invalidModels() public {
        vm.prank(ADMIN);
        uint32 open = _addArchitecture(1, false);
        IZkOracle.Probe memory probe = _probe(1, architectureId);
        IZkOracle.Probe memory openProbe = _probe(0, open);
        vm.startPrank(ADMIN);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.UnknownArchitecture.selector, 9));
        hub.addModel(1, 9, bytes32(0), 1, probe);
        _expectInvalidModel("scoreUnit");
        hub.addModel(1, architectureId, bytes32(0), 0, probe);
        _expectInvalidModel("scoreUnit");
        hub.addModel(1, architectureId, bytes32(0), 2 ** 40 + 1, probe);
        _expectInvalidModel("modelHash");
        hub.addModel(0, architectureId, bytes32(0), 1, probe);
        _expectInvalidModel("modelHash");
        hub.addModel(R, architectureId, bytes32(0), 1, probe);
        _expectInvalidModel("modelHash");
        hub.addModel(1, open, bytes32(0), 1, openProbe);
        assertEq(lens.modelCount(hub), 1);
        // This architecture's weights are in its verifying key, so there is no second model.
        hub.addModel(0, open, bytes32(0), 1, openProbe);
        _expectInvalidModel("architectureId");
        hub.addModel(0, open, bytes32(uint256(1)), 1, openProbe);
    }

    function testFuzz_scoreUnitIsKeptExactly(uint40 mantissa, uint8 shift) public {
        uint128 unit = uint128(bound(mantissa, 1, type(uint40).max)) << uint8(bound(shift, 0, 88));
        uint16 number = _addModel(77, architectureId, bytes32(0), unit);
        assertEq(lens.model(hub, number).scoreUnit, unit);
    }

    /// @dev A model comes with a real proof for each of its circuits, all of one statement.
    function test_modelNeedsAProofThatEachCircuitAccepts() public {
        IZkOracle.Probe memory right = _probe(99, architectureId);
        IZkOracle.Probe memory wrong = _probe(98, architectureId);
        // proofs of another model; a proof for one circuit only; the circuits' proofs exchanged; no proofs
        _expectProbeRejected(wrong);
        wrong.proofs[0] = right.proofs[0];
        _expectProbeRejected(wrong);
        (wrong.proofs[0], wrong.proofs[1]) = (right.proofs[1], right.proofs[0]);
        _expectProbeRejected(wrong);
        wrong.proofs[0] = "";
        _expectProbeRejected(wrong);
        // a score with its sign turned
        right.scores[0] = 1;
        _expectProbeRejected(right);
        assertEq(lens.modelCount(hub), 1);
    }

    function test_aProbeFitsItsArchitecture() public {
        IZkOracle.Probe memory probe = _probe(99, architectureId);
        int256[2] memory scores = [int256(2 ** 127), -(2 ** 127)];
        for (uint256 i = 0; i < 2; ++i) {
            probe.scores[0] = scores[i];
            _expectInvalidProbe(probe, "probe.scores");
        }
        probe.scores = new int256[](2);
        _expectInvalidProbe(probe, "probe.scores");
        probe.scores = new int256[](0);
        _expectInvalidProbe(probe, "probe.scores");
        probe = _probe(99, architectureId);
        probe.window[0] = 32_768;
        _expectInvalidProbe(probe, "probe.window");
        probe.window[0] = -32_768;
        _expectInvalidProbe(probe, "probe.window");
        probe.window = new int256[](LENGTH - 1);
        _expectInvalidProbe(probe, "probe.window");
        probe.proofs = new bytes[](1);
        _expectInvalidProbe(probe, "probe.proofs");
        assertEq(lens.modelCount(hub), 1);
    }

    /// @dev The largest and the smallest features and scores that there are.
    function test_aProbeMayReachTheEdges() public {
        for (uint256 i = 0; i < 2; ++i) {
            int256 sign = i == 0 ? int256(1) : int256(-1);
            IZkOracle.Probe memory probe = _probe(99 + i, architectureId);
            (probe.window[0], probe.scores[0]) = (sign * 32_767, sign * (2 ** 127 - 1));
            _prove(probe, 99 + i, architectureId);
            vm.prank(ADMIN);
            hub.addModel(99 + i, architectureId, bytes32(0), 1, probe);
        }
        assertEq(lens.modelCount(hub), 3);
    }

    /// @dev The hub looks at the verifiers' code again when a model comes.
    function test_verifierThatBecameAnother() public {
        IZkOracle.Probe memory probe = _probe(99, architectureId);
        vm.etch(address(verifier4), address(new YesVerifier()).code);
        vm.prank(ADMIN);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.VerifierChanged.selector, verifier4));
        hub.addModel(99, architectureId, bytes32(0), 1, probe);
    }

    /// @dev In the transaction that makes a contract, the contract can also vanish. So no model comes in the
    /// transaction of its architecture, whatever else is in it.
    function test_noModelInTheTransactionOfItsArchitecture() public {
        Batcher batcher = new Batcher();
        hub = IHub(deployCode("ZkOracle.sol:ZkOracle", abi.encode(batcher, GUARDIAN, DELAY, factory, lens)));
        bytes memory add = abi.encodeCall(hub.addArchitecture, (FEATURES, 1, true, _sizes(1), _verifiers(1)));
        bytes[] memory calls = new bytes[](1);
        calls[0] = add;
        batcher.run(address(hub), calls);
        IZkOracle.Probe memory probe = _probe(99, 1);
        bytes[] memory three = new bytes[](3);
        (three[0], three[1]) = (add, add);
        for (uint32 id = 2; id < 4; ++id) {
            three[2] = abi.encodeCall(hub.addModel, (99, id, bytes32(0), 1, probe));
            _expectInvalidModel("architectureId");
            batcher.run(address(hub), three);
        }
        // A model of an older architecture may come in it, and one of the new ones in the next transaction.
        three[2] = abi.encodeCall(hub.addModel, (99, 1, bytes32(0), 1, probe));
        batcher.run(address(hub), three);
        assertEq(lens.model(hub, 1).architectureId, 1);
        calls[0] = abi.encodeCall(hub.addModel, (99, 3, bytes32(0), 1, probe));
        batcher.run(address(hub), calls);
        assertEq(lens.model(hub, 2).architectureId, 3);
    }

    // Feeds

    function test_invalidFeeds() public {
        IZkOracle.FeedConfig memory config = _plain();
        config.description = "";
        _expectInvalidConfig(config, "description");
        config.description = "12345678901234567890123456789012345678901234567890123456789012345";
        _expectInvalidConfig(config, "description");
        config = _plain();
        config.decimals = 19;
        _expectInvalidConfig(config, "decimals");
        config = _plain();
        config.sigma = 0;
        _expectInvalidConfig(config, "sigma");
        config = _plain();
        config.heartbeat = 0;
        _expectInvalidConfig(config, "heartbeat");
        config.heartbeat = 2 ** 24;
        _expectInvalidConfig(config, "heartbeat");
        config = _plain();
        config.maxAge = 0;
        _expectInvalidConfig(config, "maxAge");
        config.maxAge = 90 days + 1;
        _expectInvalidConfig(config, "maxAge");
        config = _plain();
        config.confirmations = 0;
        _expectInvalidConfig(config, "confirmations");
        config = _plain();
        config.confirmDelay = 0;
        _expectInvalidConfig(config, "confirmDelay");
        config.confirmDelay = 7 days + 1;
        _expectInvalidConfig(config, "confirmDelay");
        config = _plain();
        config.maxSkew = 3_601;
        _expectInvalidConfig(config, "maxSkew");
        config = _plain();
        config.tolerance = 32_767;
        _expectInvalidConfig(config, "tolerance");
        config = _plain();
        config.maxSpread = 32_767;
        _expectInvalidConfig(config, "maxSpread");
        vm.startPrank(ADMIN);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.UnknownModel.selector, 9));
        hub.addFeed(_plain(), 9);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.UnknownModel.selector, 0));
        hub.addFeed(_plain(), 0);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.FeedExists.selector, feedId));
        hub.addFeed(_config("ETH / USD", IZkOracle.Kind.ABSOLUTE, trio), modelNumber);
    }

    function test_theLargestTerms() public {
        IZkOracle.FeedConfig memory config = IZkOracle.FeedConfig({
            description: "1234567890123456789012345678901234567890123456789012345678901234",
            kind: IZkOracle.Kind.ABSOLUTE,
            decimals: 18,
            confirmations: 255,
            maxRepeats: 255,
            heartbeat: 2 ** 24 - 1,
            maxAge: 90 days,
            maxSkew: 1 hours,
            confirmDelay: 7 days,
            tolerance: 32_766,
            maxSpread: 32_766,
            sigma: type(uint64).max,
            committee: trio,
            peers: new bytes32[](2)
        });
        (config.peers[0], config.peers[1]) = (bytes32(uint256(1)), bytes32(type(uint256).max));
        vm.prank(ADMIN);
        bytes32 id = hub.addFeed(config, modelNumber);
        assertEq(abi.encode(lens.feedConfig(hub, id)), abi.encode(config));
    }

    function test_peers() public {
        vm.prank(ADMIN);
        bytes32 stranger = _addFeed("stranger", IZkOracle.Kind.RELATIVE, trio);
        (bytes32 first, bytes32 second) = (keccak256("first"), keccak256("second"));
        IZkOracle.FeedConfig memory config = _config("first", IZkOracle.Kind.RELATIVE, solo);
        config.peers = new bytes32[](3);
        (config.peers[0], config.peers[1], config.peers[2]) = (feedId, second, keccak256("third"));
        _expectInvalidConfig(config, "peers");
        config.peers = new bytes32[](2);
        bytes32[2][6] memory bad = [
            [first, feedId], // itself
            [feedId, first],
            [feedId, feedId], // one twice
            [bytes32(0), feedId],
            [feedId, bytes32(0)],
            [feedId, stranger] // another committee's
        ];
        for (uint256 i = 0; i < bad.length; ++i) {
            (config.peers[0], config.peers[1]) = (bad[i][0], bad[i][1]);
            _expectInvalidConfig(config, "peers");
        }
        // A peer may come later, so that two feeds can name each other.
        (config.peers[0], config.peers[1]) = (second, feedId);
        vm.startPrank(ADMIN);
        hub.addFeed(config, modelNumber);
        config.description = "second";
        config.peers[0] = first;
        hub.addFeed(config, modelNumber);
        assertEq(lens.feedConfig(hub, second).peers, config.peers);
        assertEq(lens.feedState(hub, first).peers[0], second);
    }

    /// @dev A model that sees peers is for every feed: one without a peer never sees one.
    function test_aModelsPeers() public {
        bytes[4] memory lists = [bytes(hex"0005"), hex"0007", hex"0006", hex"0800"];
        for (uint256 i = 0; i < 4; ++i) {
            vm.prank(ADMIN);
            uint32 id = _addArchitecture(lists[i], 1, true);
            uint16 number = _addModel(1_000 + i, id, bytes32(0), 1);
            for (uint256 peers = 0; peers < 3; ++peers) {
                IZkOracle.FeedConfig memory config =
                    _config(string.concat(vm.toString(i), "-", vm.toString(peers)), IZkOracle.Kind.RELATIVE, solo);
                config.peers = new bytes32[](peers);
                for (uint256 k = 0; k < peers; ++k) {
                    config.peers[k] = keccak256(abi.encode(k));
                }
                vm.startPrank(ADMIN);
                bytes32 added = hub.addFeed(config, number);
                hub.proposeModel(added, modelNumber, 0, 0);
                hub.proposeModel(feedId, number, 0, 0);
                vm.stopPrank();
                assertEq(lens.feedState(hub, added).modelNumber, number);
            }
            assertEq(lens.proposals(hub, feedId).model, number);
        }
    }

    // Reporters

    function test_invalidReporters() public {
        address[][8] memory bad;
        uint8[8] memory quorums = [1, 1, 1, 1, 3, 2, 0, 1];
        bad[0] = new address[](0);
        bad[1] = new address[](1); // the zero address
        bad[2] = new address[](2);
        (bad[2][0], bad[2][1]) = (signers[0], signers[0]);
        bad[3] = new address[](32);
        for (uint160 i = 0; i < 32; ++i) {
            bad[3][i] = address(0x1000 + i);
        }
        bad[4] = new address[](2); // fewer than the quorum
        (bad[4][0], bad[4][1]) = (signers[0], signers[1]);
        bad[5] = signers; // an even quorum
        bad[6] = signers;
        bad[7] = new address[](2); // a contract can't sign
        (bad[7][0], bad[7][1]) = (signers[0], address(verifier1));
        for (uint256 i = 0; i < bad.length; ++i) {
            bytes memory refused = abi.encodeWithSelector(IZkOracle.InvalidReporters.selector);
            _expectFailure(abi.encodeCall(hub.addCommittee, (bad[i], quorums[i])), refused);
            _expectFailure(abi.encodeCall(hub.proposeReporters, (solo, bad[i], quorums[i])), refused);
        }
        assertEq(lens.committeeCount(hub), 2);
    }

    /// @dev An account that delegates to a contract still has its key, and can sign.
    function test_aReporterMayDelegate() public {
        vm.etch(signers[0], abi.encodePacked(hex"ef0100", address(verifier1)));
        vm.startPrank(ADMIN);
        uint32 committee = hub.addCommittee(signers, 1);
        bytes32 id = _addFeed("delegated", IZkOracle.Kind.RELATIVE, committee);
        vm.stopPrank();
        _report(id, PRICE, -1);
        assertEq(lens.feedState(hub, id).answer, PRICE);
    }

    /// @dev A feed's word has 24 bits for its committee.
    function test_noCommitteeBeyondTheLast() public {
        bytes32 slot = keccak256(abi.encode(uint256(keccak256("verifiable-oracle.hub")) - 1)) & ~bytes32(uint256(0xff));
        uint256 word = uint256(vm.load(address(hub), slot));
        // forge-lint: disable-next-line(unsafe-typecast) -- it fits
        assertEq(uint32(word >> 32), 2);
        vm.store(address(hub), slot, bytes32(word | (0xfffffe << 32)));
        vm.startPrank(ADMIN);
        assertEq(hub.addCommittee(signers, 1), 0xffffff);
        vm.expectRevert(IZkOracle.InvalidReporters.selector);
        hub.addCommittee(signers, 1);
    }

    // Adapters

    function test_linkAggregator() public {
        address adapter =
            factory.addressOf(hub, feedId, IZkAggregator.Terms(IZkAggregator.Mode.PLAIN, 0, address(0), 0));
        bytes memory call = abi.encodeCall(hub.linkAggregator, (feedId));
        bytes memory missing = abi.encodeWithSelector(IZkOracle.AggregatorNotDeployed.selector, adapter);
        _expectFailure(call, missing);
        // Adapters of other terms, of another feed and of another hub are at other addresses.
        _newAdapter(feedId, IZkAggregator.Mode.STRICT);
        _newAdapter(feedId, IZkAggregator.Mode.LAST_GOOD);
        vm.prank(ADMIN);
        bytes32 other = _addFeed("other", IZkOracle.Kind.RELATIVE, solo);
        _newAdapter(other, IZkAggregator.Mode.PLAIN);
        IHub own = hub;
        hub = _newHub();
        vm.startPrank(ADMIN);
        hub.addCommittee(signers, 1);
        _addModel(MODEL_HASH, _addArchitecture(1, true), bytes32(0), 1);
        _newAdapter(_addFeed("ETH / USD", IZkOracle.Kind.RELATIVE, solo), IZkAggregator.Mode.PLAIN);
        vm.stopPrank();
        hub = own;
        _expectFailure(call, missing);
        assertEq(hub.aggregator(feedId), address(0));
        assertEq(address(_newAdapter(feedId, IZkAggregator.Mode.PLAIN)), adapter);
        vm.expectEmit(address(hub));
        emit IZkOracle.AggregatorLinked(feedId, adapter);
        vm.prank(ADMIN);
        hub.linkAggregator(feedId);
        assertEq(hub.aggregator(feedId), adapter);
        _expectFailure(call, abi.encodeWithSelector(IZkOracle.AggregatorAlreadyLinked.selector, feedId));
        _expectFailure(
            abi.encodeCall(hub.linkAggregator, (keccak256("nothing"))),
            abi.encodeWithSelector(IZkOracle.UnknownFeed.selector, keccak256("nothing"))
        );
    }

    function test_adapterOfAnUnknownFeedCantBeDeployed() public {
        vm.expectRevert();
        factory.deploy(hub, keccak256("nothing"), IZkAggregator.Terms(IZkAggregator.Mode.PLAIN, 0, address(0), 0));
    }

    function _plain() internal view returns (IZkOracle.FeedConfig memory) {
        return _config("x", IZkOracle.Kind.RELATIVE, solo);
    }

    /// @dev 1, 2, 3, …
    function _sizes(uint256 count) internal pure returns (uint16[] memory sizes) {
        sizes = new uint16[](count);
        for (uint16 i = 0; i < count; ++i) {
            sizes[i] = i + 1;
        }
    }

    function _verifiers(uint256 count) internal view returns (address[] memory verifiers) {
        verifiers = new address[](count);
        for (uint256 i = 0; i < count; ++i) {
            verifiers[i] = address(verifier1);
        }
    }

    function _expectFailure(bytes memory data, bytes memory reason) internal {
        vm.prank(ADMIN);
        (bool isOk, bytes memory result) = address(hub).call(data);
        assertFalse(isOk);
        assertEq(result, reason);
    }

    function _expectInvalidArchitecture(
        bytes memory features,
        uint8 outputs,
        uint16[] memory sizes,
        address[] memory verifiers,
        string memory field
    ) internal {
        vm.prank(ADMIN);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.InvalidArchitecture.selector, field));
        hub.addArchitecture(features, outputs, true, sizes, verifiers);
    }

    function _expectInvalidModel(string memory field) internal {
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.InvalidModel.selector, field));
    }

    function _expectInvalidProbe(IZkOracle.Probe memory probe, string memory field) internal {
        vm.prank(ADMIN);
        _expectInvalidModel(field);
        hub.addModel(99, architectureId, bytes32(0), 1, probe);
    }

    function _expectProbeRejected(IZkOracle.Probe memory probe) internal {
        vm.prank(ADMIN);
        vm.expectRevert(IZkOracle.ProofRejected.selector);
        hub.addModel(99, architectureId, bytes32(0), 1, probe);
    }

    function _expectInvalidConfig(IZkOracle.FeedConfig memory config, string memory field) internal {
        vm.prank(ADMIN);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.InvalidConfig.selector, field));
        hub.addFeed(config, modelNumber);
    }
}
