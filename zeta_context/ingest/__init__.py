"""The collection server: takes batches, keeps them durably once, deletes them with a proof."""
