"""Simulators and equivalence proofs, compared with what the graphs mean."""
