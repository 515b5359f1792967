"""Parquet out, and what is kept until then."""
