"""Who changed what of an app, by which command, and what came of it."""
