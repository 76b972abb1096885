"""From markup to passages: plain text, sentences, chunks. Pure functions of their input."""
