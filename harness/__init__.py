"""The evaluator: opens submissions safely, asks, marks, records and scores."""
