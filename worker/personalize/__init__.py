"""Facts about the service, as its models and its developer guide have them. No I/O."""
