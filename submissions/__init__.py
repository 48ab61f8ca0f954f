"""Submissions: a template for students, and examples to grade."""
