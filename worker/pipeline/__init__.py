"""Rows on their way, from the input to their parts: what is read ahead, called, kept, written."""
