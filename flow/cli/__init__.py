"""One file per command: parses, runs, prints. No logic."""
