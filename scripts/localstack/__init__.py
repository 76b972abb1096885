"""LocalStack, in a container where there is Docker, or as a process of this machine."""
