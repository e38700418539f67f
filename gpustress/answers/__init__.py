"""Answers: what it would take, what drives it, who started it, and one path in words."""
