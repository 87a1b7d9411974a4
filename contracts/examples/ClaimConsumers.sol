// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IClaimRegistry} from "../src/interfaces/IClaimRegistry.sol";

/// @title A claim that somebody must have proven: bounds of one output
struct Requirement {
    bytes32 modelId;
    uint8 output;
    int128 lo;
    int128 hi;
}

/// @title Terms of claims about one output
library OneOutput {
    function terms(Requirement memory required) internal pure returns (IClaimRegistry.Terms memory made) {
        made.modelId = required.modelId;
        made.bounds = new IClaimRegistry.Bound[](1);
        made.bounds[0] = IClaimRegistry.Bound(required.output, required.lo, required.hi);
    }

    /// @notice Terms of a claim that the output has changed by at most `most`, up or down, since earlier data.
    function changedAtMost(bytes32 modelId, uint8 output, int128 most, uint256 earlier)
        internal
        pure
        returns (IClaimRegistry.Terms memory made)
    {
        made.modelId = modelId;
        made.changes = new IClaimRegistry.Bound[](1);
        made.changes[0] = IClaimRegistry.Bound(output, -most, most);
        made.earlier = earlier;
    }
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
        if (!registry.isValid(msg.sender, OneOutput.terms(required))) revert NoClaim(msg.sender);
        members[msg.sender] = true;
    }
}

/// @title A lender whose rate depends on the band that is proven
/// @dev A borrower may prove a narrower range than a band's, or bounds of other outputs too. `covers` accepts it, and
/// the borrower says what was proven.
contract BandLender {
    /// @param ratePpm The rate for a year, in millionths.
    struct Band {
        int128 lo;
        int128 hi;
        uint32 ratePpm;
    }

    IClaimRegistry public immutable registry;
    bytes32 public immutable modelId;
    uint8 public immutable output;
    Band[] public bands;

    error NoClaim(address borrower);

    /// @param bands_ The bands, the best first.
    constructor(IClaimRegistry registry_, bytes32 modelId_, uint8 output_, Band[] memory bands_) {
        (registry, modelId, output) = (registry_, modelId_, output_);
        for (uint256 i = 0; i < bands_.length; ++i) {
            bands.push(bands_[i]);
        }
    }

    /// @notice The rate of the best band that contains the borrower's claim.
    /// @param proven The terms of the claim.
    function rateOf(address borrower, IClaimRegistry.Terms calldata proven) external view returns (uint32) {
        for (uint256 i = 0; i < bands.length; ++i) {
            Band memory band = bands[i];
            Requirement memory required = Requirement(modelId, output, band.lo, band.hi);
            if (registry.covers(borrower, OneOutput.terms(required), proven)) return band.ratePpm;
        }
        revert NoClaim(borrower);
    }
}

/// @title An insurer who renews without a new examination if the risk has hardly changed
/// @dev It keeps the commitment that it accepted, and asks for a change since that one: the registry has no "last"
/// claim, which the insured could move. A renewal keeps the new commitment, so changes may add up. To bound them all,
/// keep the first.
contract RenewingInsurer {
    IClaimRegistry public immutable registry;
    Requirement public required;
    int128 public immutable most;
    /// @notice The oldest that data may be, in seconds.
    uint40 public immutable maxAge;
    mapping(address insured => uint256 commitment) public accepted;
    mapping(address insured => uint256 count) public renewals;

    error NoClaim(address caller);
    error NotAccepted(address caller);
    error OldData(uint40 issuedAt);

    /// @param most_ The largest change of the output at a renewal.
    constructor(IClaimRegistry registry_, Requirement memory required_, int128 most_, uint40 maxAge_) {
        (registry, required, most, maxAge) = (registry_, required_, most_, maxAge_);
    }

    /// @notice Insures the caller, who must have the required claim now.
    function accept() external {
        _keep(OneOutput.terms(required));
    }

    /// @notice Renews the caller's insurance. The output, which nobody learns, has to be near the accepted one.
    function renew() external {
        uint256 earlier = accepted[msg.sender];
        if (earlier == 0) revert NotAccepted(msg.sender);
        _keep(OneOutput.changedAtMost(required.modelId, required.output, most, earlier));
        ++renewals[msg.sender];
    }

    function _keep(IClaimRegistry.Terms memory terms) private {
        if (!registry.isValid(msg.sender, terms)) revert NoClaim(msg.sender);
        IClaimRegistry.Recorded memory found = registry.recorded(msg.sender, terms);
        // slither-disable-next-line timestamp -- days, not seconds
        if (found.issuedAt + maxAge < block.timestamp) revert OldData(found.issuedAt);
        accepted[msg.sender] = found.commitment;
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
        if (!registry.isValid(winner, OneOutput.terms(required))) revert NoClaim(winner);
        // slither-disable-next-line low-level-calls
        (bool isOk,) = winner.call{value: address(this).balance}("");
        if (!isOk) revert NotPaid();
    }
}
