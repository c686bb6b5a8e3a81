"""What an app's agent knows."""
