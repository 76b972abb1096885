"""The one DynamoDB table: its items in plain Python values, and its time."""
