"""The rewrite rules of `simplify`, by kind of operation; a rule's docstring is its equation."""
