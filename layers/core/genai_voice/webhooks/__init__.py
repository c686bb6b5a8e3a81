"""What an app is told of its own events: signed, and until it has taken them."""
