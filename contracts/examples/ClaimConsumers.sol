// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IClaimRegistry} from "../src/interfaces/IClaimRegistry.sol";

/// @title A claim that somebody must have proven
struct Requirement {
    bytes32 modelId;
    int128 lo;
    int128 hi;
}

/// @title An allow-list of those who have an identity claim
contract AllowList {
    IClaimRegistry public immutable registry;
    Requirement public required;
    mapping(address member => bool joined) public members;

    error NoClaim(address caller);

    constructor(IClaimRegistry registry_, Requirement memory required_) {
        (registry, required) = (registry_, required_);
    }

    /// @notice Adds the caller, who must have the claim now.
    function join() external {
        if (!registry.isValid(msg.sender, required.modelId, required.lo, required.hi)) revert NoClaim(msg.sender);
        members[msg.sender] = true;
    }
}

/// @title A lender whose rate depends on the band that is proven
/// @dev A borrower may prove a narrower range than a band's. `covers` accepts it, and the borrower says which range it
/// is.
contract BandLender {
    /// @param ratePpm The rate for a year, in millionths.
    struct Band {
        int128 lo;
        int128 hi;
        uint32 ratePpm;
    }

    IClaimRegistry public immutable registry;
    bytes32 public immutable modelId;
    Band[] public bands;

    error NoClaim(address borrower);

    /// @param bands_ The bands, the best first.
    constructor(IClaimRegistry registry_, bytes32 modelId_, Band[] memory bands_) {
        (registry, modelId) = (registry_, modelId_);
        for (uint256 i = 0; i < bands_.length; ++i) {
            bands.push(bands_[i]);
        }
    }

    /// @notice The rate of the best band that contains the borrower's claim.
    /// @param provenLo With `provenHi`, the bounds of the claim.
    function rateOf(address borrower, int128 provenLo, int128 provenHi) external view returns (uint32) {
        for (uint256 i = 0; i < bands.length; ++i) {
            Band memory band = bands[i];
            if (registry.covers(borrower, modelId, band.lo, band.hi, provenLo, provenHi)) return band.ratePpm;
        }
        revert NoClaim(borrower);
    }
}

/// @title A tournament that pays its winner only with a fair-play claim
contract Tournament {
    IClaimRegistry public immutable registry;
    address public immutable winner;
    Requirement public required;

    error NotWinner(address caller);
    error NoClaim(address caller);
    error NotPaid();

    /// @param winner_ The winner, as the organiser determined.
    constructor(IClaimRegistry registry_, Requirement memory required_, address winner_) payable {
        (registry, required, winner) = (registry_, required_, winner_);
    }

    /// @notice Pays the prize out.
    function collect() external {
        if (msg.sender != winner) revert NotWinner(msg.sender);
        if (!registry.isValid(winner, required.modelId, required.lo, required.hi)) revert NoClaim(winner);
        // slither-disable-next-line low-level-calls
        (bool isOk,) = winner.call{value: address(this).balance}("");
        if (!isOk) revert NotPaid();
    }
}
