"""Templates: a closed language, bounded, and the same whether Jinja fills them in or we do."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_pipe.core.invalid import Invalid
from kling_pipe.manifest.templates import Lookup, TemplateProblem, compile_text
from kling_pipe.manifest.templates.compiled import Compiled
from kling_pipe.manifest.templates.fast_path import NOT_DIRECT, filled, lookups

NAMES: dict[str, Any] = {
    "vars": {
        "look": "soft",
        "n": 3,
        "half": 0.5,
        "yes": True,
        "none": None,
        "list": [1, 2],
        "line": {"jp": "春", "us": "Spring"},
        "items": "own",
        "a b": "spaced",
        "hole": Invalid(),
        "template": "{{ vars.look }}",
        "text": "<b> & {x}",
    },
    "matrix": {"ratio": "16:9", "market": "jp"},
    "job": {"name": "film"},
    "take": 2,
}


def text(source: str) -> str:
    """The rendered text."""
    template = compile_text(source)
    return source if template is None else template.text(NAMES)


def value(source: str) -> Any:
    """The value of a lone expression."""
    template = compile_text(source)
    return source if template is None else template.value(NAMES)


def problem(source: str, *, native: bool = False) -> TemplateProblem:
    """What is said about a template that is wrong."""
    with pytest.raises(TemplateProblem) as caught:
        value(source) if native else text(source)
    return caught.value


def said(call: Callable[[Any], Any], argument: Any) -> str:
    """The id of the problem that a call has, or `""`."""
    try:
        found = call(argument)
    except TemplateProblem as refused:
        return refused.id or "an echo"
    return "" if found is NOT_DIRECT or len(found) <= 100_000 else "too long"


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("plain", "plain"),
        ("{ x } }} %}", "{ x } }} %}"),
        ("{{ vars.look }}", "soft"),
        ("a {{vars.look}} b", "a soft b"),
        ("{{ vars['look'] }}", "soft"),
        ('{{ vars["a b"] }}', "spaced"),
        ("{{ vars.line[matrix.market] }}", "春"),
        ("{{ vars.n }} {{ vars.half }}", "3 0.5"),
        ("{{ vars.yes }}", "true"),
        ("{{ vars.none }}", ""),
        ("{{ vars.items }}", "own"),
        ("{{ matrix.ratio | slug }}", "16x9"),
        ("{{ vars.look | upper }}", "SOFT"),
        ("{{ vars.n * 2 + 1 }}", "7"),
        ("{{ 'a' ~ vars.yes ~ 1 }}", "atrue1"),
        ("{{ vars.list | join(', ') }}", "1, 2"),
        ("{% if vars.yes %}a{% else %}b{% endif %}", "a"),
        ("{% for x in vars.list %}{{ x }}{% if not loop.last %}-{% endif %}{% endfor %}", "1-2"),
        ("{{ vars.nothing | default('x') }}", "x"),
        ("{{ 'x' if vars.nothing is defined else 'y' }}", "y"),
        ("{# remark #}a", "a"),
        ("{{ vars.text }}", "<b> & {x}"),
        ("a\n", "a\n"),
        ("{{ vars.look }}\n", "soft\n"),
        ("{{ take }}", "2"),
        ("{{ range(3) | join }}", "012"),
        ("{{ vars.line.items() | list | length }}", "2"),
        ("{{ '%d' }}", "%d"),
        ("{{ vars.look.title() }}", "Soft"),
        ("{{- ' a ' -}} b", " a b"),
        ("{{ vars.yes | string }}", "true"),
        ("{{ 7 // 2 }}", "3"),
        ("{{ vars.look[0] }}", "s"),
        ("{{ vars.look[1:] }}", "oft"),
        ("{{ vars.look | replace('s', 'S') }}", "Soft"),
        ("{{ [3, 1] | sort | first }}", "1"),
    ],
)
def test_templates_are_filled_in(source: str, wanted: str) -> None:
    """Lookups, arithmetic, filters, conditions, loops."""
    assert text(source) == wanted


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("{{ vars.n }}", 3),
        (" {{ vars.list }} ", [1, 2]),
        ("{{ vars.yes }}", True),
        ("{{ vars.line }}", {"jp": "春", "us": "Spring"}),
        ("{{ vars.none }}", None),
        ("{{ vars.n + 1 }}", 4),
        ("{{ range(2) }}", [0, 1]),
        ("{{ (1, 2) }}", [1, 2]),
        ("{{ vars.n }}s", "3s"),
        ("{{ 0.1 + 0.2 }}", 0.1 + 0.2),
    ],
)
def test_a_lone_expression_keeps_its_type(source: str, wanted: Any) -> None:
    """So that numbers, booleans and lists can come from `vars`."""
    assert value(source) == wanted
    assert type(value(source)) is type(wanted)


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__ }}",
        "{{ vars.__class__ }}",
        "{{ vars['__class__'] }}",
        "{{ vars['__cla' ~ 'ss__'] }}",
        "{{ vars | attr('__class__') }}",
        "{{ ''.format(vars) }}",
        "{{ '{0.__class__}'.format(vars) }}",
        "{{ '%s' % vars }}",
        "{{ vars.look.__init__.__globals__ }}",
        "{{ self }}",
        "{{ self.__init__ }}",
        "{{ cycler }}",
        "{{ lipsum() }}",
        "{{ namespace() }}",
        "{{ dict() }}",
        "{{ joiner() }}",
        "{{ range.__init__ }}",
        "{{ loop }}",
        "{% import 'os' as os %}",
        "{% include '/etc/passwd' %}",
        "{% extends 'x' %}",
        "{% block x %}{% endblock %}",
        "{% set x = 1 %}",
        "{% macro m() %}{% endmacro %}",
        "{% call m() %}{% endcall %}",
        "{% filter upper %}{% endfilter %}",
        "{% with a = 1 %}{% endwith %}",
        "{% autoescape true %}{% endautoescape %}",
        "{{ vars.look.encode() }}",
        "{{ vars.update({'a': 1}) }}",
        "{{ vars.list.append(1) }}",
        "{{ vars | map('upper') }}",
        "{{ vars.list | random }}",
        "{{ vars | pprint }}",
        "{{ vars.list | sort(attribute='__class__') | first }}",
        "{{ caller() }}",
        "{{ varargs }}",
        "{{ context }}",
        "{{ environment }}",
        "{{ vars.look is callable }}",
        "{{ vars.line.items }}",
        "{{ range }}",
        "{{ vars.look.upper }}",
        "{% debug %}",
        "{% raw %}{{ x }}{% endraw %}{% do x %}",
        "{{ 2 ** 9 }}",
        "{{ vars.list.__len__() }}",
        "{{ (vars.list).pop() }}",
    ],
)
def test_there_is_no_way_out(source: str) -> None:
    """Nothing of Python, of the machine or of Jinja's own tools can be reached."""
    assert problem(source).id in {"KP201", "KP202", "KP203", "KP205"}
    assert "0x" not in problem(source).message


