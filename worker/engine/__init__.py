"""Who works on chunks that are not done: in this process, so far."""
