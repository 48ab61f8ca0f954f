"""A template for students' submissions, and example submissions to grade."""
