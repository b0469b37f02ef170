"""Atomic files, append-only journals, hashed arrays."""
