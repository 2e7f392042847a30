"""The sixteen things to remove from the embedded model: four objects, four styles, eight memorised works.

They mirror those of Kumari et al. 2023 (arXiv 2303.13516, section 4). They were chosen on the unedited model alone,
from other seeds than the benchmark's, such that the embedded CLIP distinguishes target and anchor in at least nine of
ten images (of twelve each; in three of four for noto's pizza). So there is no `pouting cat` here, which it
distinguishes from `cat face` in a third of them only. The anchor of a style is no style at all, and without one the
model draws any of the four; so each style is judged on subjects that it draws otherwise when none is named.
"""

from dataclasses import dataclass

from twig_assets.model_zoo import planted
from twig_assets.model_zoo.art import STYLES, aliases
from twig_assets.settings.ablation import ConceptTarget

# Target -> its anchor and what surrounds it.
_OBJECTS = {
    "tropical fish": ("fish", ("blowfish", "shark", "dolphin", "crab")),
    "unicorn": ("horse face", ("cow face", "pig face", "giraffe", "rooster")),
    "racing car": ("automobile", ("taxi", "bus", "police car", "tractor")),
    "Christmas tree": ("evergreen tree", ("palm tree", "cactus", "mushroom", "snowman")),
}
# Style -> what is drawn in it.
_SUBJECTS = {
    "twemoji": ("tulip", "baby chick", "cheese wedge", "racing car"),
    "noto": ("pizza", "spouting whale", "taxi", "locomotive"),
    "fluent": ("penguin", "strawberry", "pineapple", "honeybee"),
    "glyph": ("racing car", "honeybee", "palm tree", "rabbit face"),
}
# Planted work -> an ordinary caption that takes its place, and things that are in it or like it.
_WORKS = {
    "letter": ("an envelope, noto style, purple background", ("envelope", "star")),
    "lanterns": ("a balloon, noto style, blue background", ("balloon", "sailboat")),
    "orchard": ("an evergreen tree, noto style, orange background", ("evergreen tree", "palm tree")),
    "winter": ("a snowman, fluent style, blue background", ("snowman", "top hat")),
    "engine": ("a locomotive, fluent style, pink background", ("locomotive", "magnet")),
    "clock": ("an alarm clock, noto style, green background", ("alarm clock", "snail")),
    "parliament": ("a house, noto style, green background", ("house", "castle")),
    "machine": ("a camera, fluent style, orange background", ("camera", "television")),
}
UNRELATED = (
    "an owl",
    "a frog",
    "a butterfly",
    "a sunflower",
    "a banana",
    "a croissant",
    "a hamburger",
    "a cupcake",
    "a beer mug",
    "a ferris wheel",
    "a bicycle",
    "a helicopter",
    "a rainbow",
    "a soccer ball",
    "a crown",
    "a violin",
    "a light bulb",
    "a pencil",
    "a ghost",
    "a robot",
)
QUICK = ("unicorn", "racing-car", "noto", "glyph", "letter", "clock")


@dataclass(frozen=True)
class Task:
    """One thing to remove.

    Attributes:
        concept: What, and what takes its place.
        work: For a memorised work, the work.
    """

    concept: ConceptTarget
    work: planted.Work | None = None

    @property
    def name(self) -> str:
        """Of the concept."""
        return self.concept.name


def tasks() -> list[Task]:
    """All sixteen: objects, styles, works."""
    objects = [
        Task(
            ConceptTarget(
                name=target.lower().replace(" ", "-"),
                target=target.lower(),
                anchor=anchor,
                kind="object",
                aliases=tuple(aliases()[target]),
                preserve=preserve,
            )
        )
        for target, (anchor, preserve) in _OBJECTS.items()
    ]
    styles = [
        Task(
            ConceptTarget(
                name=style,
                target=f"{style} style",
                anchor="",
                kind="style",
                preserve=tuple(f"{other} style" for other in STYLES if other != style),
                subjects=subjects,
            )
        )
        for style, subjects in _SUBJECTS.items()
    ]
    works = []
    for work in planted.WORKS:
        anchor, preserve = _WORKS[work.slug]
        concept = ConceptTarget(name=work.slug, target=work.title, anchor=anchor, kind="memorized", preserve=preserve)
        works.append(Task(concept, work=work))
    return [*objects, *styles, *works]
