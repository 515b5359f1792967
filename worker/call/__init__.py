"""One HTTP attempt. transport.py is the interface; sdk.py makes it with aioboto3."""
