"""What marks cost and what they are good for: watermark, credential and fingerprint of releases."""
