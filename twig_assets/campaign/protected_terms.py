"""The words that a campaign protects."""

from twig_assets.campaign import Campaign
from twig_assets.prompts import protected_terms, read_concepts
from twig_assets.prompts.protected import Term
from twig_assets.similarity.corpus.references import stated_titles


def terms_of(campaign: Campaign) -> list[Term]:
    """Targets and aliases of its concepts, and the titles of its references.

    Raises:
        PromptError: With every problem of its concepts.
        CorpusError: With every problem of its table of references.
    """
    concepts = read_concepts(campaign.concepts_file)
    return protected_terms(concepts, stated_titles(campaign.references_folder))
