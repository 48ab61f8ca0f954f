"""Tasks on streams of symbols; scored by cross-entropy beyond the exact Bayes predictor."""
