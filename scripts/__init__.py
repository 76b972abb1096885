"""Command-line tools of the project: builds, the local AWS, the local Marvel gateway."""
