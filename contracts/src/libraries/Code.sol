// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title Tells contracts from accounts, also from accounts that delegate
/// @dev An account can delegate to a contract (EIP-7702). It then has code, 0xef0100 and the contract's address, and
/// its key can replace that code at any time. No contract's own code begins with 0xef (EIP-3541).
library Code {
    uint256 private constant DELEGATION = 0xef0100;
    uint256 private constant DELEGATION_BYTES = 23;

    /// @notice True if the account delegates to a contract. It still has a key.
    function isDelegated(address account) internal view returns (bool isDelegating) {
        return account.code.length == DELEGATION_BYTES && _head(account) >> 232 == DELEGATION;
    }

    /// @notice True if there is a contract at the address, whose code no key can replace.
    /// @dev A proxy is a contract too. Its code stays, but what it runs may change: nothing here can tell.
    function isContract(address account) internal view returns (bool hasOwnCode) {
        return account.code.length != 0 && _head(account) >> 248 != DELEGATION >> 16;
    }

    /// @notice True if a key may belong to the address, so that a signature can recover to it. None recovers to a
    /// contract, or to zero.
    /// @dev It guards against mistakes alone: a contract may be created later at an address that is empty now.
    function canSign(address account) internal view returns (bool maySign) {
        return account != address(0) && (account.code.length == 0 || isDelegated(account));
    }

    /// @dev The first 32 bytes of the code, filled up with zeros.
    function _head(address account) private view returns (uint256 head) {
        assembly ("memory-safe") {
            mstore(0, 0)
            extcodecopy(account, 0, 0, 32)
            head := mload(0)
        }
    }
}
