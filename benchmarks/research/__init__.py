"""What the weights of the fused decision are chosen and trained on."""
