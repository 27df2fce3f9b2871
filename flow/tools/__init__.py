"""External programs as functions; they know nothing of the graphs."""
