"""The asset that removes a concept: training that goes on where it stopped, and what is on record of an edit."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from mlflow import MlflowClient
from sqlalchemy import select

from tests.integration.conftest import CAMPAIGN, CONCEPTS, CampaignWorkspace
from twig_assets import ablation
from twig_assets.ablation import ConceptEdit as Edit
from twig_assets.ablation import ConceptTarget, Gate, ablate
from twig_assets.ablation.methods.fine_tuning import Tuner
from twig_assets.bench.campaigns.workspace import materialize
from twig_assets.campaign import load_campaign
from twig_assets.catalog.artifacts import needed_artifacts
from twig_assets.catalog.hashing import sha256_of
from twig_assets.catalog.models import ConceptEdit, Model
from twig_assets.catalog.store import ArtifactStore
from twig_assets.definitions import build_defs

PARTITION = "tiny.pouting-cat"
MODEL = "tiny.pouting-cat"
STEPS = 4
SMALL = {"steps": STEPS, "batch_size": 1, "anchor_images": 2, "checkpoint_every": 1}
TUNED = {"method": "model_based", "tuning": SMALL}
LENIENT = dict.fromkeys(["max_target_share", "max_surrounding_drop", "max_unrelated_drop"])

Made = Callable[..., dg.ExecuteInProcessResult]


def write(workspace: CampaignWorkspace, gate: dict[str, Any], **ablation: Any) -> None:
    workspace.write("campaign.yaml", {**CAMPAIGN, "ablation": {**CAMPAIGN["ablation"], "gate": gate, **ablation}})


@contextmanager
def making(workspace: CampaignWorkspace) -> Iterator[Made]:
    """Makes one of the campaign's assets in this process; the concepts are there already."""
    from twig_assets.resources import CampaignsResource

    with workspace.instance() as instance:
        defs = build_defs(resources={"campaigns": CampaignsResource(root=str(workspace.root))})
        materialize((instance, defs), ["protected_concepts"], "tiny")
        yield lambda name, partition=PARTITION: materialize((instance, defs), [name], partition)


def metadata_of(result: dg.ExecuteInProcessResult, asset: str = "ablated_models") -> dict[str, Any]:
    (event,) = result.asset_materializations_for_node(asset)
    return {name: entry.value for name, entry in event.metadata.items()}


