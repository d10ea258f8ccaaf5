"""From a run folder to a weights file, its card, and ONNX."""
