"""Where AWS and the operating system begin: clients, settings, logs, HTTP answers, terminals."""
