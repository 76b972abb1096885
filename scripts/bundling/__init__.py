"""Bundles of the functions: native builds, layers, deterministic zips."""
