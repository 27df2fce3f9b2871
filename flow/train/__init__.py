"""Training: the only room that may import a framework."""
