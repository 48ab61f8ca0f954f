"""Evidence: signs that a score was not earned, each a statistic with what honest models give and a threshold."""
