"""Programs that run beside ours on this machine: their processes, their ports, their ends."""
