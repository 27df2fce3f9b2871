"""The stages of a build, one per file; a target has a tuple of them, in its order."""
