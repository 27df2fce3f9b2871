"""Adder graphs for the constant matrix-vector products that `Linear` nodes spell out."""
