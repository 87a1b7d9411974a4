// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

interface IVerifier {
    function verifyProof(bytes calldata proof, uint256[] calldata instances) external returns (bool);
}

/// @title The consumer that demonstrations of proven inference usually deploy: the benchmark's baseline, nothing else
/// @dev INSECURE on purpose. The caller chooses the instances, and with them the model's inputs and the stored value. A
/// proof can be sent again. Negative outputs are stored as field elements. The contract exists only to be measured.
contract DemoConsumer {
    IVerifier public immutable verifier;
    uint256 public value;

    event ValueSet(uint256 value);

    constructor(IVerifier verifier_) {
        verifier = verifier_;
    }

    /// @notice Stores the last instance of any proof that the verifier accepts.
    function set(bytes calldata proof, uint256[] calldata instances) external {
        require(verifier.verifyProof(proof, instances), "invalid proof");
        value = instances[instances.length - 1];
        emit ValueSet(value);
    }
}
