"""Neurons onto cells and processing elements."""
