// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IErc7412} from "./interfaces/IErc7412.sol";
import {IErc7412Updates} from "./interfaces/IErc7412Updates.sol";
import {IZkOracle} from "./interfaces/IZkOracle.sol";

/// @title Pulled feeds of one hub, for clients of ERC-7412
/// @dev It calls one contract, with two functions. What it is given reaches the hub only as the typed argument of
/// `submitIfNewer`: no byte of it decides whom or what this contract calls, and bytes that belong to no argument get
/// lost. There is no state that a call back could meet in between.
// slither-disable-next-line locked-ether -- money is refused
contract Erc7412Updates is IErc7412Updates {
    IZkOracle private immutable _hub;

    constructor(IZkOracle hub_) {
        _hub = hub_;
    }

    /// @inheritdoc IErc7412
    function fulfillOracleQuery(bytes calldata signedOffchainData) external payable override {
        if (msg.value != 0) revert TakesNoMoney(msg.value);
        // forge-lint: disable-next-item(unsafe-typecast) -- the first four bytes are meant
        bytes4 selector = bytes4(signedOffchainData);
        if (signedOffchainData.length < 4 || selector != IZkOracle.submitIfNewer.selector) revert NotAnUpdate();
        // slither-disable-next-line unused-return -- an update that the chain has is as good as one that is new
        _hub.submitIfNewer(abi.decode(signedOffchainData[4:], (IZkOracle.Submission)));
    }

    /// @inheritdoc IErc7412Updates
    function latest(bytes32 feedId, uint256 age) external view override returns (int128 answer, uint32 observedAt) {
        try _hub.getPriceNoOlderThan(feedId, age) returns (int128 answer_, uint32 observedAt_) {
            return (answer_, observedAt_);
        } catch (bytes memory reason) {
            // forge-lint: disable-next-item(unsafe-typecast) -- the first four bytes are meant
            if (bytes4(reason) == IZkOracle.PriceTooOld.selector) {
                revert OracleDataRequired(address(this), abi.encode(_hub, feedId, age), 0);
            }
            assembly ("memory-safe") {
                revert(add(reason, 32), mload(reason))
            }
        }
    }

    /// @inheritdoc IErc7412
    function oracleId() external pure override returns (bytes32 id) {
        return "VERIFIABLE-ORACLE";
    }

    /// @inheritdoc IErc7412Updates
    function hub() external view override returns (IZkOracle hub_) {
        return _hub;
    }
}
