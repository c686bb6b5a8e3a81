"""Conversations: their status, transcripts, messages and annotations."""
