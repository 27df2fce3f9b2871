"""Area, power, timing and accuracy as text, JSON and HTML."""
