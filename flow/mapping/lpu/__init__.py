"""A language program on the chip: places in memories, words of the sequencer, clocks."""
