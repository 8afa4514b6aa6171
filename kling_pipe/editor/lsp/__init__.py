"""A language server for manifests: what the compiler knows, shown while somebody types. Needs the extra `lsp`."""
