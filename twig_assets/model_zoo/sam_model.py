"""The architecture of the embedded segmenter: Segment Anything (Kirillov et al. 2023) at 64 px."""

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field, model_validator
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer


class SamShape(BaseModel):
    """What `build_sam` needs to know; it is saved as `config.json` beside the weights.

    Attributes:
        image_size: Long side, in pixels, that SamPredictor resizes an image to.
        patch_size: Side of an image token, a power of two; masks are predicted at four times the token grid.
        stem_blocks: Residual convolutions, at the token grid, before the first attention block. A transformer alone
            learns far more slowly from so few pictures.
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
    stem_blocks: int = Field(2, ge=0)
    encoder_dim: int = Field(160, gt=0, multiple_of=8)
    encoder_depth: int = Field(3, gt=0)
    encoder_heads: int = Field(5, gt=0)
    prompt_dim: int = Field(96, gt=0, multiple_of=8)
    decoder_heads: int = Field(4, gt=0)
    decoder_mlp: int = Field(256, gt=0)
    mask_channels: int = Field(16, gt=0, multiple_of=4)

    @model_validator(mode="after")
    def _divisible(self) -> "SamShape":
        if self.patch_size & (self.patch_size - 1):
            raise ValueError(f"patch_size ({self.patch_size}) must be a power of two")
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
    encoder.patch_embed = ConvStem(shape.encoder_dim, shape.patch_size, shape.stem_blocks)
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


class ConvStem(torch.nn.Module):
    """Convolutions in place of the patch projection (Xiao et al. 2021, arXiv 2106.14881).

    Args:
        width: Channels of a token.
        patch_size: Side of a token in pixels, a power of two; the picture is halved in width that many times.
        blocks: Residual blocks at the token grid; there is one more at every size on the way to it.
    """

    def __init__(self, width: int, patch_size: int, blocks: int) -> None:
        super().__init__()
        halvings = patch_size.bit_length() - 1
        widths = [max(16, width * 2 // 5 // 2**k // 8 * 8) for k in range(halvings - 1, -1, -1)] + [width]
        layers: list[torch.nn.Module] = [torch.nn.Conv2d(3, widths[0], 3, padding=1)]
        for k, (below, above) in enumerate(zip(widths[:-1], widths[1:], strict=True)):
            layers += [torch.nn.GELU(), torch.nn.Conv2d(below, above, 3, stride=2, padding=1)]
            layers += [ResidualBlock(above) for _ in range(1 if k < halvings - 1 else blocks)]
        self.layers = torch.nn.Sequential(*layers)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Float (n, 3, H, W) -> tokens (n, H / patch_size, W / patch_size, width)."""
        return self.layers(pictures).permute(0, 2, 3, 1)


class ResidualBlock(torch.nn.Module):
    """Two 3 x 3 convolutions that add to what they are given."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = torch.nn.GroupNorm(8, width)
        self.first = torch.nn.Conv2d(width, width, 3, padding=1)
        self.second = torch.nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Float (n, width, H, W), unchanged in shape."""
        return x + self.second(F.gelu(self.first(F.gelu(self.norm(x)))))


def _waves(grid: int, width: int) -> torch.Tensor:
    """Sine and cosine of both coordinates at rising frequencies: float (1, grid, grid, width), 4 | width."""
    rates = torch.exp(torch.linspace(0, -4, width // 4))
    angles = torch.arange(grid).float()[:, None] * rates
    line = torch.cat([angles.sin(), angles.cos()], dim=1)
    rows, columns = line[:, None].expand(-1, grid, -1), line[None].expand(grid, -1, -1)
    return 0.5 * torch.cat([rows, columns], dim=-1)[None]