def test_an_interrupted_fine_tuning_goes_on_to_the_same_edit_and_its_record_is_whole(
    workspace: CampaignWorkspace, pipeline: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(workspace, LENIENT, **TUNED)
    trainings = workspace.home / "trainings"
    step = Tuner.train_step
    done: list[int] = []

    def fails_at(number: int) -> Callable[[Tuner], float]:
        def train_step(self: Tuner) -> float:
            if self.step + 1 == number:
                raise RuntimeError("the power failed")
            done.append(self.step + 1)
            return step(self)

        return train_step

    with making(workspace) as make:
        monkeypatch.setattr(Tuner, "train_step", fails_at(3))
        with pytest.raises(RuntimeError, match="the power failed"):
            make("ablated_models")
        assert [file.name for file in sorted(trainings.glob(f"{PARTITION}/*/*"))] == [
            "anchors.safetensors",
            "training.safetensors",
        ]
        monkeypatch.setattr(Tuner, "train_step", fails_at(STEPS + 1))
        shown = metadata_of(make("ablated_models"))
    assert done == [1, 2, 3, 4], "no step was done twice"
    assert not list(trainings.iterdir())

    losses: list[float] = []
    settings = load_campaign("tiny", workspace.root).ablation
    through = ablate(pipeline, ConceptTarget(**CONCEPTS[0]), settings, on_step=lambda _, loss: losses.append(loss))
    with workspace.catalog() as session:
        kept = session.scalars(select(ConceptEdit)).one()
        assert kept.weights_sha256 == hashlib.sha256(through.to_bytes()).hexdigest()

    client = MlflowClient(f"sqlite:///{workspace.home / 'mlflow.db'}")
    run = client.get_run(str(shown["mlflow"]).split()[1])
    curve = client.get_metric_history(run.info.run_id, "loss")
    assert [(point.step, point.value) for point in curve] == list(enumerate(losses, 1))
    assert run.data.metrics["target_share"] == shown["target_share"]
    assert [file.path for file in client.list_artifacts(run.info.run_id) if file.path.endswith(".png")]
    version = client.get_model_version_by_alias(MODEL, "accepted")
    assert version.run_id == run.info.run_id
    assert "data:image" in shown["before and after"]
    assert "95 % interval" in shown["summary"]


def test_a_refused_edit_is_registered_without_the_alias_and_its_check_names_the_figure(
    workspace: CampaignWorkspace,
) -> None:
    write(workspace, {**LENIENT, "max_surrounding_drop": -1})
    with making(workspace) as make:
        result = make("ablated_models")
        (check,) = result.get_asset_check_evaluations()
    shown = metadata_of(result)
    assert not check.passed
    assert str(check.description).startswith("refused: surrounding_drop is ")
    assert "allowed is -1" in shown["refused"]
    client = MlflowClient(f"sqlite:///{workspace.home / 'mlflow.db'}")
    (version,) = client.search_model_versions(f"name = '{MODEL}'")
    assert version.tags["accepted"] == "false"
    assert not version.aliases


def test_fine_tuned_edits_serve_only_if_the_gate_accepts_them_together(
    workspace: CampaignWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(workspace, LENIENT, **{**TUNED, "tuning": {**SMALL, "steps": 1}})
    workspace.write("concepts.yaml", [*CONCEPTS, {"target": "unicorn", "anchor": "horse face", "kind": "object"}])
    judge = ablation.evaluate
    judged: list[int] = []

    def counted(pipeline: Any, edit: Any, *more: Any, **options: Any) -> Any:
        judged.append(len(edit.parts))
        return judge(pipeline, edit, *more, **options)

    with making(workspace) as make:
        for name in ("pouting-cat", "unicorn"):
            make("ablated_models", f"tiny.{name}")
        strict = Gate(max_surrounding_drop=-1)
        monkeypatch.setattr(ablation, "evaluate", lambda *these, **named: judge(*these, **named, gate=strict))
        with pytest.raises(dg.Failure, match="each edit was accepted, all together are refused: .*surrounding_drop is"):
            make("composed_model", "tiny")
        with workspace.catalog() as session:
            assert session.scalars(select(Model)).all() == [], "what is refused serves nothing"
        monkeypatch.setattr(ablation, "evaluate", counted)
        shown = metadata_of(make("composed_model", "tiny"), "composed_model")
        make("composed_model", "tiny")
    assert judged == [2], "what was judged once is not judged again"
    assert "surrounding drop" in shown["together"]


def test_text_encoders_are_distilled_together_once(
    workspace: CampaignWorkspace,
) -> None:
    few = {"steps": 2, "batch_size": 4, "learning_rate": 1e-4}
    write(workspace, LENIENT, method="fast", distillation=few)
    workspace.write("concepts.yaml", [*CONCEPTS, {"target": "unicorn", "anchor": "horse face", "kind": "object"}])
    with making(workspace) as make:
        for name in ("pouting-cat", "unicorn"):
            make("ablated_models", f"tiny.{name}")
        shown = metadata_of(make("composed_model", "tiny"), "composed_model")
        again = metadata_of(make("composed_model", "tiny"), "composed_model")
        store = ArtifactStore(str(workspace.home / "artifacts"))
        with workspace.catalog() as session:
            lost = store.path(str(session.scalars(select(Model)).one().joint_sha256), "safetensors")
        Path(str(lost)).unlink()
        remade = metadata_of(make("composed_model", "tiny"), "composed_model")
    with workspace.catalog() as session:
        (model,) = session.scalars(select(Model)).all()
        singles = sorted(edit.weights_sha256 for edit in session.scalars(select(ConceptEdit)))
        assert model.edits == singles
        assert model.joint_sha256 not in {None, *singles}
        assert model.applied == [model.joint_sha256]
        assert model.sha256 == sha256_of(model.content) == shown["sha256"] == again["sha256"] == remade["sha256"]
        needed = {artifact.sha256 for artifact in needed_artifacts(session)}
        joint = Edit.from_bytes(store.read(str(model.joint_sha256), "safetensors"))
    assert model.joint_sha256 in needed
    assert [concept.name for concept in joint.concepts] == ["pouting-cat", "unicorn"]
    assert "together" in shown
    assert "together" not in again
    assert "together" in remade, "its file was lost"
    client = MlflowClient(f"sqlite:///{workspace.home / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("twig-assets/tiny/ablation")
    recorded = [run.data for run in client.search_runs([experiment.experiment_id])]
    together, _ = [data for data in recorded if data.params["concept"] == "pouting-cat, unicorn"]
    assert "surrounding_drop" in together.metrics
    assert shown["mlflow"]
