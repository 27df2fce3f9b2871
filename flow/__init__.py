"""A hardware-generation compiler: a trained network in; a proved, measured circuit out."""

__version__ = "0.1.0"
