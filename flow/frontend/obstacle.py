"""What a step of the conversion raises, to be listed with the other obstacles of a model."""


class Obstacle(Exception):
    """One thing that stands in the way, in one line."""
