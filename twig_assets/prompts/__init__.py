"""Read prompts and protected concepts from the files of a campaign, and cut prompts into batches."""

from twig_assets.prompts.batches import batches
from twig_assets.prompts.concept_files import ConceptRow, read_concepts
from twig_assets.prompts.problems import PromptError
from twig_assets.prompts.prompt_files import PromptRow, derived_seed, read_prompts

__all__ = ["ConceptRow", "PromptError", "PromptRow", "batches", "derived_seed", "read_concepts", "read_prompts"]
