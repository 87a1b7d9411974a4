"""Names for members of a network whose operators have chosen none."""

from __future__ import annotations

__all__ = ["NAMES"]

NAMES = (
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu", "xi",
    "omicron", "pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega", "alef", "bet", "gimel", "dalet",
    "he", "vav", "zayin",
)  # fmt: skip
"""As many as a committee may have reporters."""
