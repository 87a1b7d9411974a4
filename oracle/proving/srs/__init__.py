"""The structured reference strings (SRS) that keys are made from, one file per k.

A KZG SRS is [τ^i]₁ for a secret τ; who knows τ can prove anything. The public ceremony's τ is known to nobody as long
as one of its participants was honest. The process that generates a local SRS knows its τ: such an SRS is for tests and
local chains, and marked wherever it goes.
"""
