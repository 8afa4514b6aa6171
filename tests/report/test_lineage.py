"""From a file back to the line that asked for it, and up to the first picture."""

from __future__ import annotations

import shutil

import pytest
from program import call

from kling_pipe.cli.explain_file import explanation
from kling_pipe.errors import LocalStateError, UsageError
from kling_pipe.report.lineage import origins


def film(campaign):
    return next((campaign.path.parent / "out-emulator" / "video").glob("teaser@jp-16x9.mp4"))


def test_a_file_leads_up_to_its_first_pictures(campaign):
    """Task, units, the manifest's line, and every input with what that was made from."""
    text = explanation(film(campaign))
    line = campaign.path.read_text(encoding="utf-8").split("  teaser:")[0].count("\n") + 1
    tree = text.partition("made from")[2]

    assert text.startswith("video.teaser@jp-16x9 (emulated)")
    assert f"kling-pipe.yaml:{line}:" in text
    assert "as it was saved" in text
    assert tree.index("image.keyframe@16x9#2") < tree.index("element.hana") < tree.index("hana.png")


@pytest.mark.parametrize("form", ["address", "external_task_id", "task_id"])
def test_a_job_is_found_by_any_of_its_names(campaign, form, monkeypatch):
    """Inside of the campaign's folder an address or an id will do; an element has no file at all."""
    monkeypatch.chdir(campaign.path.parent)
    take = next(take for take in campaign.sheet.takes if take.element_ids)
    name = getattr(take, form)

    assert explanation(type(campaign.path)(name)).startswith("element.hana (emulated)")


def test_a_renamed_file_is_known_by_its_bytes(campaign):
    """Moved within the campaign, without its sidecar."""
    renamed = campaign.path.parent / "final-final.mp4"
    shutil.copy(film(campaign), renamed)

    assert "video.teaser@jp-16x9" in explanation(renamed)


def moved(campaign, folder, *suffixes):
    """The film, or what stands beside it, in another folder."""
    folder.mkdir(exist_ok=True)
    for suffix in suffixes:
        shutil.copy(f"{film(campaign)}{suffix}", folder / f"film.mp4{suffix}")
    return folder / "film.mp4"


def test_a_moved_file_is_told_from_its_sidecar_alone(campaign, tmp_path, monkeypatch):
    """No manifest, no lock, no ledger; nor does it matter that what lies around cannot be read."""
    told = explanation(film(campaign)).partition("  operation")[2].partition("  made from")[0]
    monkeypatch.chdir(tmp_path)
    alone = moved(campaign, tmp_path / "usb", "", ".json")
    for name, text in (
        ("", ""),
        ("kling-pipe.toml", "accounts = 3\n"),
        ("kling-pipe.lock", "<<<<<<< HEAD\n"),
        ("kling-pipe.yaml", "project: other\n"),
    ):
        if name:
            (alone.parent / name).write_text(text, encoding="utf-8")
        found = explanation(alone)
        assert found.startswith("video.teaser@jp-16x9 (emulated)\n  file       ")
        assert found.partition("  operation")[2].partition("  made from")[0] == told
        assert "  made from\n    image.keyframe@16x9#2  kp1-looks-" in found


def test_a_moved_file_without_a_sidecar_is_known_where_one_stands(campaign, tmp_path, monkeypatch):
    """By the words in it, in the campaign that made it; elsewhere they say whom to ask."""
    alone = moved(campaign, tmp_path / "usb", "")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as refused:
        explanation(alone)
    assert refused.value.hint.startswith("it is of task `kp1-looks-")
    monkeypatch.chdir(campaign.path.parent)
    text = explanation(alone)
    assert text.startswith("video.teaser@jp-16x9 (emulated)")
    assert "hana.png" in text.partition("made from")[2]


