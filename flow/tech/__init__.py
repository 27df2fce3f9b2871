"""Technologies as data, and their readers."""
