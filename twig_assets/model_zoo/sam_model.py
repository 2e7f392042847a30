"""The architecture of the embedded segmenter: Segment Anything (Kirillov et al. 2023) at 64 px."""

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer


class SamShape(BaseModel):
    """What `build_sam` needs to know; it is saved as `config.json` beside the weights.

    Attributes:
        image_size: Long side, in pixels, that SamPredictor resizes an image to.
        patch_size: Side of an image token; masks are predicted at four times the token grid.
        encoder_dim: Width of the image encoder.
        encoder_depth: Blocks of the image encoder.
        encoder_heads: Attention heads of the image encoder; must divide its width.
        prompt_dim: Width of prompts, image embedding and mask decoder.
        decoder_heads: Attention heads of the mask decoder.
        decoder_mlp: Hidden width of the mask decoder's blocks.
        mask_channels: Channels in which a mask prompt is read.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    image_size: int = Field(64, gt=0)
    patch_size: int = Field(4, gt=0)
    encoder_dim: int = Field(160, gt=0, multiple_of=4)
    encoder_depth: int = Field(5, gt=0)
    encoder_heads: int = Field(5, gt=0)
    prompt_dim: int = Field(64, gt=0, multiple_of=8)
    decoder_heads: int = Field(4, gt=0)
    decoder_mlp: int = Field(256, gt=0)
    mask_channels: int = Field(16, gt=0, multiple_of=4)

    @model_validator(mode="after")
    def _divisible(self) -> "SamShape":
        whole = (
            ("image_size", self.image_size, "patch_size", self.patch_size),
            ("encoder_dim", self.encoder_dim, "encoder_heads", self.encoder_heads),
            # The decoder's cross-attention works at half its width.
            ("prompt_dim / 2", self.prompt_dim // 2, "decoder_heads", self.decoder_heads),
        )
        for name, value, part_name, part in whole:
            if value % part:
                raise ValueError(f"{name} ({value}) must be a multiple of {part_name} ({part})")
        return self


def build_sam(shape: SamShape | None = None) -> Sam:
    """An untrained Sam that SamPredictor and SamAutomaticMaskGenerator take as it is."""
    shape = shape or SamShape()
    grid = shape.image_size // shape.patch_size
    encoder = ImageEncoderViT(
        img_size=shape.image_size,
        patch_size=shape.patch_size,
        embed_dim=shape.encoder_dim,
        depth=shape.encoder_depth,
        num_heads=shape.encoder_heads,
        out_chans=shape.prompt_dim,
    )
    # The library starts all places at zero; waves let attention tell places apart from the first step.
    with torch.no_grad():
        encoder.pos_embed.copy_(_waves(grid, shape.encoder_dim))
    prompts = PromptEncoder(
        embed_dim=shape.prompt_dim,
        image_embedding_size=(grid, grid),
        input_image_size=(shape.image_size, shape.image_size),
        mask_in_chans=shape.mask_channels,
    )
    decoder = MaskDecoder(
        transformer_dim=shape.prompt_dim,
        transformer=TwoWayTransformer(
            depth=2, embedding_dim=shape.prompt_dim, num_heads=shape.decoder_heads, mlp_dim=shape.decoder_mlp
        ),
        iou_head_hidden_dim=shape.prompt_dim * 2,
    )
    return Sam(encoder, prompts, decoder)


def _waves(grid: int, width: int) -> torch.Tensor:
    """Sine and cosine of both coordinates at rising frequencies: float (1, grid, grid, width), 4 | width."""
    rates = torch.exp(torch.linspace(0, -4, width // 4))
    angles = torch.arange(grid).float()[:, None] * rates
    line = torch.cat([angles.sin(), angles.cos()], dim=1)
    rows, columns = line[:, None].expand(-1, grid, -1), line[None].expand(grid, -1, -1)
    return 0.5 * torch.cat([rows, columns], dim=-1)[None]
