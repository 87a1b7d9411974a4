"""The structured reference strings (SRS) that keys are made from, one file per k.

A KZG SRS is [τ^i]₁ for a secret τ. Whoever knows τ can prove anything. Nobody knows the public ceremony's τ as long as
one of its participants was honest. The process that generates a local SRS knows its τ: such an SRS is for tests and
local chains, and marked wherever it goes.
"""