@pytest.mark.parametrize(
    "source",
    [
        "{{ 'x' * 100000000 }}",
        "{{ ('x' * 99999 ~ 'y') * 99999 }}",
        "{{ 'x' * 99999 + 'x' * 99999 }}",
        "{{ 999999 * 'x' }}",
        "{{ [1] * 99999999 }}",
        "{{ ([[1] * 9999] * 9999) | string }}",
        "{{ range(999999999) | list }}",
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% for a in range(99999) %}xxxxxxxxxx{% endfor %}",
        "{{ ('x' * 999) | replace('x', 'y' * 999) }}",
        "{{ range(99999) | join('x' * 99) }}",
        "{{ 9 ** 9 ** 9 }}",
        "{{ 'x' | center(999999999) }}",
        "{{ '%999999999d' % 1 }}",
        "{{ 'x'.ljust(999999999) }}",
        "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
        "{{ " + "9" * 6000 + " }}",
        "{% if 1 %}" * 50 + "{% endif %}" * 50,
        "{{ " + "-" * 5000 + "1 }}",
        "{{ " + "1+" * 9000 + "1 }}",
        "{% for a in range(9) %}" * 30 + "{% endfor %}" * 30,
        "{{ (10 * " * 300 + "1" + ")" * 300 + " | string }}",
        "{{ 1e999 }}",
        "{{ -1e999 }}",
        "{{ 'a' ~ range(99999) | join }}",
        "{{ ('ß' * 99999) | upper }}",
    ],
)
def test_nothing_grows_without_bounds(source: str) -> None:
    """Text, lists, loops, numbers, nesting: refused, and at once."""
    began = time.process_time()
    assert said(text, source) in {"", "KP202", "KP203", "KP204", "KP205"}
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    ("source", "id", "needle", "near"),
    [
        ("{{ vars.lok }}", "KP201", "lok", "look"),
        ("{{ vras.look }}", "KP201", "vras", "vars"),
        ("{{ look }}", "KP201", "look", ""),
        ("{{ vars.look.deep }}", "KP201", "deep", ""),
        ("{{ vars.line['fr'] }}", "KP201", "fr", ""),
        ("{{ vars.lok | upper }}", "KP201", "lok", "look"),
        ("{{ 'a' | uper }}", "KP203", "uper", "upper"),
        ("{{ 1 is evn }}", "KP203", "evn", "even"),
        ("{{ vars.look.uper() }}", "KP203", "uper", "upper"),
        ("{{ vars.list }} and", "KP205", "", ""),
        ("{{ vars.line }} and", "KP205", "", ""),
        ("{{ vars.template }}", "KP207", "", ""),
        ("{{ vars.look", "KP202", "{{ vars.look", ""),
        ("{% if vars.look %}", "KP202", "{% if vars.look", ""),
        ("{{ 1 / 0 }}", "KP202", "", ""),
        ("{{ 1 + 'a' }}", "KP202", "", ""),
        ("{{ vars.hole }} and", "", "", ""),
    ],
)
def test_problems_name_the_word_and_the_one_that_was_meant(source: str, id: str, needle: str, near: str) -> None:
    """In our own words, with what to look for in the source; the echo of a refused value has no id."""
    found = problem(source)
    assert (found.id, found.needle, found.near) == (id, needle, near)


