"""What the engine is measured beside; each library is imported only when it is asked for."""
