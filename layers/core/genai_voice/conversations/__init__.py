"""The life of a conversation: its status, its transcript, its messages."""
