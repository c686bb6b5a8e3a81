"""The rules an agent's conversations are checked against."""
