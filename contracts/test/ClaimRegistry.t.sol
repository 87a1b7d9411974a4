// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {
    IAccessControlDefaultAdminRules
} from "@openzeppelin/contracts/access/extensions/IAccessControlDefaultAdminRules.sol";

import {AllowList, BandLender, OneOutput, Requirement, Tournament} from "../examples/ClaimConsumers.sol";
import {IClaimRegistry} from "../src/interfaces/IClaimRegistry.sol";
import {ClaimTest} from "./ClaimTest.sol";
import {StubVerifier} from "./mocks/StubVerifier.sol";
import {YesVerifier} from "./mocks/YesVerifier.sol";

contract ClaimRegistryTest is ClaimTest {
    /// @dev A claim about the first output.
    struct Told {
        bytes32 modelId;
        address subject;
        int128 lo;
        int128 hi;
        uint40 expiresAt;
        uint256 commitment;
    }

    IClaimRegistry internal registry;
    bytes32 internal modelId;
    uint256 internal issuerKey = 0xA11CE;
    address internal issuer;
    Told internal claim;

    function setUp() public {
        vm.warp(1_700_000_000);
        registry = _registry();
        issuer = vm.addr(issuerKey);
        modelId = registry.proposeModel(address(new StubVerifier()), MODEL_HASH, 32, LIMIT, 1, false);
        registry.addIssuer(modelId, issuer);
        vm.warp(block.timestamp + DELAY);
        claim = Told(modelId, ALICE, -5, 100, uint40(block.timestamp + 30 days), 42);
    }

    function test_recordsAndExpires() public {
        assertFalse(_isValid());
        vm.expectEmit(address(registry));
        emit IClaimRegistry.ClaimRecorded(
            modelId,
            ALICE,
            issuer,
            42,
            uint40(block.timestamp),
            uint40(block.timestamp + 7 days),
            _terms(-5, 100).bounds,
            new IClaimRegistry.Bound[](0),
            0
        );
        _submit();
        assertTrue(_isValid());
        assertEq(registry.recorded(ALICE, _terms(-5, 100)).commitment, 42);
        assertFalse(registry.isValid(ALICE, _terms(-5, 101)));
        assertFalse(registry.isValid(MALLORY, _terms(-5, 100)));
        // It records the earlier of the two expiries.
        vm.warp(block.timestamp + 7 days - 1);
        assertTrue(_isValid());
        vm.warp(block.timestamp + 1);
        assertFalse(_isValid());
    }

    function test_sameClaimTwice() public {
        _submit();
        _expect(abi.encodeWithSelector(IClaimRegistry.AlreadyRecorded.selector));
        _submit();
    }

    function test_anothersProof() public {
        bytes memory proof = _proof(_claim());
        IClaimRegistry.Attestation memory attestation = _attestation(registry, issuerKey, _claim());
        vm.expectRevert(abi.encodeWithSelector(IClaimRegistry.NotSubject.selector, MALLORY, ALICE));
        vm.prank(MALLORY);
        registry.submitClaim(_claim(), 9, attestation, proof);
        // With one's own address as the subject, the signature does not fit. If an issuer signed it, the proof would
        // not fit.
        claim.subject = MALLORY;
        vm.expectPartialRevert(IClaimRegistry.UntrustedIssuer.selector);
        vm.prank(MALLORY);
        registry.submitClaim(_claim(), 9, attestation, proof);
        attestation = _attestation(registry, issuerKey, _claim());
        vm.expectRevert(IClaimRegistry.ProofRejected.selector);
        vm.prank(MALLORY);
        registry.submitClaim(_claim(), 9, attestation, proof);
    }

    function test_otherStatementThanProven(uint8 which, int64 by) public {
        vm.assume(by != 0);
        bytes memory proof = _proof(_claim());
        which = uint8(bound(which, 0, 4));
        uint256 statementHash = 9;
        if (which == 0) claim.lo = int128(bound(by, -int256(uint256(LIMIT)), -6));
        else if (which == 1) claim.hi = int128(bound(by, 101, int256(uint256(LIMIT))));
        else if (which == 2) claim.expiresAt += uint40(uint256(bound(by, 1, 1e6)));
        else if (which == 3) claim.commitment += uint256(bound(by, 1, 1e6));
        else statementHash += uint256(bound(by, 1, 1e6));
        IClaimRegistry.Attestation memory attestation = _attestation(registry, issuerKey, _claim());
        vm.expectRevert(IClaimRegistry.ProofRejected.selector);
        vm.prank(ALICE);
        registry.submitClaim(_claim(), statementHash, attestation, proof);
        assertFalse(registry.isValid(ALICE, _terms(claim.lo, claim.hi)));
    }

    function test_bounds() public {
        (claim.lo, claim.hi) = (2, 1);
        _expect(abi.encodeWithSelector(IClaimRegistry.InvalidBounds.selector, int128(2), int128(1)));
        _submit();
        // forge-lint: disable-next-line(unsafe-typecast) -- at most 2^120
        int128 most = int128(LIMIT);
        int128[2][8] memory bounds = [
            [int128(-1), most + 1],
            [-most - 1, int128(1)],
            [-most - 1, -most - 1],
            [most + 1, most + 1],
            [type(int128).min, int128(0)],
            [int128(0), type(int128).max],
            [int128(1), int128(0)],
            [most, -most]
        ];
        for (uint256 i = 0; i < bounds.length; ++i) {
            (claim.lo, claim.hi) = (bounds[i][0], bounds[i][1]);
            _expect(abi.encodeWithSelector(IClaimRegistry.InvalidBounds.selector, claim.lo, claim.hi));
            _submit();
        }
        int128[2][5] memory within =
            [[-most, most], [-most, -most], [most, most], [int128(0), int128(0)], [most - 1, most]];
        for (uint256 i = 0; i < within.length; ++i) {
            (claim.lo, claim.hi) = (within[i][0], within[i][1]);
            _submit();
            assertTrue(registry.isValid(ALICE, _terms(claim.lo, claim.hi)));
        }
    }

    function test_theLargestModelsAndCommitments() public {
        address verifier = address(new StubVerifier());
        // The largest limit, with the largest hash.
        modelId = registry.proposeModel(verifier, R - 1, 1, 1 << 120, 1, false);
        assertEq(registry.model(modelId).limit, 1 << 120);
        modelId = registry.proposeModel(verifier, 1, 32, 1, 1, false);
        registry.addIssuer(modelId, issuer);
        vm.warp(block.timestamp + DELAY);
        (claim.modelId, claim.commitment, claim.lo, claim.hi) = (modelId, R - 1, -1, 1);
        IClaimRegistry.Attestation memory attestation = _attestation(registry, issuerKey, _claim());
        // It is not the commitment that is refused, but the proof, which is of another statement.
        vm.expectRevert(IClaimRegistry.ProofRejected.selector);
        vm.prank(ALICE);
        registry.submitClaim(_claim(), R - 1, attestation, new bytes(32));
        vm.expectRevert(abi.encodeWithSelector(IClaimRegistry.NotAFieldElement.selector, R));
        vm.prank(ALICE);
        registry.submitClaim(_claim(), R, attestation, new bytes(32));
        claim.commitment = R;
        attestation = _attestation(registry, issuerKey, _claim());
        vm.expectRevert(abi.encodeWithSelector(IClaimRegistry.NotAFieldElement.selector, R));
        vm.prank(ALICE);
        registry.submitClaim(_claim(), 1, attestation, new bytes(32));
    }

    function test_theLongestDelay() public {
        IClaimRegistry longest =
            IClaimRegistry(deployCode("ClaimRegistry.sol:ClaimRegistry", abi.encode(address(this), uint40(30 days))));
        assertEq(longest.changeDelay(), 30 days);
        vm.expectRevert();
        deployCode("ClaimRegistry.sol:ClaimRegistry", abi.encode(address(this), uint40(30 days + 1)));
    }

    function test_outsideTheField() public {
        claim.commitment = R + 42;
        _expect(abi.encodeWithSelector(IClaimRegistry.NotAFieldElement.selector, R + 42));
        _submit();
        claim.commitment = 42;
        IClaimRegistry.Attestation memory attestation = _attestation(registry, issuerKey, _claim());
        vm.expectRevert(abi.encodeWithSelector(IClaimRegistry.NotAFieldElement.selector, R + 9));
        vm.prank(ALICE);
        registry.submitClaim(_claim(), R + 9, attestation, new bytes(32));
    }

    function test_commitmentNobodySigned() public {
        bytes memory proof = _proof(_claim());
        IClaimRegistry.Attestation memory attestation = _attestation(registry, 0xBAD, _claim());
        vm.expectRevert(abi.encodeWithSelector(IClaimRegistry.UntrustedIssuer.selector, vm.addr(0xBAD)));
        vm.prank(ALICE);
        registry.submitClaim(_claim(), 9, attestation, proof);
        attestation.signature = hex"00";
        vm.expectRevert(abi.encodeWithSelector(IClaimRegistry.UntrustedIssuer.selector, address(0)));
        vm.prank(ALICE);
        registry.submitClaim(_claim(), 9, attestation, proof);
        attestation = _attestation(registry, issuerKey, _claim());
        ++attestation.expiresAt;
        vm.expectPartialRevert(IClaimRegistry.UntrustedIssuer.selector);
        vm.prank(ALICE);
        registry.submitClaim(_claim(), 9, attestation, proof);
    }

    function test_otherRegistryAndChain() public {
        bytes memory proof = _proof(_claim());
        IClaimRegistry other = _registry();
        IClaimRegistry.Attestation memory attestation = _attestation(other, issuerKey, _claim());
        vm.expectPartialRevert(IClaimRegistry.UntrustedIssuer.selector);
        vm.prank(ALICE);
        registry.submitClaim(_claim(), 9, attestation, proof);
        attestation = _attestation(registry, issuerKey, _claim());
        vm.chainId(block.chainid + 1);
        vm.expectPartialRevert(IClaimRegistry.UntrustedIssuer.selector);
        vm.prank(ALICE);
        registry.submitClaim(_claim(), 9, attestation, proof);
    }

    function test_otherModel() public {
        bytes memory proof = _proof(_claim());
        claim.modelId = registry.proposeModel(address(new StubVerifier()), MODEL_HASH + 1, 32, LIMIT, 1, false);
        _expect(abi.encodeWithSelector(IClaimRegistry.ModelNotActive.selector, claim.modelId));
        _submit();
        vm.warp(block.timestamp + DELAY);
        // An issuer that is trusted with one model's data is not trusted with another's.
        _expect(abi.encodeWithSelector(IClaimRegistry.UntrustedIssuer.selector, issuer));
        _submit();
        registry.addIssuer(claim.modelId, issuer);
        vm.warp(block.timestamp + DELAY);
        IClaimRegistry.Attestation memory attestation = _attestation(registry, issuerKey, _claim());
        vm.expectRevert(IClaimRegistry.ProofRejected.selector);
        vm.prank(ALICE);
        registry.submitClaim(_claim(), 9, attestation, proof);
        claim.modelId = bytes32(uint256(1));
        _expect(abi.encodeWithSelector(IClaimRegistry.UnknownModel.selector, claim.modelId));
        _submit();
    }

    function test_anotherModelsAttestation() public {
        IClaimRegistry.Claim memory first = _claim();
        IClaimRegistry.Attestation memory attestation = _attestation(registry, issuerKey, first);
        claim.modelId = registry.proposeModel(address(new StubVerifier()), MODEL_HASH, 32, LIMIT * 2, 1, false);
        registry.addIssuer(claim.modelId, issuer);
        vm.warp(block.timestamp + DELAY);
        bytes memory proof = _proof(_claim());
        vm.expectPartialRevert(IClaimRegistry.UntrustedIssuer.selector);
        vm.prank(ALICE);
        registry.submitClaim(_claim(), 9, attestation, proof);
    }

    /// @dev An id covers everything that was agreed on, including the limit within which the comparisons hold.
    function test_modelIdIsOfAllThatCounts() public {
        address verifier = address(new StubVerifier());
        assertEq(
            modelId,
            keccak256(abi.encode(MODEL_HASH, verifier.codehash, uint256(32), uint256(LIMIT), uint256(1), false))
        );
        assertNotEq(registry.proposeModel(verifier, MODEL_HASH, 32, LIMIT + 1, 1, false), modelId);
        assertNotEq(registry.proposeModel(verifier, MODEL_HASH, 33, LIMIT, 1, false), modelId);
        assertNotEq(registry.proposeModel(verifier, MODEL_HASH, 32, LIMIT, 2, false), modelId);
        assertNotEq(registry.proposeModel(verifier, MODEL_HASH, 32, LIMIT, 1, true), modelId);
        assertNotEq(registry.proposeModel(verifier, MODEL_HASH + 1, 32, LIMIT, 1, false), modelId);
    }

    function test_verifierThatBecameAnother() public {
        address verifier = registry.model(modelId).verifier;
        vm.etch(verifier, address(new YesVerifier()).code);
        _expect(abi.encodeWithSelector(IClaimRegistry.VerifierChanged.selector, verifier));
        _submit();
    }

    /// @dev Its key could put other code in the verifier's place after everybody has examined it.
    function test_anAccountThatDelegatesIsNoVerifier() public {
        address account = makeAddr("account");
        vm.etch(account, abi.encodePacked(hex"ef0100", address(new StubVerifier())));
        vm.expectRevert(abi.encodeWithSelector(IClaimRegistry.NotAContract.selector, account));
        registry.proposeModel(account, MODEL_HASH, 32, LIMIT, 1, false);
    }

    /// @dev It would look like an issuer, and could attest nothing.
    function test_whoCanNotSignIsNoIssuer() public {
        address[2] memory mute = [address(0), address(registry)];
        for (uint256 i = 0; i < mute.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IClaimRegistry.CannotSign.selector, mute[i]));
            registry.addIssuer(modelId, mute[i]);
            assertFalse(registry.isIssuer(modelId, mute[i]));
        }
    }

    /// @dev An account that delegates still has its key, and signs with it.
    function test_anAccountThatDelegatesIsAnIssuer() public {
        uint256 key = 0xDE1E6A7E;
        vm.etch(vm.addr(key), abi.encodePacked(hex"ef0100", address(registry)));
        registry.addIssuer(modelId, vm.addr(key));
        vm.warp(block.timestamp + DELAY);
        bytes memory proof = _proof(_claim());
        IClaimRegistry.Attestation memory attestation = _attestation(registry, key, _claim());
        vm.prank(ALICE);
        registry.submitClaim(_claim(), 9, attestation, proof);
        assertTrue(_isValid());
    }

    function test_proofs() public {
        IClaimRegistry.Attestation memory attestation = _attestation(registry, issuerKey, _claim());
        vm.startPrank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(IClaimRegistry.WrongProofLength.selector, 0, 32));
        registry.submitClaim(_claim(), 9, attestation, "");
        vm.expectRevert(abi.encodeWithSelector(IClaimRegistry.WrongProofLength.selector, 33, 32));
        registry.submitClaim(_claim(), 9, attestation, bytes.concat(_proof(_claim()), hex"00"));
        vm.expectRevert(IClaimRegistry.ProofRejected.selector);
        registry.submitClaim(_claim(), 9, attestation, new bytes(32));
    }

    function test_revocation() public {
        _submit();
        vm.prank(MALLORY);
        registry.revoke(42);
        assertTrue(_isValid());
        vm.prank(issuer);
        registry.revoke(42);
        assertTrue(registry.isRevoked(issuer, 42));
        assertFalse(_isValid());
        ++claim.hi;
        _expect(abi.encodeWithSelector(IClaimRegistry.Revoked.selector, issuer, 42));
        _submit();
    }

    function test_aRemovedIssuerNeverComesBack() public {
        _submit();
        vm.expectEmit(address(registry));
        emit IClaimRegistry.IssuerRemoved(modelId, issuer);
        registry.removeIssuer(modelId, issuer);
        assertFalse(_isValid());
        assertFalse(registry.isIssuer(modelId, issuer));
        _expect(abi.encodeWithSelector(IClaimRegistry.UntrustedIssuer.selector, issuer));
        _submit();
        vm.expectRevert(abi.encodeWithSelector(IClaimRegistry.IssuerExists.selector, modelId, issuer));
        registry.addIssuer(modelId, issuer);
        vm.expectRevert(abi.encodeWithSelector(IClaimRegistry.UnknownIssuer.selector, modelId, issuer));
        registry.removeIssuer(modelId, issuer);
        vm.warp(block.timestamp + 2 * DELAY);
        assertFalse(registry.isIssuer(modelId, issuer));
    }

    /// @dev If it counted at once, it would be a way around the models' delay: whoever names an issuer can have
    /// anything claimed.
    function test_anIssuerCountsAfterTheDelay() public {
        uint256 key = 0xB0B;
        address later = vm.addr(key);
        bytes memory proof = _proof(_claim());
        vm.expectEmit(address(registry));
        emit IClaimRegistry.IssuerAdded(modelId, later, uint40(block.timestamp) + DELAY);
        registry.addIssuer(modelId, later);
        IClaimRegistry.Attestation memory attestation = _attestation(registry, key, _claim());
        vm.warp(block.timestamp + DELAY - 1);
        vm.expectRevert(abi.encodeWithSelector(IClaimRegistry.UntrustedIssuer.selector, later));
        vm.prank(ALICE);
        registry.submitClaim(_claim(), 9, attestation, proof);
        vm.warp(block.timestamp + 1);
        vm.prank(ALICE);
        registry.submitClaim(_claim(), 9, attestation, proof);
        assertTrue(_isValid());
        // Naming it again would postpone it, so it does nothing.
        vm.expectRevert(abi.encodeWithSelector(IClaimRegistry.IssuerExists.selector, modelId, later));
        registry.addIssuer(modelId, later);
        vm.expectRevert(abi.encodeWithSelector(IClaimRegistry.UnknownModel.selector, bytes32(0)));
        registry.addIssuer(bytes32(0), later);
        vm.expectRevert(abi.encodeWithSelector(IClaimRegistry.UnknownIssuer.selector, modelId, MALLORY));
        registry.removeIssuer(modelId, MALLORY);
    }

    function test_modelEnds() public {
        _submit();
        registry.retireModel(modelId);
        assertFalse(_isValid());
        assertTrue(registry.model(modelId).isRetired);
        _expect(abi.encodeWithSelector(IClaimRegistry.ModelNotActive.selector, modelId));
        _submit();
        vm.expectRevert(abi.encodeWithSelector(IClaimRegistry.UnknownModel.selector, bytes32(0)));
        registry.retireModel(bytes32(0));
    }

    /// @dev A later attestation renews a claim. The same one says nothing new, and an older one takes nothing away.
    function test_renewal() public {
        _submit();
        IClaimRegistry.Attestation memory first = _attestation(registry, issuerKey, _claim());
        bytes memory proof = _proof(_claim());
        vm.warp(block.timestamp + 6 days);
        _submit();
        assertEq(registry.recorded(ALICE, _terms(-5, 100)).expiresAt, block.timestamp + 7 days);
        vm.expectRevert(IClaimRegistry.AlreadyRecorded.selector);
        vm.prank(ALICE);
        registry.submitClaim(_claim(), 9, first, proof);
    }

    /// @dev Only the very claim of the same issuer is there already, however long that one is valid.
    function test_anotherClaimOfTheSameBoundsIsRecorded() public {
        claim.expiresAt = uint40(block.timestamp + 5 days);
        _submit();
        (claim.commitment, claim.expiresAt) = (43, uint40(block.timestamp + 4 days));
        _submit();
        assertEq(registry.recorded(ALICE, _terms(-5, 100)).commitment, 43);
        (address second, uint256 secondKey) = makeAddrAndKey("second issuer");
        registry.addIssuer(modelId, second);
        vm.warp(block.timestamp + DELAY);
        claim.expiresAt = uint40(block.timestamp + 1 hours);
        issuerKey = secondKey;
        _submit();
        assertEq(registry.recorded(ALICE, _terms(-5, 100)).issuer, second);
    }

    function test_covers(int128 lo, int128 hi, int128 provenLo, int128 provenHi) public {
        // forge-lint: disable-next-line(unsafe-typecast) -- small
        int128 most = int128(LIMIT);
        provenLo = int128(bound(provenLo, -most, most));
        provenHi = int128(bound(provenHi, provenLo, most));
        // Scores are near the bounds as often as far away.
        if (lo % 2 == 0) lo = provenLo + int128(bound(lo, -2, 2));
        if (hi % 2 == 0) hi = provenHi + int128(bound(hi, -2, 2));
        (claim.lo, claim.hi) = (provenLo, provenHi);
        assertFalse(registry.covers(ALICE, _terms(lo, hi), _terms(provenLo, provenHi)));
        _submit();
        bool within = lo <= provenLo && provenHi <= hi;
        assertEq(registry.covers(ALICE, _terms(lo, hi), _terms(provenLo, provenHi)), within);
        assertFalse(registry.covers(MALLORY, _terms(lo, hi), _terms(provenLo, provenHi)));
        assertFalse(registry.covers(ALICE, _terms(bytes32(0), lo, hi), _terms(provenLo, provenHi)));
        // A hint that matches no claim finds none, whatever it would cover.
        assertFalse(registry.covers(ALICE, _terms(lo, hi), _terms(provenLo, provenHi + 1)));
        assertFalse(registry.covers(ALICE, _terms(lo, hi), _terms(provenLo - 1, provenHi)));
        assertTrue(registry.covers(ALICE, _terms(provenLo, provenHi), _terms(provenLo, provenHi)));
        vm.prank(issuer);
        registry.revoke(42);
        assertFalse(registry.covers(ALICE, _terms(provenLo, provenHi), _terms(provenLo, provenHi)));
    }

    function test_expired() public {
        claim.expiresAt = uint40(block.timestamp);
        _expect(abi.encodeWithSelector(IClaimRegistry.Expired.selector, claim.expiresAt));
        _submit();
        claim.expiresAt += 30 days;
        bytes memory proof = _proof(_claim());
        IClaimRegistry.Attestation memory attestation = _attestation(registry, issuerKey, _claim());
        vm.warp(attestation.expiresAt);
        vm.expectRevert(abi.encodeWithSelector(IClaimRegistry.Expired.selector, attestation.expiresAt));
        vm.prank(ALICE);
        registry.submitClaim(_claim(), 9, attestation, proof);
    }

    function test_administration() public {
        address verifier = address(new StubVerifier());
        vm.prank(MALLORY);
        vm.expectPartialRevert(IAccessControl.AccessControlUnauthorizedAccount.selector);
        registry.proposeModel(verifier, 1, 32, LIMIT, 1, false);
        vm.prank(MALLORY);
        vm.expectPartialRevert(IAccessControl.AccessControlUnauthorizedAccount.selector);
        registry.retireModel(modelId);
        vm.prank(MALLORY);
        vm.expectPartialRevert(IAccessControl.AccessControlUnauthorizedAccount.selector);
        registry.addIssuer(modelId, MALLORY);
        vm.prank(MALLORY);
        vm.expectPartialRevert(IAccessControl.AccessControlUnauthorizedAccount.selector);
        registry.removeIssuer(modelId, issuer);
        vm.expectRevert(abi.encodeWithSelector(IClaimRegistry.ModelExists.selector, modelId));
        registry.proposeModel(verifier, MODEL_HASH, 32, LIMIT, 1, false);
        vm.expectRevert(abi.encodeWithSelector(IClaimRegistry.NotAContract.selector, MALLORY));
        registry.proposeModel(MALLORY, 1, 32, LIMIT, 1, false);
        vm.expectRevert(IClaimRegistry.InvalidModel.selector);
        registry.proposeModel(verifier, R, 32, LIMIT, 1, false);
        vm.expectRevert(IClaimRegistry.InvalidModel.selector);
        registry.proposeModel(verifier, 1, 32, 0, 1, false);
        vm.expectRevert(IClaimRegistry.InvalidModel.selector);
        registry.proposeModel(verifier, 1, 32, (1 << 120) + 1, 1, false);
        vm.expectRevert(IClaimRegistry.InvalidModel.selector);
        registry.proposeModel(verifier, 0, 32, LIMIT, 1, false);
        vm.expectRevert(IClaimRegistry.InvalidModel.selector);
        registry.proposeModel(verifier, 1, 0, LIMIT, 1, false);
        vm.expectRevert(IClaimRegistry.InvalidModel.selector);
        registry.proposeModel(verifier, 1, 32, LIMIT, 0, false);
        // forge's deployCode hides the reason.
        vm.expectRevert();
        deployCode("ClaimRegistry.sol:ClaimRegistry", abi.encode(address(this), uint40(31 days)));
        vm.expectRevert();
        deployCode("ClaimRegistry.sol:ClaimRegistry", abi.encode(address(0), DELAY));
        assertEq(registry.changeDelay(), DELAY);
    }

    /// @dev A registry whose admin was given away by mistake, or to a thief at once, would be lost.
    function test_theAdminIsHandedOverInTwoSteps() public {
        IAccessControlDefaultAdminRules admin = IAccessControlDefaultAdminRules(address(registry));
        assertEq(admin.defaultAdmin(), address(this));
        admin.beginDefaultAdminTransfer(MALLORY);
        vm.startPrank(MALLORY);
        vm.expectRevert();
        admin.acceptDefaultAdminTransfer();
        vm.stopPrank();
        admin.cancelDefaultAdminTransfer();
        vm.warp(block.timestamp + DELAY + 1);
        vm.prank(MALLORY);
        vm.expectRevert();
        admin.acceptDefaultAdminTransfer();
        assertEq(admin.defaultAdmin(), address(this));
    }

    function test_consumers() public {
        Requirement memory required = Requirement(modelId, 0, -5, 100);
        AllowList list = new AllowList(registry, required);
        Tournament tournament = new Tournament{value: 1 ether}(registry, required, ALICE);
        BandLender.Band[] memory bands = new BandLender.Band[](2);
        bands[0] = BandLender.Band(50, 100, 30_000);
        bands[1] = BandLender.Band(-5, 100, 60_000);
        BandLender lender = new BandLender(registry, modelId, 0, bands);
        vm.startPrank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(AllowList.NoClaim.selector, ALICE));
        list.join();
        vm.expectRevert(abi.encodeWithSelector(Tournament.NoClaim.selector, ALICE));
        tournament.collect();
        vm.expectRevert(abi.encodeWithSelector(BandLender.NoClaim.selector, ALICE));
        lender.rateOf(ALICE, _terms(-5, 100));
        vm.stopPrank();
        _submit();
        assertEq(lender.rateOf(ALICE, _terms(-5, 100)), 60_000);
        vm.expectRevert(abi.encodeWithSelector(BandLender.NoClaim.selector, ALICE));
        lender.rateOf(ALICE, _terms(50, 100));
        // The claim is narrower than the best band requires.
        (claim.lo, claim.hi) = (60, 70);
        _submit();
        assertEq(lender.rateOf(ALICE, _terms(60, 70)), 30_000);
        vm.startPrank(ALICE);
        list.join();
        assertTrue(list.members(ALICE));
        tournament.collect();
        assertEq(ALICE.balance, 1 ether);
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(Tournament.NotWinner.selector, address(this)));
        tournament.collect();
    }

    /// @dev The registry's own gas, as a transaction; the verifier accepts everything. It measures the first claim of a
    /// subject, its renewal, and a consumer's question.
    /// forge-config: default.isolate = true
    function test_gas() public {
        claim.modelId = registry.proposeModel(address(new YesVerifier()), MODEL_HASH, 2_912, LIMIT, 1, false);
        registry.addIssuer(claim.modelId, issuer);
        vm.warp(block.timestamp + DELAY);
        bytes memory proof = new bytes(2_912);
        for (uint256 i = 0; i < proof.length; ++i) {
            proof[i] = bytes1(uint8(uint256(keccak256(abi.encode(i))) | 1));
        }
        string[2] memory names = ["submit", "renew"];
        for (uint256 i = 0; i < names.length; ++i) {
            vm.warp(block.timestamp + 1 days);
            IClaimRegistry.Attestation memory attestation = _attestation(registry, issuerKey, _claim());
            vm.prank(ALICE);
            registry.submitClaim(_claim(), uint256(keccak256("statement")) % R, attestation, proof);
            vm.snapshotGasLastCall("Claim", names[i]);
        }
        // A typed call to a `view` function would be a STATICCALL, which is not isolated.
        (bool isOk, bytes memory answer) =
            address(registry).call(abi.encodeCall(registry.isValid, (ALICE, _terms(-5, 100))));
        assertTrue(isOk && abi.decode(answer, (bool)));
        vm.snapshotGasLastCall("Claim", "is-valid");
    }

    function _isValid() internal view returns (bool) {
        return registry.isValid(ALICE, _terms(-5, 100));
    }

    bytes private _expected;

    function _expect(bytes memory error) internal {
        _expected = error;
    }

    function _submit() internal {
        bytes memory proof = _proof(_claim());
        IClaimRegistry.Attestation memory attestation = _attestation(registry, issuerKey, _claim());
        if (_expected.length != 0) vm.expectRevert(_expected);
        delete _expected;
        vm.prank(ALICE);
        registry.submitClaim(_claim(), 9, attestation, proof);
    }

    function _claim() internal view returns (IClaimRegistry.Claim memory made) {
        made.subject = claim.subject;
        made.terms = _terms(claim.modelId, claim.lo, claim.hi);
        (made.expiresAt, made.commitment) = (claim.expiresAt, claim.commitment);
    }

    function _terms(int128 lo, int128 hi) internal view returns (IClaimRegistry.Terms memory) {
        return _terms(claim.modelId, lo, hi);
    }

    function _terms(bytes32 of_, int128 lo, int128 hi) internal pure returns (IClaimRegistry.Terms memory) {
        return OneOutput.terms(Requirement(of_, 0, lo, hi));
    }

    function _proof(IClaimRegistry.Claim memory of_) internal pure returns (bytes memory) {
        return _proof(of_, 1, false);
    }
}
