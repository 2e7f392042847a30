"""The methods that make a concept edit."""
