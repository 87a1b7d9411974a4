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
    uint256 internal constant SUBJECT_LIMBS = 4;
    /// @dev Three hashes, the expiry, the subject, and the bit that says that the claim holds.
    uint256 internal constant FIXED_INSTANCES = 5 + SUBJECT_LIMBS;
    /// @dev The time from which the signatures of a removed issuer count.
    uint40 internal constant NEVER = type(uint40).max;

    bytes32 private constant ATTESTATION_TYPEHASH =
        keccak256("Attestation(bytes32 modelId,address subject,uint256 commitment,uint40 issuedAt,uint40 expiresAt)");

    uint40 private immutable _changeDelay;

    mapping(bytes32 modelId => Model stored) private _models;
    mapping(bytes32 key => Recorded stored) private _claims;
    mapping(bytes32 modelId => mapping(address issuer => uint40 activeAt)) private _issuers;
    mapping(address issuer => mapping(uint256 commitment => bool revoked)) private _revoked;
    mapping(bytes32 modelId => mapping(address subject => mapping(uint256 commitment => Source stored))) private
        _sources;

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
    function proposeModel(
        address verifier,
        uint256 modelHash,
        uint32 proofBytes,
        uint128 limit,
        uint8 outputs,
        bool changes
    ) external override onlyRole(DEFAULT_ADMIN_ROLE) returns (bytes32 modelId) {
        if (!Code.isContract(verifier)) revert NotAContract(verifier);
        if (modelHash == 0 || modelHash >= Instances.FIELD_MODULUS || proofBytes == 0) revert InvalidModel();
        if (limit == 0 || limit > MAX_LIMIT || outputs == 0) revert InvalidModel();
        uint40 activeAt = uint40(block.timestamp) + _changeDelay;
        Model memory made = Model(verifier, proofBytes, activeAt, false, outputs, changes, limit, modelHash);
        modelId = _modelId(made);
        if (_models[modelId].verifier != address(0)) revert ModelExists(modelId);
        _models[modelId] = made;
        emit ModelProposed(modelId, verifier, modelHash, limit, outputs, changes, activeAt);
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
        // 2  the model is active
        Model memory stored = _active(claim.terms.modelId);
        // 3  an issuer signed the commitment, for this subject and model, on this chain and registry
        address issuer = _issuer(claim, attestation);
        // 4  earlier data were recorded for this subject and model, and were checked before the claim's
        _requireEarlier(claim, attestation.issuedAt, stored.changes);
        // 5  the registry wrote the statement itself, and the circuit is sound for it; a proof of anything else fails
        _requireProof(stored, proof, _instances(claim, statementHash, stored));
        // 6  the claim is new
        _record(claim, issuer, attestation);
        if (stored.changes) _recordSource(claim, issuer, attestation.issuedAt);
    }

    /// @inheritdoc IClaimRegistry
    function isValid(address subject, Terms calldata terms) public view override returns (bool valid) {
        Recorded memory stored = _claims[_key(subject, terms)];
        bytes32 modelId = terms.modelId;
        // An empty record has expired.
        return block.timestamp < stored.expiresAt && !_models[modelId].isRetired
            && _counts(modelId, stored.issuer, stored.commitment)
            && (terms.earlier == 0 || _isSince(subject, terms, stored));
    }

    /// @inheritdoc IClaimRegistry
    function covers(address subject, Terms calldata wanted, Terms calldata proven)
        external
        view
        override
        returns (bool covered)
    {
        if (wanted.modelId != proven.modelId || wanted.bounds.length + wanted.changes.length == 0) {
            return false;
        }
        if (wanted.changes.length != 0 && wanted.earlier != proven.earlier) return false;
        return
            _within(proven.bounds, wanted.bounds) && _within(proven.changes, wanted.changes) && isValid(subject, proven);
    }

    /// @inheritdoc IClaimRegistry
    function recorded(address subject, Terms calldata terms) external view override returns (Recorded memory found) {
        return _claims[_key(subject, terms)];
    }

    /// @inheritdoc IClaimRegistry
    function source(address subject, bytes32 modelId, uint256 commitment)
        external
        view
        override
        returns (Source memory found)
    {
        return _sources[modelId][subject][commitment];
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
    function attestationDigest(bytes32 modelId, address subject, uint256 commitment, uint40 issuedAt, uint40 expiresAt)
        public
        view
        override
        returns (bytes32 digest)
    {
        return _hashTypedDataV4(
            keccak256(abi.encode(ATTESTATION_TYPEHASH, modelId, subject, commitment, issuedAt, expiresAt))
        );
    }

    function _record(Claim calldata claim, address issuer, Attestation calldata attestation) private {
        uint40 expiresAt = claim.expiresAt < attestation.expiresAt ? claim.expiresAt : attestation.expiresAt;
        bytes32 key = _key(claim.subject, claim.terms);
        Recorded memory before = _claims[key];
        if (
            before.commitment == claim.commitment && before.issuer == issuer && before.expiresAt >= expiresAt
                && before.issuedAt >= attestation.issuedAt
        ) revert AlreadyRecorded();
        _claims[key] = Recorded(issuer, expiresAt, attestation.issuedAt, claim.commitment);
        emit ClaimRecorded(
            claim.terms.modelId,
            claim.subject,
            issuer,
            claim.commitment,
            attestation.issuedAt,
            expiresAt,
            claim.terms.bounds,
            claim.terms.changes,
            claim.terms.earlier
        );
    }

    /// @dev An older attestation of the same data takes nothing back, unless the one that is known counts no more.
    function _recordSource(Claim calldata claim, address issuer, uint40 issuedAt) private {
        bytes32 modelId = claim.terms.modelId;
        Source storage known = _sources[modelId][claim.subject][claim.commitment];
        if (issuedAt >= known.issuedAt || !_counts(modelId, known.issuer, claim.commitment)) {
            (known.issuer, known.issuedAt) = (issuer, issuedAt);
        }
    }

    function _requireEarlier(Claim calldata claim, uint40 issuedAt, bool hasChanges) private view {
        uint256 earlier = claim.terms.earlier;
        if ((claim.terms.changes.length == 0) != (earlier == 0)) revert InvalidTerms();
        if (earlier == 0) return;
        // The circuit has no room for them.
        if (!hasChanges) revert InvalidTerms();
        bytes32 modelId = claim.terms.modelId;
        Source memory known = _sources[modelId][claim.subject][earlier];
        if (!_counts(modelId, known.issuer, earlier)) revert UnknownEarlier(earlier);
        if (issuedAt <= known.issuedAt) revert NotLater(issuedAt, known.issuedAt);
    }

    function _issuer(Claim calldata claim, Attestation calldata attestation) private view returns (address issuer) {
        if (block.timestamp >= claim.expiresAt) revert Expired(claim.expiresAt);
        if (block.timestamp >= attestation.expiresAt) revert Expired(attestation.expiresAt);
        bytes32 modelId = claim.terms.modelId;
        bytes32 digest =
            attestationDigest(modelId, claim.subject, claim.commitment, attestation.issuedAt, attestation.expiresAt);
        // slither-disable-next-line unused-return -- a malformed signature recovers zero, which is no issuer
        (issuer,,) = ECDSA.tryRecover(digest, attestation.signature);
        if (!isIssuer(modelId, issuer)) revert UntrustedIssuer(issuer);
        if (_revoked[issuer][claim.commitment]) revert Revoked(issuer, claim.commitment);
    }

    /// @dev True if somebody whose word counts now has checked the earlier data, and before the claim's. They may have
    /// been checked again since, or by another issuer; then they are not earlier, unless they are the same data.
    function _isSince(address subject, Terms calldata terms, Recorded memory stored)
        private
        view
        returns (bool isSince)
    {
        Source memory known = _sources[terms.modelId][subject][terms.earlier];
        return _counts(terms.modelId, known.issuer, terms.earlier)
            && (known.issuedAt < stored.issuedAt || stored.commitment == terms.earlier);
    }

    /// @dev True if the issuer's signature of a commitment counts for the model now.
    function _counts(bytes32 modelId, address issuer, uint256 commitment) private view returns (bool counts) {
        return isIssuer(modelId, issuer) && !_revoked[issuer][commitment];
    }

    /// @dev [H(data), [H(earlier data)], H(statement), H(model), 2 lo − 1 of each quantity, 2 hi + 1 of each, expiry,
    /// subject in four limbs, 1]. The quantities are the outputs, and their changes if the model has them. The circuit
    /// compares 2 q for a quantity q. That is even and equals neither bound. Where two numbers are equal, ezkl's
    /// comparison leaves the answer to the prover.
    function _instances(Claim calldata claim, uint256 statementHash, Model memory stored)
        private
        pure
        returns (uint256[] memory instances)
    {
        if (claim.commitment >= Instances.FIELD_MODULUS) revert NotAFieldElement(claim.commitment);
        if (statementHash >= Instances.FIELD_MODULUS) revert NotAFieldElement(statementHash);
        if (claim.terms.bounds.length + claim.terms.changes.length == 0) revert InvalidTerms();
        uint256 quantities = stored.changes ? 2 * uint256(stored.outputs) : stored.outputs;
        uint256 at = stored.changes ? 4 : 3;
        instances = new uint256[](FIXED_INSTANCES + at - 3 + 2 * quantities);
        instances[0] = claim.commitment;
        // Without a change, the earlier data are the same data: the prover chooses nothing.
        if (stored.changes) instances[1] = claim.terms.earlier == 0 ? claim.commitment : claim.terms.earlier;
        (instances[at - 2], instances[at - 1]) = (statementHash, stored.modelHash);
        // A limit is at most MAX_LIMIT.
        // forge-lint: disable-next-line(unsafe-typecast)
        int128 limit = int128(stored.limit);
        for (uint256 i = 0; i < quantities; ++i) {
            _writeEdges(instances, at + i, quantities, -limit, limit);
        }
        _writeBounds(instances, at, quantities, claim.terms.bounds, stored.outputs, limit);
        _writeBounds(instances, at + stored.outputs, quantities, claim.terms.changes, stored.outputs, limit);
        at += 2 * quantities;
        instances[at] = claim.expiresAt;
        uint256 subject = uint160(claim.subject);
        for (uint256 i = 0; i < SUBJECT_LIMBS; ++i) {
            instances[at + 1 + i] = (subject >> (SUBJECT_LIMB_BITS * i)) & ((1 << SUBJECT_LIMB_BITS) - 1);
        }
        instances[at + 1 + SUBJECT_LIMBS] = 1;
    }

    function _writeBounds(
        uint256[] memory instances,
        uint256 at,
        uint256 quantities,
        Bound[] calldata bounds,
        uint256 outputs,
        int128 limit
    ) private pure {
        uint256 next = 0;
        for (uint256 i = 0; i < bounds.length; ++i) {
            Bound calldata told = bounds[i];
            if (told.output < next || told.output >= outputs) revert InvalidTerms();
            if (told.lo > told.hi || told.lo < -limit || told.hi > limit) revert InvalidBounds(told.lo, told.hi);
            _writeEdges(instances, at + told.output, quantities, told.lo, told.hi);
            next = uint256(told.output) + 1;
        }
    }

    function _writeEdges(uint256[] memory instances, uint256 at, uint256 quantities, int128 lo, int128 hi)
        private
        pure
    {
        instances[at] = Instances.toField(2 * int256(lo) - 1);
        instances[at + quantities] = Instances.toField(2 * int256(hi) + 1);
    }

    /// @dev True if each of the wanted bounds has a proven one within it.
    function _within(Bound[] calldata proven, Bound[] calldata wanted) private pure returns (bool isWithin) {
        for (uint256 i = 0; i < wanted.length; ++i) {
            bool isFound = false;
            for (uint256 j = 0; j < proven.length; ++j) {
                isFound = isFound
                    || (proven[j].output == wanted[i].output
                        && wanted[i].lo <= proven[j].lo
                        && proven[j].hi <= wanted[i].hi);
            }
            if (!isFound) return false;
        }
        return true;
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
        if (_modelId(stored) != modelId) revert VerifierChanged(stored.verifier);
    }

    function _modelId(Model memory of_) private view returns (bytes32 modelId) {
        return keccak256(
            abi.encode(of_.modelHash, of_.verifier.codehash, of_.proofBytes, of_.limit, of_.outputs, of_.changes)
        );
    }

    function _key(address subject, Terms calldata terms) private pure returns (bytes32 key) {
        return keccak256(abi.encode(subject, terms));
    }
}
