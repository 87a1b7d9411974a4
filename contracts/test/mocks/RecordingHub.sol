// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IErc7412} from "../../src/interfaces/IErc7412.sol";
import {IZkOracle} from "../../src/interfaces/IZkOracle.sol";

/// @dev Stands for a hub that does not keep its word: it records what reaches it, and calls back once.
contract RecordingHub {
    bytes public received;
    uint256 public calls;
    bytes public answerTo;

    /// @dev With what it calls its caller back, the first time; empty: it does not.
    function callBackWith(bytes calldata data) external {
        answerTo = data;
    }

    function submitIfNewer(IZkOracle.Submission calldata) external returns (bool) {
        ++calls;
        received = msg.data;
        bytes memory data = answerTo;
        if (data.length != 0) {
            delete answerTo;
            IErc7412(msg.sender).fulfillOracleQuery(data);
        }
        return true;
    }

    fallback() external {
        revert("no other function");
    }
}