def test_where_the_manifest_is_gone_lock_and_ledger_tell(campaign, tmp_path, monkeypatch):
    """All but the request: by address, id, or the file's bytes. Either of the two will do."""
    there, here = campaign.path.parent / ".kling-pipe" / "emulator", tmp_path / ".kling-pipe" / "emulator"
    shutil.copytree(there, here, ignore=shutil.ignore_patterns("gateway*"))
    monkeypatch.chdir(tmp_path)
    take = next(take for take in campaign.sheet.takes if take.address == "video.teaser@jp-16x9")
    alone = moved(campaign, tmp_path, "")
    told = explanation(type(alone)(take.address))
    assert told.splitlines() == [
        "video.teaser@jp-16x9 (emulated)",
        "  operation  omni-video",
        f"  task       {take.task_id} ({take.external_task_id})",
        told.splitlines()[3],
        f"  units      {take.charged:g}",
        "  request    not known: no manifest here asks for it",
    ]
    assert explanation(type(alone)(take.task_id)) == told
    assert explanation(alone).replace(f"  file       {alone}, as it was saved\n", "") == told
    assert explanation(type(alone)("image.keyframe@9x16#2:1")).startswith("image.keyframe@9x16#2 (emulated)")
    (here / "kling-pipe.lock").unlink()
    assert explanation(type(alone)(take.external_task_id)).startswith("video.teaser@jp-16x9 (emulated)")


def test_of_several_accounts_the_one_that_has_it_is_named(tmp_path):
    """As `status` does: all are looked at."""
    (tmp_path / "kling-pipe.yaml").write_text(
        "version: 1\nproject: pair\nelements:\n  hana: { element_name: Hana, element_description: A farmer,\n"
        "    reference_type: image_refer, frontal: https://example.com/a.png, views: [https://example.com/b.png],\n"
        "    account: second }\n",
        encoding="utf-8",
    )
    (tmp_path / "kling-pipe.toml").write_text(
        '[accounts.main]\napi_key_env = "MAIN_KEY"\n[accounts.second]\napi_key_env = "SECOND_KEY"\n', encoding="utf-8"
    )
    done = call("run", "--emulator", "-y", "-q", folder=tmp_path)
    assert done.code == 0, done
    assert "  in second" in call("status", "--emulator", folder=tmp_path).out
    assert "\n  account    second\n" in call("explain", "element.hana", folder=tmp_path).out
    shutil.copy(tmp_path / ".kling-pipe" / "emulator" / "kling-pipe.lock", tmp_path)
    shutil.rmtree(tmp_path / ".kling-pipe")
    assert "  in main or second" in call("status", folder=tmp_path).out  # without credentials nobody can tell
    assert "\n  account    main or second\n" in call("explain", "element.hana", folder=tmp_path).out


def test_a_changed_file_says_so(campaign, tmp_path):
    """An edited copy beside its sidecar is told from what was saved."""
    for suffix in ("", ".json"):
        shutil.copy(f"{film(campaign)}{suffix}", tmp_path / f"film.mp4{suffix}")
    with (tmp_path / "film.mp4").open("ab") as file:
        file.write(b"more")

    assert "changed since it was saved" in explanation(tmp_path / "film.mp4")


def test_what_nobody_knows_is_told(tmp_path, monkeypatch):
    """A stranger's file and a mistyped name are usage errors, a broken sidecar is a local one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "holiday.png").write_bytes(b"png")
    (tmp_path / "other.png").write_bytes(b"png")
    (tmp_path / "other.png.json").write_text("{}", encoding="utf-8")

    for name in ("holiday.png", "video.nothing"):
        with pytest.raises(UsageError):
            explanation(tmp_path / name if "." in name[-4:] else type(tmp_path)(name))
    with pytest.raises(LocalStateError):
        explanation(tmp_path / "other.png")


def test_a_circle_of_sidecars_ends():
    """Sidecars are files that anybody may edit: one that claims to be made from itself must not hang us."""
    form = {"operation": "image", "request": {"image": {"$ref": "image.a", "output": 1, "external_task_id": "kp1-a"}}}
    found = origins(form, lambda _name: form)
    depth = 0
    while found:
        found, depth = found[0].inputs, depth + 1

    assert depth < 100
