import json

import pytest

from twig_assets import cli
from twig_assets.ablation import ConceptEdit, Evaluation, judged
from twig_assets.ablation.remove_concept import RequestError, ablation_request


def twig(monkeypatch, tmp_path, *arguments):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["twig", "ablate", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


@pytest.fixture
def small(monkeypatch):
    """A few images only, and few steps; which limits hold is the test's own matter."""
    from twig_assets.ablation import remove_concept as module
    from twig_assets.generation import GenerationSettings
    from twig_assets.settings.evaluation import EvaluationSettings

    few = EvaluationSettings(
        samples=2, surrounding_samples=1, variants=1, adversarial_samples=0, unrelated=("a rocket",), resamples=20
    )
    asked = module.ablation_request

    def request(concept, settings):
        return asked(concept, {"method": "closed_form", **settings, "evaluation": few.model_dump()})

    monkeypatch.setattr(module, "ablation_request", request)
    monkeypatch.setattr(module, "GenerationSettings", lambda: GenerationSettings(steps=4))


def test_the_edit_is_written_with_its_evaluation_and_the_exit_status_is_the_gates(monkeypatch, tmp_path, small, capsys):
    (tmp_path / "unicorn.training" / "abandoned").mkdir(parents=True)
    folders = []
    made = judged.ablate
    monkeypatch.setattr(judged, "ablate", lambda *args, **more: folders.append(more["folder"]) or made(*args, **more))
    code = twig(monkeypatch, tmp_path, "unicorn", "--anchor", "horse face", "--preserve", "cow face", "--json")
    printed = capsys.readouterr()
    evaluation = Evaluation.model_validate(json.loads(printed.out))
    edit = ConceptEdit.load(tmp_path / "unicorn.safetensors")
    assert edit.concepts[0].preserve == ("cow face",)
    assert Evaluation.model_validate(edit.evaluation).summary() == evaluation.summary()
    assert (tmp_path / "unicorn.png").exists()
    assert [folder.parent.name for folder in folders] == ["unicorn.training"]
    assert not (tmp_path / "unicorn.training").exists()
    assert code == (0 if evaluation.accepted else 1)
    assert all(why in " ".join(printed.err.split()) for why in evaluation.refusals)


@pytest.mark.parametrize(
    ("concept", "settings", "says"),
    [
        ({"anchor": ""}, {}, "--anchor: is empty"),
        ({"anchor": "Cat"}, {}, "is the target itself"),
        ({"kind": "person"}, {}, "--kind"),
        ({}, {"method": "magic"}, "--method"),
    ],
)
def test_what_cannot_be_removed_is_refused_by_field(concept, settings, says):
    asked = {"name": "cat", "target": "cat", "anchor": "dog", "kind": "object"}
    with pytest.raises(RequestError, match=says):
        ablation_request({**asked, **concept}, settings)


def test_a_refusal_of_the_command_is_one_message(monkeypatch, tmp_path, capsys):
    assert twig(monkeypatch, tmp_path, "unicorn", "--anchor", "unicorn") == 2
    assert "is the target itself" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
