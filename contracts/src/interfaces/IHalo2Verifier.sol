// SPDX-License-Identifier: MIT
pragma solidity >=0.8.20 <0.9.0;

/// @title A verifier that ezkl generates
/// @dev ezkl declares the function without `view`, though it only reads. Since it is declared `view` here, callers use
/// STATICCALL, and no verifier can change state or call back. A generated verifier reads its arguments at fixed
/// positions of the calldata, and is sound for no other encoding. The hub therefore makes the canonical encoding itself
/// (`Instances`).
interface IHalo2Verifier {
    /// @notice Returns true if `proof` proves the statement with these public instances. Reverts without data
    /// otherwise.
    function verifyProof(bytes calldata proof, uint256[] calldata instances) external view returns (bool isProven);
}
