import pytest
import torch
from segment_anything.modeling import MaskDecoder, TwoWayTransformer

from twig_assets.segmentation.mask_decoder import decode


@pytest.mark.parametrize(
    ("width", "heads", "rate", "grid"), [(32, 4, 2, (4, 4)), (64, 8, 2, (3, 5)), (24, 1, 1, (2, 2))]
)
@torch.no_grad()
def test_masks_and_ratings_are_those_of_the_package(width, heads, rate, grid):
    torch.manual_seed(width)
    transformer = TwoWayTransformer(
        depth=2, embedding_dim=width, num_heads=heads, mlp_dim=40, attention_downsample_rate=rate
    )
    decoder = MaskDecoder(transformer_dim=width, transformer=transformer, iou_head_hidden_dim=16).double()
    for weights in decoder.parameters():
        weights += 0.2 * torch.randn_like(weights)
    image, dense, positions = (torch.randn(1, width, *grid, dtype=torch.double) for _ in range(3))
    prompts = torch.randn(5, 2, width, dtype=torch.double)
    expected = decoder(
        image_embeddings=image,
        image_pe=positions,
        sparse_prompt_embeddings=prompts,
        dense_prompt_embeddings=dense.expand(5, -1, -1, -1),
        multimask_output=True,
    )
    for ours, theirs in zip(decode(decoder, (image + dense)[0], positions[0], prompts), expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)
