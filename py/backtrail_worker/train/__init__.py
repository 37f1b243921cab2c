"""Gradients and optimizer steps of a session."""
