// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {IClaimRegistry} from "@verifiable-oracle/contracts/interfaces/IClaimRegistry.sol";

/// @title Lets those in who have proven something about themselves, and learns nothing else of them
/// @notice Whoever has a claim on the registry that one output of a model is at least `LEAST` may join. Whoever joined
/// may enter as long as the claim is valid: it expires, and its issuer can revoke it.
contract AllowList {
    IClaimRegistry public immutable REGISTRY;
    bytes32 public immutable MODEL_ID;
    uint8 public immutable OUTPUT;
    /// @notice The bound, and the largest output that the registry's model allows to state.
    int128 public immutable LEAST;
    int128 public immutable MOST;

    mapping(address member => IClaimRegistry.Terms) internal _proven;

    event Joined(address indexed member);

    error NoClaim(address caller);

    constructor(IClaimRegistry registry, bytes32 modelId, uint8 output, int128 least, int128 most) {
        (REGISTRY, MODEL_ID, OUTPUT, LEAST, MOST) = (registry, modelId, output, least, most);
    }

    /// @notice Adds the caller.
    /// @param proven The terms of a claim of the caller's that says at least as much: he may have proven more, or
    /// narrower bounds.
    function join(IClaimRegistry.Terms calldata proven) external {
        if (!REGISTRY.covers(msg.sender, wanted(), proven)) revert NoClaim(msg.sender);
        IClaimRegistry.Terms storage kept = _proven[msg.sender];
        delete _proven[msg.sender];
        (kept.modelId, kept.earlier) = (proven.modelId, proven.earlier);
        for (uint256 i = 0; i < proven.bounds.length; ++i) {
            kept.bounds.push(proven.bounds[i]);
        }
        for (uint256 i = 0; i < proven.changes.length; ++i) {
            kept.changes.push(proven.changes[i]);
        }
        emit Joined(msg.sender);
    }

    /// @notice True if somebody has joined, and the claim is still valid.
    function isAllowed(address member) public view returns (bool allowed) {
        return REGISTRY.isValid(member, _proven[member]);
    }

    /// @notice Terms of the claim that is needed.
    function wanted() public view returns (IClaimRegistry.Terms memory terms) {
        terms.modelId = MODEL_ID;
        terms.bounds = new IClaimRegistry.Bound[](1);
        terms.bounds[0] = IClaimRegistry.Bound(OUTPUT, LEAST, MOST);
    }

    modifier onlyAllowed() {
        if (!isAllowed(msg.sender)) revert NoClaim(msg.sender);
        _;
    }
}

/// @title A sale whose buyers are on the list
contract Sale is AllowList {
    uint256 public constant PRICE = 0.1 ether;

    mapping(address buyer => uint256 count) public bought;

    error WrongPrice(uint256 value);

    constructor(IClaimRegistry registry, bytes32 modelId, uint8 output, int128 least, int128 most)
        AllowList(registry, modelId, output, least, most)
    {}

    function buy() external payable onlyAllowed {
        if (msg.value != PRICE) revert WrongPrice(msg.value);
        ++bought[msg.sender];
    }
}
