"""Deploying the project to a local AWS: for the demo, for the end-to-end tests, for benchmarks."""
