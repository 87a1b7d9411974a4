"""A report of `oracle bench`, for tests of what is made of it."""

from __future__ import annotations

import copy
from typing import Any

from oracle.bench import audits

COST = {"rows": 100, "k": 7, "proof_bytes": 1_856, "gas": 400_000, "seconds": 0.05, "memory": 40_000_000}

PROFILE = {"hub_per_feed": {"sload": 23_100, "sstore": 27_900, "computing": 20_000}, "adapter_per_feed": 4_000}


def measured_case(**more: Any) -> dict[str, Any]:
    """Return the figures of one case, with some replaced or added."""
    measured = {
        "k": 7,
        "rows": 100,
        "prove_s": 0.09,
        "total_s": 0.1,
        "prove_s_all": [0.09],
        "verify_gas": 400_000,
        "gas": 400_000,
        "proof_bytes": 1_856,
        "rss_mb": 40.0,
        "setup_s": 3.0,
        "flips_per_10k": 0.0,
        "flips_samples": 10_000,
        "unprovable_per_10k": 0.0,
        "refused": [],
    }
    return measured | more


def measured_latency(workers: int) -> dict[str, Any]:
    """Return the latencies of a daemon with so many provers."""
    return {
        "case": "default-private-b1",
        "p50_s": 0.5,
        "p95_s": 0.7,
        "proof_p50_s": 0.4,
        "p50_over_proof": 1.25,
        "mean_steps_s": {"sign": 0.01, "prove": 0.45, "confirm": 0.02},
        "workers": workers,
    }


def measured_throughput(windows: float) -> dict[str, Any]:
    """Return the figures of a prover of 16 windows that makes so many a second."""
    return {
        "proofs_per_s": windows / 16,
        "windows_per_s": windows,
        "processes": 2,
        "rss_mb": 90.0,
        "proofs": 25,
        "seconds": 10.0,
    }


def measured_submission(gas: int, feeds: int, **more: Any) -> dict[str, Any]:
    """Return the figures of a submission whose verification costs 600,000 gas."""
    return {
        "gas": gas,
        "gas_per_feed": round(gas / feeds),
        "verify_gas": 600_000,
        "verify_gas_per_feed": round(600_000 / feeds),
        "hub_gas_per_feed": round((gas - 600_000) / feeds),
        "parts": {"calldata": 100_000, "verifier": 500_000, "hub": gas - 600_000},
        **more,
    }


