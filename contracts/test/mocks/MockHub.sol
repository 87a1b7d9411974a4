// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IZkAggregator} from "../../src/interfaces/IZkAggregator.sol";
import {IZkOracle} from "../../src/interfaces/IZkOracle.sol";
import {Config} from "../../src/libraries/Slots.sol";
import {Store, StoredModel, Stores} from "../../src/libraries/Store.sol";

/// @dev The reading functions of a hub with one feed, which can be put into every state. Staleness follows from the
/// time, as in the hub. What adapters read by `extsload` is where the hub stores it.
contract MockHub {
    uint8 public constant DECIMALS = 8;
    uint256 public constant MODEL_HASH = 0x1234;
    bytes32 public constant ARTIFACT_HASH = keccak256("artifact");

    bytes32 public immutable FEED_ID;
    /// @dev The age from which the latest observation is stale.
    uint32 public immutable STALE_AFTER;

    IZkOracle.Status public status;
    bool public paused;
    uint32 public roundId;
    IZkOracle.Round[] internal rounds;

    constructor(bytes32 feedId, uint32 staleAfter) {
        (FEED_ID, STALE_AFTER) = (feedId, staleAfter);
        Store storage store = Stores.get();
        store.feeds[feedId].config = Config.wrap(uint256(DECIMALS) << 8);
        store.models[1] = StoredModel(MODEL_HASH, 0, ARTIFACT_HASH, 1);
        describe("ETH / USD");
    }

    function describe(string memory description) public {
        Stores.get().feeds[FEED_ID].description = description;
    }

    /// @dev Writes a round that is observed and published now.
    function accept(int128 answer) external {
        accept(answer, uint32(block.timestamp));
    }

    /// @dev Writes a round that is published now.
    function accept(int128 answer, uint32 observedAt) public {
        _write(answer, observedAt, -250);
    }

    /// @dev Writes a round that the model called anomalous, and that reports have confirmed.
    function confirm(int128 answer) external {
        _write(answer, uint32(block.timestamp), 1_500);
    }

    function hold() external {
        status = IZkOracle.Status.HELD;
    }

    function setPaused(bool isPaused) external {
        paused = isPaused;
    }

    function announce(IZkAggregator adapter) external {
        IZkOracle.Round memory round = rounds[roundId - 1];
        adapter.announce(roundId, round.answer, round.observedAt, msg.sender);
    }

    function latestWithStatus(bytes32 feedId)
        external
        view
        returns (uint32 id, IZkOracle.Round memory round, IZkOracle.Status status_, bool paused_, bool stale)
    {
        _known(feedId);
        if (roundId != 0) round = rounds[roundId - 1];
        return (roundId, round, status, paused, isStale(feedId));
    }

    function getRound(bytes32 feedId, uint32 id) external view returns (IZkOracle.Round memory round) {
        _known(feedId);
        if (id != 0 && id <= roundId) round = rounds[id - 1];
    }

    function isStale(bytes32 feedId) public view returns (bool stale) {
        _known(feedId);
        return roundId == 0 || block.timestamp > uint256(rounds[roundId - 1].observedAt) + STALE_AFTER;
    }

    function extsload(bytes32[] calldata slots) external view returns (bytes32[] memory words) {
        words = new bytes32[](slots.length);
        for (uint256 i = 0; i < slots.length; ++i) {
            bytes32 slot = slots[i];
            bytes32 word;
            assembly ("memory-safe") {
                word := sload(slot)
            }
            words[i] = word;
        }
    }

    function _write(int128 answer, uint32 observedAt, int24 scoreRatio) internal {
        // forge-lint: disable-next-line(unsafe-typecast) -- until 2106
        rounds.push(IZkOracle.Round(answer, observedAt, uint32(block.timestamp), 1, scoreRatio, 40, 3));
        ++roundId;
        status = IZkOracle.Status.OK;
    }

    function _known(bytes32 feedId) internal view {
        if (feedId != FEED_ID) revert IZkOracle.UnknownFeed(feedId);
    }
}
