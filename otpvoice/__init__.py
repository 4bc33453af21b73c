"""Proves a phone number by voice: a phone rings, a voice reads a code, and it is accepted once."""
