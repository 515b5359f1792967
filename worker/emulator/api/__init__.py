"""What is asked, and answered: the runtime, the control plane, the emulator's own endpoints."""
