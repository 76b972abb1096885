"""What the gateway serves: the entities that we wrote, more of their kind, their relations."""
