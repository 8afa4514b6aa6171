"""What an editor knows of a manifest: a JSON Schema for completion and hover, generated from the catalog.

It judges shape, while somebody types. `kling-pipe validate` has the last word: it also sees names, files and rules.
"""

from kling_pipe.editor.schema.manifest_schema import manifest_schema, schema_text

__all__ = ["manifest_schema", "schema_text"]
