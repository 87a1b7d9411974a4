// SPDX-License-Identifier: MIT
pragma solidity >=0.8.20 <0.9.0;

/// @title Private claims
/// @notice The registry records that a committed model gave outputs within bounds on a subject's private data, which an
/// issuer has checked; and that they are within bounds of what the model gave on earlier data of the same subject.
/// Everybody learns the model, the commitments, the bounds, the subject, the issuer and the times. Nobody learns the
/// data, the weights, the outputs, or anything of an output that no bound is stated for.
/// @dev The registry assumes that issuers compute commitments themselves, from checked data and a fresh random salt. It
/// assumes that the verifier is of a claim circuit (hardened, with a set-up that nobody can forge) whose comparisons
/// hold for bounds within ±limit, and that genuine outputs and changes are within ±limit. Whoever relies on a model generates its verifier again, and compares the code: a
/// verifier that is a proxy keeps its code hash while what it runs may change. The registry assumes nothing about who
/// submits, and nothing about a proof beyond what the verifier says of the statement that the registry writes down.
interface IClaimRegistry {
    /// @notice A model. Its id is keccak256(abi.encode(modelHash, verifier's code hash, proofBytes, limit, outputs,
    /// changes)). Whoever knows the id knows what was agreed on, and another proposal can correct a mistake in one of
    /// them.
    /// @param verifier The verifier of its claim circuit.
    /// @param modelHash Poseidon hash of its weights.
    /// @param proofBytes The exact length of a proof.
    /// @param limit Bounds are within ±limit.
    /// @param outputs The number of its outputs.
    /// @param changes True if the circuit also compares the change of each output since earlier data.
    /// @param activeAt The time from which claims are taken.
    /// @param isRetired True if the model takes no claims any more, and none of its claims are valid.
    struct Model {
        address verifier;
        uint32 proofBytes;
        uint40 activeAt;
        bool isRetired;
        uint8 outputs;
        bool changes;
        uint128 limit;
        uint256 modelHash;
    }

    /// @notice Bounds of one output, or of its change. Both are included.
    struct Bound {
        uint8 output;
        int128 lo;
        int128 hi;
    }

    /// @notice The content of a claim. It says nothing about outputs that it does not name.
    /// @param bounds Bounds of outputs, ascending by output.
    /// @param changes Bounds of changes: the output on the claim's data minus the output on the earlier data; ascending
    /// by output.
    /// @param earlier The commitment to the earlier data; zero if there are no changes.
    struct Terms {
        bytes32 modelId;
        Bound[] bounds;
        Bound[] changes;
        uint256 earlier;
    }

    /// @notice A claim.
    /// @param expiresAt The claim's expiry. It is part of the proven statement.
    /// @param commitment The commitment to the subject's data.
    struct Claim {
        address subject;
        Terms terms;
        uint40 expiresAt;
        uint256 commitment;
    }

    /// @notice An issuer's signature (EIP-712, `Attestation`) on the commitment, for the subject and the model.
    /// @param issuedAt The time at which the issuer checked the data.
    struct Attestation {
        uint40 issuedAt;
        uint40 expiresAt;
        bytes signature;
    }

    /// @notice A recorded claim. There is one for each subject and terms; a later one replaces it.
    /// @param expiresAt The earlier expiry of the claim's and the attestation's.
    /// @param issuedAt The time at which the issuer checked the data.
    struct Recorded {
        address issuer;
        uint40 expiresAt;
        uint40 issuedAt;
        uint256 commitment;
    }

    /// @notice Data that changes can be measured from: a commitment that a claim of the subject and model rested on.
    struct Source {
        address issuer;
        uint40 issuedAt;
    }

    event ModelProposed(
        bytes32 indexed modelId,
        address verifier,
        uint256 modelHash,
        uint128 limit,
        uint8 outputs,
        bool changes,
        uint40 activeAt
    );
    event ModelRetired(bytes32 indexed modelId);
    event ClaimRecorded(
        bytes32 indexed modelId,
        address indexed subject,
        address indexed issuer,
        uint256 commitment,
        uint40 issuedAt,
        uint40 expiresAt,
        Bound[] bounds,
        Bound[] changes,
        uint256 earlier
    );
    event CommitmentRevoked(address indexed issuer, uint256 indexed commitment);
    event IssuerAdded(bytes32 indexed modelId, address indexed issuer, uint40 activeAt);
    event IssuerRemoved(bytes32 indexed modelId, address indexed issuer);

