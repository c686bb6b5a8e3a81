"""Live sessions with Gemini: the tokens that open them, locked to what their app says."""
