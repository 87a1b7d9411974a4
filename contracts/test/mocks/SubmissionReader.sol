// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IZkOracle} from "../../src/interfaces/IZkOracle.sol";
import {Answers} from "../../src/libraries/Answers.sol";
import {Instances} from "../../src/libraries/Instances.sol";

/// @title A contract that reads submissions as the hub does, and returns what it has read
/// @dev Its functions have the names of the hub's, so that it takes the same calldata. Every part is read with the hub's
/// own accesses and libraries: the compiler checks a part of calldata when it is accessed, and not before.
contract SubmissionReader {
    /// @notice The result of a call: `content` is the submission in canonical encoding, or what the call reverted with.
    struct Reading {
        bool isRead;
        bytes content;
    }

    /// @notice A submission in memory. Answers and scores have a word each; `answerBytes` and `scoreBytes` are the lengths
    /// of what they were read from.
    struct Content {
        uint16 modelNumber;
        uint32 committee;
        uint32 epoch;
        uint32 observedAt;
        bytes32[] feedIds;
        uint32[] roundIds;
        IZkOracle.Signature[] signatures;
        uint256[] answers;
        uint8[] medians;
        int256[] scores;
        bytes proof;
        uint256 answerBytes;
        uint256 scoreBytes;
    }

    /// @notice Calls this contract with each of `calls`.
    function readAll(bytes[] calldata calls) external view returns (Reading[] memory readings) {
        readings = new Reading[](calls.length);
        for (uint256 i = 0; i < calls.length; ++i) {
            (readings[i].isRead, readings[i].content) = address(this).staticcall(calls[i]);
        }
    }

    function submit(IZkOracle.Submission calldata submission) external pure returns (Content memory) {
        return _read(submission);
    }

    function submitIfNewer(IZkOracle.Submission calldata submission) external pure returns (Content memory) {
        return _read(submission);
    }

    function _read(IZkOracle.Submission calldata submission) internal pure returns (Content memory content) {
        (content.modelNumber, content.committee) = (submission.modelNumber, submission.committee);
        (content.epoch, content.observedAt) = (submission.epoch, submission.observedAt);
        content.feedIds = new bytes32[](submission.feedIds.length);
        for (uint256 i = 0; i < content.feedIds.length; ++i) {
            content.feedIds[i] = submission.feedIds[i];
        }
        content.roundIds = new uint32[](submission.roundIds.length);
        for (uint256 i = 0; i < content.roundIds.length; ++i) {
            content.roundIds[i] = submission.roundIds[i];
        }
        IZkOracle.Signature[] calldata signatures = submission.signatures;
        content.signatures = new IZkOracle.Signature[](signatures.length);
        for (uint256 i = 0; i < signatures.length; ++i) {
            IZkOracle.Signature calldata signature = signatures[i];
            content.signatures[i] = IZkOracle.Signature(signature.readings, signature.r, signature.vs);
        }
        content.answers = Answers.unpack(submission.answers);
        content.answerBytes = submission.answers.length;
        bytes calldata medians = submission.medians;
        content.medians = new uint8[](medians.length);
        for (uint256 i = 0; i < medians.length; ++i) {
            content.medians[i] = uint8(medians[i]);
        }
        bytes calldata scores = submission.scores;
        content.scores = new int256[](scores.length / 16);
        for (uint256 i = 0; i < content.scores.length; ++i) {
            content.scores[i] = Instances.scoreAt(scores, i);
        }
        content.scoreBytes = scores.length;
        // The hub copies the proof without the checks that the compiler would make: see `Instances.openCall`.
        bytes calldata proof = submission.proof;
        bytes memory copy = new bytes(proof.length);
        assembly ("memory-safe") {
            calldatacopy(add(copy, 0x20), proof.offset, proof.length)
        }
        content.proof = copy;
    }
}
