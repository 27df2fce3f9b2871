"""Rewrites of the two graphs, one per file."""
