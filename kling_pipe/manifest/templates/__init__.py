"""Templates in a manifest's strings: a small closed part of Jinja, bounded in length and work."""

from kling_pipe.manifest.templates.render import Template, compile_text, has_template
from kling_pipe.manifest.templates.rendered import Axes, Lookup, TemplateProblem

__all__ = ["Axes", "Lookup", "Template", "TemplateProblem", "compile_text", "has_template"]
