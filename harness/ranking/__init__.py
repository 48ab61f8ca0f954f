"""Ranks that the data support: which entries of a board differ, and the interval of ranks that each may have."""
