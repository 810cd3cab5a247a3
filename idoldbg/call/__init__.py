"""Calls: from checked arguments to a message, through hiffy, and back to values."""
