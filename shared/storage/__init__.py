"""Object storage: the protocol, its stores, the key layout and the JSON-lines codec."""
