"""Live tokens: they open sessions with Gemini that are locked to what their app says."""
