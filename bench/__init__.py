"""How fast the service is, measured so that a person can measure it again."""
