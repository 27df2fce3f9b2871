"""One file per source format, read without its framework, into a Network."""
