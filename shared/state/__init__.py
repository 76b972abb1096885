"""What the pipeline remembers of runs, pages and corpora, in DynamoDB."""
