"""A serverless backend for voice agents: one package per capability, all standing on `foundation`."""

__version__ = "0.2.0"
