// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IZkOracle} from "../src/interfaces/IZkOracle.sol";
import {OracleTest} from "./OracleTest.sol";

/// @dev A model that sees the spread of the reporters: `[x_now, x_-1, …, x_-(n-3), spread, gap]`. Its feed has three
/// reporters and needs all of them. The tests compute the spread from the interface's description.
contract SpreadTest is OracleTest {
    bytes32 internal trio;
    bytes32 internal solo;
    uint16 internal number;

    function setUp() public override {
        super.setUp();
        vm.startPrank(ADMIN);
        uint32 id = _addSpreadArchitecture(LENGTH);
        number = _addModel(MODEL_HASH, id, keccak256("spread"), SCORE_UNIT);
        trio = hub.addFeed(_config("trio", IZkOracle.Kind.RELATIVE, 3), signers, number);
        solo = hub.addFeed(_config("solo", IZkOracle.Kind.RELATIVE, 1), signers, number);
        vm.stopPrank();
    }

    function test_architecture() public {
        IZkOracle.Architecture memory found = hub.architecture(hub.model(number).architectureId);
        assertTrue(found.hasSpread && found.bindsModel);
        assertFalse(hub.architecture(architectureId).hasSpread);
        vm.startPrank(ADMIN);
        _addSpreadArchitecture(4);
        _addSpreadArchitecture(16);
        (uint16[] memory sizes, address[] memory verifiers) = (new uint16[](1), new address[](1));
        (sizes[0], verifiers[0]) = (1, address(verifier1));
        for (uint8 length = 2; length <= 17; length += length == 3 ? 14 : 1) {
            vm.expectRevert(abi.encodeWithSelector(IZkOracle.InvalidArchitecture.selector, "features"));
            hub.addArchitecture(length, 1, true, true, sizes, verifiers);
        }
        hub.addArchitecture(3, 1, true, false, sizes, verifiers);
    }

    /// @dev The model sees the spread from the first report on, which has no moves yet.
    function test_spreadIsOfTheSignedAnswers() public {
        _accept(trio, [int128(100e8), 101e8, 103e8], 3_000);
        skip(HEARTBEAT);
        _accept(trio, [int128(102e8), 102e8, 102e8], 0);
        skip(HEARTBEAT);
        _accept(trio, [int128(99e8), 102e8, 104e8], 5_050);
        assertEq(hub.feedState(trio).roundId, 3);
    }

    function test_oneReporterIsNotApart() public {
        _acceptOne(solo, 100e8);
        skip(HEARTBEAT);
        _acceptOne(solo, 101e8);
    }

    /// @dev The spread is the largest possible if it can't be measured (a relative answer is not positive) or is
    /// clipped.
    function test_widest() public {
        _accept(trio, [int128(-1), 100e8, 100e8], 32_767);
        skip(HEARTBEAT);
        _accept(trio, [int128(0), 100e8, 100e8], 32_767);
        skip(HEARTBEAT);
        _accept(trio, [int128(1), 100e8, 100e8], 32_767);
        skip(HEARTBEAT);
        _accept(trio, [int128(100e8), 100e8, type(int128).max], 32_767);
        assertEq(hub.feedState(trio).roundId, 4);
    }

    function testFuzz_spread(int128 a, int128 b, int128 c) public {
        int128[3] memory answers = _sorted(bound(a, 1, 1e20), bound(b, 1, 1e20), bound(c, 1, 1e20));
        // This is a first answer, so that no move is clipped.
        _accept(trio, answers, _spreadOf(answers));
    }

    /// @dev A transmitter chooses scores and proof, but a proof of any other spread is of another statement.
    function testFuzz_aCallerCanNotChooseTheSpread(uint16 claimed) public {
        int128[3] memory answers = [int128(100e8), 101e8, 103e8];
        vm.assume(claimed != 3_000);
        (IZkOracle.FeedUpdate[] memory updates, bytes memory proof) = _report(trio, answers, claimed);
        vm.expectRevert(IZkOracle.ProofRejected.selector);
        hub.submit(number, updates, proof);
        // A proof for a model without a spread does not pass either.
        proof = _proof(_withSpread(updates[0], 101e8, 3_000, false));
        vm.expectRevert(IZkOracle.ProofRejected.selector);
        hub.submit(number, updates, proof);
    }

    function test_spreadIsStillBounded() public {
        IZkOracle.FeedConfig memory config = _config("bounded", IZkOracle.Kind.RELATIVE, 3);
        config.maxSpread = 3_000;
        vm.prank(ADMIN);
        bytes32 id = hub.addFeed(config, signers, number);
        (IZkOracle.FeedUpdate[] memory updates, bytes memory proof) = _report(id, [int128(100e8), 101e8, 104e8], 4_000);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.SpreadTooWide.selector, id, 4_000, 3_000));
        hub.submit(number, updates, proof);
        _accept(id, [int128(100e8), 101e8, 103e8], 3_000);
    }

    /// @dev The caller passes the spread to the view. A model that does not see it ignores it.
    function test_features() public {
        _accept(trio, [int128(100e8), 101e8, 103e8], 3_000);
        skip(HEARTBEAT);
        _accept(trio, [int128(100e8), 102e8, 103e8], 3_000);
        skip(HEARTBEAT);
        int256[] memory seen = hub.features(trio, 103e8, _now(), 777);
        int256[] memory expected = _window(trio, 103e8, _now());
        expected[LENGTH - 2] = 777;
        assertEq(seen, expected);
        assertEq(hub.features(solo, 1, _now(), 777)[LENGTH - 2], 777);
        assertEq(hub.features(feedId, 1, _now(), 777)[LENGTH - 2], 0);
    }

    /// @dev Each feed of a batch has its own spread. The padding repeats the last one's.
    function test_batch() public {
        bytes32[] memory ids = new bytes32[](2);
        (ids[0], ids[1]) = (trio, solo);
        _sort(ids);
        IZkOracle.FeedUpdate[] memory updates = new IZkOracle.FeedUpdate[](2);
        uint256[] memory instances = new uint256[](1 + 4 * (LENGTH + 1));
        instances[0] = MODEL_HASH;
        for (uint256 i = 0; i < 4; ++i) {
            uint256 k = i < 2 ? i : 1;
            updates[k] = ids[k] == trio ? _trio(trio, [int128(100e8), 101e8, 103e8]) : _update(solo, 5e8, -1);
            instances[1 + i * LENGTH + LENGTH - 2] = ids[k] == trio ? 3_000 : 0;
            instances[1 + i * LENGTH + LENGTH - 1] = 1_000;
            instances[1 + 4 * LENGTH + i] = _field(-1);
        }
        hub.submit(number, updates, _proof(instances));
        assertEq(hub.feedState(trio).roundId + hub.feedState(solo).roundId, 2);
    }

    /// @dev A proposed model with a spread judges the reports of a feed whose active model has none.
    function test_shadow() public {
        vm.startPrank(ADMIN);
        bytes32 id = hub.addFeed(_config("shadowed", IZkOracle.Kind.RELATIVE, 3), signers, modelNumber);
        hub.proposeModel(id, number, 0, 0);
        vm.stopPrank();
        (IZkOracle.FeedUpdate[] memory updates, bytes memory proof) = _report(id, [int128(100e8), 101e8, 103e8], 3_000);
        hub.submitShadow(number, updates, proof);
        assertEq(hub.shadow(id).reports, 1);
        hub.submit(modelNumber, updates, _proof(_withSpread(updates[0], 101e8, 0, false)));
        assertEq(hub.feedState(id).roundId, 1);
    }

    function _addSpreadArchitecture(uint8 length) internal returns (uint32) {
        (uint16[] memory sizes, address[] memory verifiers) = (new uint16[](2), new address[](2));
        (sizes[0], sizes[1]) = (1, 4);
        (verifiers[0], verifiers[1]) = (address(verifier1), address(verifier4));
        return hub.addArchitecture(length, 1, true, true, sizes, verifiers);
    }

    function _accept(bytes32 id, int128[3] memory answers, uint256 spread) internal {
        uint32 before = hub.feedState(id).roundId;
        (IZkOracle.FeedUpdate[] memory updates, bytes memory proof) = _report(id, answers, spread);
        vm.prank(RELAYER);
        hub.submit(number, updates, proof);
        assertEq(hub.feedState(id).roundId, before + 1);
    }

    function _acceptOne(bytes32 id, int128 answer) internal {
        IZkOracle.FeedUpdate memory update = _update(id, answer, -1);
        bytes memory proof = _proof(_withSpread(update, answer, 0, true));
        vm.prank(RELAYER);
        hub.submit(number, _one(update), proof);
    }

    function _report(bytes32 id, int128[3] memory answers, uint256 spread)
        internal
        view
        returns (IZkOracle.FeedUpdate[] memory updates, bytes memory proof)
    {
        updates = _one(_trio(id, answers));
        proof = _proof(_withSpread(updates[0], answers[1], spread, true));
    }

    function _trio(bytes32 id, int128[3] memory answers) internal view returns (IZkOracle.FeedUpdate memory) {
        (int128[] memory list, uint32[] memory times) = (new int128[](3), new uint32[](3));
        for (uint256 i = 0; i < 3; ++i) {
            (list[i], times[i]) = (answers[i], _now());
        }
        return _quorumUpdate(id, list, times, -1);
    }

    /// @dev The statement of one update in the circuit for one window.
    function _withSpread(IZkOracle.FeedUpdate memory update, int128 median, uint256 spread, bool hasSpread)
        internal
        view
        returns (uint256[] memory instances)
    {
        (int128[] memory answers, uint32[] memory times) = (new int128[](1), new uint32[](1));
        (answers[0], times[0]) = (median, _now());
        instances = _instances(_one(update), answers, times, 1);
        if (hasSpread) instances[1 + LENGTH - 2] = spread;
    }

    function _spreadOf(int128[3] memory answers) internal pure returns (uint256) {
        uint256 lowest = uint256(uint128(answers[0]));
        // In thousandths of a sigma of 1 %.
        uint256 apart = (uint256(uint128(answers[2])) - lowest) * 1e9 / (lowest * 10_000);
        return apart > 32_767 ? 32_767 : apart;
    }

    function _sorted(int256 a, int256 b, int256 c) internal pure returns (int128[3] memory) {
        if (a > b) (a, b) = (b, a);
        if (b > c) (b, c) = (c, b);
        if (a > b) (a, b) = (b, a);
        // forge-lint: disable-next-line(unsafe-typecast) -- the difference of two int128
        return [int128(a), int128(b), int128(c)];
    }
}
