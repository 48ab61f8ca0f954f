"""Derives completions and posteriors of missing values from models that predict one step of a sequence at a time."""