    /// @notice The delay is longer than a registry may have.
    error InvalidDelay(uint40 delay);
    /// @notice The model's hash is 0 or no field element, its proofs have no length, its limit is 0 or above 2^120, or it has no
    /// outputs.
    error InvalidModel();
    /// @notice The verifier is no contract: it has no code, or it is an account that delegates (EIP-7702), whose key
    /// can replace the code.
    error NotAContract(address verifier);
    /// @notice The model was proposed before. A retired one does not come back.
    error ModelExists(bytes32 modelId);
    /// @notice The model was never proposed.
    error UnknownModel(bytes32 modelId);
    /// @notice The model is retired, or its delay is not over.
    error ModelNotActive(bytes32 modelId);
    /// @notice The code at the verifier's address is no longer the code that was proposed.
    error VerifierChanged(address verifier);
    /// @notice The issuer is a contract or the zero address. No signature recovers to it, so it could attest nothing.
    error CannotSign(address issuer);
    /// @notice The issuer was named for this model before. A removed issuer does not come back.
    error IssuerExists(bytes32 modelId, address issuer);
    /// @notice The address to remove is no issuer of the model.
    error UnknownIssuer(bytes32 modelId, address issuer);
    /// @notice Only the subject may submit a claim.
    error NotSubject(address caller, address subject);
    /// @notice The bounds are reversed, or beyond the model's limit.
    error InvalidBounds(int128 lo, int128 hi);
    /// @notice The claim says nothing, names an output twice, out of order, or one that the model does not have, or
    /// states changes without the earlier data, or earlier data without changes.
    error InvalidTerms();
    /// @notice The registry recorded no claim of the subject and model that rests on these earlier data, or their
    /// issuer has been removed or has revoked them.
    error UnknownEarlier(uint256 commitment);
    /// @notice The issuer did not check the claim's data after the earlier ones.
    error NotLater(uint40 issuedAt, uint40 earlierIssuedAt);
    /// @notice The claim or the attestation has expired.
    error Expired(uint40 expiresAt);
    /// @notice The commitment or the statement's hash is not below the field's order.
    error NotAFieldElement(uint256 value);
    /// @notice The signer is no issuer of the model, or not yet. The signature may also be for something else.
    error UntrustedIssuer(address signer);
    /// @notice The issuer has revoked the commitment.
    error Revoked(address issuer, uint256 commitment);
    /// @notice The same claim is recorded already, and is valid for at least as long.
    error AlreadyRecorded();
    /// @notice The proof does not have the model's exact length.
    error WrongProofLength(uint256 length, uint256 expected);
    /// @notice The verifier does not accept the proof for the statement that the registry wrote down.
    error ProofRejected();

    /// @notice Seconds from a model's proposal, or an issuer's naming, to the first claim that can rest on it.
    function changeDelay() external view returns (uint40 delay);

    /// @notice Proposes a model; admin only. The registry takes its claims after the delay, in which anyone can examine
    /// it.
    function proposeModel(
        address verifier,
        uint256 modelHash,
        uint32 proofBytes,
        uint128 limit,
        uint8 outputs,
        bool changes
    ) external returns (bytes32 modelId);

    /// @notice Retires a model at once, proposed or active; admin only. Its claims are no longer valid.
    function retireModel(bytes32 modelId) external;

    /// @notice Names an issuer, who may sign commitments for a model; admin only. It counts after the delay. Otherwise
    /// the delay of models would be worth nothing: whoever can name issuers at once can have anything claimed.
    function addIssuer(bytes32 modelId, address issuer) external;

    /// @notice Removes an issuer of a model at once; admin only. All claims of that model that rest on its signatures
    /// end with it. The removal is final, so that what a lost key signed never becomes valid again.
    function removeIssuer(bytes32 modelId, address issuer) external;

    /// @notice Revokes every claim that rests on the caller's signature of this commitment, past or future. It is
    /// final.
    function revoke(uint256 commitment) external;

    /// @notice Records a claim. The caller has to be its subject.
    /// @param claim The claim.
    /// @param statementHash An instance of the proof. It binds nothing that the claim does not bind.
    /// @param attestation The issuer's attestation of the commitment.
    /// @param proof The proof. It has exactly the model's `proofBytes`.
    function submitClaim(
        Claim calldata claim,
        uint256 statementHash,
        Attestation calldata attestation,
        bytes calldata proof
    ) external;

    /// @notice True if the subject has a valid claim with exactly these terms: it is neither expired nor revoked, its
    /// issuer has not been removed, and its model is not retired. The same holds of the earlier data of a change,
    /// except that their claim and attestation may have expired; and they were not checked again at the claim's time of
    /// issue or later.
    function isValid(address subject, Terms calldata terms) external view returns (bool valid);

    /// @notice True if the subject has a valid claim that says at least as much: it is about the same model, has bounds
    /// within each of the wanted ones, and measures wanted changes from the same earlier data. False if nothing is
    /// wanted.
    /// @param proven The terms of that claim. They are a hint, which anyone may give; a wrong one finds nothing.
    function covers(address subject, Terms calldata wanted, Terms calldata proven) external view returns (bool covered);

    /// @notice The recorded claim, valid or not; zeros if nothing is recorded.
    function recorded(address subject, Terms calldata terms) external view returns (Recorded memory found);

    /// @notice The source of a commitment that changes can be measured from; zeros if there is none. Only models with
    /// changes have sources.
    function source(address subject, bytes32 modelId, uint256 commitment) external view returns (Source memory found);

    /// @notice A model; reverts if it was never proposed.
    function model(bytes32 modelId) external view returns (Model memory found);

    /// @notice True if the issuer's signatures count for the model now.
    function isIssuer(bytes32 modelId, address issuer) external view returns (bool counts);

    function isRevoked(address issuer, uint256 commitment) external view returns (bool revoked);

    /// @notice The EIP-712 digest that an issuer signs.
    function attestationDigest(bytes32 modelId, address subject, uint256 commitment, uint40 issuedAt, uint40 expiresAt)
        external
        view
        returns (bytes32 digest);
}
