"""Packages that are not part of the project's own tree, each with a README that says why."""
