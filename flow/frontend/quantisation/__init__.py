"""Quantisation after training."""
