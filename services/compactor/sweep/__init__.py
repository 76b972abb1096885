"""After a full run: what the run did not see is deleted, and readers move to another model."""
