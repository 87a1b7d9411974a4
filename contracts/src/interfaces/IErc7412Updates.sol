// SPDX-License-Identifier: MIT
pragma solidity >=0.8.20 <0.9.0;

import {IErc7412} from "./IErc7412.sol";
import {IZkOracle} from "./IZkOracle.sol";

/// @title Pulled feeds of one hub, for clients of ERC-7412
/// @notice `latest` gives a feed's answer if it is young enough. If it is too old, and nothing else is wrong, it reverts
/// with `OracleDataRequired`. The query is `abi.encode(address hub, bytes32 feedId, uint256 age)`. The data that fulfils
/// it is what `GET /v1/update/FEED` serves as `calldata`: a call of the hub's `submitIfNewer`.
///
/// The contract stores nothing, owns nothing and has no rights: whatever it is given, the hub checks. An update that the
/// chain has already, or that a later one has overtaken, does nothing. So an update may be brought twice, and by anyone.
interface IErc7412Updates is IErc7412 {
    /// @notice The data is no call of `submitIfNewer`.
    error NotAnUpdate();
    /// @notice An update costs nothing but gas. Money that is sent with it would be lost.
    error TakesNoMoney(uint256 value);

    /// @notice The hub to which updates are brought.
    function hub() external view returns (IZkOracle hub_);

    /// @notice The answer of `IZkOracle.getPriceNoOlderThan`. Reverts with `OracleDataRequired` where that reverts with
    /// `PriceTooOld`. All its other errors are passed on: no update helps a feed that is paused, and a hold ends by
    /// reports that are sent anyway.
    /// @param age The largest age of the answer's observation, in seconds.
    function latest(bytes32 feedId, uint256 age) external view returns (int128 answer, uint32 observedAt);
}
