"""Claims that need an accelerator."""
