"""Generators of documentation and schemas, run by the developer: `python -m scripts.NAME [--check]`."""
