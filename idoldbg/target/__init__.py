"""Targets: debug probes, emulated boards, core dumps, and what they share."""
