"""Read prompts and protected concepts from the files of a campaign, and cut prompts into batches."""

from twig_assets.prompts.concept_files import ConceptRow, read_concepts
from twig_assets.prompts.prompt_files import PromptRow, batches, derived_seed, prompt_files, read_prompts
from twig_assets.prompts.protected import check_prompts, find_protected, protected_terms, rewritten
from twig_assets.prompts.records import PromptError
from twig_assets.settings.prompts import PromptCheckSettings

__all__ = [
    "ConceptRow",
    "PromptCheckSettings",
    "PromptError",
    "PromptRow",
    "batches",
    "check_prompts",
    "derived_seed",
    "find_protected",
    "prompt_files",
    "protected_terms",
    "read_concepts",
    "read_prompts",
    "rewritten",
]
