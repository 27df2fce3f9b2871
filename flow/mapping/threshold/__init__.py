"""Ordinary logic and neurons as netlists of threshold gates."""
