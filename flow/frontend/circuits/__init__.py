"""Readers of circuits that a user brings: BLIF, Verilog, threshold netlists."""
