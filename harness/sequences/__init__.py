"""Derives answers from models that predict binary pixels one at a time: whole sequences, completions, posteriors.

`derived` chooses the method that a model gets. `stepwise` and `whole` adapt the two kinds of model, `branches` computes
exact posteriors by branching at missing pixels, `states` picks rows out of a model's state, and `probabilities` checks
what a model returned. `sampling` draws images from models that sample.
"""
