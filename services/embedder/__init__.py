"""Embeds the chunks of one part of a page and builds its index shard."""
