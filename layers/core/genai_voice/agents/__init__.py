"""Sessions of coding agents and the runs they report."""
