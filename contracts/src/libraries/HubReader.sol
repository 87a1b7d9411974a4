// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IZkOracle} from "../interfaces/IZkOracle.sol";
import {Models} from "./Models.sol";
import {Circuit, Config} from "./Slots.sol";
import {Stores} from "./Store.sol";

/// @title Reads a hub's storage from outside
/// @dev `Store` draws the slots. The offsets below are those of its structs; a test compares all of it with what the hub
/// was told.
library HubReader {
    uint256 internal constant FEEDS = 1;
    uint256 internal constant FEED_IDS = 2;
    uint256 internal constant COMMITTEES = 3;
    uint256 internal constant MODELS = 4;
    uint256 internal constant CIRCUITS = 5;
    uint256 internal constant SHAPES = 6;
    uint256 internal constant CODE_HASHES = 7;
    uint256 internal constant FEATURES = 8;

    /// @dev Words of a feed.
    uint256 internal constant FEED_WORDS = 10;
    uint256 internal constant DESCRIPTION = 10;
    uint256 internal constant ROUNDS = 11;

    /// @notice The slot of one of the store's own members.
    function member(uint256 index) internal pure returns (uint256 slot) {
        return uint256(Stores.SLOT) + index;
    }

    /// @notice The slot of a mapping's entry.
    function entry(uint256 mapping_, uint256 key) internal pure returns (uint256 slot) {
        return uint256(keccak256(abi.encode(key, mapping_)));
    }

    function feedSlot(bytes32 feedId) internal pure returns (uint256 slot) {
        return entry(member(FEEDS), uint256(feedId));
    }

    /// @notice One word.
    function word(IZkOracle hub, uint256 slot) internal view returns (uint256 value) {
        return uint256(words(hub, slot, 1)[0]);
    }

    /// @notice `count` words that follow each other.
    function words(IZkOracle hub, uint256 slot, uint256 count) internal view returns (bytes32[] memory values) {
        bytes32[] memory slots = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            slots[i] = bytes32(slot + i);
        }
        return hub.extsload(slots);
    }

    /// @notice The elements of an array of words.
    function list(IZkOracle hub, uint256 slot) internal view returns (bytes32[] memory values) {
        return words(hub, uint256(keccak256(abi.encode(slot))), word(hub, slot));
    }

    /// @notice A feed's terms and state. Reverts if the hub does not know the feed.
    function config(IZkOracle hub, bytes32 feedId) internal view returns (Config found) {
        found = Config.wrap(word(hub, feedSlot(feedId)));
        if (found.isEmpty()) revert IZkOracle.UnknownFeed(feedId);
    }

    function description(IZkOracle hub, bytes32 feedId) internal view returns (string memory text) {
        uint256 slot = feedSlot(feedId) + DESCRIPTION;
        bytes32 head = words(hub, slot, 1)[0];
        // A text of up to 31 bytes is in the word itself, with twice its length in the lowest byte.
        if (uint256(head) & 1 == 0) {
            uint256 length = (uint256(head) & 0xff) / 2;
            bytes memory short = new bytes(length);
            for (uint256 i = 0; i < length; ++i) {
                short[i] = head[i];
            }
            return string(short);
        }
        uint256 size = uint256(head) / 2;
        bytes memory packed = abi.encodePacked(words(hub, uint256(keccak256(abi.encode(slot))), (size + 31) / 32));
        assembly ("memory-safe") {
            mstore(packed, size)
        }
        return string(packed);
    }

    function model(IZkOracle hub, uint16 modelNumber) internal view returns (IZkOracle.Model memory found) {
        bytes32[] memory stored = words(hub, entry(member(MODELS), modelNumber), 4);
        // forge-lint: disable-next-item(unsafe-typecast) -- stored as a uint32
        found.architectureId = uint32(uint256(stored[3]));
        if (found.architectureId == 0) revert IZkOracle.UnknownModel(modelNumber);
        (found.modelHash, found.artifactHash) = (uint256(stored[0]), stored[2]);
        found.scoreUnit = circuit(hub, CIRCUITS, modelNumber, 0).scoreUnit();
    }

    function architecture(IZkOracle hub, uint32 architectureId)
        internal
        view
        returns (IZkOracle.Architecture memory found)
    {
        Circuit shape = circuit(hub, SHAPES, architectureId, 0);
        uint256 count = shape.count();
        if (count == 0) revert IZkOracle.UnknownArchitecture(architectureId);
        found.features = features(word(hub, entry(member(FEATURES), architectureId)), shape.features());
        (found.outputs, found.bindsModel) = (shape.outputs(), shape.bindsModel());
        found.batchSizes = new uint16[](count);
        found.verifiers = new address[](count);
        found.codeHashes = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            shape = circuit(hub, SHAPES, architectureId, i);
            (found.batchSizes[i], found.verifiers[i]) = (shape.batchSize(), shape.verifier());
            found.codeHashes[i] = words(hub, entry(member(CODE_HASHES), Models.key(architectureId, i)), 1)[0];
        }
    }

    /// @param mapping_ CIRCUITS, by models, or SHAPES, by architectures.
    function circuit(IZkOracle hub, uint256 mapping_, uint256 owner, uint256 index)
        internal
        view
        returns (Circuit found)
    {
        return Circuit.wrap(word(hub, entry(member(mapping_), Models.key(owner, index))));
    }

    /// @notice The first `length` codes of a packed list.
    function features(uint256 packed, uint256 length) internal pure returns (bytes memory list_) {
        list_ = new bytes(length);
        for (uint256 i = 0; i < length; ++i) {
            list_[i] = bytes32(packed)[i];
        }
    }
}
