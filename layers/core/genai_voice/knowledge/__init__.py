"""The documents that an app's agent knows."""