@pytest.mark.parametrize("source", ["{{ vars.lok }}", "{{ vars.line.fr }}", "{{ nothing }}", "{{ vars.nothing[0] }}"])
def test_an_undefined_value_never_leaves_a_template(source: str) -> None:
    """Also where the value is handed over as it is."""
    assert problem(source, native=True).id == "KP201"


class Named(Lookup):
    """Stands for an element or an image."""

    def __init__(self, path: str = "image") -> None:
        self._path = path

    def __getattr__(self, name: str) -> Named:
        return Named(f"{self._path}.{name}")

    def __getitem__(self, name: str) -> Named:
        return Named(f"{self._path}[{name}]")

    def __str__(self) -> str:
        return f"<{self._path}>"

    def take(self, number: int) -> Named:
        """A method, as mentions have."""
        return Named(f"{self._path}#{number}")


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("{{ image.logo }}", "<image.logo>"),
        ("{{ image.frame['16:9'] }}", "<image.frame[16:9]>"),
        ("{{ image.brand.logo }}", "<image.brand.logo>"),
        ("{{ image.frame.take(2) }}", "<image#2>"),
    ],
)
def test_names_of_the_manifest_are_looked_up(source: str, wanted: str) -> None:
    """Attributes and items lead on, methods are called."""
    names = {"image": Named()} if "take" not in source else {"image": {"frame": Named()}}
    template = compile_text(source)
    assert template is not None
    assert template.text(names) == wanted


STEP = st.one_of(
    st.sampled_from(
        [
            ".look",
            ".n",
            ".yes",
            ".none",
            ".line",
            ".line.jp",
            ".items",
            ".nothing",
            "['look']",
            '["a b"]',
            "['nothing']",
            ".ratio",
            ".list",
            ".text",
        ]
    )
)
TAG = st.builds(
    "{}{}{}{}{}".format,
    st.sampled_from(["{{", "{{ ", "{{  "]),
    st.sampled_from(["vars", "matrix", "take", "job", "nobody", "true"]),
    st.one_of(st.just(""), STEP),
    st.sampled_from([" ", ""]),
    st.just("}}"),
)


@given(st.lists(st.one_of(TAG, st.text(st.sampled_from("ab {}%#\n\r'春"), max_size=6)), max_size=6).map("".join))
def test_direct_lookups_write_what_jinja_writes(source: str) -> None:
    """The short way gives the same text as the long one, or does not take the job."""
    parts = lookups(source)
    if parts is None:
        return
    refused = said(lambda names: filled(parts, names), NAMES)
    if refused:
        assert said(Compiled(source).text, NAMES) == refused
    elif (found := filled(parts, NAMES)) is not NOT_DIRECT:
        assert found == Compiled(source).text(NAMES)
