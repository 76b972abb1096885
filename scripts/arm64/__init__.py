"""The shipped arm64 bundles run in an arm64 CPython on this machine (`make arm64`)."""
