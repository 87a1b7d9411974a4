"""Tests of how the gas of a submission is divided into parts."""

from __future__ import annotations

from oracle.bench.gas_profile import TraceStep, gas_profile


def test_profile_of_a_trace() -> None:
    """The traced hub reads, recovers a signer, has a proof verified, writes, and calls two adapters."""
    steps = [
        TraceStep("SLOAD", 1_000_000, 1),
        TraceStep("STATICCALL", 997_900, 1),  # ecrecover
        TraceStep("ADD", 994_800, 1),
        TraceStep("STATICCALL", 994_797, 1),  # the verifier
        TraceStep("STATICCALL", 900_000, 2),  # ECMUL
        TraceStep("STATICCALL", 893_900, 2),  # ECADD
        TraceStep("STATICCALL", 893_650, 2),  # modular exponentiation
        TraceStep("STATICCALL", 892_000, 2),  # pairing
        TraceStep("RETURN", 778_900, 2),
        TraceStep("SSTORE", 871_097, 1),
        TraceStep("LOG3", 848_997, 1),
        TraceStep("EXTCODESIZE", 845_449, 1),
        TraceStep("CALL", 842_849, 1),  # an adapter
        TraceStep("LOG2", 800_000, 2),
        TraceStep("STOP", 798_244, 2),
        TraceStep("CALL", 840_993, 1),  # another adapter
        TraceStep("LOG2", 800_000, 2),
        TraceStep("STOP", 798_244, 2),
        TraceStep("STOP", 839_137, 1),
    ]
    found = gas_profile(steps, 21_000 + 5_000 + (1_000_000 - 839_137), 5_500)
    assert found.verifier == 900_000 - 778_900
    assert found.adapters == 2 * 1_756
    assert found.calldata_beyond == -500
    assert found.hub == {
        "sload": 2_100,
        "ecrecover": 3_100,
        "computing": 3,
        "sstore": 22_100,
        "log": 3_548,
        # The verifier's account and the first adapter's cost 2,600 each; calls of known accounts cost 100.
        "accounts": 2_600 + 2_600 + 100 + 100,
    }
    assert found.precompiles == {"ecmul": 1, "ecadd": 1, "modexp": 1, "pairing": 1}
