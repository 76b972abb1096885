"""Which deployment a command speaks to, and where that is written."""
