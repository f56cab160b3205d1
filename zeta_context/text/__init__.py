"""Pure text algebra: positions, immutable snapshots, diffs, patches and edits."""
