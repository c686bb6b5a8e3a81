"""The one client for Gemini, Google's models."""
