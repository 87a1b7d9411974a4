// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IZkOracle} from "./IZkOracle.sol";

/// @title Proven model cards
/// @notice How good a hidden model is, counted from proofs: the model that a hub pins by its hash judges a benchmark that
/// anyone can build again, batch by batch; each verdict is proven, and counted once. Whoever knows the benchmark's root
/// knows from a *complete* card how many of its faults the model stops, and how many of its normal windows it holds, without
/// trusting the model's owner. What a card says of other data, it does not say.
/// @dev Nobody owns it, and nothing in it can be changed. Anyone may open a card, and submit batches to it: the statement
/// that a verifier sees is built here from the benchmark and the claimed scores, with the hash and the circuit that the hub
/// had for the model. Assumes that the hub is the one the reader trusts, and the root that of the benchmark he has built:
/// both are in the card, and its id follows from them.
///
/// A benchmark is a Merkle tree of batches, with OpenZeppelin's rules: pairs are sorted, and a leaf is
/// `keccak256(keccak256(abi.encode(uint256 index, uint256 batches, bytes windows, bytes labels)))`. As a leaf has the number
/// of batches, a card that was opened for fewer of them counts none.
interface IModelCard {
    /// @param hub Where the model is from; it pins hash and circuit.
    /// @param modelNumber The hub's.
    /// @param batchSize Windows per proof, at most.
    /// @param verifier Of the circuit for that many windows.
    /// @param modelHash Poseidon hash of the weights; 0 if they are in the verifier's key.
    /// @param root Of the benchmark.
    /// @param batches That the benchmark has.
    /// @param counted Batches whose verdicts are in the counts.
    /// @param faults Faulty windows in them; `caught`: how many of those the model holds.
    /// @param normals Normal windows in them; `falseHolds`: how many of those the model holds.
    /// @param complete Whether every batch is counted. Counts of a card that is not are a choice of whoever submitted them.
    struct Card {
        IZkOracle hub;
        uint16 modelNumber;
        uint16 batchSize;
        address verifier;
        uint256 modelHash;
        bytes32 root;
        uint32 batches;
        uint32 counted;
        uint32 faults;
        uint32 caught;
        uint32 normals;
        uint32 falseHolds;
        bool complete;
    }

    event CardOpened(
        bytes32 indexed cardId,
        IZkOracle indexed hub,
        uint16 indexed modelNumber,
        uint16 batchSize,
        bytes32 root,
        uint32 batches
    );

    /// @notice A batch was proven. In `faults` and `held` bit i is of its i-th window.
    event BatchCounted(bytes32 indexed cardId, uint256 indexed index, uint256 faults, uint256 held);

    error EmptyBenchmark();
    error CardExists(bytes32 cardId);
    /// @notice The model's architecture has no circuit for just this many windows.
    error NoSuchCircuit(uint16 batchSize);
    error UnknownCard(bytes32 cardId);
    error BatchOutOfRange(uint256 index, uint256 batches);
    error BatchAlreadyCounted(uint256 index);
    /// @notice Windows and labels are not this batch of the card's benchmark, or the Merkle proof is not theirs.
    error NotInBenchmark(uint256 index);
    /// @notice The benchmark's batch, or the scores, do not fit the circuit; or a feature is not within ±32,767.
    error MalformedBatch(uint256 index);

    /// @notice Opens a card for a model of a hub and a benchmark.
    /// @param batchSize One of the batch sizes of the model's architecture.
    /// @return cardId See `cardIdOf`.
    function open(IZkOracle hub, uint16 modelNumber, uint16 batchSize, bytes32 root, uint32 batches)
        external
        returns (bytes32 cardId);

    /// @notice Counts the verdicts of one batch.
    /// @param index Of the batch in the benchmark, from 0.
    /// @param windows The batch's feature vectors, one behind the other: each feature an int16, big-endian.
    /// @param labels One byte for each window. 0: normal; any other is a kind of fault, by the benchmark's own list. Fewer
    /// than `batchSize` are padded with the last window, as a hub does.
    /// @param scores The model's integer scores, window by window. A window is held if one of its own is above zero.
    /// @param proof The ezkl proof for exactly the statement that is written down here. If it is not, `ProofRejected`; a
    /// score that is none of a circuit's integers is a `ScoreOutOfRange` of the card: errors of `IZkOracle`.
    function submitBatch(
        bytes32 cardId,
        uint256 index,
        bytes calldata windows,
        bytes calldata labels,
        int256[] calldata scores,
        bytes32[] calldata merkleProof,
        bytes calldata proof
    ) external;

    function card(bytes32 cardId) external view returns (Card memory);
    /// @notice Whether every batch of the benchmark is counted.
    function isComplete(bytes32 cardId) external view returns (bool);
    /// @notice Whether a batch is counted.
    function isCounted(bytes32 cardId, uint256 index) external view returns (bool);
    /// @notice The id of a card, opened or not.
    function cardIdOf(IZkOracle hub, uint16 modelNumber, uint16 batchSize, bytes32 root, uint32 batches)
        external
        pure
        returns (bytes32);
}
