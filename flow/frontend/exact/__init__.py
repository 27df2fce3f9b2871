"""From exact numbers to a Network, with nothing rounded on the way."""
