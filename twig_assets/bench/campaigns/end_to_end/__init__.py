"""The benchmark `campaign` in parts: what is asked, what is protected, what came of it, the bars and the sheet."""
