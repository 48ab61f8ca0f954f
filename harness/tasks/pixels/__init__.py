"""Tasks on binarised images read as sequences of pixels; scored by cross-entropy."""
