"""What a file that somebody gives tries: to fill the memory, to poison figures, to reach other files, to run code."""

import io
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml
from PIL import Image

from twig_assets.ablation import ConceptEdit
from twig_assets.bench.hardening.attack import Attack, Target
from twig_assets.bench.hardening.requests import WORD
from twig_assets.campaign import load_campaign
from twig_assets.prompts import read_prompts
from twig_assets.resources import CatalogResource, NotifierResource
from twig_assets.similarity.corpus.decode import decode
from twig_assets.similarity.corpus.references import corpus_files
from twig_assets.similarity.verdicts.policy import read_policy

_NINES = 9


def attacks() -> Iterator[Attack]:
    """All of them."""
    bomb = _bomb()
    for file, read in (("campaign.yaml", _campaign), ("policy.yaml", _policy), ("prompts.yaml", _prompts)):
        name = f"aliases of aliases in {file} stand for a thousand million values"
        yield Attack(name, "files", _accepted(file, bomb, read))
    for number in (".nan", ".inf", "1e999"):
        text = f"title: A\ngeneration: {{guidance_scale: 3}}\nregeneration: {{edge_cost: {number}}}\n"
        yield Attack(f"a setting is {number}", "files", _accepted("campaign.yaml", text, _campaign), has_original=False)
    for name, text in (
        ("a title holds half a surrogate pair", 'title: "a \\ud800"\n'),
        ("a title holds a NUL", 'title: "a \\0"\n'),
        ("a title holds commands for a terminal", 'title: "a \\e[2J"\n'),
        ("settings nested a hundred thousand deep", f"title: {'[' * 100_000}"),
    ):
        yield Attack(name, "files", _accepted("campaign.yaml", text, _campaign), has_original=False)
    seed = f"- text: a cat\n  seed: {'9' * 400}\n"
    yield Attack(
        "a seed of four hundred digits", "files", _accepted("prompts.yaml", seed, _prompts), has_original=False
    )
    yield Attack("a policy of a tebibyte", "files", _huge, has_original=False)
    yield Attack("a table of works names a file outside", "files", _outside, has_original=False)
    yield Attack("a link among the works leads outside", "files", _linked, has_original=False)
    yield Attack("a picture of nine hundred million pixels", "files", _pixels, has_original=False)
    yield Attack("an edit that runs code when it is opened", "files", _pickled)
    yield Attack("a webhook's address, from the error of its server", "secrets", _webhook, has_original=False)
    yield Attack("passwords, from resources that a log shows", "secrets", _shown, has_original=False)
    for command in ("db", "doctor"):
        name = f"the catalog's password, from what `twig {command}` says"
        yield Attack(name, "secrets", _told_by(command), has_original=False)


def _bomb() -> str:
    lines = [f"a0: &a0 [{', '.join(['x'] * 10)}]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, _NINES)]
    return "\n".join(lines)


def _campaign(folder: Path) -> object:
    return load_campaign(folder.name, folder.parent)


def _policy(folder: Path) -> object:
    return read_policy(folder / "policy.yaml")


def _prompts(folder: Path) -> object:
    return read_prompts(folder)


def _accepted(file: str, text: str, read: Callable[[Path], object]) -> Callable[[Target], bool]:
    def harms(target: Target) -> bool:
        if not target.guarded:
            return _stands_for(yaml.safe_load(text)) > 10**8
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "attacked"
            folder.mkdir()
            (folder / "campaign.yaml").write_text("title: A\n", encoding="utf-8")
            (folder / file).write_text(text, encoding="utf-8")
            return not _refuses(lambda: read(folder), file)

    return harms


def _refuses(work: Callable[[], object], told: str) -> bool:
    """Whether it ends with an error of ours that tells a person where to look."""
    try:
        work()
    except ValueError as error:
        return type(error).__module__.startswith("twig_assets.") and told in str(error)
    return False


def _stands_for(value: object, known: dict[int, int] | None = None) -> int:
    """How many values something holds, what is shared counted at each place."""
    known = {} if known is None else known
    if id(value) not in known:
        parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        known[id(value)] = 1 + sum(_stands_for(part, known) for part in parts)
    return known[id(value)]


def _huge(target: Target) -> bool:
    with tempfile.TemporaryDirectory() as name:
        with (Path(name) / "policy.yaml").open("wb") as file:
            file.truncate(1 << 40)
        return not _refuses(lambda: _policy(Path(name)), "policy.yaml")


def _outside(target: Target) -> bool:
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "references.csv").write_text("file,title,rights_holder,licence\n../../etc/passwd,a,b,c\n")
        return not _refuses(lambda: corpus_files(Path(name)), "references.csv")


def _linked(target: Target) -> bool:
    with tempfile.TemporaryDirectory() as name:
        secret = Path(name) / "secret.png"
        Image.new("RGB", (64, 64), "red").save(secret)
        folder = Path(name) / "works"
        folder.mkdir()
        os.symlink(secret, folder / "a.png")
        return any(file.problem is None for file in corpus_files(folder))


def _pixels(target: Target) -> bool:
    buffer = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(buffer, format="PNG")
    return not _refuses(lambda: decode(buffer.getvalue()), "")


class _Runs:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (self.path,)


def _pickled(target: Target) -> bool:
    with tempfile.TemporaryDirectory() as name:
        made = Path(name) / "made"
        content = pickle.dumps(_Runs(str(made)))
        if target.guarded:
            _refuses(lambda: ConceptEdit.from_bytes(content), "")
        else:
            # What a loader of .bin and .pt files does without `weights_only`.
            pickle.loads(content)
        return made.exists()


def _webhook(target: Target) -> bool:
    shown = []
    for address in (f"http://127.0.0.1:9/{WORD}", f"http://127.0.0.1:9/ {WORD}", f"http://me:{WORD}@127.0.0.1:9/"):
        notifier = NotifierResource(webhook=address)
        shown.append(str(notifier.send("test", "a title", "a body", lambda _: None)))
    return WORD in "".join(shown)


def _shown(target: Target) -> bool:
    resources = (
        CatalogResource(url=f"postgresql://me:{WORD}@db/a"),
        NotifierResource(webhook=f"https://a.example/{WORD}"),
    )
    return WORD in repr(resources) + str(resources)


def _told_by(command: str) -> Callable[[Target], bool]:
    words = {"db": ["db", "check"], "doctor": ["doctor"]}[command]

    def harms(target: Target) -> bool:
        environment = {**os.environ, "TWIG_CATALOG_URL": f"postgresql+psycopg://me:{WORD}@127.0.0.1:9/twig"}
        done = subprocess.run(
            [sys.executable, "-m", "twig_assets.cli", *words], env=environment, capture_output=True, timeout=300
        )
        said = done.stdout + done.stderr
        if b"127.0.0.1" not in said:
            raise AssertionError("the command said nothing of the database")
        return WORD.encode() in said

    return harms
