"""Facts about graphs; changes nothing."""
