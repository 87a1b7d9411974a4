// SPDX-License-Identifier: MIT
pragma solidity >=0.8.20 <0.9.0;

import {IErc7412} from "../src/interfaces/IErc7412.sol";
import {IErc7412Updates} from "../src/interfaces/IErc7412Updates.sol";
import {IZkOracle} from "../src/interfaces/IZkOracle.sol";

/// @title Brings updates to a mocked hub, for tests of consumers that pull
/// @notice It does what the real contract does. `MockZkOracle.update` gives an update.
contract MockErc7412Updates is IErc7412Updates {
    IZkOracle internal immutable _hub;

    constructor(IZkOracle hub_) {
        _hub = hub_;
    }

    /// @inheritdoc IErc7412
    function fulfillOracleQuery(bytes calldata signedOffchainData) external payable override {
        if (msg.value != 0) revert TakesNoMoney(msg.value);
        if (signedOffchainData.length < 4 || bytes4(signedOffchainData) != IZkOracle.submitIfNewer.selector) {
            revert NotAnUpdate();
        }
        _hub.submitIfNewer(abi.decode(signedOffchainData[4:], (IZkOracle.Submission)));
    }

    /// @inheritdoc IErc7412Updates
    function latest(bytes32 feedId, uint256 age) external view override returns (int128 answer, uint32 observedAt) {
        try _hub.getPriceNoOlderThan(feedId, age) returns (int128 answer_, uint32 observedAt_) {
            return (answer_, observedAt_);
        } catch (bytes memory reason) {
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
