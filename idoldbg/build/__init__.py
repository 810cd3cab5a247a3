"""A build that was opened: its files, its debug information, and what is kept of them."""
