// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title Private claims
/// @notice Records that a committed model gave an output within [lo, hi] on private data of a subject, which an issuer
/// has checked. Learned are the model, the commitment, the bounds, the subject, issuer and times; neither the data, nor
/// the weights, nor the output.
/// @dev Assumed: issuers compute commitments themselves, from checked data and a fresh random salt;
/// the verifier is of a claim circuit (hardened, set-up not forgeable) whose comparisons hold for bounds within ±limit.
/// Not assumed: anything of who submits, and anything of a proof beyond what the verifier says of the statement that is
/// written down here.
interface IClaimRegistry {
    /// @notice A model. Its id is keccak256(abi.encode(modelHash, verifier's code hash, proofBytes, limit)): whoever knows
    /// the id knows what was agreed on, and a mistake in one of them can be put right by another proposal.
    /// @param verifier Of its claim circuit.
    /// @param modelHash Poseidon hash of its weights.
    /// @param proofBytes The exact length of a proof.
    /// @param limit Bounds are within ±limit.
    /// @param activeAt From when claims are taken.
    /// @param isRetired Whether none are taken, nor valid, any more.
    struct Model {
        address verifier;
        uint32 proofBytes;
        uint40 activeAt;
        bool isRetired;
        uint128 limit;
        uint256 modelHash;
    }

    /// @notice What is claimed.
    /// @param expiresAt Part of the proven statement.
    struct Claim {
        bytes32 modelId;
        address subject;
        int128 lo;
        int128 hi;
        uint40 expiresAt;
        uint256 commitment;
    }

    /// @notice An issuer's signature (EIP-712, `Attestation`) on the commitment, for the subject and the model.
    struct Attestation {
        uint40 expiresAt;
        bytes signature;
    }

    /// @notice A recorded claim: one for each subject, model, lo and hi, and a later one takes its place.
    /// @param expiresAt The earlier of the claim's and the attestation's.
    struct Recorded {
        address issuer;
        uint40 expiresAt;
        uint256 commitment;
    }

    event ModelProposed(bytes32 indexed modelId, address verifier, uint256 modelHash, uint128 limit, uint40 activeAt);
    event ModelRetired(bytes32 indexed modelId);
    event ClaimRecorded(
        bytes32 indexed modelId,
        address indexed subject,
        address indexed issuer,
        int128 lo,
        int128 hi,
        uint40 expiresAt,
        uint256 commitment
    );
    event CommitmentRevoked(address indexed issuer, uint256 indexed commitment);
    event IssuerAdded(bytes32 indexed modelId, address indexed issuer, uint40 activeAt);
    event IssuerRemoved(bytes32 indexed modelId, address indexed issuer);

    /// @notice The delay is not within what a registry may have.
    error InvalidDelay(uint40 delay);
    error InvalidModel();
    error HasNoCode(address verifier);
    error ModelExists(bytes32 modelId);
    error UnknownModel(bytes32 modelId);
    error ModelNotActive(bytes32 modelId);
    /// @notice The code at the verifier's address is no longer what was proposed.
    error VerifierChanged(address verifier);
    /// @notice Zero, or an issuer of the model already; also one that was removed, which is for good.
    error InvalidIssuer(bytes32 modelId, address issuer);
    error UnknownIssuer(bytes32 modelId, address issuer);
    /// @notice Only the subject may submit a claim.
    error NotSubject(address caller, address subject);
    error InvalidBounds(int128 lo, int128 hi);
    /// @notice The claim or the attestation has expired.
    error Expired(uint40 expiresAt);
    error NotAFieldElement(uint256 value);
    /// @notice Who signed is no issuer of the model, or not yet; also where the signature is of something else.
    error UntrustedIssuer(address signer);
    error Revoked(address issuer, uint256 commitment);
    error AlreadyRecorded();
    error WrongProofLength(uint256 length, uint256 expected);
    error ProofRejected();

    /// @notice Seconds from the proposal of a model, or the naming of an issuer, to the first claim that rests on it.
    function changeDelay() external view returns (uint40);

    /// @notice Proposes a model; admin only. Claims of it are taken after the delay, in which anyone can look at it.
    function proposeModel(address verifier, uint256 modelHash, uint32 proofBytes, uint128 limit)
        external
        returns (bytes32 modelId);

    /// @notice Ends a model at once, proposed or active; admin only. Its claims are no longer valid.
    function retireModel(bytes32 modelId) external;

    /// @notice Names who may sign commitments of a model; admin only. Counts after the delay: whoever can name issuers at
    /// once can have anything claimed, and the delay of models would be worth nothing.
    function addIssuer(bytes32 modelId, address issuer) external;

    /// @notice Ends an issuer of a model at once, and all claims of that model that rest on its signatures; admin only.
    /// For good: it can't be named again for it, so that what a lost key signed never comes back.
    function removeIssuer(bytes32 modelId, address issuer) external;

    /// @notice Revokes whatever rests on a commitment that the caller signed, or would sign. For good.
    function revoke(uint256 commitment) external;

    /// @notice Records a claim of the caller's.
    /// @param claim What is claimed.
    /// @param statementHash Goes with the proof; binds nothing that the claim does not.
    /// @param attestation On the commitment.
    /// @param proof Of exactly the model's length.
    function submitClaim(
        Claim calldata claim,
        uint256 statementHash,
        Attestation calldata attestation,
        bytes calldata proof
    ) external;

    /// @notice Whether the subject has a claim of just these bounds that is neither expired nor revoked, whose issuer is
    /// still one, of a model that is not retired.
    function isValid(address subject, bytes32 modelId, int128 lo, int128 hi) external view returns (bool);

    /// @notice Whether the subject has a valid claim that says at least as much: its bounds lie within [lo, hi].
    /// @param provenLo Of the claim, with `provenHi`: a hint, which anyone may give. A wrong one finds nothing.
    function covers(address subject, bytes32 modelId, int128 lo, int128 hi, int128 provenLo, int128 provenHi)
        external
        view
        returns (bool);

    /// @notice What is recorded, valid or not; zeros if nothing is.
    function recorded(address subject, bytes32 modelId, int128 lo, int128 hi) external view returns (Recorded memory);

    /// @notice A model; reverts if it was never proposed.
    function model(bytes32 modelId) external view returns (Model memory);

    /// @notice Whether the issuer's signatures count for the model now.
    function isIssuer(bytes32 modelId, address issuer) external view returns (bool);

    function isRevoked(address issuer, uint256 commitment) external view returns (bool);

    /// @notice What an issuer signs.
    function attestationDigest(bytes32 modelId, address subject, uint256 commitment, uint40 expiresAt)
        external
        view
        returns (bytes32);
}
