// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {
    AccessControlDefaultAdminRules
} from "@openzeppelin/contracts/access/extensions/AccessControlDefaultAdminRules.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {IClaimRegistry} from "./interfaces/IClaimRegistry.sol";
import {IHalo2Verifier} from "./interfaces/IHalo2Verifier.sol";
import {Code} from "./libraries/Code.sol";
import {Instances} from "./libraries/Instances.sol";

/// @title Registry of private claims
contract ClaimRegistry is IClaimRegistry, AccessControlDefaultAdminRules, EIP712 {
    uint40 internal constant MAX_DELAY = 30 days;
    uint128 internal constant MAX_LIMIT = 1 << 120;
    uint256 internal constant SUBJECT_LIMB_BITS = 40;
    uint256 internal constant INSTANCES = 12;
    /// @dev The time from which the signatures of a removed issuer count.
    uint40 internal constant NEVER = type(uint40).max;

    bytes32 private constant ATTESTATION_TYPEHASH =
        keccak256("Attestation(bytes32 modelId,address subject,uint256 commitment,uint40 expiresAt)");

    uint40 private immutable _changeDelay;

    mapping(bytes32 modelId => Model stored) private _models;
    mapping(bytes32 key => Recorded stored) private _claims;
    mapping(bytes32 modelId => mapping(address issuer => uint40 activeAt)) private _issuers;
    mapping(address issuer => mapping(uint256 commitment => bool revoked)) private _revoked;

    /// @param admin The admin of models and issuers. It is handed over in two steps, the delay apart.
    /// @param delay Seconds from a model's proposal, or an issuer's naming, to the first claim that can rest on it.
    constructor(address admin, uint40 delay) AccessControlDefaultAdminRules(delay, admin) EIP712("ClaimRegistry", "1") {
        if (delay > MAX_DELAY) revert InvalidDelay(delay);
        _changeDelay = delay;
    }

    /// @inheritdoc IClaimRegistry
    function changeDelay() external view override returns (uint40 delay) {
        return _changeDelay;
    }

    /// @inheritdoc IClaimRegistry
    function proposeModel(address verifier, uint256 modelHash, uint32 proofBytes, uint128 limit)
        external
        override
        onlyRole(DEFAULT_ADMIN_ROLE)
        returns (bytes32 modelId)
    {
        if (!Code.isContract(verifier)) revert NotAContract(verifier);
        if (modelHash == 0 || modelHash >= Instances.FIELD_MODULUS || proofBytes == 0) revert InvalidModel();
        if (limit == 0 || limit > MAX_LIMIT) revert InvalidModel();
        modelId = _modelId(verifier, modelHash, proofBytes, limit);
        if (_models[modelId].verifier != address(0)) revert ModelExists(modelId);
        uint40 activeAt = uint40(block.timestamp) + _changeDelay;
        _models[modelId] = Model(verifier, proofBytes, activeAt, false, limit, modelHash);
        emit ModelProposed(modelId, verifier, modelHash, limit, activeAt);
    }

    /// @inheritdoc IClaimRegistry
    function retireModel(bytes32 modelId) external override onlyRole(DEFAULT_ADMIN_ROLE) {
        _known(modelId).isRetired = true;
        emit ModelRetired(modelId);
    }

    /// @inheritdoc IClaimRegistry
    function addIssuer(bytes32 modelId, address issuer) external override onlyRole(DEFAULT_ADMIN_ROLE) {
        // slither-disable-next-line unused-return -- reverts if there is none
        _known(modelId);
        if (!Code.canSign(issuer)) revert CannotSign(issuer);
        if (_issuers[modelId][issuer] != 0) revert IssuerExists(modelId, issuer);
        uint40 activeAt = uint40(block.timestamp) + _changeDelay;
        _issuers[modelId][issuer] = activeAt;
        emit IssuerAdded(modelId, issuer, activeAt);
    }

    /// @inheritdoc IClaimRegistry
    function removeIssuer(bytes32 modelId, address issuer) external override onlyRole(DEFAULT_ADMIN_ROLE) {
        uint40 activeAt = _issuers[modelId][issuer];
        if (activeAt == 0 || activeAt == NEVER) revert UnknownIssuer(modelId, issuer);
        _issuers[modelId][issuer] = NEVER;
        emit IssuerRemoved(modelId, issuer);
    }

    /// @inheritdoc IClaimRegistry
    function revoke(uint256 commitment) external override {
        _revoked[msg.sender][commitment] = true;
        emit CommitmentRevoked(msg.sender, commitment);
    }

    /// @inheritdoc IClaimRegistry
    function submitClaim(
        Claim calldata claim,
        uint256 statementHash,
        Attestation calldata attestation,
        bytes calldata proof
    ) external override {
        // 1  the caller is the subject
        if (msg.sender != claim.subject) revert NotSubject(msg.sender, claim.subject);
        // 2  the model is active, and its circuit is sound for these bounds
        Model memory stored = _active(claim.modelId);
        _requireBounds(claim.lo, claim.hi, stored.limit);
        // 3  an issuer signed the commitment, for this subject and model, on this chain and registry
        address issuer = _issuer(claim, attestation);
        // 4  the registry wrote the statement itself; a proof of anything else fails
        _requireProof(stored, proof, _instances(claim, statementHash, stored.modelHash));
        // 5  the claim is new
        _record(claim, issuer, claim.expiresAt < attestation.expiresAt ? claim.expiresAt : attestation.expiresAt);
    }

    /// @inheritdoc IClaimRegistry
    function isValid(address subject, bytes32 modelId, int128 lo, int128 hi) public view override returns (bool valid) {
        Recorded memory stored = _claims[_key(subject, modelId, lo, hi)];
        // An empty record has expired.
        return block.timestamp < stored.expiresAt && !_models[modelId].isRetired && isIssuer(modelId, stored.issuer)
            && !_revoked[stored.issuer][stored.commitment];
    }

    /// @inheritdoc IClaimRegistry
    function covers(address subject, bytes32 modelId, int128 lo, int128 hi, int128 provenLo, int128 provenHi)
        external
        view
        override
        returns (bool covered)
    {
        return lo <= provenLo && provenHi <= hi && isValid(subject, modelId, provenLo, provenHi);
    }

    /// @inheritdoc IClaimRegistry
    function recorded(address subject, bytes32 modelId, int128 lo, int128 hi)
        external
        view
        override
        returns (Recorded memory found)
    {
        return _claims[_key(subject, modelId, lo, hi)];
    }

    /// @inheritdoc IClaimRegistry
    function model(bytes32 modelId) external view override returns (Model memory found) {
        return _known(modelId);
    }

    /// @inheritdoc IClaimRegistry
    function isIssuer(bytes32 modelId, address issuer) public view override returns (bool counts) {
        uint40 activeAt = _issuers[modelId][issuer];
        return activeAt != 0 && activeAt <= block.timestamp;
    }

    /// @inheritdoc IClaimRegistry
    function isRevoked(address issuer, uint256 commitment) external view override returns (bool revoked) {
        return _revoked[issuer][commitment];
    }

    /// @inheritdoc IClaimRegistry
    function attestationDigest(bytes32 modelId, address subject, uint256 commitment, uint40 expiresAt)
        public
        view
        override
        returns (bytes32 digest)
    {
        return _hashTypedDataV4(keccak256(abi.encode(ATTESTATION_TYPEHASH, modelId, subject, commitment, expiresAt)));
    }

    function _record(Claim calldata claim, address issuer, uint40 expiresAt) private {
        bytes32 key = _key(claim.subject, claim.modelId, claim.lo, claim.hi);
        Recorded memory before = _claims[key];
        if (before.commitment == claim.commitment && before.issuer == issuer && before.expiresAt >= expiresAt) {
            revert AlreadyRecorded();
        }
        _claims[key] = Recorded(issuer, expiresAt, claim.commitment);
        emit ClaimRecorded(claim.modelId, claim.subject, issuer, claim.lo, claim.hi, expiresAt, claim.commitment);
    }

    function _requireBounds(int128 lo, int128 hi, uint128 limit) private pure {
        // A limit is at most MAX_LIMIT.
        // forge-lint: disable-next-line(unsafe-typecast)
        int128 most = int128(limit);
        if (lo > hi || lo < -most || hi > most) revert InvalidBounds(lo, hi);
    }

    function _issuer(Claim calldata claim, Attestation calldata attestation) private view returns (address issuer) {
        if (block.timestamp >= claim.expiresAt) revert Expired(claim.expiresAt);
        if (block.timestamp >= attestation.expiresAt) revert Expired(attestation.expiresAt);
        bytes32 digest = attestationDigest(claim.modelId, claim.subject, claim.commitment, attestation.expiresAt);
        // slither-disable-next-line unused-return -- a malformed signature recovers zero, which is no issuer
        (issuer,,) = ECDSA.tryRecover(digest, attestation.signature);
        if (!isIssuer(claim.modelId, issuer)) revert UntrustedIssuer(issuer);
        if (_revoked[issuer][claim.commitment]) revert Revoked(issuer, claim.commitment);
    }

    /// @dev [H(data), H(statement), H(model), 2 lo − 1, 2 hi + 1, expiry, subject in four limbs, 1, 1]. The circuit
    /// compares 2 s for a score s. That is even and equals neither bound. Where two numbers are equal, ezkl's
    /// comparison leaves the answer to the prover.
    function _instances(Claim calldata claim, uint256 statementHash, uint256 modelHash)
        private
        pure
        returns (uint256[] memory instances)
    {
        if (claim.commitment >= Instances.FIELD_MODULUS) revert NotAFieldElement(claim.commitment);
        if (statementHash >= Instances.FIELD_MODULUS) revert NotAFieldElement(statementHash);
        instances = new uint256[](INSTANCES);
        (instances[0], instances[1], instances[2]) = (claim.commitment, statementHash, modelHash);
        instances[3] = Instances.toField(2 * int256(claim.lo) - 1);
        instances[4] = Instances.toField(2 * int256(claim.hi) + 1);
        instances[5] = claim.expiresAt;
        uint256 subject = uint160(claim.subject);
        for (uint256 i = 0; i < 4; ++i) {
            instances[6 + i] = (subject >> (SUBJECT_LIMB_BITS * i)) & ((1 << SUBJECT_LIMB_BITS) - 1);
        }
        (instances[10], instances[11]) = (1, 1);
    }

    /// @dev The compiler makes the canonical encoding, the only one that a hardened verifier takes. A revert, a
    /// `false`, and anything but one word of 1 mean no.
    function _requireProof(Model memory stored, bytes calldata proof, uint256[] memory instances) private view {
        if (proof.length != stored.proofBytes) revert WrongProofLength(proof.length, stored.proofBytes);
        // slither-disable-next-line low-level-calls -- a typed call would revert if the answer is not one word
        (bool isOk, bytes memory answer) =
            stored.verifier.staticcall(abi.encodeCall(IHalo2Verifier.verifyProof, (proof, instances)));
        if (!isOk || answer.length != 32 || abi.decode(answer, (uint256)) != 1) revert ProofRejected();
    }

    function _known(bytes32 modelId) private view returns (Model storage stored) {
        stored = _models[modelId];
        if (stored.verifier == address(0)) revert UnknownModel(modelId);
    }

    function _active(bytes32 modelId) private view returns (Model memory stored) {
        stored = _known(modelId);
        if (stored.isRetired || block.timestamp < stored.activeAt) revert ModelNotActive(modelId);
        // The code at an address can change, on some chains: a contract that destroys itself can be created again.
        if (_modelId(stored.verifier, stored.modelHash, stored.proofBytes, stored.limit) != modelId) {
            revert VerifierChanged(stored.verifier);
        }
    }

    function _modelId(address verifier, uint256 modelHash, uint32 proofBytes, uint128 limit)
        private
        view
        returns (bytes32 modelId)
    {
        return keccak256(abi.encode(modelHash, verifier.codehash, proofBytes, limit));
    }

    function _key(address subject, bytes32 modelId, int128 lo, int128 hi) private pure returns (bytes32 key) {
        return keccak256(abi.encode(subject, modelId, lo, hi));
    }
}
