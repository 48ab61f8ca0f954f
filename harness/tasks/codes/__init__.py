"""Tasks of models with codes: reconstruction by autoencoders, and densities of latent-variable models and flows."""
