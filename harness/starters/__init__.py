"""Starter layouts: a package for each; recognised by the parent, opened in the worker."""
