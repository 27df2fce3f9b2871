"""Circuit to Emission: pure functions from graphs to texts."""
