"""One scripted conversation per demo app, played against the running service as its real clients would."""
