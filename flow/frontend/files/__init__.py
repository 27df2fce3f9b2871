"""Data files, and guards against hostile ones."""
