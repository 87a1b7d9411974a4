// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";

import {IModelCard} from "../src/interfaces/IModelCard.sol";
import {IZkOracle} from "../src/interfaces/IZkOracle.sol";
import {OracleTest} from "./OracleTest.sol";
import {YesVerifier} from "./mocks/YesVerifier.sol";

/// @dev Cards of the model that `OracleTest` sets up, whose circuits are for 1 and for 4 windows of 6 features. The
/// tests build the leaf, the tree and the statement from the interface's description, not with the contract's code.
contract ModelCardTest is OracleTest {
    uint16 internal constant BATCH = 4;
    uint32 internal constant BATCHES = 3;

    struct Batch {
        uint256 index;
        bytes windows;
        bytes labels;
        int256[] scores;
    }

    IModelCard internal cards;
    Batch[] internal batches;
    bytes32[] internal leaves;
    bytes32 internal root;
    bytes32 internal id;

    function setUp() public override {
        super.setUp();
        cards = IModelCard(deployCode("ModelCard.sol:ModelCard"));
        // Two full batches and one of a single window: 4 faults, 2 of them caught; 5 normal windows, 2 of them held.
        _addBatch(hex"00010200", _scores(1, -1, 7, -3));
        _addBatch(hex"00000301", _scores(0, 2, 1, 0));
        _addBatch(hex"00", _scores(-5));
        root = _root();
        id = cards.open(hub, modelNumber, BATCH, root, BATCHES);
    }

    // Opening

    function test_open() public {
        bytes32 expected = keccak256(abi.encode(hub, modelNumber, uint16(1), root, uint32(9)));
        assertEq(cards.cardIdOf(hub, modelNumber, 1, root, 9), expected);
        vm.expectEmit(address(cards));
        emit IModelCard.CardOpened(expected, hub, modelNumber, 1, root, 9);
        vm.prank(RELAYER);
        assertEq(cards.open(hub, modelNumber, 1, root, 9), expected);
        IModelCard.Card memory card = cards.card(expected);
        assertEq(address(card.hub), address(hub));
        assertEq(card.modelNumber, modelNumber);
        assertEq(card.batchSize, 1);
        assertEq(card.verifier, address(verifier1));
        assertEq(card.modelHash, MODEL_HASH);
        assertEq(card.root, root);
        assertEq(card.batches, 9);
        assertEq(card.counted + card.faults + card.caught + card.normals + card.falseHolds, 0);
        assertFalse(card.complete);
        assertEq(cards.card(id).verifier, address(verifier4));
    }

    function test_openOnlyOnce() public {
        vm.expectRevert(abi.encodeWithSelector(IModelCard.CardExists.selector, id));
        cards.open(hub, modelNumber, BATCH, root, BATCHES);
    }

    /// @dev The verifier's code is another one than the hub recorded.
    function test_openAfterTheVerifierBecameAnother() public {
        vm.etch(address(verifier4), address(new YesVerifier()).code);
        vm.expectRevert(abi.encodeWithSelector(IModelCard.VerifierChanged.selector, verifier4));
        cards.open(hub, modelNumber, BATCH, root, BATCHES + 1);
    }

    /// @dev Anyone may open a card of any hub, also of one that took an account which delegates for a verifier.
    function test_openWithAnAccountThatDelegates() public {
        vm.etch(address(verifier4), abi.encodePacked(hex"ef0100", address(new YesVerifier())));
        // The hub's word for the second circuit of the first architecture.
        bytes32 store = keccak256(abi.encode(uint256(keccak256("verifiable-oracle.hub")) - 1)) & ~bytes32(uint256(0xff));
        bytes32 slot = keccak256(abi.encode((uint256(architectureId) << 8) | 1, uint256(store) + 7));
        assertTrue(vm.load(address(hub), slot) != bytes32(0));
        vm.store(address(hub), slot, address(verifier4).codehash);
        assertEq(lens.architecture(hub, architectureId).codeHashes[1], address(verifier4).codehash);
        vm.expectRevert(abi.encodeWithSelector(IModelCard.VerifierChanged.selector, verifier4));
        cards.open(hub, modelNumber, BATCH, root, BATCHES + 1);
    }

    function test_openWhatIsNot() public {
        vm.expectRevert(IModelCard.EmptyBenchmark.selector);
        cards.open(hub, modelNumber, BATCH, root, 0);
        vm.expectRevert(abi.encodeWithSelector(IModelCard.NoSuchCircuit.selector, 2));
        cards.open(hub, modelNumber, 2, root, BATCHES);
        vm.expectRevert(abi.encodeWithSelector(IZkOracle.UnknownModel.selector, modelNumber + 1));
        cards.open(hub, modelNumber + 1, BATCH, root, BATCHES);
        vm.expectRevert();
        cards.open(IZkOracle(RELAYER), modelNumber, BATCH, root, BATCHES);
    }

    function test_unknownCard() public {
        bytes32 other = keccak256("other");
        bytes memory unknown = abi.encodeWithSelector(IModelCard.UnknownCard.selector, other);
        vm.expectRevert(unknown);
        cards.card(other);
        vm.expectRevert(unknown);
        cards.isComplete(other);
        assertFalse(cards.isCounted(other, 0));
        vm.expectRevert(unknown);
        _submit(other, batches[0], _merkleProof(0), "");
    }

    // Counting

    function test_counts() public {
        vm.expectEmit(address(cards));
        emit IModelCard.BatchCounted(id, 1, 12, 6);
        _submit(1);
        _assertCounts(1, 2, 1, 2, 1);
        assertTrue(cards.isCounted(id, 1));
        assertFalse(cards.isCounted(id, 0));
        _submit(0);
        _assertCounts(2, 4, 2, 4, 2);
        assertFalse(cards.isComplete(id));
        // The last batch has a single window, which is repeated to four.
        _submit(2);
        _assertCounts(3, 4, 2, 5, 2);
        assertTrue(cards.isComplete(id) && cards.card(id).complete);
    }

    function test_aBatchCountsOnce() public {
        _submit(0);
        vm.expectRevert(abi.encodeWithSelector(IModelCard.BatchAlreadyCounted.selector, 0));
        _submit(0);
        _assertCounts(1, 2, 1, 2, 1);
    }

    function test_cardsDoNotMix() public {
        bytes32 other = cards.open(hub, modelNumber, 1, root, BATCHES);
        _submit(0);
        assertFalse(cards.isCounted(other, 0));
        assertEq(cards.card(other).counted, 0);
    }

    /// @dev There is a bit for each window, and a word of the set for each 256 batches.
    function test_manyBatches() public {
        (bytes32 single, bytes32 leaf) = _singleLeaf(300, 301);
        bytes32 other = cards.open(hub, modelNumber, BATCH, leaf, 301);
        assertNotEq(other, single);
        Batch memory batch = batches[2];
        batch.index = 300;
        _submit(other, batch, new bytes32[](0), _proofFor(batch));
        assertTrue(cards.isCounted(other, 300));
        assertFalse(cards.isCounted(other, 44));
        assertFalse(cards.isComplete(other));
    }

    /// @dev Without hashed weights, the verifier alone identifies the model.
    function test_publicModel() public {
        vm.startPrank(ADMIN);
        uint32 architecture = _addArchitecture(1, false);
        uint16 number = _addModel(0, architecture, keccak256("public"), SCORE_UNIT);
        vm.stopPrank();
        bytes32 other = cards.open(hub, number, BATCH, root, BATCHES);
        uint256[] memory instances = _statement(batches[0]);
        uint256[] memory headless = new uint256[](instances.length - 1);
        for (uint256 i = 0; i < headless.length; ++i) {
            headless[i] = instances[i + 1];
        }
        _submit(other, batches[0], _merkleProof(0), _proof(headless));
        assertEq(cards.card(other).counted, 1);
        assertEq(cards.card(other).modelHash, 0);
    }

    /// @dev A window is held if any of its own scores is above zero.
    function test_severalOutputs() public {
        vm.startPrank(ADMIN);
        uint32 architecture = _addArchitecture(2, true);
        uint16 number = _addModel(MODEL_HASH, architecture, keccak256("two"), SCORE_UNIT);
        vm.stopPrank();
        bytes32 other = cards.open(hub, number, BATCH, root, BATCHES);
        Batch memory batch = batches[0];
        batch.scores = new int256[](8);
        // The second and the third are held.
        (batch.scores[3], batch.scores[4], batch.scores[5], batch.scores[7]) = (1, 1, -9, -1);
        vm.expectEmit(address(cards));
        emit IModelCard.BatchCounted(other, 0, 6, 6);
        _submit(other, batch, _merkleProof(0), _proofFor(batch));
    }

    /// forge-config: default.fuzz.runs = 64
    function testFuzz_counts(uint256 seed) public {
        uint32 many = 5;
        delete batches;
        delete leaves;
        uint256[4] memory expected;
        for (uint256 i = 0; i < many; ++i) {
            uint256 count = 1 + uint256(keccak256(abi.encode(seed, i))) % BATCH;
            (bytes memory labels, int256[] memory scores) = (new bytes(count), new int256[](count));
            for (uint256 j = 0; j < count; ++j) {
                uint256 dice = uint256(keccak256(abi.encode(seed, i, j)));
                bool isFault = dice % 2 == 0;
                if (isFault) labels[j] = bytes1(uint8(1 + (dice >> 8) % 255));
                // forge-lint: disable-next-item(unsafe-typecast) -- shifted to 126 bits
                scores[j] = int256(dice >> 130) * (dice & 2 == 0 ? int256(1) : -1);
                ++expected[isFault ? 0 : 2];
                if (scores[j] > 0) ++expected[isFault ? 1 : 3];
            }
            _addBatch(labels, scores, many);
        }
        root = _root();
        id = cards.open(hub, modelNumber, BATCH, root, many);
        for (uint256 i = 0; i < many; ++i) {
            // The batches come in another order than the benchmark's.
            _submit((i * 3 + seed % many) % many);
        }
        _assertCounts(many, expected[0], expected[1], expected[2], expected[3]);
        assertTrue(cards.isComplete(id));
    }

    /// @dev A card's windows have the features that the model's architecture lists, as many as there are.
    function test_anyListOfFeatures() public {
        bytes[3] memory lists = [bytes(hex"00"), hex"0004", ALL_FEATURES];
        for (uint256 i = 0; i < lists.length; ++i) {
            vm.prank(ADMIN);
            uint32 architecture = _addArchitecture(lists[i], 1, true);
            uint16 number = _addModel(MODEL_HASH, architecture, keccak256(lists[i]), SCORE_UNIT);
            Batch memory batch;
            (batch.windows, batch.labels, batch.scores) = (new bytes(2 * lists[i].length), new bytes(1), _scores(1));
            batch.windows[0] = 0x01;
            bytes32 other = cards.open(hub, number, 1, _leaf(batch, 1), 1);
            uint256[] memory instances = new uint256[](1 + lists[i].length + 1);
            (instances[0], instances[1], instances[instances.length - 1]) = (MODEL_HASH, 256, 1);
            _submit(other, batch, new bytes32[](0), _proof(instances));
            assertEq(cards.card(other).falseHolds, 1);
        }
    }

    // Rejections

    function test_anotherIndex() public {
        Batch memory batch = batches[0];
        batch.index = 1;
        _refuse(batch, _merkleProof(0), abi.encodeWithSelector(IModelCard.NotInBenchmark.selector, 1));
        batch.index = BATCHES;
        _refuse(batch, _merkleProof(0), abi.encodeWithSelector(IModelCard.BatchOutOfRange.selector, BATCHES, BATCHES));
    }

    function test_otherLabels() public {
        Batch memory batch = batches[0];
        batch.labels = hex"00000200";
        _refuse(batch, _merkleProof(0), abi.encodeWithSelector(IModelCard.NotInBenchmark.selector, 0));
        batch.labels = hex"00010300";
        _refuse(batch, _merkleProof(0), abi.encodeWithSelector(IModelCard.NotInBenchmark.selector, 0));
    }

    function test_bytesBetweenWindowsAndLabels() public {
        Batch memory batch = batches[0];
        batch.windows = bytes.concat(batch.windows, hex"00");
        batch.labels = hex"010200";
        _refuse(batch, _merkleProof(0), abi.encodeWithSelector(IModelCard.NotInBenchmark.selector, 0));
    }

    function testFuzz_otherWindows(uint256 at, uint8 value) public {
        Batch memory batch = batches[1];
        at = at % batch.windows.length;
        vm.assume(uint8(batch.windows[at]) != value);
        batch.windows[at] = bytes1(value);
        _refuse(batch, _merkleProof(1), abi.encodeWithSelector(IModelCard.NotInBenchmark.selector, 1));
    }

    function testFuzz_otherScores(uint256 at, int128 score) public {
        Batch memory batch = batches[0];
        bytes memory good = _proofFor(batch);
        at = at % batch.scores.length;
        vm.assume(batch.scores[at] != score && score != type(int128).min);
        batch.scores[at] = score;
        vm.expectRevert(IZkOracle.ProofRejected.selector);
        _submit(id, batch, _merkleProof(0), good);
    }

    function test_scoresOutOfRange() public {
        Batch memory batch = batches[0];
        // forge-lint: disable-next-line(unsafe-typecast) -- small
        int256[3] memory outside = [int256(2 ** 127), -(2 ** 127), int256(R)];
        for (uint256 i = 0; i < outside.length; ++i) {
            batch.scores[3] = outside[i];
            _refuse(batch, _merkleProof(0), abi.encodeWithSelector(IZkOracle.ScoreOutOfRange.selector, id, outside[i]));
        }
    }

    function test_otherNumberOfScores() public {
        Batch memory batch = batches[0];
        bytes memory malformed = abi.encodeWithSelector(IModelCard.MalformedBatch.selector, 0);
        batch.scores = _scores(1, -1, 7, -3, 0);
        _refuse(batch, _merkleProof(0), malformed);
        batch.scores = _scores(1);
        _refuse(batch, _merkleProof(0), malformed);
        batch.scores = new int256[](0);
        _refuse(batch, _merkleProof(0), malformed);
    }

    function test_aProofOfAnotherBatch() public {
        bytes memory other = _proofFor(batches[1]);
        vm.expectRevert(IZkOracle.ProofRejected.selector);
        _submit(id, batches[0], _merkleProof(0), other);
        // A verifier may also return false.
        vm.expectRevert(IZkOracle.ProofRejected.selector);
        _submit(id, batches[0], _merkleProof(0), "");
    }

    function test_aBenchmarkOfAnotherRoot() public {
        bytes32 other = cards.open(hub, modelNumber, BATCH, keccak256("another benchmark"), BATCHES);
        vm.expectRevert(abi.encodeWithSelector(IModelCard.NotInBenchmark.selector, 0));
        _submit(other, batches[0], _merkleProof(0), _proofFor(batches[0]));
    }

    /// @dev The owner opens the card for a choice of batches. Each leaf contains the number of all batches, so none of
    /// them is in it.
    function test_fewerBatchesThanTheBenchmarkHas() public {
        bytes32 other = cards.open(hub, modelNumber, BATCH, root, BATCHES - 1);
        vm.expectRevert(abi.encodeWithSelector(IModelCard.NotInBenchmark.selector, 0));
        _submit(other, batches[0], _merkleProof(0), _proofFor(batches[0]));
    }

    /// @dev An inner node does not pass as a leaf's content: leaves are hashed twice.
    function test_anInnerNodeIsNoLeaf() public {
        bytes32[] memory proof = new bytes32[](1);
        proof[0] = leaves[2];
        Batch memory batch = batches[0];
        batch.windows = bytes.concat(leaves[0], leaves[1]);
        batch.labels = "";
        _refuse(batch, proof, abi.encodeWithSelector(IModelCard.NotInBenchmark.selector, 0));
    }

    /// @dev If a benchmark's batches fit no circuit, its card stays incomplete.
    function test_malformedBenchmarks() public {
        bytes[5] memory windows = [bytes(""), new bytes(60), new bytes(12), new bytes(48), new bytes(47)];
        bytes[5] memory labels = [bytes(""), new bytes(5), new bytes(2), new bytes(3), new bytes(4)];
        for (uint256 i = 0; i < windows.length; ++i) {
            _refuseMalformed(windows[i], labels[i]);
        }
        bytes memory clipped = new bytes(12);
        clipped[0] = 0x80;
        _refuseMalformed(clipped, new bytes(1));
        clipped[1] = 0x01;
        Batch memory batch = Batch({index: 0, windows: clipped, labels: new bytes(1), scores: _scores(1)});
        bytes32 other = cards.open(hub, modelNumber, BATCH, _leaf(batch, 1), 1);
        _submit(other, batch, new bytes32[](0), _proofFor(batch));
        assertTrue(cards.isComplete(other));
    }

    function _refuseMalformed(bytes memory windows, bytes memory labels) internal {
        Batch memory batch = Batch({index: 0, windows: windows, labels: labels, scores: new int256[](labels.length)});
        bytes32 other = cards.open(hub, modelNumber, BATCH, _leaf(batch, 1), 1);
        vm.expectRevert(abi.encodeWithSelector(IModelCard.MalformedBatch.selector, 0));
        _submit(other, batch, new bytes32[](0), "");
    }

    // Gas

    /// @dev The gas beyond the verifier's own work, with a proof as long as a verdict circuit's for 16 windows.
    function test_gas() public {
        (uint16[] memory sizes, address[] memory verifiers) = (new uint16[](1), new address[](1));
        (sizes[0], verifiers[0]) = (16, address(new YesVerifier()));
        vm.prank(ADMIN);
        uint32 architecture = hub.addArchitecture(hex"00101112131415161718191a1b020301", 2, true, sizes, verifiers);
        uint16 number = _addModel(MODEL_HASH, architecture, keccak256("sixteen"), 1);
        Batch memory batch;
        (batch.windows, batch.labels, batch.scores) = (new bytes(512), new bytes(16), new int256[](32));
        for (uint256 i = 0; i < 512; ++i) {
            batch.windows[i] = bytes1(uint8(uint256(keccak256(abi.encode(i)))) & 0x7f);
        }
        for (uint256 i = 0; i < 16; i += 3) {
            (batch.labels[i], batch.scores[2 * i]) = (0x01, 1);
        }
        bytes memory proof = new bytes(2_912);
        for (uint256 i = 0; i < proof.length; ++i) {
            proof[i] = 0xa5;
        }
        bytes32[] memory path = new bytes32[](5);
        for (uint256 i = 0; i < 3; ++i) {
            batch.index = i;
            bytes32 top = _leaf(batch, 20);
            for (uint256 j = 0; j < path.length; ++j) {
                path[j] = keccak256(abi.encode(i, j));
                top = _pair(top, path[j]);
            }
            bytes32 other = cards.open(hub, number, 16, top, 20);
            if (i == 0) vm.snapshotGasLastCall("ModelCard", "open");
            _submit(other, batch, path, proof);
        }
        vm.snapshotGasLastCall("ModelCard", "verdict-b16-first-batch");
    }

    // Benchmarks and proofs

    function _addBatch(bytes memory labels, int256[] memory scores) internal {
        _addBatch(labels, scores, BATCHES);
    }

    function _addBatch(bytes memory labels, int256[] memory scores, uint256 total) internal {
        bytes memory windows = "";
        for (uint256 i = 0; i < labels.length * LENGTH; ++i) {
            // Features have both signs, and include both ends of the range.
            uint16 dice = uint16(uint256(keccak256(abi.encode(batches.length, i))));
            windows = bytes.concat(windows, bytes2(i == 0 ? 0x7fff : i == 1 ? 0x8001 : dice == 0x8000 ? 0 : dice));
        }
        batches.push(Batch({index: batches.length, windows: windows, labels: labels, scores: scores}));
        leaves.push(_leaf(batches[batches.length - 1], total));
    }

    function _leaf(Batch memory batch, uint256 total) internal pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(abi.encode(batch.index, total, batch.windows, batch.labels))));
    }

    function _singleLeaf(uint256 index, uint256 total) internal view returns (bytes32, bytes32) {
        Batch memory batch = batches[2];
        batch.index = index;
        return (id, _leaf(batch, total));
    }

    function _pair(bytes32 a, bytes32 b) internal pure returns (bytes32) {
        return a < b ? keccak256(bytes.concat(a, b)) : keccak256(bytes.concat(b, a));
    }

    /// @dev Builds the tree level by level. The last node of an odd level goes up unchanged.
    function _root() internal view returns (bytes32) {
        bytes32[] memory level = leaves;
        while (level.length > 1) {
            level = _above(level);
        }
        return level[0];
    }

    function _above(bytes32[] memory level) internal pure returns (bytes32[] memory above) {
        above = new bytes32[]((level.length + 1) / 2);
        for (uint256 i = 0; i < above.length; ++i) {
            above[i] = 2 * i + 1 < level.length ? _pair(level[2 * i], level[2 * i + 1]) : level[2 * i];
        }
    }

    function _merkleProof(uint256 index) internal view returns (bytes32[] memory proof) {
        bytes32[] memory level = leaves;
        bytes32 leaf = leaves[index];
        bytes32[] memory found = new bytes32[](8);
        uint256 length = 0;
        while (level.length > 1) {
            if (index ^ 1 < level.length) found[length++] = level[index ^ 1];
            level = _above(level);
            index /= 2;
        }
        proof = new bytes32[](length);
        for (uint256 i = 0; i < length; ++i) {
            proof[i] = found[i];
        }
        assertTrue(MerkleProof.verify(proof, level[0], leaf));
    }

    /// @dev The instances of a batch in the circuit for four windows, with hashed weights.
    function _statement(Batch memory batch) internal pure returns (uint256[] memory instances) {
        uint256 count = batch.labels.length;
        uint256 outputs = batch.scores.length / count;
        instances = new uint256[](1 + BATCH * (LENGTH + outputs));
        instances[0] = MODEL_HASH;
        for (uint256 i = 0; i < BATCH; ++i) {
            uint256 k = i < count ? i : count - 1;
            for (uint256 j = 0; j < LENGTH; ++j) {
                uint256 at = 2 * (k * LENGTH + j);
                uint16 word = (uint16(uint8(batch.windows[at])) << 8) | uint8(batch.windows[at + 1]);
                // forge-lint: disable-next-item(unsafe-typecast) -- two's complement
                instances[1 + i * LENGTH + j] = _field(int16(word));
            }
            for (uint256 j = 0; j < outputs; ++j) {
                instances[1 + BATCH * LENGTH + i * outputs + j] = _field(batch.scores[k * outputs + j]);
            }
        }
    }

    function _proofFor(Batch memory batch) internal pure returns (bytes memory) {
        return _proof(_statement(batch));
    }

    function _submit(uint256 index) internal {
        bytes memory proof = _proofFor(batches[index]);
        bytes32[] memory path = _merkleProof(index);
        _submit(id, batches[index], path, proof);
    }

    function _submit(bytes32 cardId, Batch memory batch, bytes32[] memory path, bytes memory proof) internal {
        vm.prank(RELAYER);
        cards.submitBatch(cardId, batch.index, batch.windows, batch.labels, batch.scores, path, proof);
    }

    function _refuse(Batch memory batch, bytes32[] memory path, bytes memory error) internal {
        vm.expectRevert(error);
        _submit(id, batch, path, "");
        assertEq(cards.card(id).counted, 0);
    }

    function _assertCounts(uint256 counted, uint256 faults, uint256 caught, uint256 normals, uint256 falseHolds)
        internal
        view
    {
        IModelCard.Card memory card = cards.card(id);
        assertEq(card.counted, counted, "counted");
        assertEq(card.faults, faults, "faults");
        assertEq(card.caught, caught, "caught");
        assertEq(card.normals, normals, "normals");
        assertEq(card.falseHolds, falseHolds, "falseHolds");
    }

    function _scores(int256 a, int256 b, int256 c, int256 d) internal pure returns (int256[] memory scores) {
        scores = new int256[](4);
        (scores[0], scores[1], scores[2], scores[3]) = (a, b, c, d);
    }

    function _scores(int256 a, int256 b, int256 c, int256 d, int256 e) internal pure returns (int256[] memory scores) {
        scores = new int256[](5);
        (scores[0], scores[1], scores[2], scores[3], scores[4]) = (a, b, c, d, e);
    }
}
