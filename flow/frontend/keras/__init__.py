"""Readers of Keras files, and what each layer class of Keras means."""
