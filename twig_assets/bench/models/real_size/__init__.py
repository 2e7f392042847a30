"""Real architectures with random weights: what opening, drawing and editing them costs, and that all of it works."""
