"""How an app's agent presents itself."""
