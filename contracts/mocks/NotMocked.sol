// SPDX-License-Identifier: MIT
pragma solidity >=0.8.20 <0.9.0;

import {IClaimRegistry} from "../src/interfaces/IClaimRegistry.sol";
import {IZkAggregatorFactory} from "../src/interfaces/IZkAggregatorFactory.sol";
import {IZkOracle} from "../src/interfaces/IZkOracle.sol";
import {IZkOracleLens} from "../src/interfaces/IZkOracleLens.sol";

/// @notice The mock does not have this function. Test with a real contract what needs it.
error NotMocked(string what);

/// @dev What a mock of the hub does not have: committees, circuits, changes of models. No consumer calls it.
abstract contract NotMockedOracle is IZkOracle, IZkOracleLens {
    function submitShadow(Submission calldata) external pure override {
        revert NotMocked("submitShadow");
    }

    function aggregatorFactory() external pure override returns (IZkAggregatorFactory) {
        revert NotMocked("aggregatorFactory");
    }

    function extsload(bytes32[] calldata) external pure override returns (bytes32[] memory) {
        revert NotMocked("extsload");
    }

    function addCommittee(address[] calldata, uint8) external pure override returns (uint32) {
        revert NotMocked("addCommittee");
    }

    function addArchitecture(bytes calldata, uint8, bool, uint16[] calldata, address[] calldata)
        external
        pure
        override
        returns (uint32)
    {
        revert NotMocked("addArchitecture");
    }

    function addModel(uint256, uint32, bytes32, uint128, Probe calldata) external pure override returns (uint16) {
        revert NotMocked("addModel: use setModel");
    }

    function linkAggregator(bytes32) external pure override {
        revert NotMocked("linkAggregator: use link");
    }

    function proposeModel(bytes32, uint16, uint32, uint32) external pure override {
        revert NotMocked("proposeModel");
    }

    function activateModel(bytes32) external pure override {
        revert NotMocked("activateModel");
    }

    function cancelModel(bytes32) external pure override {
        revert NotMocked("cancelModel");
    }

    function rollbackModel(bytes32) external pure override {
        revert NotMocked("rollbackModel");
    }

    function proposeReporters(uint32, address[] calldata, uint8) external pure override {
        revert NotMocked("proposeReporters");
    }

    function activateReporters(uint32) external pure override {
        revert NotMocked("activateReporters");
    }

    function cancelReporters(uint32) external pure override {
        revert NotMocked("cancelReporters");
    }

    function committeeCount(IZkOracle) external pure override returns (uint32) {
        revert NotMocked("committeeCount");
    }

    function committee(IZkOracle, uint32) external pure override returns (Committee memory) {
        revert NotMocked("committee");
    }

    function architectureCount(IZkOracle) external pure override returns (uint32) {
        revert NotMocked("architectureCount");
    }

    function architecture(IZkOracle, uint32) external pure override returns (Architecture memory) {
        revert NotMocked("architecture");
    }

    function modelCount(IZkOracle) external pure override returns (uint16) {
        revert NotMocked("modelCount");
    }

    function proposals(IZkOracle, bytes32) external pure override returns (Proposals memory) {
        revert NotMocked("proposals");
    }

    function shadow(IZkOracle, bytes32) external pure override returns (ShadowTally memory) {
        revert NotMocked("shadow");
    }

    function features(IZkOracle, bytes32, int128, uint32, uint16, uint8, int128[] calldata)
        external
        pure
        override
        returns (int256[] memory)
    {
        revert NotMocked("features");
    }

    function reportDigest(
        IZkOracle,
        uint32,
        uint32,
        uint32,
        bytes32[] calldata,
        uint32[] calldata,
        int128[] calldata,
        bytes32
    ) external pure override returns (bytes32) {
        revert NotMocked("reportDigest");
    }
}

/// @dev What a mock of the registry does not have: models, issuers, proofs. No consumer calls it.
abstract contract NotMockedRegistry is IClaimRegistry {
    function proposeModel(address, uint256, uint32, uint128, uint8, bool) external pure override returns (bytes32) {
        revert NotMocked("proposeModel");
    }

    function retireModel(bytes32) external pure override {
        revert NotMocked("retireModel");
    }

    function addIssuer(bytes32, address) external pure override {
        revert NotMocked("addIssuer");
    }

    function removeIssuer(bytes32, address) external pure override {
        revert NotMocked("removeIssuer");
    }

    function revoke(uint256) external pure override {
        revert NotMocked("revoke: use end");
    }

    function submitClaim(Claim calldata, uint256, Attestation calldata, bytes calldata) external pure override {
        revert NotMocked("submitClaim: use record");
    }

    function source(address, bytes32, uint256) external pure override returns (Source memory) {
        revert NotMocked("source");
    }

    function model(bytes32) external pure override returns (Model memory) {
        revert NotMocked("model");
    }

    function isIssuer(bytes32, address) external pure override returns (bool) {
        revert NotMocked("isIssuer");
    }

    function isRevoked(address, uint256) external pure override returns (bool) {
        revert NotMocked("isRevoked");
    }

    function attestationDigest(bytes32, address, uint256, uint40, uint40) external pure override returns (bytes32) {
        revert NotMocked("attestationDigest");
    }

    function changeDelay() external pure override returns (uint40) {
        revert NotMocked("changeDelay");
    }
}
