"""What all kinds of source share on the way from raw lines to entities: pure functions."""
