"""One file per target: the literal list of what a target is made of."""
