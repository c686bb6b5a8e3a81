"""Plays one scripted conversation per demo app against the running service, as its real clients would."""
