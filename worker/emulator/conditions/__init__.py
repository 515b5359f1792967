"""Capacity and weather: what the emulator is told of them, and what they make of a request."""
