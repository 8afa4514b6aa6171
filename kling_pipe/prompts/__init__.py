"""Templates in a manifest's strings: a small closed part of Jinja, bounded in length and work."""

from kling_pipe.prompts.render import Template, TemplateProblem, compile_text

__all__ = ["Template", "TemplateProblem", "compile_text"]
