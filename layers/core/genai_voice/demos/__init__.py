"""Three demo scenarios as data, and the mock tools that act on their state."""
