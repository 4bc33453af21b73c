"""Telephone companies: one package for each, which contains its words and wire format."""
