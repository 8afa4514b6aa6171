"""Links that may be fetched by whoever has them do not get into what people and files see."""

import pytest

from kling_pipe.core.redact import shown, unsigned

S3 = "https://inputs.s3.amazonaws.com/kling/9f86.mp4"
SIGNED = f"{S3}?X-Amz-Credential=AKIA%2F1&X-Amz-Expires=600&X-Amz-Signature=0badc0de"


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (f"cannot fetch {SIGNED}", f"cannot fetch {S3}"),
        (f'{{"url":"{SIGNED}","code":1}}', f'{{"url":"{S3}","code":1}}'),
        ("https://a.blob.core.windows.net/c/x.mp4?sv=2024&sig=abc%3D", "https://a.blob.core.windows.net/c/x.mp4"),
        ("https://storage.googleapis.com/b/x?X-Goog-Signature=ab", "https://storage.googleapis.com/b/x"),
        ("http://127.0.0.1:80/media/1.mp4?issued=1&signature=ab and on", "http://127.0.0.1:80/media/1.mp4 and on"),
        ("see https://example.com/faq?id=3, please", "see https://example.com/faq?id=3, please"),
        ("is it a sig=nal?", "is it a sig=nal?"),
        ("", ""),
    ],
)  # fmt: skip
def test_a_signed_link_is_cut_down_to_its_place(said, kept) -> None:
    """Whoever signed it, and whatever stands around it; other links stay as they are."""
    assert unsigned(said) == kept


@pytest.mark.parametrize(
    ("said", "before", "kept"),
    [
        ("film: https://a.example/x.mp4?key=secret", 0, "film: https://a.example/x.mp4?..."),
        ("https://me:secret@a.example/x.mp4", 0, "https://a.example/x.mp4"),
        ("https://a.example/x.mp4#secret and on", 0, "https://a.example/x.mp4?... and on"),
        ("{ a: https://a.example/x?key=secret, b: 1 }", 40, "{ a: https://a.example/x?........... b: 1 }"),
        ("https://a.example/x.mp4", 0, "https://a.example/x.mp4"),
        ("is it? yes", 0, "is it? yes"),
    ],
)
def test_a_link_is_shown_without_what_may_be_a_key(said, before, kept) -> None:
    """Under any name; what stands behind it keeps its place."""
    assert shown(said, before) == kept
    assert not before or len(kept) == len(said)
