"""Neurons onto cells and processing elements, adders onto cells of a library."""
