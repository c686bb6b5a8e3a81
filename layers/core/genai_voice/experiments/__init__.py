"""Experiments: sessions are assigned variants, and the outcomes of their conversations are compared."""
