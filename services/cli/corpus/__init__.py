"""`ultron corpus`: adding, trying, listing and removing corpora."""
