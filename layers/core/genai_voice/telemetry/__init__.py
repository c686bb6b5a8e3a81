"""What clients report of a session while it goes on."""
