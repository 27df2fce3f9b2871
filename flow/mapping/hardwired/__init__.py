"""Neurons whose weights are wires: inputs grouped by weight value, counted, accumulated."""
