"""What an editor knows of a manifest: its JSON Schema, and a language server."""
