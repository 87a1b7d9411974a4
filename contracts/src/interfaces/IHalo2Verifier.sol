// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title A verifier that ezkl generates
/// @dev ezkl declares the function without `view`, though it only reads: declared `view` here, the hub reaches it by
/// STATICCALL, and no verifier can change state or call back into it. A generated verifier reads its arguments at fixed
/// positions of the calldata, and is sound for no other encoding: the hub makes the canonical one itself (`Instances`).
interface IHalo2Verifier {
    /// @notice Whether `proof` proves the statement with these public instances. Reverts, with no data, if not.
    function verifyProof(bytes calldata proof, uint256[] calldata instances) external view returns (bool);
}
