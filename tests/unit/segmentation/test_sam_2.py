"""SAM 2 as a segmenter: opened from a folder, checked by its small files, and asked as transformers itself asks it."""

import json

import numpy as np
import pytest
import torch
from transformers import Sam2Config, Sam2ImageProcessor, Sam2Model, Sam2Processor

from twig_assets.campaign.campaign import SegmenterChoice
from twig_assets.model_zoo.loading import ModelError
from twig_assets.segmentation import SegmentationSettings, load_segmenter, segment, segment_at
from twig_assets.segmentation.predictor import predictor_of
from twig_assets.segmentation.segmenter import check_segmenter

SIDE, SIZE = 64, (40, 56)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A SAM 2 of one block a stage with random weights, as `save_pretrained` writes it."""
    torch.manual_seed(5)
    backbone = {
        "model_type": "sam2_hiera_det_model",
        "image_size": [SIDE, SIDE],
        "hidden_size": 8,
        "window_positional_embedding_background_size": [4, 4],
        "blocks_per_stage": [1, 1, 2, 1],
        "embed_dim_per_stage": [8, 16, 32, 64],
        "num_attention_heads_per_stage": [1, 1, 2, 2],
        "window_size_per_stage": [4, 4, 2, 2],
        "global_attention_blocks": [3],
    }
    config = Sam2Config(
        vision_config={
            "model_type": "sam2_vision_model",
            "backbone_config": backbone,
            "backbone_channel_list": [64, 32, 16, 8],
            "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
            "fpn_hidden_size": 32,
        },
        prompt_encoder_config={"hidden_size": 32, "image_size": SIDE, "patch_size": 16},
        mask_decoder_config={
            "hidden_size": 32,
            "mlp_dim": 32,
            "num_attention_heads": 2,
            "iou_head_hidden_dim": 16,
        },
    )
    path = tmp_path_factory.mktemp("sam2")
    Sam2Model(config).eval().save_pretrained(path)
    processor = Sam2ImageProcessor(size={"height": SIDE, "width": SIDE}, mask_size={"height": 16, "width": 16})
    Sam2Processor(processor, target_size=SIDE).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def image():
    y, x = np.ogrid[-1 : 1 : SIZE[0] * 1j, -1 : 1 : SIZE[1] * 1j]
    return np.where((x**2 + y**2 < 0.3)[..., None], (200, 80, 40), (60, 120, 200)).astype(np.uint8)


def as_transformers_asks(folder, image, **prompt):
    """Masks, bool (n, 3, H, W), and their IoU, (n, 3), by the library's own processor and forward pass."""
    processor, model = Sam2Processor.from_pretrained(folder), Sam2Model.from_pretrained(folder).eval()
    inputs = processor(images=image, return_tensors="pt", **prompt)
    with torch.no_grad():
        given = model(**{name: value for name, value in inputs.items() if name != "original_sizes"})
    masks = processor.post_process_masks(given.pred_masks, inputs["original_sizes"])[0]
    return masks.numpy(), given.iou_scores[0].numpy()


@torch.no_grad()
def test_points_are_answered_as_transformers_answers_them(folder, image):
    points = np.array([[10.0, 12.0], [30.0, 20.0], [50.0, 39.0]])
    masks, iou = as_transformers_asks(
        folder, image, input_points=[[[list(point)] for point in points.tolist()]], input_labels=[[[1], [1], [1]]]
    )
    predictor = predictor_of(load_segmenter("sam2", folder), SIZE)
    predictor.look_at(image)
    logits, rated = predictor.answers(predictor.embedded_points(points))
    np.testing.assert_allclose(rated.numpy(), iou.ravel(), atol=1e-5)
    np.testing.assert_array_equal((predictor.at_size(logits) > 0).numpy(), masks.reshape(-1, *SIZE))


@torch.no_grad()
def test_a_box_and_a_point_are_answered_as_transformers_answers_them(folder, image):
    masks, iou = as_transformers_asks(
        folder, image, input_boxes=[[[8.0, 6.0, 40.0, 30.0]]], input_points=[[[[20.0, 18.0]]]], input_labels=[[[1]]]
    )
    predictor = predictor_of(load_segmenter("sam2", folder), SIZE)
    predictor.look_at(image)
    ours, rated = predictor.pointed_at({"box": np.array([8, 6, 40, 30]), "point_coords": np.array([[20, 18]])})
    np.testing.assert_allclose(rated, iou[0], atol=1e-5)
    np.testing.assert_array_equal(ours, masks[0])


def test_images_are_segmented_alike_whatever_is_segmented_with_them(folder, image):
    sam = load_segmenter("sam2", folder)
    settings = SegmentationSettings(points_per_side=3, pred_iou_thresh=0, stability_score_thresh=0)
    images = np.stack([image, image[::-1], 255 - image])
    together, alone = segment(images, sam, settings), segment(images[1:2], sam, settings)[0]
    assert together[1].soft_mask.tobytes() == alone.soft_mask.tobytes()
    assert [mask.score for mask in together[1].ranked] == [mask.score for mask in alone.ranked]
    assert sum(len(each.ranked) for each in together) > 0
    pointed = segment_at(images[:1], sam, points=[(28, 20)], settings=settings)[0]
    assert pointed.mask.shape == SIZE


def test_it_is_checked_without_its_weights(folder, tmp_path):
    check_segmenter("sam2", folder)
    for file in folder.glob("*.json"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(ModelError, match="no safetensors weights"):
        check_segmenter("sam2", tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"model_type": "clip"}))
    with pytest.raises(ModelError, match="is a 'clip'"):
        check_segmenter("sam2", tmp_path)


def test_what_is_not_there_and_what_has_no_processor_is_refused(folder, tmp_path):
    with pytest.raises(ModelError, match="needs a checkpoint"):
        load_segmenter("sam2")
    with pytest.raises(ModelError, match="which has no revisions"):
        load_segmenter("sam2", folder, revision="main")
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    with pytest.raises(ModelError, match="processor"):
        check_segmenter("sam2", tmp_path)


def test_a_campaign_names_it_by_folder_or_hub_id():
    chosen = SegmenterChoice(kind="sam2", checkpoint="facebook/sam2.1-hiera-tiny", revision="main")
    assert str(chosen.checkpoint) == "facebook/sam2.1-hiera-tiny"
    assert "revision" not in SegmenterChoice(kind="vit_b", checkpoint="b.pth").model_dump()
    with pytest.raises(ValueError, match="no revisions"):
        SegmenterChoice(kind="vit_b", checkpoint="b.pth", revision="main")
