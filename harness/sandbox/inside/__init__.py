"""The worker's side of the sandbox: confines its own process, opens a model, and answers questions."""
