// SPDX-License-Identifier: MIT
pragma solidity >=0.8.20 <0.9.0;

import {IZkOracle} from "./IZkOracle.sol";

/// @title Proven model cards
/// @notice A card counts, from proofs, how good a hidden model is. The model, which a hub pins by its hash, judges a
/// benchmark that anyone can build again, batch by batch. Each verdict is proven, and counted once. A reader who knows
/// the benchmark's root learns from a *complete* card how many of its faults the model stops, and how many of its
/// normal windows it holds, without trusting the model's owner. A card says nothing about other data.
/// @dev The contract has no owner, and nothing in it can be changed. Anyone may open a card, and submit batches to it.
/// The contract builds the statement for the verifier from the benchmark and the claimed scores, with the hash and the
/// circuit that the hub had for the model. It assumes that the reader trusts this hub and has built the benchmark with
/// this root: both are in the card, and its id follows from them.
///
/// A benchmark is a Merkle tree of batches, with OpenZeppelin's rules: pairs are sorted, and a leaf is
/// `keccak256(keccak256(abi.encode(uint256 index, uint256 batches, bytes windows, bytes labels)))`. Each leaf contains
/// the number of batches, so a card that was opened for fewer of them can't count any.
interface IModelCard {
    /// @param hub The hub that has the model. It pins the model's hash and circuit.
    /// @param modelNumber The hub's number of the model.
    /// @param batchSize The largest number of windows in a proof.
    /// @param verifier The verifier of the circuit for that many windows.
    /// @param modelHash Poseidon hash of the weights; 0 if they are in the verifier's key.
    /// @param root The benchmark's Merkle root.
    /// @param batches The number of batches in the benchmark.
    /// @param counted The number of batches whose verdicts are in the counts.
    /// @param faults Faulty windows in the counted batches; the model holds `caught` of them.
    /// @param normals Normal windows in the counted batches; the model holds `falseHolds` of them.
    /// @param complete True if every batch is counted. As long as it is false, whoever submits chooses what the counts
    /// show.
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

    /// @notice A batch was proven and counted. Bit i of `faults` and of `held` stands for its i-th window.
    event BatchCounted(bytes32 indexed cardId, uint256 indexed index, uint256 faults, uint256 held);

    /// @notice The card was opened for no batches.
    error EmptyBenchmark();
    /// @notice This card exists: hub, model, batch size, root and number of batches are the same.
    error CardExists(bytes32 cardId);
    /// @notice The model's architecture has no circuit for exactly this many windows.
    error NoSuchCircuit(uint16 batchSize);
    /// @notice The verifier is no contract, or its code is not the one that the hub recorded.
    error VerifierChanged(address verifier);
    /// @notice The card was never opened.
    error UnknownCard(bytes32 cardId);
    /// @notice The benchmark has fewer batches.
    error BatchOutOfRange(uint256 index, uint256 batches);
    /// @notice The batch is counted already. Each counts once.
    error BatchAlreadyCounted(uint256 index);
    /// @notice The windows and labels are not this batch of the card's benchmark, or the Merkle proof is of something
    /// else.
    error NotInBenchmark(uint256 index);
    /// @notice The batch or its scores do not fit the circuit, or a feature is not within ±32,767.
    error MalformedBatch(uint256 index);

    /// @notice Opens a card for a model of a hub and a benchmark.
    /// @param batchSize One of the batch sizes of the model's architecture.
    /// @return cardId See `cardIdOf`.
    function open(IZkOracle hub, uint16 modelNumber, uint16 batchSize, bytes32 root, uint32 batches)
        external
        returns (bytes32 cardId);

    /// @notice Counts the verdicts of one batch.
    /// @param index The batch's position in the benchmark, from 0.
    /// @param windows The batch's feature vectors, one after the other. Each feature is a big-endian int16.
    /// @param labels One byte for each window. 0: normal. Any other value is a kind of fault, from the benchmark's own
    /// list. A batch of fewer than `batchSize` windows is padded with its last window, as a hub does.
    /// @param scores The model's integer scores, window by window. A window is held if one of its own scores is above
    /// zero.
    /// @param proof The ezkl proof for exactly the statement that this contract writes down. Any other proof reverts
    /// with `ProofRejected`, and a score that is not one of the circuit's integers with `ScoreOutOfRange` of the card.
    /// Both are errors of `IZkOracle`.
    function submitBatch(
        bytes32 cardId,
        uint256 index,
        bytes calldata windows,
        bytes calldata labels,
        int256[] calldata scores,
        bytes32[] calldata merkleProof,
        bytes calldata proof
    ) external;

    function card(bytes32 cardId) external view returns (Card memory found);
    /// @notice True if every batch of the benchmark is counted.
    function isComplete(bytes32 cardId) external view returns (bool complete);
    /// @notice True if the batch is counted.
    function isCounted(bytes32 cardId, uint256 index) external view returns (bool counted);
    /// @notice The id of a card, opened or not.
    function cardIdOf(IZkOracle hub, uint16 modelNumber, uint16 batchSize, bytes32 root, uint32 batches)
        external
        pure
        returns (bytes32 cardId);
}
