"""Our contracts' ABIs, as compiled (one JSON file each), and the codec that encodes and decodes by an ABI."""
