"""Webhooks: an app is told of its own events, signed, until it has taken them."""
