"""What can be known of a first apply before it: `make preflight`."""
