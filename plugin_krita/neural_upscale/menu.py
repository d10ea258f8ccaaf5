"""The two menu entries: names and texts as in the `.action` file, with which Krita lets the user set shortcuts."""

MENU = "tools/scripts"
ASK = "neural_upscale_x2", "Neural Upscale x2…"
REPEAT = "neural_upscale_x2_repeat", "Neural Upscale x2 (repeat)"
