"""Who works on which chunk."""
