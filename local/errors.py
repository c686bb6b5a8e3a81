"""The error that stops a command of the local service, told to a person."""


class LocalError(Exception):
    """The local service cannot go on. The message is one sentence a person can act on."""
