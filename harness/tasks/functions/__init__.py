"""Students' functions against the truth: derivatives, probabilities, projections and losses, case by case."""
