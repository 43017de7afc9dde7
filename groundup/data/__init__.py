"""Floor 4: sources to documents to token shards to batches.

Each source says where it comes from, its hash and its licence. Shards are memory-mapped files of uint16 or
uint32 with document offsets. A batch is a pure function of (seed, step, rank), so a resumed run needs no
loader state.
"""
