"""Benchmarks: one script a topic; each prints its table and writes its record."""
