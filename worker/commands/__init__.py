"""A verb each, without the command line."""
