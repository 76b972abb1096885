"""The Marvel Comics API v1 wire format."""
