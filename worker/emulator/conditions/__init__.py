"""What the emulator is told of its capacity, its weather and its credentials."""
