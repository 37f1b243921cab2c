"""Models and tokenizers: where they come from, how they are written."""
