"""Measures of samples: what the tasks that ask for images, not for answers, share."""
