// SPDX-License-Identifier: MIT
pragma solidity >=0.8.20 <0.9.0;

/// @title A contract to which a client brings the data that a call lacks (ERC-7412, a draft)
/// @notice A call that lacks data reverts with `OracleDataRequired`. The client fetches the data, calls
/// `fulfillOracleQuery` on `oracleContract`, and makes its call again, both in one transaction.
interface IErc7412 {
    /// @notice Data is required. `oracleQuery` says which, in the form of the `oracleId` of `oracleContract`.
    error OracleDataRequired(address oracleContract, bytes oracleQuery, uint256 feeRequired);

    /// @notice Names the network that the data is from, so that clients know whom to ask.
    function oracleId() external view returns (bytes32 id);

    /// @notice Takes the data. It may come from anyone.
    function fulfillOracleQuery(bytes calldata signedOffchainData) external payable;
}
