// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";

import {SplitVerifier} from "../src/SplitVerifier.sol";
import {IHalo2Verifier} from "../src/interfaces/IHalo2Verifier.sol";
import {ISplitVerifier} from "../src/interfaces/ISplitVerifier.sol";
import {StubVerifier} from "./mocks/StubVerifier.sol";
import {YesVerifier} from "./mocks/YesVerifier.sol";

/// @dev A verifier that answers every call with these bytes.
contract Answering {
    bytes private _answer;

    constructor(bytes memory answer) {
        _answer = answer;
    }

    fallback(bytes calldata) external returns (bytes memory) {
        return _answer;
    }
}

contract SplitVerifierTest is Test {
    uint256 internal constant R = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001;
    int256 internal constant CLIP = 32_767;
    uint256 internal constant HASH = 77;

    StubVerifier internal stub = new StubVerifier();
    SplitVerifier internal verifier;

    int256[] internal inputs;
    int256[] internal outputs;
    uint256[] internal boundaries;
    bytes[] internal proofs;

    /// @dev Three segments, the middle one with a private model; two inputs, one output.
    function setUp() public {
        verifier = new SplitVerifier(_segments(), 2, 1, CLIP);
        (inputs, outputs, boundaries) = (new int256[](2), new int256[](1), new uint256[](2));
        (inputs[0], inputs[1], outputs[0]) = (-5, CLIP, -1);
        (boundaries[0], boundaries[1]) = (11, R - 1);
        proofs = new bytes[](3);
        _prove();
    }

    function _segments() internal view returns (ISplitVerifier.Segment[] memory segments) {
        segments = new ISplitVerifier.Segment[](3);
        segments[0] = _segment(stub, false, 0);
        segments[1] = _segment(stub, true, HASH);
        segments[2] = _segment(stub, false, 0);
    }

    function _segment(IHalo2Verifier at, bool bindsModel, uint256 modelHash)
        internal
        view
        returns (ISplitVerifier.Segment memory)
    {
        return ISplitVerifier.Segment({
            verifier: at, bindsModel: bindsModel, codeHash: address(at).codehash, modelHash: modelHash
        });
    }

    /// @dev The stub's "proof" of these instances.
    function _proof(uint256[] memory instances) internal pure returns (bytes memory) {
        return abi.encode(keccak256(abi.encode(instances)));
    }

    function _field(int256 value) internal pure returns (uint256) {
        // forge-lint: disable-next-line(unsafe-typecast) -- a magnitude is not negative
        return value < 0 ? R - uint256(-value) : uint256(value);
    }

    /// @dev Proofs of the statement in storage, with the instances written out.
    function _prove() internal {
        uint256[] memory first = new uint256[](3);
        (first[0], first[1], first[2]) = (_field(inputs[0]), _field(inputs[1]), boundaries[0]);
        uint256[] memory middle = new uint256[](3);
        (middle[0], middle[1], middle[2]) = (boundaries[0], HASH, boundaries[1]);
        uint256[] memory last = new uint256[](2);
        (last[0], last[1]) = (boundaries[1], _field(outputs[0]));
        (proofs[0], proofs[1], proofs[2]) = (_proof(first), _proof(middle), _proof(last));
    }

    function _verify() internal view returns (bool) {
        return verifier.verify(inputs, outputs, boundaries, proofs);
    }

    function _expectRejected(uint256 segment) internal {
        vm.expectRevert(abi.encodeWithSelector(ISplitVerifier.ProofRejected.selector, segment));
    }

    function test_acceptsAChain() public view {
        assertTrue(_verify());
        assertEq(verifier.segmentCount(), 3);
        assertEq(verifier.segment(1).modelHash, HASH);
        assertEq(address(verifier.segment(2).verifier), address(stub));
        assertEq(verifier.inputCount(), 2);
        assertEq(verifier.outputCount(), 1);
        assertEq(verifier.clip(), CLIP);
    }

    function test_oneSegmentIsAChain() public {
        ISplitVerifier.Segment[] memory one = new ISplitVerifier.Segment[](1);
        one[0] = _segment(stub, true, HASH);
        verifier = new SplitVerifier(one, 2, 1, CLIP);
        uint256[] memory instances = new uint256[](4);
        (instances[0], instances[1], instances[2], instances[3]) = (HASH, R - 5, _field(CLIP), R - 1);
        bytes[] memory only = new bytes[](1);
        only[0] = _proof(instances);
        assertTrue(verifier.verify(inputs, outputs, new uint256[](0), only));
    }

    function testFuzz_acceptsWhatIsInRange(int256 a, int256 b, int256 s, uint256 x, uint256 y) public {
        inputs[0] = bound(a, -CLIP, CLIP);
        inputs[1] = bound(b, -CLIP, CLIP);
        outputs[0] = bound(s, -(2 ** 127 - 1), 2 ** 127 - 1);
        (boundaries[0], boundaries[1]) = (x % R, y % R);
        _prove();
        assertTrue(_verify());
    }

    function testFuzz_anotherStatementIsRejected(uint8 which, int256 other) public {
        uint256 rejected = 0;
        if (which % 5 == 0) {
            vm.assume(other >= -CLIP && other <= CLIP && other != inputs[0]);
            inputs[0] = other;
        } else if (which % 5 == 1) {
            other = bound(other, -(2 ** 127 - 1), 2 ** 127 - 1);
            vm.assume(other != outputs[0]);
            (outputs[0], rejected) = (other, 2);
        } else if (which % 5 == 2) {
            // forge-lint: disable-next-line(unsafe-typecast) -- any number will do
            boundaries[0] = uint256(other) % (R - 1) == 11 ? 12 : uint256(other) % (R - 1);
        } else if (which % 5 == 3) {
            // forge-lint: disable-next-line(unsafe-typecast) -- any number will do
            (boundaries[1], rejected) = (uint256(other) % (R - 1), 1);
        } else {
            bytes memory first = proofs[0];
            proofs[0] = proofs[1];
            proofs[1] = first;
        }
        _expectRejected(rejected);
        _verify();
    }

    function test_aProofIsMissing() public {
        proofs[1] = "";
        _expectRejected(1);
        _verify();
        proofs.pop();
        vm.expectRevert(abi.encodeWithSelector(ISplitVerifier.WrongProofCount.selector, 2, 3));
        _verify();
    }

    function test_countsAreThoseOfTheModel() public {
        inputs.push(0);
        vm.expectRevert(abi.encodeWithSelector(ISplitVerifier.WrongInputCount.selector, 3, 2));
        _verify();
        inputs.pop();
        outputs.push(0);
        vm.expectRevert(abi.encodeWithSelector(ISplitVerifier.WrongOutputCount.selector, 2, 1));
        _verify();
        outputs.pop();
        boundaries.pop();
        vm.expectRevert(abi.encodeWithSelector(ISplitVerifier.WrongBoundaryCount.selector, 1, 2));
        _verify();
    }

    function testFuzz_inputsAreWithinTheClip(int256 value, uint256 index) public {
        vm.assume(value > CLIP || value < -CLIP);
        index = bound(index, 0, 1);
        inputs[index] = value;
        vm.expectRevert(abi.encodeWithSelector(ISplitVerifier.InputOutOfRange.selector, index, value));
        _verify();
    }

    function test_boundsAreInclusive() public {
        int256[2] memory signs = [int256(1), -1];
        int256 most = 2 ** 127 - 1;
        for (uint256 i = 0; i < 2; ++i) {
            int256 sign = signs[i];
            (inputs[0], inputs[1], outputs[0]) = (sign * CLIP, -sign * CLIP, sign * most);
            (boundaries[0], boundaries[1]) = (0, R - 1);
            _prove();
            assertTrue(_verify());
            outputs[0] = sign * (most + 1);
            vm.expectRevert(abi.encodeWithSelector(ISplitVerifier.OutputOutOfRange.selector, 0, outputs[0]));
            _verify();
            for (uint256 k = 0; k < 2; ++k) {
                inputs[k] = sign * (CLIP + 1);
                vm.expectRevert(abi.encodeWithSelector(ISplitVerifier.InputOutOfRange.selector, k, inputs[k]));
                _verify();
                inputs[k] = 0;
            }
        }
        outputs[0] = 0;
        for (uint256 k = 0; k < 2; ++k) {
            _prove();
            boundaries[k] = R;
            vm.expectRevert(abi.encodeWithSelector(ISplitVerifier.BoundaryOutOfRange.selector, k, R));
            _verify();
            boundaries[k] = R - 1;
        }
    }

    /// @dev The least and the largest clip, and the largest hash of a model.
    function test_theLargestTerms() public {
        ISplitVerifier.Segment[] memory segments = _segments();
        segments[1].modelHash = R - 1;
        int256[2] memory clips = [int256(1), 2 ** 127 - 1];
        for (uint256 i = 0; i < clips.length; ++i) {
            verifier = new SplitVerifier(segments, 2, 1, clips[i]);
            assertEq(verifier.clip(), clips[i]);
            assertEq(verifier.segment(1).modelHash, R - 1);
            inputs[0] = -clips[i] - 1;
            vm.expectRevert(abi.encodeWithSelector(ISplitVerifier.InputOutOfRange.selector, 0, inputs[0]));
            _verify();
        }
    }

    function testFuzz_outputsAreTheCircuitsIntegers(int256 value) public {
        vm.assume(value >= 2 ** 127 || value <= -(2 ** 127));
        outputs[0] = value;
        vm.expectRevert(abi.encodeWithSelector(ISplitVerifier.OutputOutOfRange.selector, 0, value));
        _verify();
    }

    function testFuzz_boundariesAreReduced(uint256 value) public {
        boundaries[1] = bound(value, R, type(uint256).max);
        vm.expectRevert(abi.encodeWithSelector(ISplitVerifier.BoundaryOutOfRange.selector, 1, boundaries[1]));
        _verify();
    }

    /// @dev Only one word of 1 counts as yes.
    function test_otherAnswersAreNo() public {
        bytes[5] memory answers =
            [bytes(""), abi.encode(0), abi.encode(2), abi.encodePacked(uint8(1)), abi.encode(uint256(1), uint256(1))];
        ISplitVerifier.Segment[] memory segments = _segments();
        for (uint256 i = 0; i < answers.length; ++i) {
            segments[2] = _segment(IHalo2Verifier(address(new Answering(answers[i]))), false, 0);
            verifier = new SplitVerifier(segments, 2, 1, CLIP);
            _expectRejected(2);
            _verify();
        }
        segments[2] = _segment(IHalo2Verifier(address(new Answering(abi.encode(1)))), false, 0);
        verifier = new SplitVerifier(segments, 2, 1, CLIP);
        assertTrue(_verify());
    }

    function test_whatIsNoModel() public {
        ISplitVerifier.Segment[] memory segments = _segments();
        vm.expectRevert(ISplitVerifier.EmptyModel.selector);
        new SplitVerifier(new ISplitVerifier.Segment[](0), 2, 1, CLIP);
        vm.expectRevert(ISplitVerifier.EmptyModel.selector);
        new SplitVerifier(segments, 0, 1, CLIP);
        vm.expectRevert(ISplitVerifier.EmptyModel.selector);
        new SplitVerifier(segments, 2, 0, CLIP);
        int256[3] memory clips = [int256(0), -1, 2 ** 127];
        for (uint256 i = 0; i < clips.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(ISplitVerifier.InvalidClip.selector, clips[i]));
            new SplitVerifier(segments, 2, 1, clips[i]);
        }
        segments[1].modelHash = R;
        vm.expectRevert(abi.encodeWithSelector(ISplitVerifier.InvalidModelHash.selector, 1, R));
        new SplitVerifier(segments, 2, 1, CLIP);
        segments[1].modelHash = HASH;
        segments[2].modelHash = 1;
        vm.expectRevert(abi.encodeWithSelector(ISplitVerifier.InvalidModelHash.selector, 2, 1));
        new SplitVerifier(segments, 2, 1, CLIP);
    }

    // Verifiers that change

    function test_anAddressWithoutCodeIsNoVerifier() public {
        _refuseVerifier(address(0xdead));
        _refuseVerifier(address(0));
    }

    /// @dev Its key could put other code in the verifier's place after everybody has examined it.
    function test_anAccountThatDelegatesIsNoVerifier() public {
        address account = makeAddr("account");
        vm.etch(account, abi.encodePacked(hex"ef0100", address(stub)));
        _refuseVerifier(account);
    }

    function _refuseVerifier(address at) internal {
        ISplitVerifier.Segment[] memory segments = _segments();
        segments[2] = _segment(IHalo2Verifier(at), false, 0);
        vm.expectRevert(abi.encodeWithSelector(ISplitVerifier.NotAContract.selector, 2));
        new SplitVerifier(segments, 2, 1, CLIP);
    }

    function test_aVerifierThatIsAnotherThanTheManifests() public {
        ISplitVerifier.Segment[] memory segments = _segments();
        address other = address(new YesVerifier());
        segments[1].verifier = IHalo2Verifier(other);
        vm.expectRevert(
            abi.encodeWithSelector(ISplitVerifier.WrongCode.selector, 1, other.codehash, address(stub).codehash)
        );
        new SplitVerifier(segments, 2, 1, CLIP);
        segments[1] = _segments()[1];
        segments[0].codeHash = bytes32(0);
        vm.expectRevert(abi.encodeWithSelector(ISplitVerifier.WrongCode.selector, 0, address(stub).codehash, 0));
        new SplitVerifier(segments, 2, 1, CLIP);
    }

    /// @dev A stranger compares the hashes that the contract shows with the artifact's.
    function test_showsTheCodeHashesOfItsVerifiers() public {
        ISplitVerifier.Segment[] memory segments = _segments();
        segments[2] = _segment(new YesVerifier(), false, 0);
        verifier = new SplitVerifier(segments, 2, 1, CLIP);
        for (uint256 i = 0; i < segments.length; ++i) {
            assertEq(abi.encode(verifier.segment(i)), abi.encode(segments[i]));
        }
        assertNotEq(verifier.segment(0).codeHash, verifier.segment(2).codeHash);
    }

    function test_aVerifierThatBecameAnother() public {
        bytes32 before = address(stub).codehash;
        vm.etch(address(stub), address(new YesVerifier()).code);
        vm.expectRevert(abi.encodeWithSelector(ISplitVerifier.WrongCode.selector, 0, address(stub).codehash, before));
        _verify();
    }
}
