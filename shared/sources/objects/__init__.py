"""Sources that are objects in the bucket: listing them, reading them, cutting large ones."""
