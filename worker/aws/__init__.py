"""The SDK's part: credentials, clients, errors, the control plane."""
