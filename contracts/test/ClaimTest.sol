// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";

import {IClaimRegistry} from "../src/interfaces/IClaimRegistry.sol";

/// @dev The stub's proof is of one statement only. The tests build the statement from the interface's description.
abstract contract ClaimTest is Test {
    uint256 internal constant MODEL_HASH = 77;
    uint256 internal constant R = 21888242871839275222246405745257275088548364400416034343698204186575808495617;
    uint128 internal constant LIMIT = 1 << 20;
    uint40 internal constant DELAY = 1 days;
    /// @dev The hash of the statement, of which the stub's proofs are.
    uint256 internal constant STATEMENT_HASH = 9;
    address internal constant ALICE = address(uint160(0x1234567890AbcdEF1234567890aBcdef12345678));
    address internal constant MALLORY = address(0xBAD);

    function _registry() internal returns (IClaimRegistry) {
        return IClaimRegistry(deployCode("ClaimRegistry.sol:ClaimRegistry", abi.encode(address(this), DELAY)));
    }

    function _attestation(IClaimRegistry at, uint256 key, IClaimRegistry.Claim memory of_)
        internal
        view
        returns (IClaimRegistry.Attestation memory)
    {
        return _attestation(at, key, of_, uint40(block.timestamp));
    }

    function _attestation(IClaimRegistry at, uint256 key, IClaimRegistry.Claim memory of_, uint40 issuedAt)
        internal
        view
        returns (IClaimRegistry.Attestation memory)
    {
        uint40 expiresAt = uint40(block.timestamp + 7 days);
        bytes32 digest = at.attestationDigest(of_.terms.modelId, of_.subject, of_.commitment, issuedAt, expiresAt);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return IClaimRegistry.Attestation(issuedAt, expiresAt, abi.encodePacked(r, s, v));
    }

    /// @dev The stub's proof of what a claim says of a model with so many outputs, with or without changes.
    function _proof(IClaimRegistry.Claim memory of_, uint256 outputs, bool changes)
        internal
        pure
        returns (bytes memory)
    {
        uint256 quantities = changes ? 2 * outputs : outputs;
        uint256[] memory told = new uint256[]((changes ? 10 : 9) + 2 * quantities);
        uint256 at = 0;
        told[at++] = of_.commitment;
        if (changes) told[at++] = of_.terms.earlier == 0 ? of_.commitment : of_.terms.earlier;
        (told[at++], told[at++]) = (STATEMENT_HASH, MODEL_HASH);
        for (uint256 i = 0; i < quantities; ++i) {
            (int256 lo, int256 hi) = (-int256(uint256(LIMIT)), int256(uint256(LIMIT)));
            IClaimRegistry.Bound[] memory bounds = i < outputs ? of_.terms.bounds : of_.terms.changes;
            for (uint256 j = 0; j < bounds.length; ++j) {
                if (bounds[j].output == i % outputs) (lo, hi) = (bounds[j].lo, bounds[j].hi);
            }
            told[at + i] = _element(2 * lo - 1);
            told[at + quantities + i] = _element(2 * hi + 1);
        }
        at += 2 * quantities;
        told[at++] = of_.expiresAt;
        for (uint256 i = 0; i < 4; ++i) {
            told[at++] = uint40(uint160(of_.subject) >> (40 * i));
        }
        told[at] = 1;
        return abi.encode(keccak256(abi.encode(told)));
    }

    function _element(int256 value) internal pure returns (uint256) {
        // forge-lint: disable-next-line(unsafe-typecast) -- it has the requested sign
        return value < 0 ? R - uint256(-value) : uint256(value);
    }
}
