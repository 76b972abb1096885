"""Turns raw lines into canonical entities, relation edges and rejects."""
