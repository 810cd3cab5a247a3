"""The schemes of SPECs, one module each: a new kind of link is one file here.

Such a module is imported when its scheme is asked for, or the list of all; what it needs (pyOCD,
Unicorn) it imports in its opener.
"""
