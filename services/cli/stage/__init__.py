"""`ultron stage`: how much waits at each stage, and pausing and resuming one."""
