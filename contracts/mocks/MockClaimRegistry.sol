// SPDX-License-Identifier: MIT
pragma solidity >=0.8.20 <0.9.0;

import {IClaimRegistry} from "../src/interfaces/IClaimRegistry.sol";
import {NotMockedRegistry} from "./NotMocked.sol";

/// @title A registry of claims for tests
/// @notice `record` makes a claim valid until it expires, and `end` ends it, as a revocation or a retired model does.
/// What consumers read is as in the real registry; the oracle's own tests compare both.
/// @dev For tests only: anyone may call everything.
contract MockClaimRegistry is NotMockedRegistry {
    mapping(bytes32 key => Recorded claim) internal _claims;
    mapping(bytes32 key => bool isOver) internal _ended;

    /// @notice Records a claim that an issuer attested now.
    /// @param expiresAt Unix seconds.
    function record(address subject, Terms calldata terms, uint40 expiresAt) external {
        uint256 commitment = uint256(keccak256(abi.encode(subject, terms, block.timestamp))) >> 8;
        record(subject, terms, Recorded(msg.sender, expiresAt, uint40(block.timestamp), commitment));
    }

    /// @notice Records a claim with every field chosen.
    function record(address subject, Terms calldata terms, Recorded memory claim) public {
        bytes32 key = _key(subject, terms);
        (_claims[key], _ended[key]) = (claim, false);
        emit ClaimRecorded(
            terms.modelId,
            subject,
            claim.issuer,
            claim.commitment,
            claim.issuedAt,
            claim.expiresAt,
            terms.bounds,
            terms.changes,
            terms.earlier
        );
    }

    /// @notice Ends a claim before it expires.
    function end(address subject, Terms calldata terms) external {
        _ended[_key(subject, terms)] = true;
    }

    /// @inheritdoc IClaimRegistry
    function isValid(address subject, Terms calldata terms) public view override returns (bool valid) {
        bytes32 key = _key(subject, terms);
        return block.timestamp < _claims[key].expiresAt && !_ended[key];
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

    /// @dev True if each wanted bound contains one that is proven.
    function _within(Bound[] calldata proven, Bound[] calldata wanted) internal pure returns (bool) {
        for (uint256 i = 0; i < wanted.length; ++i) {
            bool isFound = false;
            for (uint256 j = 0; j < proven.length && !isFound; ++j) {
                isFound = proven[j].output == wanted[i].output && wanted[i].lo <= proven[j].lo
                    && proven[j].hi <= wanted[i].hi;
            }
            if (!isFound) return false;
        }
        return true;
    }

    function _key(address subject, Terms calldata terms) internal pure returns (bytes32) {
        return keccak256(abi.encode(subject, terms));
    }
}
