"""For whom an edit is written as a LoRA."""

from typing import Literal

# Who reads the file: diffusers; kohya's sd-scripts, and with it A1111 and Forge; ComfyUI.
LoraForm = Literal["diffusers", "kohya", "comfyui"]
