"""The `ultron` command."""
