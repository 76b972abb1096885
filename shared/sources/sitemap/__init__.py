"""The sitemap source: the pages of a web site that its sitemap names and its robots.txt allows."""

ROBOT_NAME = "ultron-embeddings"
"""Under which name a site may allow or forbid us things; our user agent begins with it."""
