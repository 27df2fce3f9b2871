"""Approximations: what changes the answers of a network for a smaller circuit, and says so."""
