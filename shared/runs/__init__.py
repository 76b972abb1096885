"""Runs and their pages: how they are planned, counted, steered and ended."""
