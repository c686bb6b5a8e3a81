"""Gemini: the one client for what is asked of Google's models."""
