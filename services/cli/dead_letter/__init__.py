"""`ultron dlq`: dead-letter messages, and sending them again or dropping them."""
