"""Read models for operators. The command line and the console render them, each in its own way."""
