"""A language program on the chip: places in its memories, the words of its sequencer, its clocks."""
