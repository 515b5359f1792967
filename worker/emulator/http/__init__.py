"""HTTP/1.1, as a server speaks it, and who signed a request."""
