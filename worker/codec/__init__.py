"""Rows to request bodies, and answers' bodies to columns. Pure."""
