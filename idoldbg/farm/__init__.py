"""Runs one test suite on many boards: labgrid places, one pytest process on each.

labgrid's coordinator says which boards there are and who has them; this package takes free ones,
runs the suite on all of them at a time, gives them back whatever happens, and writes one report.
"""
