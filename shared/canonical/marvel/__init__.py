"""From Marvel's wire format to canonical entities and edges."""
