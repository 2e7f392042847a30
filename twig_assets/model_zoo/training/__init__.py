"""How the embedded models were made; nothing here is imported when they are used."""
