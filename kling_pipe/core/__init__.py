"""Pure helpers that every room may use: keys, graph, text, JSON pointers, names that load late."""