def example_report() -> dict[str, Any]:
    """Return a report of two models. The second of ours took twice the time and the gas of its estimate."""
    estimated = {"graph": COST | {"rows": 110}, "settings": COST}
    run_args = {
        "input_scale": 13,
        "param_scale": 13,
        "scale_rebase_multiplier": 1,
        "decomp_base": 16_384,
        "decomp_legs": 2,
        "num_inner_cols": 2,
    }
    chosen = {"input_scale": 11, "param_scale": 10, "base": 128, "legs": 4, "columns": 2, "k": 9}
    return {
        "measured_at": "2026-01-02T03:04:05+00:00",
        "repeat": 3,
        "seconds": 600,
        "machine": {"cpu": "A", "cores": 2, "memory_gb": 8, "system": "Linux", "load_before": 0.1},
        "versions": {"python": "3.11", "ezkl": "23.0.5", "anvil": "1", "solc": "0.8.20", "commit": "abc"},
        "cli_help_s": 0.2,
        "end_to_end": measured_latency(2) | {"observations": 40},
        "daemon_rss_mb": 160.0,
        "daemon_parent_rss_mb": 110.0,
        "end_to_end_one_worker": measured_latency(1) | {"daemon_rss_mb": 161.0},
        "default-public-b1": measured_case(estimated=copy.deepcopy(estimated), default_over_prove=60.0),
        "default-private-b1": measured_case(default_over_prove=17.5),
        "tuned-cnn": measured_case(
            estimated=copy.deepcopy(estimated),
            settings=chosen,
            total_s=0.2,
            verify_gas=800_000,
            default_over_prove=4.5,
            setup_s=3.0,
            setup_steps_s={"tuning": 2.0, "building": 1.0},
        ),
        "ezkl-default-peers": measured_case(
            k=15,
            run_args=run_args,
            refused=[{"decomp_legs": 2, "refusal": "calibration failed; reason: too large for n 2"}],
            score_error_max=1.5,
        ),
        "ezkl-default-cnn": measured_case(
            k=15, run_args=run_args, flips_per_10k=30.0, flips_samples=1_000, unprovable_per_10k=10.0, setup_s=12.0
        ),
        "throughput-default-private-b16": measured_throughput(40.0),
        "throughput-quadratic-private-b16": measured_throughput(32.0),
        "throughput-quadratic-verdict-b16": measured_throughput(20.0),
        "baselines": {
            "onchain-quadratic": {"gas": 2_500, "executed": 2_500, "transaction_gas": 24_000},
            "groth16-quadratic": {
                "prove_s": 0.21,
                "gas": 330_000,
                "executed": 300_000,
                "beside": {
                    "quadratic-private-b1": {"prove_s": 0.165, "gas": 468_000, "executed": 400_000},
                    "quadratic-verdict-b1": {"prove_s": 0.197, "gas": 533_000, "executed": 460_000},
                },
            },
            "onchain-network": {"gas": 16_000, "executed": 16_000, "transaction_gas": 38_000, "weights": 800},
            "onchain-trees": {"gas": 3_450, "executed": 3_450, "transaction_gas": 25_000},
            "onchain-peers": {"gas": 900, "executed": 900, "transaction_gas": 24_000},
            "groth16-peers": {
                "prove_s": 0.2,
                "gas": 280_000,
                "executed": 250_000,
                "beside": {
                    "default-private-b1": {
                        "prove_s": 0.15,
                        "gas": 500_000,
                        "executed": 440_000,
                        "groth16_over_prove": 1.31,
                    }
                },
            },
        },
        "hub_bytes": 22_000,
        "submit-default-private-b1-q1": measured_submission(640_000, 1, target_per_feed=600_000, profile=PROFILE),
        **{
            f"submit-network-public-b{feeds}-q1": measured_submission(700_000 + 50_000 * feeds, feeds)
            for feeds in (1, 4, 16, 32)
        },
        "split-public-million": {
            "weights": 1_012_352,
            "memory_limit_gib": 4.0,
            "segments": [{"k": 18}, {"k": 17}],
            "build_s": 600.0,
            "build_memory_mb": 4_000.0,
            "planned": {"seconds": 90.0},
            "prove_s": 100.0,
            "prove_memory_mb": 3_900.0,
            "verify_s": 1.0,
            "proof_bytes": 6_000,
        },
        "audit-default-public-b1-q1": {
            "rounds": 2_000,
            "transactions": 2_000,
            "seconds": dict.fromkeys(audits.WAYS, 5.0),
            "rounds_per_s": {way: 400 + at for at, way in enumerate(audits.WAYS)},
            "cpu_s": dict.fromkeys(audits.WAYS, 4.0),
            "rounds_per_cpu_s": dict.fromkeys(audits.WAYS, 500),
            "record_bytes": 9_000_000,
        },
        "submit-trees-public-b32-q1": measured_submission(2_560_000, 32),
        "submit-default-private-b16-q1": measured_submission(
            1_440_000, 16, target_per_feed=91_000, hub_gas_per_feed_without_adapter=50_000, profile=PROFILE
        ),
        "submit-default-private-b16-q5": measured_submission(1_560_000, 16, target_per_feed=96_000),
        "submit-default-public-b16-q1": measured_submission(1_330_000, 16, hub_gas_per_feed_without_adapter=49_000),
        "claim-credit": {
            "inputs": 18,
            "weights": 18,
            "k": 11,
            "prove_s": 0.5,
            "claim_s": 2.25,
            "gas": 700_000,
            "verify_gas": 600_000,
            "proof_bytes": 3_000,
            "rss_mb": 70.0,
            "verify_s": 0.02,
            "setup_s": 5.0,
        },
    }
