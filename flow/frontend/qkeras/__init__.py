"""What the quantisers of QKeras mean."""
