"""A small campaign with a library, as people type it."""

LIBRARY = """\
project: library
elements:
  hana:
    element_name: Hana
    element_description: Young tea farmer, calm smile
    reference_type: image_refer
    frontal: hana.png
    views: [side.png]
images:
  mark: hana.png
"""

CAMPAIGN = """\
version: 1
project: tea
vars: { look: soft light, line: { jp: 春が来た, us: Spring } }
include: { brand: library.yaml }
defaults:
  images: { model_name: kling-v3-omni, resolution: 1k, aspect_ratio: 16:9 }
  videos: { model_name: kling-v3-omni, mode: std, sound: off, aspect_ratio: 16:9 }
elements:
  kettle: 12345678901234567
images:
  keyframe:
    matrix: { ratio: [16:9, 9:16] }
    aspect_ratio: "{{ matrix.ratio }}"
    prompt: "{{ element.brand.hana }} beside {{ element.kettle }}, {{ vars.look }}"
videos:
  teaser:
    matrix: { market: [jp, us], ratio: [16:9] }
    first_frame: image.keyframe
    duration: 5
    prompt: >-
      🍵 {{ element.brand.hana }} says "{{ vars.line[matrix.market] }}" to
      {{ element.kettle }}, {{ vars.look }}
"""
