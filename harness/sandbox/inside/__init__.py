"""The worker's side of the sandbox: puts up fences around its own process, opens a model, and answers questions."""
