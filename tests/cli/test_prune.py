"""prune, in real processes: what nothing uses goes, all else stays; and what the account says of its packs."""

from __future__ import annotations

import json
import subprocess

ELEMENT = """\
  {name}:
    element_name: {name}
    element_description: a person
    reference_type: image_refer
    frontal: hana.png
    views: [hana.png]
"""


def manifest(*names: str, project: str = "small", more: str = "") -> str:
    return f"version: 1\nproject: {project}\nelements:\n" + "".join(ELEMENT.format(name=name) for name in names) + more


FILM = """\
videos:
  walk: {model_name: kling-v3-omni, mode: std, duration: 3, aspect_ratio: 16:9, prompt: "{{ element.ken }} walks"}
  talk: {api: text2video, model_name: kling-v2-6, mode: pro, sound: on, prompt: "{{ voice.narrator }} speaks"}
"""
VOICE = "voices:\n  narrator: {voice_name: Narrator, voice_url: https://example.com/n.mp3}\n"


def names(done: subprocess.CompletedProcess[str]) -> set[str]:
    return {line.split("`")[1] for line in done.stdout.splitlines()}


def test_what_no_manifest_uses_is_listed_and_deleted_when_asked(kling):
    """Dry at first; then gone at Kling, and made anew when a manifest wants it again."""
    kling.manifest(manifest("hana", "ken", more=VOICE))
    assert kling("run").returncode == 0
    kling.manifest(manifest("hana"))
    dry = kling("prune")
    assert (dry.returncode, names(dry)) == (0, {"ken", "Narrator"})
    assert "2 left over" in dry.stderr
    assert names(kling("prune")) == {"ken", "Narrator"}
    done = kling("prune", "--yes")
    assert (done.returncode, names(done)) == (0, {"ken", "Narrator"})
    assert "nothing is left over" in kling("prune", "--yes").stderr
    kling.manifest(manifest("hana", "ken", more=VOICE + FILM))
    again = kling("run", "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout.splitlines()[-1])["made"] == 4


def test_every_manifest_and_profile_that_is_given_counts(kling):
    """A second manifest, and an element of a profile, keep what they use."""
    kling.manifest(manifest("hana", "ken", "mei"))
    assert kling("run").returncode == 0
    profiles = "profiles: {dark: {elements: {element_description: a shadow}}}\n"
    (kling.folder / "other.yaml").write_text(manifest("ken"), encoding="utf-8")
    kling.manifest(manifest("hana", more=profiles))
    assert names(kling("prune", "kling-pipe.yaml", "other.yaml")) == {"mei"}


def test_other_projects_are_never_touched(kling):
    """Neither another project nor one whose name begins alike."""
    for project in ("small-two", "smaller"):
        kling.manifest(manifest("hana", project=project))
        assert kling("run").returncode == 0
    kling.manifest(manifest("ken"))
    assert kling("prune", "--yes").stdout == ""


def test_an_id_written_by_hand_keeps_its_element(kling):
    """A film that names the element by its number uses it."""
    kling.manifest(manifest("hana"))
    assert kling("run").returncode == 0
    (number,) = json.loads(kling("status", "--json").stdout)["jobs"][0]["element_ids"]
    film = (
        "videos:\n  film: {model_name: kling-v3-omni, mode: std, duration: 3, aspect_ratio: 16:9,"
        f' prompt: "<<<element_1>>> walks", element_list: [{{element_id: {number}}}]}}\n'
    )
    kling.manifest(f"version: 1\nproject: small\n{film}")
    assert kling("prune", "--yes").stdout == ""


def test_a_revision_of_git_counts_as_well(kling):
    """What a branch still uses stays, without touching the work tree; an unknown revision is a clear error."""
    kling.manifest(manifest("hana", "ken"))
    assert kling("run").returncode == 0
    git = ["git", "-C", str(kling.folder), "-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "kling-pipe.yaml", "hana.png"], ["commit", "-qm", "a"], ["tag", "autumn"]):
        subprocess.run([*git, *words], check=True, capture_output=True)
    kling.manifest(manifest("hana"))
    assert names(kling("prune")) == {"ken"}
    assert kling("prune", "--ref", "autumn", "--yes").stdout == ""
    wrong = kling("prune", "--ref", "winter")
    assert wrong.returncode == 64
    assert "winter" in wrong.stderr


def test_a_wrong_manifest_deletes_nothing(kling):
    """What cannot be read might use anything."""
    kling.manifest(manifest("hana", "ken"))
    assert kling("run").returncode == 0
    kling.manifest(
        manifest("hana", more="videos: {film: {prompt: '{{ element.hanna }}', model_name: kling-v3-omni}}\n")
    )
    assert kling("prune", "--yes").returncode == 3


def test_the_account_tells_what_is_left_in_its_packs(kling):
    """As text, as data, and as lines of doctor."""
    kling.manifest(manifest("hana"))
    text = kling("cost", "--account")
    assert text.returncode == 0
    assert "Emulated-Video" in text.stdout
    packs = json.loads(kling("cost", "--account", "--json").stdout)["packs"]
    assert {one["status"] for one in packs} == {"online"}
    assert "units left" in kling("doctor").stdout
