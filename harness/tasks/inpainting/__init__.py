"""Image inpainting tasks: recover a patch, every other row, or the lower half; scored by mean squared error."""
