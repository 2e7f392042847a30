"""The methods that compute a concept edit, one file each; `method.py` says what a method is.

A new method is one file here and its name in `settings.ablation.Method`.
"""
