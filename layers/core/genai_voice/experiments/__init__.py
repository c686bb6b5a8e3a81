"""Experiments: sessions are assigned variants, and what their conversations come to is compared."""
