"""What a model is asked: the prompt input, its budget, and the published prompt formats."""
