"""From scores to a verdict: the policy, its thresholds, and proposing them from examples."""
