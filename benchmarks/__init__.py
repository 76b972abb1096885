"""Measurements, one command each: speed is measured here and never asserted in tests."""
