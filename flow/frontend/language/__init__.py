"""Language models: their sizes, and their weights layer by layer."""
