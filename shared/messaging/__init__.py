"""SQS: publishing jobs, and running a batch of them with partial failures."""
