// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {
    IAccessControlDefaultAdminRules
} from "@openzeppelin/contracts/access/extensions/IAccessControlDefaultAdminRules.sol";

import {IZkOracle} from "../src/interfaces/IZkOracle.sol";

/// @dev Everything of the hub that tests call. They are not compiled with its code, which would take long.
interface IHub is IZkOracle, IAccessControl, IAccessControlDefaultAdminRules {
    function GUARDIAN_ROLE() external view returns (bytes32);
}
