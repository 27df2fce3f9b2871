"""The two integer graphs, Network and Circuit, and what they mean."""
