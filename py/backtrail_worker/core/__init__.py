"""Ports between the loop and the primitives, the registry of models and sessions."""
