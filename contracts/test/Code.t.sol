// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";

import {Code} from "../src/libraries/Code.sol";

contract CodeTest is Test {
    address internal constant PLACE = address(0xBEEF);

    function _assert(bytes memory code, bool isDelegated, bool isContract, bool canSign) internal {
        vm.etch(PLACE, code);
        assertEq(Code.isDelegated(PLACE), isDelegated, "isDelegated");
        assertEq(Code.isContract(PLACE), isContract, "isContract");
        assertEq(Code.canSign(PLACE), canSign, "canSign");
    }

    function test_anAccountWithoutCodeCanSign() public {
        _assert("", false, false, true);
    }

    function test_aContractCannotSign() public {
        _assert(address(this).code, false, true, false);
        // Code may begin with anything but 0xef, zeros included.
        _assert(hex"00", false, true, false);
        _assert(new bytes(23), false, true, false);
        _assert(new bytes(40), false, true, false);
    }

    function test_anAccountThatDelegatesCanSign() public {
        _assert(abi.encodePacked(hex"ef0100", address(this)), true, false, true);
        _assert(abi.encodePacked(hex"ef0100", address(0)), true, false, true);
    }

    function test_codeThatOnlyLooksLikeADelegation() public {
        // 0xef begins no contract's own code, and the machine takes 0xef01 for a delegation alone
        _assert(abi.encodePacked(hex"ef0000", address(this)), false, false, false);
        _assert(hex"ef", false, false, false);
        _assert(abi.encodePacked(hex"ee0100", address(this)), false, true, false);
    }

    function test_zeroCannotSign() public view {
        assertFalse(Code.canSign(address(0)));
        assertFalse(Code.isContract(address(0)));
        assertFalse(Code.isDelegated(address(0)));
    }

    function testFuzz_noCodeIsTwoThings(bytes memory code) public {
        // vm.etch refuses what begins with 0xef01 and is no delegation.
        if (code.length > 1 && code[0] == 0xef) code[1] = 0x00;
        vm.etch(PLACE, code);
        bool isContract = Code.isContract(PLACE);
        assertFalse(isContract && Code.canSign(PLACE));
        assertFalse(isContract && Code.isDelegated(PLACE));
        assertTrue(code.length == 0 || isContract == (code[0] != 0xef));
    }
}
