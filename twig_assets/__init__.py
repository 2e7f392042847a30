"""twig-assets: text-to-image that removes protected concepts, avoids copied shapes and audits what it publishes."""
