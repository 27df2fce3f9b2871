"""State, run folders and the stages of a build."""
