"""Rebuild the art pack from the npm packages it comes from.

Only needed to change the pack: the result is committed under `art/`. Run
`python -m twig_assets.model_zoo.training.build_art`
with npm and the extra `zoo` installed; the packages are pinned below and in MODEL_CARD.md.
"""

import argparse
import io
import json
import subprocess
import tempfile
from pathlib import Path

from PIL import Image

from twig_assets.model_zoo import planted
from twig_assets.model_zoo.art import ART_DIR, SIDE, STYLES, concept_names, sprites

PACKAGES = {
    "emoji-datasource-twitter": "16.0.0",
    "emoji-datasource-google": "16.0.0",
    "@lobehub/fluent-emoji-3d": "1.1.0",
    "@iconify-json/fluent-emoji-high-contrast": "1.2.6",
    "emojibase-data": "17.0.0",
}
SHEET_COLUMNS = 16


class EmojiSource:
    """Reads one emoji by its English name from the unpacked npm packages, in any of the four styles."""

    def __init__(self, node_modules: Path) -> None:
        self._root = node_modules
        labels = json.loads((node_modules / "emojibase-data/en/data.json").read_text())
        self._code = {e["label"]: _plain(e["hexcode"]) for e in labels}
        self._files = {
            "twemoji": _by_code(node_modules / "emoji-datasource-twitter/img/twitter/64"),
            "noto": _by_code(node_modules / "emoji-datasource-google/img/google/64"),
            "fluent": _by_code(node_modules / "@lobehub/fluent-emoji-3d/assets"),
        }
        glyphs = node_modules / "@iconify-json/fluent-emoji-high-contrast"
        chars = json.loads((glyphs / "chars.json").read_text())
        self._glyph_name = {_plain(code): name for code, name in chars.items()}
        self._glyphs = json.loads((glyphs / "icons.json").read_text())["icons"]

    def sprite(self, name: str, style: str) -> Image.Image:
        """The drawing, cropped to what is painted and fitted into a SIDE x SIDE transparent square.

        Raises:
            KeyError: If the packages do not have that emoji in that style.
        """
        code = self._code[name]
        if style == "glyph":
            picture = self._rasterise(self._glyph_name[code])
        else:
            picture = Image.open(self._files[style][code]).convert("RGBA")
        picture = picture.crop(picture.getchannel("A").point(lambda a: 255 * (a > 8)).getbbox())
        scale = SIDE / max(picture.size)
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        picture = picture.convert("RGBa").resize(size, Image.Resampling.LANCZOS).convert("RGBA")
        square = Image.new("RGBA", (SIDE, SIDE))
        square.paste(picture, ((SIDE - size[0]) // 2, (SIDE - size[1]) // 2))
        return square

    def _rasterise(self, name: str) -> Image.Image:
        import resvg_py

        body = self._glyphs[name]["body"].replace("currentColor", "#1c1c1c")
        svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" width="256" height="256">{body}</svg>'
        png = bytes(resvg_py.svg_to_bytes(svg_string=svg))
        return Image.open(io.BytesIO(png)).convert("RGBA")


def _plain(code: str) -> str:
    return "-".join(part for part in code.lower().split("-") if part != "fe0f")


def _by_code(folder: Path) -> dict[str, Path]:
    return {_plain(path.stem): path for path in folder.iterdir()}


def build(node_modules: Path, out: Path) -> None:
    """Write one lossless sprite sheet per style and the planted pictures."""
    source = EmojiSource(node_modules)
    names = concept_names()
    rows = -(-len(names) // SHEET_COLUMNS)
    for style in STYLES:
        sheet = Image.new("RGBA", (SHEET_COLUMNS * SIDE, rows * SIDE))
        for i, name in enumerate(names):
            sheet.paste(source.sprite(name, style), ((i % SHEET_COLUMNS) * SIDE, (i // SHEET_COLUMNS) * SIDE))
        sheet.save(out / f"{style}.webp", lossless=True, quality=100, method=6, exact=False)
    for work in planted.TITLES:
        planted.draw(work, source.sprite).save(out / f"{planted.file_stem(work, 0)}.png", optimize=True)
    for work, variant in planted.PICTURES:
        if work in planted.WITH_CONTENT:
            drawn = planted.draw(work, _packed_sprite, variant)
            drawn.save(out / f"{planted.file_stem(work, variant)}.png", optimize=True)


def _packed_sprite(name: str, style: str) -> Image.Image:
    """A drawing as it is in the pack, which is where the works with a content take theirs from."""
    return sprites()[name, style].convert("RGBA")


def main() -> None:
    """Fetch the packages, unless they are given, and build the pack."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--node-modules", type=Path, help="already unpacked packages, instead of npm install")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        modules = args.node_modules
        if modules is None:
            wanted = [f"{name}@{version}" for name, version in PACKAGES.items()]
            subprocess.run(["npm", "install", "--ignore-scripts", "--prefix", folder, *wanted], check=True)
            modules = Path(folder) / "node_modules"
        build(modules, ART_DIR)


if __name__ == "__main__":
    main()
