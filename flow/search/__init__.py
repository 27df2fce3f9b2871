"""Candidates, objectives and executors of searches."""
