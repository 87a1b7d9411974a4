// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {OneOutput, RenewingInsurer, Requirement} from "../examples/ClaimConsumers.sol";
import {IClaimRegistry} from "../src/interfaces/IClaimRegistry.sol";
import {ClaimTest} from "./ClaimTest.sol";
import {StubVerifier} from "./mocks/StubVerifier.sol";
import {YesVerifier} from "./mocks/YesVerifier.sol";

/// @dev Claims about some of several outputs, and about their changes since earlier data.
contract ClaimTermsTest is ClaimTest {
    uint8 internal constant OUTPUTS = 3;
    uint256 internal constant ISSUER_KEY = 0xA11CE;
    uint256 internal constant SECOND_KEY = 0xB0B;
    // forge-lint: disable-next-line(unsafe-typecast) -- it is 2^20
    int128 internal constant MOST = int128(LIMIT);

    IClaimRegistry internal registry;
    /// @dev A model with three outputs and their changes, and one without changes.
    bytes32 internal modelId;
    bytes32 internal plainId;
    uint40 internal began;

    function setUp() public {
        vm.warp(1_700_000_000);
        registry = _registry();
        address verifier = address(new StubVerifier());
        modelId = registry.proposeModel(verifier, MODEL_HASH, 32, LIMIT, OUTPUTS, true);
        plainId = registry.proposeModel(verifier, MODEL_HASH, 32, LIMIT, OUTPUTS, false);
        for (uint256 i = 0; i < 2; ++i) {
            registry.addIssuer(i == 0 ? modelId : plainId, vm.addr(ISSUER_KEY));
            registry.addIssuer(i == 0 ? modelId : plainId, vm.addr(SECOND_KEY));
        }
        vm.warp(block.timestamp + DELAY);
        began = uint40(block.timestamp);
    }

    // --- outputs -------------------------------------------------------------------------------------------------

    /// @dev Whatever outputs a claim names, it is recorded as that and nothing else, and the proof is of exactly these
    /// bounds. The stub accepts no other instances, and the test writes them from the description.
    function test_someOfTheOutputs(uint8 named, int64[3] memory lows, int64[3] memory widths, bool hasChanges) public {
        IClaimRegistry.Bound[] memory bounds = _bounds(named, lows, widths);
        IClaimRegistry.Claim memory claim = _claim(hasChanges ? modelId : plainId, 42);
        claim.terms.bounds = bounds;
        if (bounds.length == 0) {
            _refuses(claim, abi.encodeWithSelector(IClaimRegistry.InvalidTerms.selector));
            return;
        }
        _submit(claim);
        assertTrue(registry.isValid(ALICE, claim.terms));
        // One output of it is covered. An output that it does not name is not, however wide the bounds.
        for (uint8 i = 0; i < OUTPUTS; ++i) {
            IClaimRegistry.Terms memory wanted = OneOutput.terms(Requirement(claim.terms.modelId, i, -MOST, MOST));
            assertEq(registry.covers(ALICE, wanted, claim.terms), (named >> i) & 1 == 1);
            if (bounds.length != 1) assertFalse(registry.isValid(ALICE, wanted));
        }
    }

    function test_anotherOutputThanProven(uint8 proven, uint8 told) public {
        (proven, told) = (proven % OUTPUTS, told % OUTPUTS);
        vm.assume(proven != told);
        IClaimRegistry.Claim memory claim = _claim(modelId, 42);
        claim.terms.bounds = _one(proven, 5, 10);
        bytes memory proof = _proof(claim, OUTPUTS, true);
        claim.terms.bounds = _one(told, 5, 10);
        _refuses(claim, proof, began, ISSUER_KEY, abi.encodeWithSelector(IClaimRegistry.ProofRejected.selector));
    }

    /// @dev The proof of bounds of one output does not say that another one is within its bounds, and the other way
    /// round.
    function test_moreOrFewerOutputsThanProven() public {
        IClaimRegistry.Claim memory one = _claim(modelId, 42);
        one.terms.bounds = _one(0, 5, 10);
        IClaimRegistry.Claim memory two = _claim(modelId, 42);
        two.terms.bounds = _two(0, 2);
        bytes memory rejected = abi.encodeWithSelector(IClaimRegistry.ProofRejected.selector);
        _refuses(two, _proof(one, OUTPUTS, true), began, ISSUER_KEY, rejected);
        _refuses(one, _proof(two, OUTPUTS, true), began, ISSUER_KEY, rejected);
    }

    function test_termsThatAreNone() public {
        bytes memory invalid = abi.encodeWithSelector(IClaimRegistry.InvalidTerms.selector);
        IClaimRegistry.Claim memory claim = _claim(modelId, 42);
        _refuses(claim, invalid);
        claim.terms.bounds = _two(1, 1);
        _refuses(claim, invalid);
        claim.terms.bounds = _two(2, 0);
        _refuses(claim, invalid);
        claim.terms.bounds = _one(OUTPUTS, 0, 1);
        _refuses(claim, invalid);
        claim.terms.bounds = _one(255, 0, 1);
        _refuses(claim, invalid);
        // Changes since nothing, and earlier data without changes.
        claim.terms.bounds = _one(0, 0, 1);
        claim.terms.changes = _one(0, 0, 1);
        _refuses(claim, invalid);
        claim.terms.changes = new IClaimRegistry.Bound[](0);
        claim.terms.earlier = 41;
        _refuses(claim, invalid);
    }

    function test_boundsOfEachOutputAndChange(uint8 which, bool ofChange) public {
        IClaimRegistry.Claim memory first = _claim(modelId, 41);
        first.terms.bounds = _one(0, 0, 1);
        _submit(first);
        vm.warp(block.timestamp + 1 hours);
        int128 most = MOST;
        int128[2][3] memory wrong = [[int128(1), int128(0)], [-most - 1, int128(0)], [int128(0), most + 1]];
        for (uint256 i = 0; i < wrong.length; ++i) {
            IClaimRegistry.Claim memory claim = _claim(modelId, 42);
            IClaimRegistry.Bound[] memory bounds = _one(which % OUTPUTS, wrong[i][0], wrong[i][1]);
            (claim.terms.bounds, claim.terms.changes) = ofChange ? (_one(0, 0, 1), bounds) : (bounds, _one(0, 0, 1));
            claim.terms.earlier = 41;
            _refuses(claim, abi.encodeWithSelector(IClaimRegistry.InvalidBounds.selector, wrong[i][0], wrong[i][1]));
        }
    }

    function test_coversWhatIsWanted() public {
        IClaimRegistry.Claim memory claim = _claim(modelId, 42);
        claim.terms.bounds = _two(0, 2);
        _submit(claim);
        IClaimRegistry.Terms memory wanted;
        // Nothing wanted is no question.
        wanted.modelId = modelId;
        assertFalse(registry.covers(ALICE, wanted, claim.terms));
        wanted.bounds = _one(0, 4, 11);
        assertTrue(registry.covers(ALICE, wanted, claim.terms));
        assertFalse(registry.covers(MALLORY, wanted, claim.terms));
        wanted.modelId = plainId;
        assertFalse(registry.covers(ALICE, wanted, claim.terms));
        wanted.modelId = modelId;
        wanted.bounds = _two(0, 2);
        (wanted.bounds[1].lo, wanted.bounds[1].hi) = (5, 9);
        assertFalse(registry.covers(ALICE, wanted, claim.terms));
        wanted.bounds[1].hi = 10;
        assertTrue(registry.covers(ALICE, wanted, claim.terms));
        wanted.bounds[1].output = 1;
        assertFalse(registry.covers(ALICE, wanted, claim.terms));
        // A hint that nobody has proven.
        IClaimRegistry.Terms memory hint = OneOutput.terms(Requirement(modelId, 0, 5, 10));
        wanted.bounds = _one(0, 4, 11);
        assertFalse(registry.covers(ALICE, wanted, hint));
    }

    // --- changes -------------------------------------------------------------------------------------------------

    function test_aChange() public {
        IClaimRegistry.Claim memory claim = _changed(41, 42);
        vm.expectEmit(address(registry));
        emit IClaimRegistry.ClaimRecorded(
            modelId,
            ALICE,
            vm.addr(ISSUER_KEY),
            42,
            uint40(block.timestamp),
            uint40(block.timestamp + 7 days),
            claim.terms.bounds,
            claim.terms.changes,
            41
        );
        _submit(claim);
        assertTrue(registry.isValid(ALICE, claim.terms));
        IClaimRegistry.Recorded memory found = registry.recorded(ALICE, claim.terms);
        assertEq(found.commitment, 42);
        assertEq(found.issuedAt, block.timestamp);
        IClaimRegistry.Source memory source = registry.source(ALICE, modelId, 42);
        assertEq(source.issuer, vm.addr(ISSUER_KEY));
        assertEq(source.issuedAt, block.timestamp);
        // It is a change since 41 and not since another, and of Alice alone.
        IClaimRegistry.Terms memory wanted = OneOutput.changedAtMost(modelId, 1, 9, 41);
        assertTrue(registry.covers(ALICE, wanted, claim.terms));
        assertFalse(registry.covers(MALLORY, wanted, claim.terms));
        wanted.earlier = 42;
        assertFalse(registry.covers(ALICE, wanted, claim.terms));
        wanted = OneOutput.changedAtMost(modelId, 1, 4, 41);
        assertFalse(registry.covers(ALICE, wanted, claim.terms));
        // A bound of an output is no bound of its change.
        wanted = OneOutput.terms(Requirement(modelId, 1, -MOST, MOST));
        assertFalse(registry.covers(ALICE, wanted, claim.terms));
        // The earlier claim has expired by now, and its attestation too. What it was stays.
        vm.warp(block.timestamp + 6 days);
        assertTrue(registry.isValid(ALICE, claim.terms));
    }

    function test_earlierDataThatWereNotRecorded() public {
        IClaimRegistry.Claim memory claim = _changed(41, 42);
        claim.terms.earlier = 40;
        _refuses(claim, abi.encodeWithSelector(IClaimRegistry.UnknownEarlier.selector, 40));
        // Somebody else's.
        IClaimRegistry.Claim memory hers = _claim(modelId, 40);
        (hers.subject, hers.terms.bounds) = (MALLORY, _one(0, 0, 1));
        _submit(hers);
        _refuses(claim, abi.encodeWithSelector(IClaimRegistry.UnknownEarlier.selector, 40));
        // One's own, of another model.
        IClaimRegistry.Claim memory other = _claim(plainId, 40);
        other.terms.bounds = _one(0, 0, 1);
        _submit(other);
        _refuses(claim, abi.encodeWithSelector(IClaimRegistry.UnknownEarlier.selector, 40));
    }

    /// @dev The proof is of a change since other data than those that are named.
    function test_otherEarlierDataThanProven() public {
        IClaimRegistry.Claim memory second = _claim(modelId, 40);
        second.terms.bounds = _one(0, 0, 1);
        _submit(second);
        IClaimRegistry.Claim memory claim = _changed(41, 42);
        bytes memory proof = _proof(claim, OUTPUTS, true);
        claim.terms.earlier = 40;
        bytes memory rejected = abi.encodeWithSelector(IClaimRegistry.ProofRejected.selector);
        _refuses(claim, proof, uint40(block.timestamp), ISSUER_KEY, rejected);
        // A claim without a change is of one commitment.
        claim.terms.bounds = _one(0, 0, 1);
        claim.terms.changes = new IClaimRegistry.Bound[](0);
        proof = _proof(claim, OUTPUTS, true);
        claim.terms.earlier = 0;
        _refuses(claim, proof, uint40(block.timestamp), ISSUER_KEY, rejected);
    }

    /// @dev The old data, whose attestation is still valid, have changed by 0.
    function test_theSameDataAgain() public {
        IClaimRegistry.Claim memory claim = _changed(41, 41);
        uint40 first = registry.source(ALICE, modelId, 41).issuedAt;
        _refusesIssuedAt(claim, first, abi.encodeWithSelector(IClaimRegistry.NotLater.selector, first, first));
        // Other data that were checked before the earlier ones.
        claim = _changed(41, 42);
        _refusesIssuedAt(claim, first - 1, abi.encodeWithSelector(IClaimRegistry.NotLater.selector, first - 1, first));
        // The issuer has checked the same data once more, and they are the same.
        claim = _changed(41, 41);
        _submit(claim);
        assertTrue(registry.isValid(ALICE, claim.terms));
    }

    /// @dev An issuer's time of issue is signed.
    function test_aTimeOfIssueOfOnesOwn() public {
        IClaimRegistry.Claim memory claim = _changed(41, 42);
        IClaimRegistry.Attestation memory attestation =
            _attestation(registry, ISSUER_KEY, claim, registry.source(ALICE, modelId, 41).issuedAt);
        ++attestation.issuedAt;
        bytes memory proof = _proof(claim, OUTPUTS, true);
        vm.expectPartialRevert(IClaimRegistry.UntrustedIssuer.selector);
        vm.prank(ALICE);
        registry.submitClaim(claim, STATEMENT_HASH, attestation, proof);
    }

    /// @dev An older attestation of data that were checked again does not make them older.
    function test_anOlderAttestationTakesNothingBack() public {
        IClaimRegistry.Claim memory claim = _claim(modelId, 41);
        claim.terms.bounds = _one(0, 0, 1);
        vm.warp(began + 2 hours);
        _submit(claim, began + 2 hours, ISSUER_KEY);
        claim.terms.bounds = _one(0, 0, 2);
        _submit(claim, began, ISSUER_KEY);
        assertEq(registry.source(ALICE, modelId, 41).issuedAt, began + 2 hours);
        claim = _claim(modelId, 42);
        (claim.terms.changes, claim.terms.earlier) = (_one(1, -5, 5), 41);
        _refusesIssuedAt(
            claim,
            began + 1 hours,
            abi.encodeWithSelector(IClaimRegistry.NotLater.selector, began + 1 hours, began + 2 hours)
        );
        // Of an issuer who is gone, another one's attestation takes the place.
        registry.removeIssuer(modelId, vm.addr(ISSUER_KEY));
        claim = _claim(modelId, 41);
        claim.terms.bounds = _one(0, 0, 3);
        _submit(claim, began, SECOND_KEY);
        assertEq(registry.source(ALICE, modelId, 41).issuer, vm.addr(SECOND_KEY));
        assertEq(registry.source(ALICE, modelId, 41).issuedAt, began);
    }

    /// @dev The issuer has checked the data once more. The proof, and when the claim expires, are the same.
    function test_aLaterCheckIsNew() public {
        IClaimRegistry.Claim memory claim = _claim(modelId, 41);
        (claim.terms.bounds, claim.expiresAt) = (_one(0, 0, 1), began + 1 hours);
        vm.warp(began + 10);
        _submit(claim, began + 5, ISSUER_KEY);
        bytes memory proof = _proof(claim, OUTPUTS, true);
        for (uint40 at = began + 4; at <= began + 5; ++at) {
            IClaimRegistry.Attestation memory attestation = _attestation(registry, ISSUER_KEY, claim, at);
            vm.expectRevert(IClaimRegistry.AlreadyRecorded.selector);
            vm.prank(ALICE);
            registry.submitClaim(claim, STATEMENT_HASH, attestation, proof);
        }
        _submit(claim, began + 6, ISSUER_KEY);
        assertEq(registry.recorded(ALICE, claim.terms).issuedAt, began + 6);
        assertEq(registry.source(ALICE, modelId, 41).issuedAt, began + 6);
    }

    /// @dev In whatever order attestations of the same data arrive, the latest one counts.
    function test_theLatestCheckOfDataCounts(uint16[4] memory times) public {
        uint40 latest = 0;
        for (uint256 i = 0; i < times.length; ++i) {
            IClaimRegistry.Claim memory claim = _claim(modelId, 41);
            // forge-lint: disable-next-line(unsafe-typecast) -- it is four at most
            claim.terms.bounds = _one(0, 0, int128(uint128(i + 1)));
            uint40 issuedAt = began + times[i];
            if (issuedAt > latest) latest = issuedAt;
            _submit(claim, issuedAt, i % 2 == 0 ? ISSUER_KEY : SECOND_KEY);
            assertEq(registry.source(ALICE, modelId, 41).issuedAt, latest);
        }
    }

    function test_earlierDataThatWereRevoked() public {
        IClaimRegistry.Claim memory claim = _changed(41, 42);
        _submit(claim);
        vm.prank(MALLORY);
        registry.revoke(41);
        assertTrue(registry.isValid(ALICE, claim.terms));
        vm.prank(vm.addr(ISSUER_KEY));
        registry.revoke(41);
        assertFalse(registry.isValid(ALICE, claim.terms));
        ++claim.commitment;
        _refuses(claim, abi.encodeWithSelector(IClaimRegistry.UnknownEarlier.selector, 41));
    }

    /// @dev The issuer of the earlier data was removed, and the one of the new data was not.
    function test_theEarlierIssuerWasRemoved() public {
        IClaimRegistry.Claim memory claim = _changed(41, 42);
        _submit(claim, uint40(block.timestamp), SECOND_KEY);
        assertTrue(registry.isValid(ALICE, claim.terms));
        registry.removeIssuer(modelId, vm.addr(ISSUER_KEY));
        assertFalse(registry.isValid(ALICE, claim.terms));
        ++claim.commitment;
        bytes memory unknown = abi.encodeWithSelector(IClaimRegistry.UnknownEarlier.selector, 41);
        _refuses(claim, _proof(claim, OUTPUTS, true), uint40(block.timestamp), SECOND_KEY, unknown);
    }

    /// @dev The issuer of the earlier data is gone. Another one's signature on them, from after the claim's data, does not
    /// make them earlier: nobody who counts has said that they were there before.
    function test_earlierDataThatWereCheckedOnlyAfterwards() public {
        IClaimRegistry.Claim memory claim = _changed(41, 42);
        _submit(claim, uint40(block.timestamp), SECOND_KEY);
        assertTrue(registry.isValid(ALICE, claim.terms));
        registry.removeIssuer(modelId, vm.addr(ISSUER_KEY));
        assertFalse(registry.isValid(ALICE, claim.terms));
        vm.warp(block.timestamp + 1 hours);
        IClaimRegistry.Claim memory again = _claim(modelId, 41);
        again.terms.bounds = _one(0, 0, 1);
        _submit(again, uint40(block.timestamp), SECOND_KEY);
        assertFalse(registry.isValid(ALICE, claim.terms));
        assertFalse(registry.covers(ALICE, claim.terms, claim.terms));
    }

    /// @dev Whichever of the two is submitted first, a change is from earlier to later data.
    function test_theEarlierDataWereCheckedAgain() public {
        IClaimRegistry.Claim memory claim = _changed(41, 42);
        uint40 later = uint40(block.timestamp);
        _submit(claim);
        IClaimRegistry.Claim memory again = _claim(modelId, 41);
        again.terms.bounds = _one(0, 0, 2);
        vm.warp(later + 1 hours);
        _submit(again, later - 1, ISSUER_KEY);
        assertTrue(registry.isValid(ALICE, claim.terms));
        again.terms.bounds = _one(0, 0, 3);
        _submit(again, later, ISSUER_KEY);
        assertFalse(registry.isValid(ALICE, claim.terms));
    }

    function test_aModelWithoutChanges() public {
        IClaimRegistry.Claim memory claim = _claim(plainId, 41);
        claim.terms.bounds = _one(0, 0, 1);
        _submit(claim);
        assertEq(registry.source(ALICE, plainId, 41).issuedAt, 0);
        vm.warp(block.timestamp + 1 hours);
        claim = _claim(plainId, 42);
        (claim.terms.changes, claim.terms.earlier) = (_one(0, 0, 1), 41);
        bytes memory invalid = abi.encodeWithSelector(IClaimRegistry.InvalidTerms.selector);
        _refuses(claim, _proof(_claim(plainId, 42), OUTPUTS, false), uint40(block.timestamp), ISSUER_KEY, invalid);
    }

    /// @dev The consumer's memory decides what the last claim is, and no claim that the insured makes in between.
    function test_anInsurerRenews() public {
        RenewingInsurer insurer = new RenewingInsurer(registry, Requirement(modelId, 1, 5, 10), 9, 2 days);
        IClaimRegistry.Claim memory claim = _claim(modelId, 41);
        claim.terms.bounds = _one(1, 5, 10);
        vm.startPrank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(RenewingInsurer.NotAccepted.selector, ALICE));
        insurer.renew();
        vm.expectRevert(abi.encodeWithSelector(RenewingInsurer.NoClaim.selector, ALICE));
        insurer.accept();
        vm.stopPrank();
        _submit(claim);
        vm.warp(block.timestamp + 2 days + 1);
        vm.expectRevert(abi.encodeWithSelector(RenewingInsurer.OldData.selector, began));
        vm.prank(ALICE);
        insurer.accept();
        vm.warp(block.timestamp - 1);
        vm.prank(ALICE);
        insurer.accept();
        assertEq(insurer.accepted(ALICE), 41);
        // The insured moves to other data by a claim that says nothing, and proves a small change since these.
        claim = _claim(modelId, 77);
        claim.terms.bounds = _one(1, -MOST, MOST);
        _submit(claim);
        vm.warp(block.timestamp + 1);
        claim = _claim(modelId, 78);
        (claim.terms.changes, claim.terms.earlier) = (_one(1, -9, 9), 77);
        _submit(claim);
        vm.expectRevert(abi.encodeWithSelector(RenewingInsurer.NoClaim.selector, ALICE));
        vm.prank(ALICE);
        insurer.renew();
        claim = _claim(modelId, 79);
        (claim.terms.changes, claim.terms.earlier) = (_one(1, -9, 9), 41);
        _submit(claim);
        vm.prank(ALICE);
        insurer.renew();
        assertEq(insurer.accepted(ALICE), 79);
        // The same claim renews once.
        vm.expectRevert(abi.encodeWithSelector(RenewingInsurer.NoClaim.selector, ALICE));
        vm.prank(ALICE);
        insurer.renew();
        assertEq(insurer.renewals(ALICE), 1);
    }

    /// @dev A claim about two of eight outputs, and a change; the verifier accepts everything.
    function test_gas() public {
        bytes32 wide = registry.proposeModel(address(new YesVerifier()), MODEL_HASH, 3_200, LIMIT, 8, true);
        registry.addIssuer(wide, vm.addr(ISSUER_KEY));
        vm.warp(block.timestamp + DELAY);
        bytes memory proof = new bytes(3_200);
        for (uint256 i = 0; i < proof.length; ++i) {
            proof[i] = bytes1(uint8(uint256(keccak256(abi.encode(i))) | 1));
        }
        IClaimRegistry.Claim memory claim = _claim(wide, 41);
        claim.terms.bounds = _two(0, 2);
        for (uint256 i = 0; i < 2; ++i) {
            IClaimRegistry.Attestation memory attestation = _attestation(registry, ISSUER_KEY, claim);
            vm.prank(ALICE);
            registry.submitClaim(claim, uint256(keccak256("statement")) % R, attestation, proof);
            vm.snapshotGasLastCall("Claim", i == 0 ? "submit-two-of-eight" : "submit-change");
            vm.warp(block.timestamp + 1 hours);
            claim = _claim(wide, 42);
            (claim.terms.changes, claim.terms.earlier) = (_one(1, -9, 9), 41);
        }
        claim = _claim(wide, 42);
        (claim.terms.changes, claim.terms.earlier) = (_one(1, -9, 9), 41);
        (bool isOk, bytes memory answer) =
            address(registry).call(abi.encodeCall(registry.isValid, (ALICE, claim.terms)));
        assertTrue(isOk && abi.decode(answer, (bool)));
        vm.snapshotGasLastCall("Claim", "is-valid-change");
    }

    /// @dev A claim that is on record, and one of a change of the second output since its data.
    function _changed(uint256 earlier, uint256 commitment) internal returns (IClaimRegistry.Claim memory claim) {
        if (registry.source(ALICE, modelId, earlier).issuedAt == 0) {
            claim = _claim(modelId, earlier);
            claim.terms.bounds = _one(0, 0, 1);
            claim.expiresAt = uint40(block.timestamp + 30 minutes);
            _submit(claim);
            vm.warp(block.timestamp + 1 hours);
        }
        claim = _claim(modelId, commitment);
        (claim.terms.changes, claim.terms.earlier) = (_one(1, -5, 5), earlier);
    }

    function _claim(bytes32 of_, uint256 commitment) internal view returns (IClaimRegistry.Claim memory made) {
        (made.subject, made.terms.modelId, made.commitment) = (ALICE, of_, commitment);
        made.expiresAt = uint40(block.timestamp + 30 days);
    }

    function _one(uint8 output, int128 lo, int128 hi) internal pure returns (IClaimRegistry.Bound[] memory made) {
        made = new IClaimRegistry.Bound[](1);
        made[0] = IClaimRegistry.Bound(output, lo, hi);
    }

    function _two(uint8 first, uint8 second) internal pure returns (IClaimRegistry.Bound[] memory made) {
        made = new IClaimRegistry.Bound[](2);
        (made[0], made[1]) = (IClaimRegistry.Bound(first, 5, 10), IClaimRegistry.Bound(second, 5, 10));
    }

    function _bounds(uint8 named, int64[3] memory lows, int64[3] memory widths)
        internal
        pure
        returns (IClaimRegistry.Bound[] memory made)
    {
        made = new IClaimRegistry.Bound[](OUTPUTS);
        uint256 count = 0;
        for (uint8 i = 0; i < OUTPUTS; ++i) {
            if ((named >> i) & 1 == 0) continue;
            int128 lo = int128(bound(lows[i], -int256(uint256(LIMIT)), int256(uint256(LIMIT))));
            made[count++] = IClaimRegistry.Bound(i, lo, int128(bound(widths[i], lo, int256(uint256(LIMIT)))));
        }
        assembly ("memory-safe") {
            mstore(made, count)
        }
    }

    function _submit(IClaimRegistry.Claim memory claim) internal {
        _submit(claim, uint40(block.timestamp), ISSUER_KEY);
    }

    function _submit(IClaimRegistry.Claim memory claim, uint40 issuedAt, uint256 key) internal {
        bytes memory proof = _proof(claim, OUTPUTS, claim.terms.modelId == modelId);
        IClaimRegistry.Attestation memory attestation = _attestation(registry, key, claim, issuedAt);
        vm.prank(claim.subject);
        registry.submitClaim(claim, STATEMENT_HASH, attestation, proof);
    }

    function _refuses(IClaimRegistry.Claim memory claim, bytes memory error) internal {
        _refusesIssuedAt(claim, uint40(block.timestamp), error);
    }

    function _refusesIssuedAt(IClaimRegistry.Claim memory claim, uint40 issuedAt, bytes memory error) internal {
        _refuses(claim, _proof(claim, OUTPUTS, claim.terms.modelId == modelId), issuedAt, ISSUER_KEY, error);
    }

    function _refuses(
        IClaimRegistry.Claim memory claim,
        bytes memory proof,
        uint40 issuedAt,
        uint256 key,
        bytes memory error
    ) internal {
        IClaimRegistry.Attestation memory attestation = _attestation(registry, key, claim, issuedAt);
        vm.expectRevert(error);
        vm.prank(claim.subject);
        registry.submitClaim(claim, STATEMENT_HASH, attestation, proof);
        assertFalse(registry.isValid(claim.subject, claim.terms));
    }
}
