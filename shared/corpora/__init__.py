"""What is kept of a corpus: its document, lease and floor, and what was last indexed of it."""
