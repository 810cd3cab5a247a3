"""A debugging companion for Hubris firmware."""
